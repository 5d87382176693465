import sqlalchemy as sa
from alembic import op

revision, down_revision = "2", "1"


def upgrade():
    with op.batch_alter_table("orders", recreate="always") as orders:
        orders.add_column(sa.Column("currency", sa.String(3), nullable=False, server_default="EUR"))
        orders.alter_column("total", new_column_name="amount", type_=sa.Numeric(10, 2))
        orders.drop_column("note")
    with op.batch_alter_table("customers", recreate="always") as customers:
        customers.alter_column("name", nullable=False, server_default="nobody")
        customers.create_unique_constraint("one_name_in_a_city", ["name", "city"])


def downgrade():
    with op.batch_alter_table("customers", recreate="always") as customers:
        customers.drop_constraint("one_name_in_a_city", type_="unique")
        customers.alter_column("name", nullable=True, server_default=None)
    with op.batch_alter_table("orders", recreate="always") as orders:
        orders.add_column(sa.Column("note", sa.Text))
        orders.alter_column("amount", new_column_name="total", type_=sa.Integer)
        orders.drop_column("currency")
