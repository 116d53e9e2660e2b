import Config
config :logger, :console, format: "$time [$level] $metadata$message\n", metadata: [:path]
config :mnesia, dir: '/data/mnesia'
