class OrdersController < ApplicationController
  skip_before_action :verify_authenticity_token

  def create
    OrderJob.perform_later(params.require(:email), params.require(:fruit))
    render plain: "ordered"
  end
end
