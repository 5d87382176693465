"""Much at once: large transactions, long absences."""

import sqlite3
import time

from colony_cluster import ColonyTest, connect
from processes import app, finished, until

STREAM = "COLONY_c"
ITEMS = "CREATE TABLE items(id TEXT PRIMARY KEY, v INTEGER, by TEXT);" + "".join(
    f"INSERT INTO items VALUES('shared {n}', 0, '');" for n in range(2000))


def watch(path, whole, stop_file, result_file):
    """Reads all the while; what it sees must be nothing of a transaction or all of it."""
    db = sqlite3.connect(path, timeout=60, isolation_level=None)
    seen = []
    while True:
        stopping = stop_file.exists()
        row = db.execute("SELECT count(*), coalesce(sum(v), 0) FROM t").fetchone()
        if not seen or seen[-1] != row:
            seen.append(row)
        if row not in whole:
            raise AssertionError(f"a reader saw part of a transaction: {row}")
        if stopping:
            result_file.write_text(repr(seen))
            return


def write_pending(path, node, first, count):
    """Rows of its own, and every tenth time a row that all share; each a transaction."""
    db = connect(path, timeout=60)
    db.execute("PRAGMA synchronous = OFF")
    for n in range(first, first + count):
        if n % 10 == 0:
            db.execute("UPDATE items SET v = ?, by = ? WHERE id = ?", (n, node, f"shared {n % 2000}"))
        else:
            db.execute("INSERT INTO items VALUES(?, ?, ?)", (f"{node} {n}", n, node))
    db.close()


class Load(ColonyTest):
    def test_whole_transaction(self):
        rows = 100_000
        cluster = self.running("CREATE TABLE t(id INTEGER PRIMARY KEY, v INTEGER);")
        a, b, c, d = cluster.nodes
        total = rows * (rows + 1) // 2
        whole = [(0, 0), (rows, total), (rows, total + rows), (rows // 2, 0)]
        stop = cluster.directory / "stop"
        seen = [cluster.directory / f"seen by {node.name}" for node in (b, c)]
        readers = [app(watch, node.path, whole, stop, file) for node, file in zip((b, c), seen)]
        numbers = f"WITH RECURSIVE n(i) AS (VALUES(1) UNION ALL SELECT i + 1 FROM n WHERE i < {rows})"
        begin = time.monotonic()
        for sql in (f"INSERT INTO t {numbers} SELECT i, i FROM n;", "UPDATE t SET v = v + 1;",
                    "BEGIN; DELETE FROM t WHERE id % 2; UPDATE t SET v = 0; COMMIT;", "DELETE FROM t;"):
            a.sql(sql)
            cluster.settle()
        took = time.monotonic() - begin
        stop.touch()
        finished(readers)
        cluster.assert_equal()
        for file in seen:
            self.assertEqual(file.read_text(), repr([*whole, (0, 0)]))
        print(f"NOTE 4 transactions of {rows} rows went to 3 nodes in {took:.1f} s")

    def large(self, broker_config):
        """A transaction that is many messages, with every sidecar killed in its middle."""
        cluster = self.running("CREATE TABLE t(id INTEGER PRIMARY KEY, body BLOB);"
                               "CREATE TABLE u(id INTEGER PRIMARY KEY, body BLOB);", broker_config=broker_config)
        a, b, c, d = cluster.nodes
        rows, bytes_each = 3000, 10_000
        client = cluster.broker.client()
        self.addCleanup(client.close)
        marks = [share * rows * bytes_each // 8 for share in range(1, 8)]
        db = a.connect()
        db.execute("PRAGMA synchronous = OFF")
        db.execute("INSERT INTO u VALUES(1, 'before')")
        db.execute("BEGIN")
        for n in range(rows):
            db.execute("INSERT INTO t VALUES(?, randomblob(?))", (n, bytes_each))
        db.execute("COMMIT")
        db.execute("INSERT INTO u VALUES(2, 'after')")
        sender_kills = receiver_kills = 0
        for mark in marks:
            until(lambda: client.state(STREAM)["bytes"] > mark, f"the log has {mark} bytes", every=0.002)
            if a.one("SELECT count(*) FROM __colony_outbox") > 1:
                sender_kills += 1
                a.restart()
            position = b.status()["position"]
            if b.one("SELECT count(*) FROM __colony_parts") > 0 and b.one("SELECT count(*) FROM t") == 0:
                receiver_kills += 1
                b.restart()
                until(lambda: b.status()["position"] > position, "b moves on")
        self.assertGreater(sender_kills, 0)
        self.assertGreater(receiver_kills, 0)
        for node in cluster.nodes:
            node.await_state("running")
        content = cluster.assert_equal(timeout=90)
        self.assertEqual((len(content["t"]), len(content["u"])), (rows, 2))
        for node in cluster.nodes:
            self.assertEqual(node.one("SELECT count(*) FROM __colony_parts"), 0)
            self.assertEqual(node.status()["conflicts"], 0)
        print(f"NOTE {rows * bytes_each // 10**6} MB; killed in its middle: the sender {sender_kills} times, "
              f"a receiver {receiver_kills} times")

    def test_large_transaction(self):
        self.large("")

    def test_large_transaction_with_a_small_max_payload(self):
        self.large("max_payload: 64KB\n")

    def test_max_payload_that_is_too_small(self):
        cluster = self.cluster("CREATE TABLE t(id INTEGER PRIMARY KEY);", nodes="a",
                               broker_config="max_payload: 16KB\n")
        cluster.broker.start()
        a = cluster.nodes[0]
        a.launch_sidecar()
        self.assertIn("raise max_payload", a.halted())
        cluster.broker.stop()
        cluster.broker.config.write_text("max_payload: 64KB\n")
        cluster.broker.start()
        a.await_state("running")

    def test_long_offline(self):
        count = 20_000
        cluster = self.running(ITEMS)
        a, b, c, d = cluster.nodes
        d.stop()
        finished([app(write_pending, a.path, "a", 0, count), app(write_pending, d.path, "d", 5, count)])
        for node in (a, b, c):
            node.wait()
        if d.capture == "session":  # in wal mode they are nowhere but in the rows
            self.assertEqual(d.status()["pending"], count)
        begin = time.monotonic()
        d.launch_sidecar()
        # The app goes on meanwhile, and waits milliseconds.
        db = d.connect()
        longest = 0
        for n in range(50):
            start = time.monotonic()
            db.execute("INSERT INTO items VALUES(?, 1, 'meanwhile')", (f"meanwhile {n}",))
            longest = max(longest, time.monotonic() - start)
        db.close()
        rows = cluster.assert_equal(timeout=120)
        took = time.monotonic() - begin
        self.assertEqual(len(rows["items"]), 2000 + 2 * count * 9 // 10 + 50)
        print(f"NOTE {count} pending and {count} missed: in step after {took:.1f} s; the app waited "
              f"{longest * 1000:.0f} ms at most")
        self.assertLess(took, 60)
        self.assertLess(longest, 2)

    def test_many_rows_of_four_writers_with_a_small_max_payload(self):
        cluster = self.running(ITEMS, broker_config="max_payload: 64KB\n")
        finished([app(write_pending, node.path, node.name, 0, 2000) for node in cluster.nodes])
        self.assertEqual(len(cluster.assert_equal()["items"]), 2000 + 4 * 1800)
