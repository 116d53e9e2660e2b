class CreateFruits < ActiveRecord::Migration[6.1]
  def change
    create_table :fruits do |t|
      t.string :name, null: false, index: { unique: true }
      t.decimal :price, precision: 8, scale: 2
      t.date :ripe_on
      t.timestamps
    end
    create_table(:accounts) { |t| t.string :name; t.string :password_digest }
  end
end
