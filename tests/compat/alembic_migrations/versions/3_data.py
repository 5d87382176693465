import sqlalchemy as sa
from alembic import op

revision, down_revision = "3", "2"


def upgrade():
    op.add_column("customers", sa.Column("greeting", sa.Text))
    op.execute("UPDATE customers SET greeting = 'Dear ' || name")
    op.rename_table("orders", "purchases")
    op.drop_index("orders_by_customer", "purchases")
    op.create_index("purchases_by_customer", "purchases", ["customer_id", "currency"])


def downgrade():
    op.drop_index("purchases_by_customer", "purchases")
    op.create_index("orders_by_customer", "purchases", ["customer_id"])
    op.rename_table("purchases", "orders")
    with op.batch_alter_table("customers") as customers:
        customers.drop_column("greeting")
