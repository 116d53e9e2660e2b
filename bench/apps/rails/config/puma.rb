threads 1, 4
workers ENV.fetch("WEB_CONCURRENCY", 0).to_i
port ENV.fetch("PORT", 3000)
if ENV["TLS_KEY"]
  ssl_bind "0.0.0.0", 3443, key: ENV["TLS_KEY"], cert: ENV["TLS_CERT"]
end
pidfile "tmp/server.pid"
state_path "tmp/puma.state"
activate_control_app "unix://tmp/pumactl.sock", no_token: true
