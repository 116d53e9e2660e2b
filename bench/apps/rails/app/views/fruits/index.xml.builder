xml.instruct!
xml.fruits { @fruits.each { |f| xml.fruit f.name, price: f.price } }
