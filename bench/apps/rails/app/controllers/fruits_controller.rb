require "csv"

class FruitsController < ApplicationController
  before_action(only: %i[show edit update destroy label picture thumb]) { @fruit = Fruit.find(params[:id]) }
  skip_before_action :verify_authenticity_token, if: -> { request.format.json? }

  def index
    @fruits = Fruit.search(params[:q]).order(:name)
    respond_to do |format|
      format.html
      format.json
      format.xml
      format.csv { send_data CSV.generate { |csv| csv << %w[name price]; @fruits.each { |f| csv << [f.name, f.price] } }, filename: "fruits.csv" }
      format.atom
    end
  end

  def show; end

  def new
    @fruit = Fruit.new
  end

  def create
    @fruit = Fruit.new(fruit_params)
    if @fruit.save
      respond_to do |format|
        format.html { redirect_to @fruit, notice: "saved" }
        format.json { render json: @fruit, status: :created }
      end
    else
      respond_to do |format|
        format.html { render :new, status: :unprocessable_entity }
        format.json { render json: @fruit.errors.full_messages, status: :unprocessable_entity }
      end
    end
  end

  def destroy
    @fruit.destroy!
    redirect_to fruits_path
  end

  def label
    picture = MiniMagick::Tool::Convert.new do |convert|
      convert.size "120x40"
      convert.xc "white"
      convert.merge! ["-draw", "rectangle 10,10 60,30"]
      convert << "#{params[:type] || "png"}:-"
    end
    send_data picture, type: "image/#{params[:type] || "png"}", disposition: "inline"
  end

  def picture
    @fruit.picture.attach(params.require(:file))
    render plain: @fruit.picture.filename
  end

  def thumb
    image = MiniMagick::Image.read(@fruit.picture.download)
    image.resize "40x40"
    image.format params[:type] || "png"
    send_data image.to_blob, type: image.mime_type, disposition: "inline"
  end

  private

  def fruit_params
    params.require(:fruit).permit(:name, :price, :ripe_on)
  end
end
