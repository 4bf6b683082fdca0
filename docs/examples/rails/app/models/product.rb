# frozen_string_literal: true

# Something to buy; its price is in cents.
class Product < ActiveRecord::Base
  # Makes the table when it is not there. A larger app has migrations for that.
  def self.prepare
    connection.create_table(:products, if_not_exists: true) do |t|
      t.string :name, null: false, index: { unique: true }
      t.integer :price, null: false
    end
    insert_all([{ name: 'tea', price: 250 }, { name: 'cake', price: 390 }])
  end
end
