unless Fruit.exists?
  Fruit.create!(name: "plum", price: 3.5, ripe_on: "2024-08-01")
  Account.create!(name: "ann", password: "apple")
end
