require_relative "boot"
require "rails/all"
Bundler.require(*Rails.groups)

module Shop
  class Application < Rails::Application
    config.load_defaults 6.1
    config.i18n.available_locales = [:en, :de]
    config.i18n.fallbacks = [:en]
    config.time_zone = ENV.fetch("SHOP_ZONE", "UTC")
    config.active_job.queue_adapter = :inline
    config.action_mailer.delivery_method = :file
    config.action_mailer.file_settings = { location: "/data/mails" }
    config.active_storage.service = :local
    config.exceptions_app = nil
  end
end
