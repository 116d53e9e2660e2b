defmodule Shop do
  use Application
  require Logger

  def start(_type, _args) do
    Shop.Store.prepare()
    port = Application.fetch_env!(:shop, :port)
    common = [server_name: 'shop', server_root: '/tmp', document_root: '/tmp', modules: [Shop.Web]]
    {:ok, _} = :inets.start(:httpd, [port: port] ++ common)

    if dir = Application.get_env(:shop, :tls) do
      tls = [certfile: '#{dir}/cert.pem', keyfile: '#{dir}/key.pem']
      {:ok, _} = :inets.start(:httpd, [port: port + 1, socket_type: {:ssl, tls}] ++ common)
    end

    Logger.info("shop #{Application.spec(:shop, :vsn)} listens on #{port}")
    Supervisor.start_link([Shop.Counter, {Task.Supervisor, name: Shop.Tasks}], strategy: :one_for_one, name: Shop.Supervisor)
  end
end
