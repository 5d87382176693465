"""Alive is not enough: a loop that has something to do and does not get on with it says so."""

import signal
import socket
import time

from colony_cluster import ColonyTest
from processes import until

SCHEMA = "CREATE TABLE items(id INTEGER PRIMARY KEY, n INTEGER);"


class Watchdog(ColonyTest):
    def test_snapshot_store_that_never_answers_is_named(self):
        cluster = self.cluster(SCHEMA, nodes="a")
        a = cluster.nodes[0]
        with socket.create_server(("127.0.0.1", 0)) as deaf:  # the kernel accepts, and nobody reads
            cluster.broker.start()
            a.launch_sidecar(more=["--snapshots", f"webdav://127.0.0.1:{deaf.getsockname()[1]}/shelf"])
            a.await_state("running")
            a.sql("INSERT INTO items VALUES(1, 1)")
            status = until(lambda: (found := a.status())["stalled"] and found, "the status names the loop")
            self.assertEqual((status["stalled"]["loop"], status["stalled"]["doing"]),
                             ("housekeeper", "listing the snapshots"))
            self.assertGreaterEqual(status["stalled"]["seconds"], 8)
            self.assertLess(status["stalled"]["seconds"], 15)
            self.assertTrue(any("the housekeeper has made no progress" in text for text in status["warnings"]), status)
            a.await_said("the housekeeper makes no progress")
            # Everything else goes on.
            self.assertEqual(status["state"], "running")
            a.sql("INSERT INTO items VALUES(2, 1)")
            a.wait()
        # Its connection is reset now: it gives up, says why, and is no longer stalled.
        a.await_status(stalled=None)
        a.await_said("the housekeeper makes progress again")
        self.assertEqual(a.said().count("makes no progress"), 1, a.said())

    def test_broker_that_stands_still_is_noticed_within_ten_seconds(self):
        """A stopped server accepts bytes and answers nothing."""
        cluster = self.running(SCHEMA, nodes="ab")
        a, b = cluster.nodes
        cluster.settle()
        cluster.broker.process.send_signal(signal.SIGSTOP)
        begin = time.monotonic()
        try:
            for n in range(20):
                a.sql(f"INSERT INTO items VALUES({n}, 1)")
            status = until(lambda: (found := a.status()) and (found["stalled"] or found["error"]) and found,
                           "a says that nothing moves", timeout=15, every=0.1)
            took = time.monotonic() - begin
            print(f"NOTE noticed after {took:.1f} s: {status['stalled'] or status['error']}")
            self.assertLess(took, 12)
        finally:
            cluster.broker.process.send_signal(signal.SIGCONT)
        self.assertEqual(len(cluster.assert_equal()["items"]), 20)
        a.await_status(stalled=None)

    def test_what_is_slow_and_moves_is_no_stall(self):
        """A large commit, a lock held for 12 s, an idle time: nobody cries wolf."""
        cluster = self.running(SCHEMA, nodes="ab")
        a, b = cluster.nodes
        db = b.connect()
        db.execute("BEGIN IMMEDIATE")
        db.execute("INSERT INTO items VALUES(-1, 1)")
        a.sql("INSERT INTO items WITH RECURSIVE i(v) AS (VALUES(1) UNION ALL SELECT v + 1 FROM i WHERE v < 300000) "
              "SELECT v, v FROM i;")
        end = time.monotonic() + 12
        while time.monotonic() < end:
            self.assertIsNone(b.status()["stalled"])
            self.assertIsNone(a.status()["stalled"])
            time.sleep(0.5)
        db.execute("COMMIT")
        cluster.assert_equal()
        for node in cluster.nodes:
            self.assertNotIn("makes no progress", node.said())
