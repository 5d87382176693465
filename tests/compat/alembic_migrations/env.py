"""As `alembic init` writes it, for the file $SITE_DB. Every connection loads colony.so."""

import os

import sqlalchemy
from alembic import context

engine = sqlalchemy.create_engine("sqlite:///" + os.environ["SITE_DB"], connect_args={"timeout": 20})


@sqlalchemy.event.listens_for(engine, "connect")
def load_colony(connection, _):
    connection.enable_load_extension(True)
    connection.load_extension(os.environ["COLONY_EXTENSION"])
    connection.enable_load_extension(False)


with engine.connect() as connection:
    context.configure(connection=connection, render_as_batch=True)
    with context.begin_transaction():
        context.run_migrations()
