class ShopMailer < ActionMailer::Base
  default from: "shop@shop.test"
  layout false

  def ordered(email, fruit)
    @fruit = fruit
    attachments["list.csv"] = "name,price\n#{fruit.name},#{fruit.price}\n"
    mail to: email, subject: "Früchte bestellt"
  end
end
