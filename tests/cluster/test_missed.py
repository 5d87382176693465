"""What any program has committed to a file in wal mode while no sidecar ran, and its write-ahead log was begun
anew, comes to the other nodes all the same."""

import contextlib
import sqlite3

from colony_cluster import ColonyTest, Node, colony, session_only
from processes import until

SCHEMA = """
    CREATE TABLE items(id INTEGER PRIMARY KEY, name TEXT, n INTEGER);
    CREATE TABLE notes(id TEXT PRIMARY KEY, body);
    WITH RECURSIVE i(i) AS (VALUES(1) UNION ALL SELECT i + 1 FROM i WHERE i < 2000) INSERT INTO items SELECT i, 'item', i
    FROM i;
"""
WHAT = "finding what programs have committed while no colony run was running"


def write_unseen(node, sql):
    """As any program does it; and the log is begun anew, so that nobody can read there what was committed."""
    with contextlib.closing(sqlite3.connect(node.path, timeout=20, isolation_level=None)) as db:
        db.executescript(f"BEGIN; {sql}; COMMIT")
        assert db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone() == (0, 0, 0)


@session_only("it chooses the modes itself")
class Missed(ColonyTest):
    def colony_in_wal_mode(self):
        """Node a is in wal mode, and has no sidecar now; b has made a snapshot."""
        cluster = self.running(SCHEMA, nodes="ab")
        a, b = cluster.nodes
        cluster.settle()
        self.assertEqual(colony("snapshot", b.path).returncode, 0)
        a.stop()
        a.init("--capture", "wal")
        return cluster, a, b

    def test_rows_and_schema_come_to_the_other_node(self):
        cluster, a, b = self.colony_in_wal_mode()
        write_unseen(a, "UPDATE items SET n = -n WHERE id % 3 = 0; DELETE FROM items WHERE id % 7 = 0; "
                        "INSERT INTO notes VALUES('x', 1)")
        write_unseen(a, "ALTER TABLE notes ADD COLUMN at DEFAULT 5; CREATE TABLE later(k INTEGER PRIMARY KEY, v); "
                        "INSERT INTO later VALUES(1, 'one')")
        a.start()
        cluster.settle()
        self.assertIn("captured what programs have committed while no colony run was running", a.said())
        self.assertEqual(a.dump(), b.dump())
        self.assertEqual(b.query("SELECT * FROM notes"), [("x", 1, 5)])
        self.assertEqual(b.query("SELECT * FROM later"), [(1, "one")])
        self.assertEqual(b.one("SELECT count(*) FROM items WHERE n < 0"), 571)
        self.assertEqual(b.one("SELECT count(*) FROM __colony_conflicts"), 0)

    def test_waits_for_the_broker_and_programs_go_on(self):
        cluster, a, b = self.colony_in_wal_mode()
        cluster.broker.stop()
        write_unseen(a, "UPDATE items SET n = -1 WHERE id = 1")
        a.launch_sidecar()
        waiting = a.await_state("waiting_for_broker")
        until(lambda: WHAT in (a.status()["error"] or ""), lambda: f"it says what for: {a.status()}")
        self.assertEqual(waiting["pending"], 0)
        write_unseen(a, "UPDATE items SET n = -2 WHERE id = 2")  # and is not kept from beginning the log anew
        cluster.broker.start()
        a.await_state("running")
        cluster.settle()
        self.assertEqual(b.query("SELECT id FROM items WHERE n < 0 ORDER BY id"), [(1,), (2,)])
        self.assertEqual(a.dump(), b.dump())

    def test_a_young_colony_begins_with_the_rows_that_there_are(self):
        cluster = self.cluster(SCHEMA, nodes="a", init=("--capture", "wal"))
        a = cluster.nodes[0]
        cluster.broker.start()
        for last in (10, 5):
            write_unseen(a, f"DELETE FROM items WHERE id > {last}")
            a.launch_sidecar(more=("--snapshots", "none"))
            a.await_state("running")
            until(lambda: a.status()["position"] > 0, "it has begun the colony")
            a.kill()
        a.start()
        b = Node(cluster, "b")
        cluster.nodes.append(b)
        b.launch_sidecar(more=("--cluster", cluster.name, "--node", "b"))
        until(b.path.exists, "it joins")
        b.await_state("running")
        cluster.settle()
        self.assertEqual(b.one("SELECT count(*) FROM items"), 5)
        self.assertEqual(a.dump(), b.dump())
