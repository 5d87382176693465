class RemoveColumn < ActiveRecord::Migration[6.1]
  def up
    remove_column :products, :note
    add_index :products, [:sku, :maker_id], unique: true
  end

  def down
    remove_index :products, [:sku, :maker_id]
    add_column :products, :note, :text
  end
end
