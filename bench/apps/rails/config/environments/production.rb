Rails.application.configure do
  config.cache_classes = true
  config.eager_load = true
  config.consider_all_requests_local = false
  config.action_controller.perform_caching = true
  config.cache_store = :file_store, "/data/cache"
  config.public_file_server.enabled = true
  config.assets.compile = false
  config.assets.js_compressor = :terser
  config.log_level = :info
  config.active_record.dump_schema_after_migration = false
  config.logger = ActiveSupport::TaggedLogging.new(ActiveSupport::Logger.new(STDOUT)) if ENV["RAILS_LOG_TO_STDOUT"]
end
