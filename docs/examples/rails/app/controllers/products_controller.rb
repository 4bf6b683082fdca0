# frozen_string_literal: true

# What there is to buy.
class ProductsController < ActionController::API
  def index = render(json: Product.order(:price).as_json(only: %i[name price]))
end
