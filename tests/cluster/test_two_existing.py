"""Files with rows of their own come to a colony that others have begun."""

from colony_cluster import ColonyTest, Node, colony
from processes import SQLITE, run

TABLES = """
CREATE TABLE items(id TEXT PRIMARY KEY, n INTEGER);
CREATE TABLE urls(id INTEGER PRIMARY KEY, url TEXT UNIQUE);
CREATE TABLE same(id INTEGER PRIMARY KEY);
"""
ROWS = """
INSERT INTO items VALUES('one', 1), ('two', 2);
INSERT INTO urls VALUES(1, 'here'), (2, 'both');
INSERT INTO same VALUES(1), (2);
"""
OTHER_ROWS = """
INSERT INTO items VALUES('one', 1), ('two', 22), ('three', 3);
INSERT INTO urls VALUES(3, 'here'), (2, 'both');
INSERT INTO same VALUES(1), (2);
"""


class TwoExisting(ColonyTest):
    def existing(self, cluster, name, sql):
        """A node whose file has its own tables and rows, and has never met the colony."""
        node = Node(cluster, name)
        run(SQLITE, node.path, sql)
        node.init()
        cluster.nodes.append(node)
        return node

    def members(self, node):
        return [name for (name,) in node.query("SELECT node FROM __colony_origins ORDER BY node")]

    def test_two_existing_databases_are_refused_and_then_merged(self):
        cluster = self.running(TABLES + ROWS, nodes="a")
        a = cluster.nodes[0]
        b = self.existing(cluster, "b", TABLES + OTHER_ROWS)
        b.launch_sidecar()
        why = b.halted("items (1 row only here, 1 different)", "urls (1 row missing here, 1 only here)", "--merge",
                       str(b.path))
        self.assertNotIn("same", why)
        self.assertEqual(len(why.splitlines()), 1)
        self.assertIn("--merge", colony("status", b.path).stdout)
        a.sql("INSERT INTO items VALUES('later', 9)")
        a.wait()
        self.assertEqual(self.members(a), ["a"])
        self.assertEqual(b.query("SELECT id, n FROM items ORDER BY id"), [("one", 1), ("three", 3), ("two", 22)])
        self.assertEqual(b.status()["position"], 0)
        # As its own text says.
        merge = ["init", b.path, "--cluster", "c", "--node", "b", "--merge"]
        self.refused(colony(*merge), "a sidecar runs", "stop it")
        b.stop()
        done = colony(*merge)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn("to be merged: 7 rows", done.stdout)
        self.assertEqual(b.status()["pending"], 1)
        b.start()
        cluster.assert_equal()
        self.assertEqual(a.query("SELECT id, n FROM items ORDER BY id"),
                         [("later", 9), ("one", 1), ("three", 3), ("two", 22)])
        self.assertEqual(a.query("SELECT * FROM urls ORDER BY id"), [(2, "both"), (3, "here")])
        self.assertEqual(sorted((conflict["kind"], conflict["table"], conflict["lost"]["id"]) for conflict in b.conflicts()),
                         [("displaced", "urls", 1), ("insert_exists", "items", "two")])
        b.stop()
        self.refused(colony(*merge), "has joined colony c")

    def test_file_with_empty_tables_takes_the_colonys_rows(self):
        cluster = self.running(TABLES + ROWS, nodes="a")
        b = self.existing(cluster, "b", TABLES)
        b.sql("INSERT INTO items VALUES('of b', 5)")
        b.start()
        self.assertEqual(len(cluster.assert_equal()["items"]), 3)

    def test_file_with_another_definition_is_refused(self):
        cluster = self.running(TABLES + ROWS, nodes="a")
        b = self.existing(cluster, "b", TABLES.replace("url TEXT UNIQUE", "url TEXT") + ROWS)
        b.launch_sidecar()
        b.halted("urls (here a constraint is gone")
        self.assertEqual(self.members(cluster.nodes[0]), ["a"])

    def test_without_a_snapshot_nothing_goes_on_blindly(self):
        cluster = self.cluster(TABLES + ROWS, nodes="a")
        cluster.broker.start()
        a = cluster.nodes[0]
        a.launch_sidecar(more=["--snapshots", "none"])
        a.await_state("running")
        b = self.existing(cluster, "b", TABLES + ROWS)
        b.launch_sidecar(more=["--snapshots", "none"])
        b.halted("--snapshots none", "cannot be compared")
        b.stop()
        b.launch_sidecar()
        b.await_said("was begun by node a", "waiting for a snapshot")
        self.assertEqual(b.status()["state"], "catching_up")
        self.assertEqual(self.members(a), ["a"])
        a.stop()
        a.start()  # and makes one
        b.await_state("running")
        cluster.assert_equal()

    def test_empty_tables_join_a_colony_without_snapshots(self):
        cluster = self.cluster(TABLES, nodes="ab")
        cluster.broker.start()
        for node in cluster.nodes:
            node.launch_sidecar(more=["--snapshots", "none"])
        for node in cluster.nodes:
            node.await_state("running")
        cluster.nodes[1].sql(ROWS)
        cluster.assert_equal()
