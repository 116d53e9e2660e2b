class Fruit < ApplicationRecord
  has_one_attached :picture
  scope :search, ->(text) { text.present? ? where("name LIKE ?", "%#{sanitize_sql_like(text)}%") : all }
  validates :name, presence: true, uniqueness: true
  validates :price, numericality: { greater_than: 0 }
end
