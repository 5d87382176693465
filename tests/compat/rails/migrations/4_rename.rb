class Rename < ActiveRecord::Migration[6.1]
  def up
    rename_table :products, :goods
    execute "UPDATE goods SET name = upper(name)"
  end

  def down
    rename_table :goods, :products
  end
end
