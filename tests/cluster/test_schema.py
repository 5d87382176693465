"""Schemas that differ between nodes, for a while or for good."""

import contextlib
import sqlite3

from colony_cluster import ColonyTest, Node, colony
from processes import SQLITE, run

SCHEMA = "CREATE TABLE items(id TEXT PRIMARY KEY, n INTEGER);"


class Schema(ColonyTest):
    def write(self, node, *ids):
        for key in ids:
            node.sql(f"INSERT INTO items VALUES('{key}', 1)")

    def test_schema_change_on_one_node(self):
        cluster = self.running(SCHEMA)
        a, b, c, d = cluster.nodes
        self.write(a, "one")
        cluster.settle()
        change = "ALTER TABLE items ADD COLUMN note TEXT;"
        a.sql(change + "INSERT INTO items VALUES('two', 2, 'new column');")
        self.halt_and_say([b, c, d], "node a", "items", "make the same schema change here")
        for node in (b, c, d):
            self.write(node, f"by {node.name}")  # the app goes on
        for node in (b, c, d):
            node.sql(change)
            node.init()
            node.await_state("running")
        rows = cluster.assert_equal()
        self.assertEqual(len(rows["items"]), 5)
        self.assertEqual(d.query("SELECT note FROM items WHERE id = 'two'"), [("new column",)])

    def test_schema_that_differs_from_the_start(self):
        """The same columns in another order: nothing may end in the wrong one."""
        cluster = self.cluster("CREATE TABLE t(id INTEGER PRIMARY KEY, x, y);", nodes="a")
        a, b = cluster.nodes[0], Node(cluster, "b")
        self.addCleanup(b.kill)
        with contextlib.closing(sqlite3.connect(b.path)) as db:
            db.execute("CREATE TABLE t(id INTEGER PRIMARY KEY, y, x)")
        b.init()
        cluster.start()
        a.sql("INSERT INTO t(id, x, y) VALUES(1, 'x', 'y')")
        a.wait()
        b.launch_sidecar()
        b.halted("t (here its columns are in another order)")
        self.assertEqual(b.query("SELECT id, x, y FROM t"), [])

    def test_table_made_anew(self):
        """SQLite's recipe for changes that ALTER TABLE cannot make drops the triggers with
        the table: refused with the extension; without it the node halts, and accepting it
        does not hide that the nodes may differ."""
        cluster = self.running(SCHEMA, nodes="ab")
        a, b = cluster.nodes
        self.write(a, "one")
        cluster.settle()
        recipe = ("BEGIN; CREATE TABLE new_items(id TEXT PRIMARY KEY, n INTEGER, extra TEXT DEFAULT 'none');"
                  "INSERT INTO new_items(id, n) SELECT id, n FROM items; DROP TABLE items;"
                  "ALTER TABLE new_items RENAME TO items; COMMIT;")
        refusal = a.shell(recipe).stderr
        for word in ("table items was made anew", "stop the programs", "on every node", "docs/operations.md"):
            self.assertIn(word, refusal)
        self.assertEqual(a.status()["state"], "running")
        for node in (a, b):
            done = run(SQLITE, node.path, recipe)
            self.assertEqual(done.returncode, 0, done.stderr)
        self.halt_and_say([a, b], "table items was made anew (column extra is new)", "on every node", "colony init")
        for node in (a, b):
            said = node.init()
            self.assertIn("items was made anew (column extra is new)", said)
            self.assertIn("has not been compared with the other nodes", said)
        for node in (a, b):
            node.await_status(state="running", well=True, warnings=[])
        a.sql("INSERT INTO items VALUES('two', 2, 'x')")
        b.sql("UPDATE items SET extra = 'y' WHERE id = 'one'")
        self.assertEqual(len(cluster.assert_equal()["items"]), 2)
        self.assertEqual(a.query("SELECT * FROM items ORDER BY id"), [("one", 1, "y"), ("two", 2, "x")])

    def test_table_that_only_one_node_has(self):
        cluster = self.running(SCHEMA, nodes="ab")
        a, b = cluster.nodes
        change = "CREATE TABLE later(id TEXT PRIMARY KEY, n);"
        a.sql(change)
        a.init()
        a.sql("INSERT INTO later VALUES('x', 1)")
        self.halt_and_say([b], "later")
        b.sql(change)
        b.init()
        b.await_state("running")
        self.assertEqual(len(cluster.assert_equal()["later"]), 1)

    def test_tables_that_only_one_node_has_chosen(self):
        cluster = self.cluster(SCHEMA + "CREATE TABLE more(id TEXT PRIMARY KEY);", nodes="ab")
        a, b = cluster.nodes
        cluster.start()
        b.init("--tables", "items")
        a.sql("INSERT INTO more VALUES('x')")
        self.write(a, "one")
        # Not passed over in silence: the nodes are to replicate the same tables.
        b.halted("more", "init")
        b.init("--tables", "items,more")
        b.await_state("running")
        self.assertEqual(len(cluster.assert_equal()["more"]), 1)

    def test_table_dropped_everywhere(self):
        cluster = self.running(SCHEMA + "CREATE TABLE old(id TEXT PRIMARY KEY);", nodes="ab")
        a, b = cluster.nodes
        a.sql("INSERT INTO old VALUES('x')")
        cluster.settle()
        self.assertIn("table old was dropped", a.shell("DROP TABLE old;").stderr)
        for node in (a, b):
            node.migrate("DROP TABLE old;")
        self.halt_and_say([a, b], "table old is gone: it was dropped")
        self.write(a, "goes on")
        for node in (a, b):
            self.assertIn("old is gone: it was dropped; it is replicated no more", node.init())
            node.await_state("running")
        cluster.assert_equal()
        self.assertEqual(b.query("SELECT id FROM items"), [("goes on",)])
        self.assertEqual(colony("status", a.path).returncode, 0)

    def test_unique_index_that_one_node_makes(self):
        cluster = self.running(SCHEMA, nodes="ab")
        a, b = cluster.nodes
        self.write(a, "one")
        cluster.settle()
        run(SQLITE, b.path, "CREATE UNIQUE INDEX by_n ON items(n)")
        self.halt_and_say([b], "table items has changed: UNIQUE(n) is new")
        self.write(a, "two")  # b would lose a row to it
        a.wait()
        self.assertEqual(b.query("SELECT id FROM items"), [("one",)])
        run(SQLITE, b.path, "DROP INDEX by_n")
        b.await_state("running")
        self.assertEqual(len(cluster.assert_equal()["items"]), 2)

    def test_default_that_is_computed_is_refused_or_halts(self):
        cluster = self.running(SCHEMA, nodes="ab")
        a, b = cluster.nodes
        change = "ALTER TABLE items ADD COLUMN made DEFAULT CURRENT_TIMESTAMP"
        self.write(a, "one")
        cluster.settle()
        # SQLite itself refuses it of a table with rows.
        a.sql("DELETE FROM items")
        cluster.settle()
        self.assertIn("not a constant", a.shell(change).stderr)
        run(SQLITE, b.path, change)
        self.halt_and_say([b], "column made was added with a default that is not a constant")
