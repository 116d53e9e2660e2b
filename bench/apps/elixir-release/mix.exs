defmodule Shop.MixProject do
  use Mix.Project

  def project, do: [app: :shop, version: "1.2.3", elixir: "~> 1.14", start_permanent: true, releases: [shop: [include_executables_for: [:unix]]]]
  def application, do: [mod: {Shop, []}, extra_applications: [:logger, :inets, :ssl, :mnesia, :crypto, :xmerl, :os_mon, :runtime_tools, :eex, :sasl]]
end
