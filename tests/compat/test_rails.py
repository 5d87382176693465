"""Migrations of Rails' ActiveRecord, which changes a column by copying the table twice."""

import pathlib

from compat_colony import CompatTest, columns_of, environment, tables_of, tool

SCRIPT = pathlib.Path(__file__).resolve().parent / "rails" / "migrate.rb"
TIMES = "'2024-01-01', '2024-01-01'"
COLUMNS = "id, name, price, sku, maker_id, stock"
ROWS = [(1, "NUT", 5, "n1", 1, 3), (2, "NAMELESS", 7, None, 2, 3)]


def rails(node, *version):
    return tool("/usr/bin/ruby", SCRIPT, *version, env=environment(node)).split()[-1]


class Rails(CompatTest):
    def goods(self):
        cluster, a, b = self.two_nodes()
        self.assertEqual(rails(a, "1"), "1")
        cluster.settle()
        b.sql("INSERT INTO makers VALUES(1, 'Ann'), (2, NULL);"
              "INSERT INTO products(id, name, price, code, note, maker_id, created_at, updated_at) VALUES"
              f"(1, 'nut', 5, 'n1', 'x', 1, {TIMES}), (2, NULL, 7, NULL, NULL, 2, {TIMES})")
        self.assertEqual(self.assert_alike(cluster), [])
        return cluster, a, b

    def assert_migrated(self, cluster, rows):
        journal = self.assert_alike(cluster)
        for node in cluster.nodes:
            self.assertEqual(rails(node), "4")
            self.assertEqual(set(columns_of(node, "goods")), set(COLUMNS.split(", ")) | {"created_at", "updated_at"})
            self.assertEqual(node.query(f"SELECT {COLUMNS} FROM goods ORDER BY id"), rows)
            self.assertNotIn("products", tables_of(node))
        return journal

    def test_rails_one_after_another(self):
        cluster, a, b = self.goods()
        rails(a)
        cluster.settle()
        self.assertEqual(rails(b), "4")
        self.assertEqual(self.assert_migrated(cluster, ROWS), [])
        b.sql(f"INSERT INTO goods(id, name, sku, created_at, updated_at) VALUES(3, 'new', 'n3', {TIMES})")
        cluster.settle()
        self.assertEqual(a.query(f"SELECT {COLUMNS} FROM goods WHERE id = 3"), [(3, "new", None, "n3", None, 3)])
        self.assertEqual(rails(b, "1"), "1")
        self.assertEqual(self.assert_alike(cluster), [])
        self.assertEqual(a.query("SELECT id, name, price, code FROM products ORDER BY id"),
                         [(1, "NUT", 5, "n1"), (2, "NAMELESS", 7, None), (3, "new", None, "n3")])

    def test_rails_while_the_other_is_away(self):
        cluster, a, b = self.goods()
        b.stop()
        rails(a)
        b.sql(f"INSERT INTO products(id, name, price, code, created_at, updated_at) VALUES(3, 'bolt', 9, 'b3', {TIMES})")
        rails(b)
        b.start()
        journal = self.assert_migrated(cluster, ROWS + [(3, "BOLT", 9, "b3", None, 3)])
        # Indexes of products that b has made once more, for which a has other names already.
        for conflict in self.lost(a, journal, but=("code", "created_at", "updated_at", "name")):
            self.assertEqual((conflict["kind"], list(conflict["key"])), ("schema_differs", ["index"]))

    def test_rails_rows_of_the_old_release_that_waited(self):
        cluster, a, b = self.goods()
        b.stop()
        rails(a)
        b.sql("INSERT INTO products(id, name, price, code, note, created_at, updated_at) VALUES"
              f"(3, NULL, 9, 'b3', 'y', {TIMES}); UPDATE products SET price = 6 WHERE id = 1")
        b.start()
        journal = self.assert_migrated(cluster, [(1, "NUT", 6, "n1", 1, 3), ROWS[1], (3, "", 9, "b3", None, 3)])
        self.assertEqual([conflict["lost"] for conflict in journal], [{"note": "y"}])
