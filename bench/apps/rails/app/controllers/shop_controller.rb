class ShopController < ApplicationController
  include ActionController::Live
  before_action(only: :login) { authenticate_or_request_with_http_basic { |name, password| Account.find_by(name: name)&.authenticate(password) } }

  def crash
    raise "on purpose"
  end

  def about; end

  def clean
    render plain: helpers.sanitize(params[:html], tags: %w[b a], attributes: %w[href])
  end

  def login
    render plain: "in"
  end

  def zone
    render plain: Time.utc(2024, 7, 3, 12).in_time_zone(params[:name]).iso8601
  end

  def cached
    render plain: Rails.cache.fetch("now") { Process.clock_gettime(Process::CLOCK_REALTIME, :nanosecond).to_s }
  end

  def stream
    response.headers["Content-Type"] = "text/event-stream"
    sse = SSE.new(response.stream)
    2.times { |n| sse.write({ n: n }) }
  ensure
    sse.close
  end
end
