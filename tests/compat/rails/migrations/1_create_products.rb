class CreateProducts < ActiveRecord::Migration[6.1]
  def change
    create_table :makers do |t|
      t.string :name, limit: 30
    end
    create_table :products do |t|
      t.string :name
      t.integer :price
      t.string :code
      t.text :note
      t.references :maker, foreign_key: true
      t.timestamps
    end
    add_index :products, :code
  end
end
