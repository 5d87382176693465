class ChangeColumns < ActiveRecord::Migration[6.1]
  def up
    add_column :products, :stock, :integer, null: false, default: 3
    change_column :products, :price, :decimal, precision: 10, scale: 2
    change_column_null :products, :name, false, "nameless"
    change_column_default :makers, :name, "unknown"
    rename_column :products, :code, :sku
  end

  def down
    rename_column :products, :sku, :code
    change_column_default :makers, :name, nil
    change_column_null :products, :name, true
    change_column :products, :price, :integer
    remove_column :products, :stock
  end
end
