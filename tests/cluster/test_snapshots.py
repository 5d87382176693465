"""Snapshots: joining from one, falling behind one, restoring from one."""

import contextlib
import json
import random
import shutil
import sqlite3
import subprocess
import time

from colony_cluster import ColonyTest, Node, colony
from processes import COLONY, until

SCHEMA = """
CREATE TABLE items(id INTEGER PRIMARY KEY, owner TEXT, body BLOB, code INTEGER UNIQUE);
CREATE INDEX by_owner ON items(owner);
CREATE TABLE notes(name TEXT COLLATE NOCASE PRIMARY KEY, text) WITHOUT ROWID;
CREATE TABLE local(what);
WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 3000)
INSERT INTO items SELECT i, 'seed', randomblob(100), i FROM n;
INSERT INTO local VALUES('only here');
"""
# Snapshots all the time, and a log that is cut at once.
EAGER = ["--snapshot-after-size", "1", "--log-keep-entries", "1", "--snapshots-keep", "1", "--gone-after", "1s"]


class Snapshots(ColonyTest):
    def first_node(self, more=(), schema=SCHEMA):
        """A colony of one node, whose rows were there before it was one."""
        cluster = self.cluster(schema, nodes="a")
        cluster.broker.start()
        cluster.more = list(more)
        cluster.nodes[0].launch_sidecar(more=cluster.more)
        cluster.nodes[0].await_state("running")
        return cluster

    def join(self, cluster, name, more=None):
        node = Node(cluster, name)
        cluster.nodes.append(node)
        self.launch_joining(cluster, node, more)
        self.await_joined(node)
        return node

    def launch_joining(self, cluster, node, more=None):
        identity = ["--cluster", cluster.name, "--node", node.name]
        node.launch_sidecar(more=[*(cluster.more if more is None else more), *identity])

    def await_joined(self, node):
        until(lambda: node.path.exists() or not node.runs(), lambda: f"{node.name} joins: {node.said()}")
        self.assertTrue(node.runs(), node.said())
        node.await_state("running")

    def snapshots(self, cluster):
        done = colony("snapshots", cluster.nodes[0].path, "--json")
        self.assertEqual(done.returncode, 0, done.stderr)
        return json.loads(done.stdout)["snapshots"]

    def await_snapshot_beyond(self, cluster, position):
        def made():
            snapshots = self.snapshots(cluster)
            return snapshots and snapshots[-1]["position"] >= position
        # A sidecar that was stopped may have had the lease for it, which ends after a minute.
        until(made, lambda: f"a snapshot beyond {position}: {self.snapshots(cluster)}", timeout=90, every=0.1)

    def first_sequence(self, cluster):
        with cluster.broker.client() as client:
            info = client.request(f"$JS.API.STREAM.INFO.COLONY_{cluster.name}")
        return info["state"]["first_seq"]

    def plain(self, path):
        """Its rows, after making sure that nothing of Colony's is left in it."""
        with contextlib.closing(sqlite3.connect(path)) as db:
            self.assertEqual(db.execute("PRAGMA integrity_check").fetchall(), [("ok",)])
            self.assertEqual(db.execute("PRAGMA journal_mode").fetchone(), ("delete",))
            self.assertFalse(db.execute("SELECT name FROM sqlite_schema WHERE name LIKE '\\_\\_colony%' ESCAPE '\\'").fetchall())
            db.execute("INSERT INTO notes VALUES('written without the extension', 1)")
            db.rollback()
            return {table: db.execute(f"SELECT * FROM {table} ORDER BY 1").fetchall() for table in ("items", "notes")}

    def rows(self, node):
        return {table: node.query(f"SELECT * FROM {table} ORDER BY 1") for table in ("items", "notes")}

    def test_nodes_without_a_file_join_a_colony_that_began_with_rows(self):
        cluster = self.first_node()
        for name in "bcd":
            self.join(cluster, name)
        for node in cluster.nodes:
            node.sql(f"INSERT INTO notes VALUES('{node.name}', 1); UPDATE items SET owner = '{node.name}' WHERE id = 7")
        self.assertEqual(len(cluster.assert_equal()["items"]), 3000)
        for node in cluster.nodes:
            self.assertEqual(node.query("SELECT * FROM local"), [("only here",)])

    def test_joining_waits_for_the_colony_to_begin(self):
        cluster = self.cluster(SCHEMA, nodes="a")
        cluster.more = []
        cluster.broker.start()
        late = Node(cluster, "b")
        self.launch_joining(cluster, late)
        until(lambda: "waiting for colony c to begin" in late.said(), late.said)
        cluster.nodes[0].launch_sidecar()
        self.await_joined(late)
        cluster.nodes.append(late)
        cluster.assert_equal()

    def test_a_joining_node_that_is_told_to_stop_ends_with_0_and_leaves_nothing(self):
        cluster = self.cluster(SCHEMA, nodes="")
        cluster.more = []
        cluster.broker.start()
        node = Node(cluster, "b")
        self.launch_joining(cluster, node)
        until(lambda: "waiting" in node.said(), node.said)
        node.stop()
        self.assertEqual([path.name for path in node.directory.iterdir()], ["sidecar.log"])

    def test_a_name_that_is_taken_cannot_join(self):
        cluster = self.first_node()
        b = self.join(cluster, "b")
        early = Node(cluster, "b1")  # from a snapshot that does not know b yet
        early.launch_sidecar(more=["--cluster", "c", "--node", "b"])
        until(early.path.exists, early.said)
        self.assertIn(str(b.path), early.halted())
        early.kill()
        cluster.settle()
        self.assertEqual(colony("snapshot", b.path).returncode, 0)
        other = Node(cluster, "b2")
        done = colony("run", other.path, "--cluster", "c", "--node", "b", "--nats", cluster.broker.url)
        self.refused(done, "name b", "belongs to", str(cluster.nodes[1].path))
        self.assertFalse(other.path.exists())

    def test_run_without_a_file_says_what_is_missing(self):
        self.refused(colony("run", "/nonexistent/x.db"), "--cluster", "--node", "colony init")
        done = colony("run", "/nonexistent/x.db", "--cluster", "c", "--node", "a", "--nats", "nats://127.0.0.1:1")
        self.refused(done, "/nonexistent")

    def test_run_refuses_a_file_of_another_name(self):
        cluster = self.cluster(SCHEMA, nodes="a")
        path = cluster.nodes[0].path
        self.refused(colony("run", path, "--node", "b"), "node a of colony c")
        self.refused(colony("run", path, "--cluster", "d"), "node a of colony c")

    def test_a_damaged_snapshot_is_ignored_for_the_one_before(self):
        cluster = self.cluster(SCHEMA, nodes="a")
        store = cluster.directory / "snapshots"
        cluster.more = ["--snapshots", str(store), "--snapshot-after-size", "1"]
        cluster.broker.start()
        a = cluster.nodes[0]
        a.launch_sidecar(more=cluster.more)
        stored = lambda: sorted(store.glob("*.zst")) if store.exists() else []
        until(lambda: len(stored()) == 1, "the first snapshot")
        a.sql("INSERT INTO notes VALUES('one', 1)")
        until(lambda: len(stored()) > 1, "the second snapshot")
        a.stop()
        undamaged, newest = stored()[-2:]
        cluster.more = ["--snapshots", str(store)]  # who joins makes none of its own
        for damage in (lambda data: data[:len(data) // 2],
                       lambda data: data[:len(data) // 2] + bytes([data[len(data) // 2] ^ 1]) + data[len(data) // 2 + 1:],
                       lambda data: data + b"more",
                       lambda data: b"",
                       lambda data: undamaged.read_bytes()):
            whole = newest.read_bytes()
            newest.write_bytes(damage(whole))
            node = Node(cluster, f"n{random.getrandbits(30)}")
            self.launch_joining(cluster, node)
            self.await_joined(node)
            self.assertIn("ignored a damaged snapshot", node.said())
            self.assertEqual(self.rows(node), self.rows(a))
            node.kill()
            newest.write_bytes(whole)

    def test_joining_killed_at_any_moment_begins_again(self):
        cluster = self.first_node()
        node = Node(cluster, "b")
        for attempt in range(12):
            self.launch_joining(cluster, node)
            time.sleep(random.uniform(0, 0.4))
            node.kill()
        self.launch_joining(cluster, node)
        self.await_joined(node)
        cluster.nodes.append(node)
        cluster.assert_equal()
        self.assertFalse([path for path in node.directory.iterdir() if "join" in path.name])

    def test_a_node_that_was_away_for_too_long_goes_on_from_a_snapshot_and_loses_nothing(self):
        cluster = self.first_node(EAGER)
        a, b = cluster.nodes[0], self.join(cluster, "b")
        cluster.settle()
        b.stop()
        b.sql("INSERT INTO items VALUES(9001, 'b', 'pending', 9001);"
              "UPDATE items SET owner = 'b' WHERE id IN (5, 6);"
              "DELETE FROM items WHERE id = 8;"
              "INSERT INTO items VALUES(9002, 'b', 'clashes', 4001);"
              "INSERT INTO notes VALUES('Both', 'b'), ('b', 1)")
        for i in range(6):
            a.sql(f"UPDATE items SET body = zeroblob({i}) WHERE id BETWEEN {i * 10} AND {i * 10 + 30};"
                  f"DELETE FROM items WHERE id = 100 + {i}; UPDATE items SET owner = 'a' WHERE id IN (6, 8);"
                  f"INSERT OR REPLACE INTO items VALUES(4000 + {i}, 'a', NULL, 4000 + {i});"
                  "INSERT OR REPLACE INTO notes VALUES('both', 'a')")
            a.wait()
            self.await_snapshot_beyond(cluster, a.status()["position"])
        until(lambda: self.first_sequence(cluster) > b.status()["position"] + 1, "the log is cut", every=0.1)
        b.launch_sidecar(more=cluster.more)
        b.await_state("running")
        self.assertIn("installed a snapshot", b.said())
        rows = cluster.assert_equal()
        self.assertEqual(b.status()["pending"], 0)
        self.assertEqual(a.one("SELECT owner FROM items WHERE id = 9001"), "b")
        self.assertEqual(a.query("SELECT owner FROM items WHERE id IN (5, 6) ORDER BY id"), [("b",), ("b",)])
        self.assertEqual(a.query("SELECT id FROM items WHERE id = 8 OR code = 4001"), [(9002,)])
        self.assertEqual(a.query("SELECT name, text FROM notes ORDER BY name"), [("b", 1), ("Both", "b")])
        self.assertTrue(rows["(conflicts)"])
        self.assertEqual(b.query("SELECT * FROM local"), [("only here",)])

    def test_installing_a_snapshot_killed_at_any_moment_begins_again(self):
        cluster = self.first_node(EAGER)
        a, b = cluster.nodes[0], self.join(cluster, "b")
        for round in range(3):
            cluster.settle()
            b.kill()
            b.sql(f"INSERT INTO notes VALUES('pending {round}', 1); UPDATE items SET owner = 'b{round}' WHERE id < 50")
            for i in range(4):
                a.sql(f"UPDATE items SET body = randomblob(50) WHERE id % 3 = {round}")
                a.wait()
                self.await_snapshot_beyond(cluster, a.status()["position"])
            until(lambda: self.first_sequence(cluster) > b.status()["position"] + 1, "the log is cut", every=0.1)
            for attempt in range(5):
                b.launch_sidecar(more=cluster.more)
                time.sleep(random.uniform(0.02, 0.5))
                b.kill()
            b.launch_sidecar(more=cluster.more)
            b.await_state("running")
            cluster.assert_equal()
            self.assertEqual(a.one("SELECT count(*) FROM notes"), round + 1)

    def test_the_log_is_kept_for_a_node_that_was_seen_lately(self):
        keep = ["--snapshot-after-size", "1", "--log-keep-entries", "1", "--snapshots-keep", "1", "--gone-after", "1h"]
        cluster = self.first_node(keep)
        a, b = cluster.nodes[0], self.join(cluster, "b")
        cluster.settle()
        def seen():
            members = json.loads(colony("nodes", a.path, "--json").stdout)["nodes"]
            return len(members) == 2 and all(member["standing"] == "live" for member in members)
        until(seen, "both have been seen", every=0.1)
        b.stop()
        position = b.status()["position"]
        for i in range(4):
            a.sql(f"INSERT INTO notes VALUES('n{i}', 1)")
            a.wait()
            self.await_snapshot_beyond(cluster, a.status()["position"])
        self.assertLessEqual(self.first_sequence(cluster), position + 1)
        a.await_said("the log is kept for nodes that have not yet read it nodes=b")
        self.assertLessEqual(self.first_sequence(cluster), position + 1)
        b.launch_sidecar(more=cluster.more)
        b.await_state("running")
        self.assertNotIn("new base", b.said())
        cluster.assert_equal()

    def test_restore_gives_the_rows_of_any_position_and_time(self):
        cluster = self.first_node(["--snapshot-after-size", "2KB"])
        a = cluster.nodes[0]
        expected = {}
        self.await_snapshot_beyond(cluster, 1)
        for i in range(12):
            a.sql(f"INSERT INTO notes VALUES('n{i}', {i}); UPDATE items SET body = randomblob(200) WHERE id = {i};"
                  f"DELETE FROM items WHERE id = 500 + {i}")
            a.wait()
            expected[a.status()["position"]] = self.rows(a)
        where = ["--cluster", "c", "--nats", cluster.broker.url]
        for position, rows in expected.items():
            out = cluster.directory / f"at-{position}.db"
            done = colony("restore", out, *where, "--at", position)
            self.assertEqual(done.returncode, 0, done.stderr)
            self.assertEqual(self.plain(out), rows)
        out = cluster.directory / "newest.db"
        self.assertEqual(colony("restore", out, *where).returncode, 0)
        self.assertEqual(self.plain(out), expected[max(expected)])
        self.refused(colony("restore", out, *where), "exists already")
        out = cluster.directory / "other.db"
        self.refused(colony("restore", out, *where, "--at", 10**6), "the log ends at")
        self.refused(colony("restore", out, *where, "--at", "2001-01-01T00:00:00Z"), "reaches back")
        self.refused(colony("restore", out, *where, "--at", "yesterday"), "neither a position nor a time")
        done = colony("restore", out, *where, "--at", time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + 60)))
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(self.plain(out), expected[max(expected)])
        self.assertFalse([path for path in cluster.directory.iterdir() if "unfinished" in path.name])

    def test_restore_works_from_a_directory_without_a_broker(self):
        cluster = self.first_node(["--snapshots", "none"])
        a, store = cluster.nodes[0], cluster.directory / "store"
        store.mkdir()
        a.wait()
        for i in range(2):
            self.assertEqual(colony("snapshot", a.path, "--to", store).returncode, 0)
            rows = self.rows(a)
            a.sql("DELETE FROM items WHERE id < 100")
            a.wait()
        cluster.close()
        out = cluster.directory / "out.db"
        done = colony("restore", out, "--from", store, "--nats", "none")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(self.plain(out), rows)
        self.refused(colony("restore", cluster.directory / "x.db", "--from", store, "--nats", "none", "--at", 10**6),
                     "not covered")

    def test_a_backup_is_an_ordinary_file_with_what_programs_see(self):
        cluster = self.first_node()
        a = cluster.nodes[0]
        a.wait()
        a.stop()
        a.sql("INSERT INTO notes VALUES('not yet sent', 1)")
        out = cluster.directory / "backup.db"
        done = colony("snapshot", a.path, "--to", out)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(self.plain(out), self.rows(a))
        self.refused(colony("snapshot", a.path, "--to", out), "exists already")

    def test_snapshots_are_made_while_the_app_writes_and_are_of_one_moment(self):
        cluster = self.first_node(["--snapshots", "none"])
        a, store = cluster.nodes[0], cluster.directory / "store"
        store.mkdir()
        db = a.connect()
        made = 0
        while made < 5:
            child = subprocess.Popen([COLONY, "snapshot", a.path, "--to", store], stdout=subprocess.DEVNULL)
            while child.poll() is None:
                db.execute("BEGIN IMMEDIATE")
                db.execute("UPDATE items SET owner = owner || 'x' WHERE id = 1")
                db.execute("UPDATE items SET owner = owner || 'x' WHERE id = 2")
                db.execute("COMMIT")
            self.assertEqual(child.returncode, 0)
            made += 1
            out = cluster.directory / f"out{made}.db"
            self.assertEqual(colony("restore", out, "--from", store, "--nats", "none").returncode, 0)
            with contextlib.closing(sqlite3.connect(out)) as copy:
                one, two = copy.execute("SELECT owner FROM items WHERE id IN (1, 2) ORDER BY id").fetchall()
                self.assertEqual(one, two)
        db.close()

    def test_a_sidecar_killed_while_it_makes_snapshots_leaves_nothing_behind(self):
        cluster = self.first_node(EAGER)
        a = cluster.nodes[0]
        for attempt in range(8):
            a.sql(f"INSERT INTO notes VALUES('n{attempt}', 1)")
            time.sleep(random.uniform(0.0, 1.2))
            a.kill()
            a.launch_sidecar(more=cluster.more)
            a.await_state("running")
        a.wait()
        self.await_snapshot_beyond(cluster, a.status()["position"])
        until(lambda: not [path for path in a.directory.iterdir() if "snapshot" in path.name], "nothing is left of them")
        self.join(cluster, "b")
        cluster.assert_equal()

    def test_a_node_that_doubts_the_log_cuts_nothing(self):
        cluster = self.first_node(EAGER)
        a, b, broker = cluster.nodes[0], self.join(cluster, "b"), cluster.broker
        cluster.settle()
        a.stop()
        b.stop()
        broker.stop()
        log = broker.store / "jetstream" / "$G" / "streams" / f"COLONY_{cluster.name}"
        former = cluster.directory / "former"
        shutil.copytree(log, former)
        broker.start()
        a.launch_sidecar(more=["--snapshots", "none"])
        a.await_state("running")
        for i in range(5):
            a.sql(f"INSERT INTO notes VALUES('lost {i}', 1)")
            a.wait()
        a.stop()
        broker.stop()
        shutil.rmtree(log)
        shutil.copytree(former, log)
        broker.start()
        b.launch_sidecar(more=["--snapshots", "none"])
        b.await_state("running")
        b.sql("INSERT INTO notes VALUES('kept', 1)")
        b.wait()
        first = self.first_sequence(cluster)
        a.launch_sidecar(more=cluster.more)
        self.assertIn("lost its end", a.halted())
        time.sleep(3)  # for what must not come: several rounds of its housekeeping
        self.assertEqual(self.first_sequence(cluster), first)
        self.assertNotIn("made a snapshot", a.said()[a.said().rindex("version="):])
        self.assertEqual(b.one("SELECT count(*) FROM notes WHERE name = 'kept'"), 1)

    def test_two_that_join_with_one_file_do_each_other_no_harm(self):
        cluster = self.first_node()
        b, twin = Node(cluster, "b"), Node(cluster, "b2")
        twin.name, twin.path = "b", b.path
        for node in (b, twin):
            self.launch_joining(cluster, node)
        until(lambda: not (b.runs() and twin.runs()), "one of them gives up")
        winner, loser = (b, twin) if b.runs() else (twin, b)
        self.await_joined(winner)
        self.assertIn("a sidecar already runs on", loser.said())
        cluster.nodes.append(winner)
        cluster.assert_equal()

    def test_snapshots_go_on_when_the_cluster_status_was_deleted(self):
        cluster = self.first_node(["--snapshot-after-size", "1"])
        a = cluster.nodes[0]
        self.await_snapshot_beyond(cluster, 1)
        with cluster.broker.client() as client:
            self.assertTrue(client.request(f"$JS.API.STREAM.DELETE.KV_COLONY_{cluster.name}")["success"])
        a.sql("INSERT INTO notes VALUES('after', 1)")
        a.wait()
        self.await_snapshot_beyond(cluster, a.status()["position"])
        until(lambda: "live" in colony("nodes", a.path).stdout or "running" in colony("nodes", a.path).stdout,
              "it is seen again", every=0.2)
        a.await_status(warnings=[])

    def test_a_store_that_refuses_is_told_in_status(self):
        cluster = self.first_node(["--snapshots", "/proc/nowhere"])
        a = cluster.nodes[0]
        until(lambda: a.status()["warnings"], "a warning", every=0.1)
        self.assertIn("no snapshot can be made", a.status()["warnings"][0])
        self.assertIn("/proc/nowhere", a.status()["warnings"][0])

    def test_a_snapshot_from_before_a_column_was_added(self):
        cluster = self.first_node(EAGER)
        a, b = cluster.nodes[0], self.join(cluster, "b")
        cluster.settle()
        b.stop()
        for i in range(3):
            a.sql(f"UPDATE items SET body = zeroblob({i}) WHERE id < 30")
            a.wait()
            self.await_snapshot_beyond(cluster, a.status()["position"])
        until(lambda: self.first_sequence(cluster) > b.status()["position"] + 1, "the log is cut", every=0.1)
        for node in (a, b):
            node.sql("ALTER TABLE items ADD COLUMN more DEFAULT 'new'")
        b.launch_sidecar(more=cluster.more)
        b.await_state("running")
        b.sql("UPDATE items SET more = 'b' WHERE id = 3")
        self.assertEqual(len(cluster.assert_equal()["items"]), 3000)

    def test_nonsense_is_refused_before_anything_begins(self):
        cluster = self.cluster(SCHEMA, nodes="a")
        path = cluster.nodes[0].path
        for flags in (["--log-keep", "-1d"], ["--snapshot-after", "0"], ["--snapshot-after-size", "-1"],
                      ["--log-keep-entries", "0"], ["--gone-after", "soon"], ["--snapshots", "ftp://x"],
                      ["--snapshots", "relative/folder"]):
            self.refused(colony("run", path, *flags))
