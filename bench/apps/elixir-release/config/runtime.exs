import Config
config :shop, port: String.to_integer(System.get_env("PORT", "8080")), currency: System.get_env("CURRENCY", "EUR"), tls: System.get_env("TLS_DIR")
if level = System.get_env("LOG_LEVEL"), do: config(:logger, level: String.to_existing_atom(level))
