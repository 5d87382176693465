"""The file is shared: who holds locks on it, for how long, and what the sidecar makes of it."""

import os
import sqlite3
import time

from colony_cluster import ColonyTest, connect
from processes import app, finished, until

SCHEMA = "CREATE TABLE items(id TEXT PRIMARY KEY, n INTEGER, body BLOB);"


def probe(path, stop_file, result_file):
    """Tries for the write lock without waiting, over and over; notes the longest refusal."""
    db = sqlite3.connect(path, timeout=0, isolation_level=None)
    refused, longest, times = None, 0.0, 0
    while not stop_file.exists():
        now = time.monotonic()
        try:
            db.execute("BEGIN IMMEDIATE")
            db.execute("ROLLBACK")
            if refused is not None:
                longest, times, refused = max(longest, now - refused), times + 1, None
        except sqlite3.OperationalError as error:
            assert "locked" in str(error), error
            refused = refused or now
        time.sleep(0.0002)
    result_file.write_text(f"{longest * 1000:.1f} {times}")


def write_small(path, name, count):
    db = connect(path)
    for n in range(count):
        db.execute("INSERT INTO items VALUES(?, ?, ?)", (f"{name} {n}", n, b"x" * 50))


def write_until(path, name, stop_file):
    """About 400 KiB a transaction: pages enough for the write-ahead log to grow."""
    db = connect(path)
    n = 0
    while not stop_file.exists():
        db.execute("BEGIN IMMEDIATE")
        for _ in range(100):
            db.execute("INSERT OR REPLACE INTO items VALUES(?, ?, randomblob(4000))", (f"{name} {n % 2000}", n))
            n += 1
        db.execute("COMMIT")
        time.sleep(0.02)


def read_until(path, offset, stop_file):
    """Read transactions of 0.15 s, one after the other: with others like it, there is always one."""
    db = sqlite3.connect(path, timeout=20, isolation_level=None)
    time.sleep(offset)
    while not stop_file.exists():
        db.execute("BEGIN")
        db.execute("SELECT count(*) FROM items").fetchone()
        time.sleep(0.15)
        db.execute("COMMIT")


class Locks(ColonyTest):
    def two_nodes(self):
        cluster = self.running(SCHEMA, nodes="ab")
        return cluster, *cluster.nodes

    def test_lock_is_refused_for_moments_only(self):
        """To an app that does not wait, while its node catches up. The bound is loose: the
        machine may be busy. tests/bench.sh --only locks has the figures."""
        cluster, a, b = self.two_nodes()
        a.stop()
        write_small(b.path, "b", 5000)
        for n in range(5):
            b.sql("INSERT INTO items WITH RECURSIVE i(v) AS (VALUES(1) UNION ALL SELECT v + 1 FROM i WHERE v < 1000) "
                  f"SELECT 'b {n} ' || v, v, zeroblob(50) FROM i;")
        write_small(a.path, "a", 1000)
        b.wait()
        stop, result = cluster.directory / "stop", cluster.directory / "result"
        prober = app(probe, a.path, stop, result)
        a.start()
        cluster.settle()
        stop.touch()
        finished([prober])
        longest_ms, times = result.read_text().split()
        print(f"NOTE refused {times} times, for {longest_ms} ms at most")
        self.assertGreater(int(times), 0)
        self.assertLess(float(longest_ms), 250)
        cluster.assert_equal()

    def test_slow_writer(self):
        """An app keeps the write lock for 30 s: the sidecar waits, says who has it and how far
        behind that leaves it, and catches up."""
        cluster, a, b = self.two_nodes()
        for node in (a, b):
            node.await_status(position=2)  # both hellos
        db = b.connect()
        db.execute("BEGIN IMMEDIATE")
        db.execute("INSERT INTO items VALUES('slow', 1, '')")
        release = time.monotonic() + 30
        write_small(a.path, "a", 50)
        a.wait()
        # Entries, each of which has as many transactions as were waiting.
        status = until(lambda: (found := b.status())["lock_wait"] and found["lag"] >= 1 and found, "b tells its lag")
        self.assertEqual([holder["pid"] for holder in status["lock_wait"]["held_by"]], [os.getpid()])
        self.assertIn("python", status["lock_wait"]["held_by"][0]["command"])
        self.assertGreater(status["lag_s"], 0)
        self.assertTrue(any(f"process {os.getpid()} (python" in text for text in status["warnings"]), status)
        b.await_said("held the write lock")
        self.assertIn(f"process {os.getpid()} (python", b.said())
        until(lambda: time.monotonic() >= release, "30 s are over", timeout=31)
        self.assertEqual((b.status()["position"], b.one("SELECT count(*) FROM items")), (2, 0))
        self.assertGreater(b.status()["lock_wait"]["seconds"], 25)
        self.assertEqual(b.said().count("held the write lock"), 1)
        b.await_status(state="running", stalled=None)
        db.execute("COMMIT")
        self.assertEqual(len(cluster.assert_equal()["items"]), 51)
        b.await_said("write lock is free again")
        b.await_status(lock_wait=None, lag=0, lag_s=0)

    def test_reader_that_never_ends_is_named(self):
        cluster, a, b = self.two_nodes()
        db = sqlite3.connect(b.path, timeout=20, isolation_level=None)
        write_small(a.path, "first", 1)
        cluster.settle()
        db.execute("BEGIN")
        db.execute("SELECT count(*) FROM items").fetchone()
        stop = cluster.directory / "stop"
        writer = app(write_until, a.path, "a", stop)

        def blocked():
            status = b.status()
            return (status["wal"]["blocked_s"] or 0) >= 11 and status["wal"]["bytes"] > 16 << 20 and status
        status = until(blocked, lambda: f"b says who is in the way: {b.status()}")
        self.assertIn(os.getpid(), [holder["pid"] for holder in status["wal"]["blocked_by"]])
        self.assertGreater(status["wal"]["not_checkpointed"], 1000)
        self.assertTrue(any(f"process {os.getpid()} (python" in text for text in status["warnings"]), status)
        b.await_said("read transaction that stays open")
        self.assertIn(f"process {os.getpid()} (python", b.said())
        # Once it ends, the log is emptied, and the room is given back.
        stop.touch()
        finished([writer])
        db.execute("COMMIT")
        def cut():
            log = b.status()["wal"]
            return log["bytes"] < 16 << 20 and (log["blocked_s"], log["blocked_by"]) == (None, [])
        until(cut, lambda: f"the log is cut: {b.status()['wal']}")
        cluster.assert_equal()

    def test_write_ahead_log_is_bounded_beside_readers_that_overlap(self):
        cluster, a, b = self.two_nodes()
        stop = cluster.directory / "stop"
        readers = [app(read_until, b.path, n * 0.05, stop) for n in range(4)]
        writer = app(write_until, a.path, "a", stop)
        wal = b.path.parent / "app.db-wal"
        sizes = [0]

        def enough_was_written():
            sizes.append(wal.stat().st_size)
            return len(sizes) % 50 == 0 and (b.one("SELECT max(n) FROM items") or 0) * 4000 > 240 << 20
        until(enough_was_written, "b has applied 240 MiB", timeout=120, every=0.005)
        stop.touch()
        finished([writer, *readers])
        cuts = sum(after < before for before, after in zip(sizes, sizes[1:]))
        print(f"NOTE 240 MiB applied, the write-ahead log at most {max(sizes) >> 20} MiB, cut {cuts} times")
        self.assertLess(max(sizes), 120 << 20)
        self.assertGreater(cuts, 2)
        cluster.assert_equal()
