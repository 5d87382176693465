"""Alembic's batch migrations, which make tables anew, with SQLAlchemy."""

import pathlib

from compat_colony import CompatTest, columns_of, environment, tables_of, tool

MIGRATIONS = pathlib.Path(__file__).resolve().parent / "alembic_migrations"


def alembic(node, *words):
    """With a configuration in the node's directory."""
    config = node.directory / "alembic.ini"
    config.write_text(f"[alembic]\nscript_location = {MIGRATIONS}\n")
    return tool("/usr/bin/python3", "-m", "alembic.config", "-c", config, *words, env=environment(node))


class Alembic(CompatTest):
    def shop(self):
        cluster, a, b = self.two_nodes()
        alembic(a, "upgrade", "1")
        cluster.settle()
        b.sql("INSERT INTO customers VALUES(1, 'Ann', 'Rome'), (2, NULL, 'Oslo');"
              "INSERT INTO orders VALUES(1, 1, 12, 'x'), (2, 2, 7, NULL)")
        self.assertEqual(self.assert_alike(cluster), [])
        return cluster, a, b

    def assert_upgraded(self, cluster, customers, purchases):
        journal = self.assert_alike(cluster)
        for node in cluster.nodes:
            self.assertEqual(tables_of(node), ["alembic_version", "customers", "made_before", "purchases"])
            self.assertEqual(columns_of(node, "customers"), ["id", "name", "city", "greeting"])
            self.assertEqual(node.query("SELECT * FROM customers ORDER BY id"), customers)
            self.assertEqual(node.query("SELECT id, customer_id, amount, currency FROM purchases ORDER BY id"), purchases)
            self.assertEqual(node.query("SELECT version_num FROM alembic_version"), [("3",)])
            self.assertIn("(head)", alembic(node, "current"))
        return journal

    ROWS = ([(1, "Ann", "Rome", "Dear Ann"), (2, "Bob", "Oslo", "Dear Bob")], [(1, 1, 12, "EUR"), (2, 2, 7, "EUR")])

    def test_alembic_one_after_another(self):
        cluster, a, b = self.shop()
        a.sql("UPDATE customers SET name = 'Bob' WHERE id = 2")
        alembic(a, "upgrade", "head")
        cluster.settle()
        alembic(b, "upgrade", "head")
        self.assertEqual(self.assert_upgraded(cluster, *self.ROWS), [])
        alembic(b, "downgrade", "1")
        self.assertEqual(self.assert_alike(cluster), [])
        self.assertEqual(a.query("SELECT id, customer_id, total, note FROM orders"), [(1, 1, 12, None), (2, 2, 7, None)])

    def test_alembic_while_the_other_is_away(self):
        cluster, a, b = self.shop()
        a.sql("UPDATE customers SET name = 'Bob' WHERE id = 2")
        cluster.settle()
        b.stop()
        alembic(a, "upgrade", "head")
        b.sql("INSERT INTO customers VALUES(3, 'Cid', 'Bern'); INSERT INTO orders VALUES(3, 3, 9, 'lost')")
        alembic(b, "upgrade", "head")
        b.sql("INSERT INTO purchases(id, customer_id, amount, currency) VALUES(4, 3, 5, 'CHF')")
        b.start()
        customers, purchases = self.ROWS
        journal = self.assert_upgraded(cluster, customers + [(3, "Cid", "Bern", "Dear Cid")],
                                       purchases + [(3, 3, 9, "EUR"), (4, 3, 5, "CHF")])
        # What had no place as it was has come with b's own migration, but for the note.
        gone = [conflict["lost"] for conflict in journal if conflict["kind"] == "no_place"]
        self.assertEqual(gone, [{"note": "lost"}])

    def test_alembic_rows_of_the_old_release_that_waited(self):
        cluster, a, b = self.shop()
        a.sql("UPDATE customers SET name = 'Bob' WHERE id = 2")
        cluster.settle()
        b.stop()
        alembic(a, "upgrade", "head")
        b.sql("INSERT INTO customers VALUES(3, 'Cid', 'Bern'); INSERT INTO orders VALUES(3, 3, 9, 'lost');"
              "UPDATE orders SET total = 13 WHERE id = 1; DELETE FROM orders WHERE id = 2")
        b.start()
        customers, _ = self.ROWS
        journal = self.assert_upgraded(cluster, customers + [(3, "Cid", "Bern", None)],
                                       [(1, 1, 13, "EUR"), (3, 3, 9, "EUR")])
        self.assertEqual([(conflict["kind"], conflict["lost"]) for conflict in journal], [("no_place", {"note": "lost"})])
