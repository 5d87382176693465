import sqlalchemy as sa
from alembic import op

revision, down_revision = "1", None


def upgrade():
    op.create_table("customers", sa.Column("id", sa.Integer, primary_key=True), sa.Column("name", sa.String(30)),
                    sa.Column("city", sa.String(30)))
    op.create_table("orders", sa.Column("id", sa.Integer, primary_key=True),
                    sa.Column("customer_id", sa.Integer, sa.ForeignKey("customers.id")),
                    sa.Column("total", sa.Integer), sa.Column("note", sa.Text))
    op.create_index("orders_by_customer", "orders", ["customer_id"])


def downgrade():
    op.drop_table("orders")
    op.drop_table("customers")
