json.fruits @fruits do |fruit|
  json.extract! fruit, :id, :name
  json.price fruit.price.to_s
end
