defmodule Shop.Store do
  def prepare do
    File.mkdir_p!("/data/mnesia")
    :mnesia.stop()
    :mnesia.create_schema([node()])
    :ok = :mnesia.start()
    :mnesia.create_table(:fruit, attributes: [:name, :price], disc_copies: [node()], type: :ordered_set)
    :ok = :mnesia.wait_for_tables([:fruit], 10_000)
  end

  def put(name, price), do: :mnesia.transaction(fn -> :mnesia.write({:fruit, name, price}) end)
  def all, do: :mnesia.dirty_match_object({:fruit, :_, :_}) |> Enum.map(fn {_, n, p} -> {n, p} end)
  def backup(path), do: :mnesia.backup(String.to_charlist(path))
end
