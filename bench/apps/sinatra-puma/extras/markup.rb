require 'kramdown'
require 'nokogiri'

class Shop
  module Markup
    def self.markdown(text) = Kramdown::Document.new(text).to_html
    def self.xpath(text, path) = Nokogiri::XML(text).xpath(path).text
  end
end
