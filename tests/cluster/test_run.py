"""The sidecar's life: starting, waiting, being killed, stopping."""

import os
import signal
import sqlite3
import time

from colony_cluster import ColonyTest, colony, connect
from processes import NATS_SERVER, app, finished, until

SCHEMA = """
CREATE TABLE entries(node TEXT, n INTEGER, body BLOB, PRIMARY KEY(node, n)) WITHOUT ROWID;
CREATE TABLE counters(node TEXT PRIMARY KEY, value INTEGER);
CREATE TABLE shared(id INTEGER PRIMARY KEY, a, b);
INSERT INTO counters VALUES('a', 0), ('b', 0), ('c', 0), ('d', 0);
"""
STOPS_WITHIN_S = 2.0


def write_until(path, node, rows_min, stop_file):
    """Counts in the very transactions that write: what is lost or comes twice shows."""
    db = connect(path, timeout=60)
    n = 0
    while n < rows_min or not os.path.exists(stop_file):
        db.execute("BEGIN IMMEDIATE")
        db.execute("INSERT INTO entries VALUES(?, ?, zeroblob(20))", (node, n))
        db.execute("UPDATE counters SET value = value + 1 WHERE node = ?", (node,))
        db.execute("INSERT OR REPLACE INTO shared VALUES(?, ?, ?)", (n * 7 % 30, node, n))
        if n % 5 == 0:
            db.execute("UPDATE shared SET b = -b WHERE id % 3 = ?", (n % 3,))
        db.execute("COMMIT")
        n += 1
        time.sleep(0.001)  # an app that is not all alone on its machine
    db.close()


class Run(ColonyTest):
    def check_nothing_lost_nothing_twice(self, cluster):
        rows = cluster.assert_equal(timeout=90)
        counts = dict(cluster.nodes[0].query("SELECT node, count(*) FROM entries GROUP BY node"))
        self.assertEqual(dict(cluster.nodes[0].query("SELECT * FROM counters WHERE value > 0")), counts)
        for node in cluster.nodes:
            self.assertEqual(node.status()["pending"], 0)
        # None of it was a conflict, except where all wrote the same rows on purpose.
        self.assertFalse([row for row in rows["(conflicts)"] if "text:shared" not in row])
        return counts

    def writers(self, cluster, rows_min):
        self.stop_file = cluster.directory / "stop"
        return [app(write_until, node.path, node.name, rows_min, self.stop_file) for node in cluster.nodes]

    def test_run_waits_for_a_broker_that_is_not_there_yet(self):
        cluster = self.cluster(SCHEMA)
        cluster.broker.start()  # for its port
        cluster.broker.kill()
        for node in cluster.nodes:
            node.launch_sidecar()
        for node in cluster.nodes:
            status = node.await_state("waiting_for_broker")
            self.assertIn("127.0.0.1", status["broker"])
            self.assertTrue(status["error"])
            node.sql(f"INSERT INTO entries VALUES('{node.name}', 1, 'written while there is no broker')")
            self.assertEqual(node.status()["pending"], 1)
        cluster.broker.start()
        for node in cluster.nodes:
            self.assertIsNone(node.await_state("running")["error"])
        self.assertEqual(len(cluster.assert_equal()["entries"]), 4)

    def test_broker_without_jetstream_is_waited_for(self):
        cluster = self.cluster(SCHEMA, nodes="a")
        a, broker = cluster.nodes[0], cluster.broker
        broker.start()
        broker.kill()
        broker.launch([NATS_SERVER, "-a", "127.0.0.1", "-p", broker.port])
        a.launch_sidecar()
        until(lambda: "JetStream" in (a.status()["error"] or ""), lambda: f"says so: {a.status()}")
        broker.kill()
        broker.start()
        a.await_state("running")

    def test_broker_killed_while_everybody_writes(self):
        cluster = self.running(SCHEMA)
        apps = self.writers(cluster, 300)
        for round_number in range(3):
            until(lambda: min(n.status()["position"] for n in cluster.nodes) > 10 * (round_number + 1), "the log grows")
            cluster.broker.kill()
            cluster.nodes[0].await_state("waiting_for_broker")
            self.assertGreater(until(lambda: cluster.nodes[1].status()["pending"], "pending grows"), 0)
            cluster.broker.start()
            for node in cluster.nodes:
                node.await_state("running")
        self.stop_file.touch()
        finished(apps)
        self.check_nothing_lost_nothing_twice(cluster)

    def test_sidecars_killed_while_apps_write(self):
        cluster = self.running(SCHEMA)
        apps = self.writers(cluster, 300)
        kills = 0
        for round_number in range(8):
            for node in cluster.nodes:
                before = node.status()["position"]
                until(lambda: node.status()["position"] > before, f"{node.name} moves on")
                node.restart()
                kills += 1
        self.stop_file.touch()
        finished(apps)
        for node in cluster.nodes:
            node.await_state("running")
        counts = self.check_nothing_lost_nothing_twice(cluster)
        print(f"NOTE {kills} kills, {sum(counts.values())} transactions")

    def test_frozen_broker_is_outlasted(self):
        """A broker that hangs takes what it was sent when it goes on, and perhaps late."""
        cluster = self.running(SCHEMA, nodes="ab")
        apps = self.writers(cluster, 200)
        until(lambda: cluster.nodes[0].status()["position"] > 20, "the log grows")
        os.kill(cluster.broker.pid, signal.SIGSTOP)
        until(lambda: cluster.nodes[0].status()["pending"] > 30, "pending grows")
        os.kill(cluster.broker.pid, signal.SIGCONT)
        self.stop_file.touch()
        finished(apps)
        self.check_nothing_lost_nothing_twice(cluster)

    def assert_stops(self, node, number, situation):
        begin = time.monotonic()
        code = node.end(number)
        took = time.monotonic() - begin
        self.assertEqual(code, 0, f"{situation}: {node.said()}")
        self.assertLess(took, STOPS_WITHIN_S, situation)
        self.assertEqual(node.status()["state"], "stopped", situation)

    def test_sigterm_and_sigint_stop_at_once(self):
        cluster = self.running(SCHEMA, nodes="ab")
        a, b = cluster.nodes
        for number in (signal.SIGTERM, signal.SIGINT):
            with self.subTest(signal=number):
                self.assert_stops(a, number, "idle")
                # An app holds the write lock, and the sidecar wants it.
                a.start()
                db = sqlite3.connect(a.path, isolation_level=None)
                db.execute("BEGIN IMMEDIATE")
                b.sql(f"INSERT INTO entries VALUES('b', {number}, 'for a to absorb')")
                b.wait()
                until(lambda: a.status()["lag"] > 0, "a has something to absorb")
                self.assert_stops(a, number, "an app holds the write lock")
                db.execute("ROLLBACK")
                db.close()
                # Many entries to catch up with.
                big = b.connect()
                big.execute("PRAGMA synchronous = OFF")
                for n in range(3000):
                    big.execute("INSERT INTO entries VALUES(?, ?, randomblob(500))", (f"b{number}", n))
                big.close()
                b.wait()
                behind = a.status()["position"]
                a.launch_sidecar()
                until(lambda: a.status()["position"] > behind, "a catches up", every=0.001)
                self.assert_stops(a, number, "catching up")
                # No broker.
                cluster.broker.kill()
                a.launch_sidecar()
                a.await_state("waiting_for_broker")
                self.assert_stops(a, number, "waiting for the broker")
                cluster.broker.start()
                a.start()
        cluster.assert_equal()

    def test_sigterm_with_a_frozen_broker(self):
        cluster = self.running(SCHEMA, nodes="a")
        a = cluster.nodes[0]
        os.kill(cluster.broker.pid, signal.SIGSTOP)
        a.sql("INSERT INTO entries VALUES('a', 1, 'not taken')")
        self.assert_stops(a, signal.SIGTERM, "the broker hangs")
        a.launch_sidecar()
        until(lambda: a.status()["state"] != "stopped", "it is up")
        self.assert_stops(a, signal.SIGTERM, "the broker hangs at the start")
        os.kill(cluster.broker.pid, signal.SIGCONT)
        a.start()
        a.wait()

    def test_malformed_url(self):
        cluster = self.cluster(SCHEMA, nodes="a")
        for url in ("http://127.0.0.1", "nats://", "nats://host:port", "nats://127.0.0.1:99999", "", ",",
                    "nats://127.0.0.1:4222/path"):
            self.refused(colony("run", cluster.nodes[0].path, "--nats", url), "nats://HOST:PORT")
            self.assertEqual(cluster.nodes[0].status()["state"], "stopped")

    def test_no_file_of_a_colony_is_refused(self):
        cluster = self.cluster(SCHEMA, nodes="a")
        self.refused(colony("run", cluster.directory / "seed.db"), "colony init")
        self.refused(colony("run", cluster.directory / "missing.db"), "missing.db")
        self.refused(colony("run", cluster.directory), "not a file")
        cluster.nodes[0].sql("PRAGMA journal_mode = DELETE;")
        self.refused(colony("run", cluster.nodes[0].path), "WAL")

    def test_idle_sidecar_uses_no_cpu(self):
        cluster = self.running(SCHEMA, nodes="abcd")
        cluster.nodes[0].sql("INSERT INTO entries VALUES('a', 1, 'x')")
        cluster.assert_equal()

        def cpu_s(pid):
            fields = open(f"/proc/{pid}/stat").read().rpartition(")")[2].split()
            return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
        before = [cpu_s(node.pid) for node in cluster.nodes]
        begin = time.monotonic()
        until(lambda: time.monotonic() - begin >= 5, "5 s are over", every=0.5)
        used = [cpu_s(node.pid) - start for node, start in zip(cluster.nodes, before)]
        memory_kib = [int(line.split()[1]) for node in cluster.nodes
                      for line in open(f"/proc/{node.pid}/status") if line.startswith("VmRSS")]
        print(f"NOTE in 5 idle seconds: {[round(s * 1000) for s in used]} ms of CPU; {memory_kib} KiB in memory")
        self.assertLess(max(used), 0.05)
        self.assertLess(max(memory_kib), 40 * 1024)
        # Nor does it hold a read transaction: the log of the file can be emptied.
        a = cluster.nodes[0]
        self.assertEqual(a.query("PRAGMA wal_checkpoint(TRUNCATE)"), [(0, 0, 0)])
