defprotocol Shop.Label do
  @fallback_to_any true
  def of(value)
end

defimpl Shop.Label, for: Integer do
  def of(n), do: "number #{n}"
end

defimpl Shop.Label, for: Any do
  def of(v), do: "thing #{inspect(v)}"
end

defmodule Shop.Tools do
  # Each is called by its name.
  def words(lang) do
    {document, _} = :xmerl_scan.file(Application.app_dir(:shop, "priv/words.xml") |> String.to_charlist())
    [text] = :xmerl_xpath.string('//word[@lang="#{lang}"]/text()', document)
    text |> elem(4) |> to_string()
  end

  def page(lang), do: EEx.eval_file(Application.app_dir(:shop, "priv/page.eex"), title: words(lang), fruit: Shop.Store.all())
  def upper(text), do: text |> URI.decode() |> String.upcase() |> String.normalize(:nfd) |> String.length() |> to_string()
  def hash(text), do: :crypto.hash(:sha3_256, text) |> Base.encode16(case: :lower) |> binary_part(0, 8)
  def seal(text) do
    key = :crypto.strong_rand_bytes(32)
    iv = :crypto.strong_rand_bytes(12)
    {sealed, tag} = :crypto.crypto_one_time_aead(:chacha20_poly1305, key, iv, text, "", true)
    :crypto.crypto_one_time_aead(:chacha20_poly1305, key, iv, sealed, "", tag, false)
  end
  def sign(text) do
    key = :public_key.generate_key({:namedCurve, :secp256r1})
    to_string(:public_key.verify(text, :sha256, :public_key.sign(text, :sha256, key), {{:ECPoint, elem(key, 4)}, {:namedCurve, :secp256r1}}))
  end
  def calc(text) do
    {out, 0} = System.cmd("sh", ["-c", "echo \"$1\" | bc", "sh", URI.decode(text)])
    String.trim(out)
  end
  def memory(_), do: to_string(:memsup.get_memory_data() |> elem(0) > 0)
  def disks(_), do: inspect(:disksup.get_disk_data() |> length() > 0)
  def load(_), do: to_string(is_integer(:cpu_sup.avg1()))
  def host(name) do
    case :inet.getaddr(String.to_charlist(name), :inet) do
      {:ok, a} -> to_string(:inet.ntoa(a))
      {:error, e} -> "error #{e}"
    end
  end
  def fetch(url) do
    case :httpc.request(:get, {String.to_charlist(URI.decode(url)), []}, [ssl: [verify: :verify_peer, cacerts: [], depth: 2], timeout: 5000], body_format: :binary) do
      {:ok, {{_, s, _}, _, b}} -> "#{s} #{b}"
      {:error, e} -> "error #{inspect(e)}"
    end
  end
  def label(text), do: Shop.Label.of(case Integer.parse(text) do {n, ""} -> n; _ -> text end)
  def date(text), do: Calendar.strftime(Date.from_iso8601!(text), "%A %d %B %Y")
  def zip(text) do
    {:ok, {_, bytes}} = :zip.create('a.zip', [{'a.txt', text}], [:memory])
    {:ok, [{_, back}]} = :zip.unzip(bytes, [:memory])
    back
  end
  def match(text), do: Regex.replace(~r/(\p{L}+)/u, URI.decode(text), "<\\1>")
  def parallel(n), do: 1..String.to_integer(n) |> Task.async_stream(&(&1 * &1)) |> Enum.map(&elem(&1, 1)) |> Enum.sum() |> to_string()
  def dets(text) do
    {:ok, t} = :dets.open_file(:tmp, file: '/tmp/tmp.dets')
    :dets.insert(t, {:a, text})
    [{:a, v}] = :dets.lookup(t, :a)
    :dets.close(t)
    v
  end
  def compile(text) do
    {v, _} = Code.eval_string(URI.decode(text))
    inspect(v)
  end
  def crash(text), do: raise(ArgumentError, "on purpose #{text}")
end
