namespace :shop do
  desc "Raise every price by a percentage"
  task :raise_prices, [:percent] => :environment do |_, args|
    Fruit.find_each { |f| f.update!(price: f.price * (1 + args.percent.to_d / 100)) }
    puts "#{Fruit.count} raised"
  end
end
