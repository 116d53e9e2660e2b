module FruitsHelper
  def ripeness(fruit)
    fruit.ripe_on ? "ripe #{distance_of_time_in_words(Date.new(2024, 1, 1), fruit.ripe_on)} after new year" : "unripe"
  end
end
