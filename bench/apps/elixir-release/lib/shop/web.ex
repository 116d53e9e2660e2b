defmodule Shop.Web do
  require Logger
  require Record
  Record.defrecord(:mod, Record.extract(:mod, from_lib: "inets/include/httpd.hrl"))

  def unquote(:do)(request) do
    path = mod(request, :request_uri) |> to_string()
    body = mod(request, :entity_body) |> to_string()
    {status, text} =
      try do
        answer(mod(request, :method), String.split(path, "/", trim: true), body)
      rescue
        e ->
          Logger.error(Exception.format(:error, e, __STACKTRACE__), path: path)
          {500, "broken: " <> Exception.message(e)}
      end
    text = to_string(text)
    {:proceed, [response: {:response, [code: status, content_length: Integer.to_charlist(byte_size(text)), content_type: 'text/html; charset=utf-8'], [text]}]}
  end

  defp answer('GET', ["health"], _), do: {200, "fine #{Application.fetch_env!(:shop, :currency)}"}
  defp answer('POST', ["fruit", name], body) do
    {:atomic, :ok} = Shop.Store.put(name, body |> Float.parse() |> elem(0))
    {201, "kept"}
  end
  defp answer('GET', ["count"], _), do: {200, "#{Shop.Counter.next()}"}
  defp answer('GET', ["tool", name, argument], _), do: {200, apply(Shop.Tools, String.to_existing_atom(name), [argument])}
  defp answer(_, _, _), do: {404, "nothing here"}
end
