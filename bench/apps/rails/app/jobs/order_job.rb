class OrderJob < ActiveJob::Base
  def perform(email, fruit)
    ShopMailer.ordered(email, Fruit.find_by!(name: fruit)).deliver_now
  end
end
