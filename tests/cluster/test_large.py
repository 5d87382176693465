"""One commit of very many rows: whole everywhere, whatever dies meanwhile, in little memory."""

import contextlib
import pathlib
import sqlite3

from colony_cluster import ColonyTest, connect
from processes import app, finished, run, until

STREAM = "COLONY_c"
ROWS = 100_000
TABLES = ("CREATE TABLE large(id INTEGER PRIMARY KEY, body BLOB);"
          "CREATE TABLE small(id TEXT PRIMARY KEY, v INTEGER);")
# Of a sidecar, where a transaction of 50 MB once took several times that.
RESIDENT_MIB_MAX = 110


def numbers(count):
    return f"WITH RECURSIVE n(i) AS (VALUES(1) UNION ALL SELECT i + 1 FROM n WHERE i < {count})"


def watch(path, counts, stop_file):
    """Reads all the while; what it sees must be nothing of a transaction or all of it."""
    with contextlib.closing(sqlite3.connect(path, timeout=60, isolation_level=None)) as db:
        while not stop_file.exists():
            seen = db.execute("SELECT count(*) FROM large").fetchone()[0]
            if seen not in counts:
                raise AssertionError(f"a reader saw part of a transaction: {seen} rows")


def write(path, name, stop_file):
    """Small transactions, one after the other."""
    with contextlib.closing(connect(path, timeout=60)) as db:
        n = 0
        while not stop_file.exists():
            db.execute("INSERT INTO small VALUES(?, ?)", (f"{name} {n}", n))
            n += 1
            stop_file.parent.joinpath(f"written by {name}").write_text(str(n))


def resident_mib(node):
    """The most memory that its sidecar has had since it was started."""
    status = pathlib.Path(f"/proc/{node.pid}/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) / 1024


class Large(ColonyTest):
    def assert_little_memory(self, nodes):
        used = {node.name: resident_mib(node) for node in nodes}
        print("NOTE sidecars had at most " + ", ".join(f"{name} {mib:.0f} MiB" for name, mib in used.items()))
        for name, mib in used.items():
            self.assertLess(mib, RESIDENT_MIB_MAX, name)

    def test_large_commit_among_others(self):
        cluster = self.running(TABLES)
        a, b, c, d = cluster.nodes
        stop_writing, stop_reading = cluster.directory / "stop writing", cluster.directory / "stop reading"
        readers = [app(watch, node.path, (0, ROWS), stop_reading) for node in cluster.nodes]
        writers = [app(write, node.path, node.name, stop_writing) for node in (b, c)]
        client = cluster.broker.client()
        self.addCleanup(client.close)
        a.sql(f"INSERT INTO large {numbers(ROWS)} SELECT i, randomblob(500) FROM n;")
        kills = {"a": 0, "b": 0}
        for mark in (5e6, 15e6, 25e6, 35e6):
            until(lambda: client.state(STREAM)["bytes"] > mark, f"the log has {mark} bytes", every=0.002)
            if a.one("SELECT count(*) FROM __colony_outbox") > 0:
                kills["a"] += 1
                a.restart()
            if b.one("SELECT count(*) FROM __colony_parts") > 0:
                kills["b"] += 1
                b.restart()
        for node in cluster.nodes:
            until(lambda: node.one("SELECT max(id) FROM large") == ROWS, f"{node.name} has it")
        stop_writing.touch()
        finished(writers)
        content = cluster.assert_equal(timeout=90)
        stop_reading.touch()
        finished(readers)
        self.assertGreater(kills["a"], 0)
        self.assertGreater(kills["b"], 0)
        self.assertEqual(len(content["large"]), ROWS)
        written = [int((cluster.directory / f"written by {node.name}").read_text()) for node in (b, c)]
        self.assertEqual(len(content["small"]), sum(written))
        self.assertEqual([node.one("SELECT count(*) FROM __colony_parts") for node in cluster.nodes], [0] * 4)
        self.assertEqual([list(node.directory.glob(".colony-*")) for node in cluster.nodes], [[]] * 4)
        self.assert_little_memory(cluster.nodes)
        print(f"NOTE killed in its middle: {kills}; {sum(written)} transactions of others meanwhile")

    def test_large_commit_is_rebased(self):
        cluster = self.running(TABLES)
        a, b, c, d = cluster.nodes
        a.sql(f"INSERT INTO large {numbers(ROWS)} SELECT i, randomblob(500) FROM n;")
        cluster.settle()
        a.stop()
        a.sql("UPDATE large SET body = randomblob(500);")
        b.sql("UPDATE large SET body = 'b' WHERE id % 1000 = 7; DELETE FROM large WHERE id = 12345;")
        b.wait()
        a.start()
        content = cluster.assert_equal(timeout=90)
        self.assertEqual(len(content["large"]), ROWS - 1)
        # 100 rows that b had changed, and one that it had deleted.
        self.assertEqual(len(content["(conflicts)"]), 101)
        self.assert_little_memory((b, c, d))
        print(f"NOTE the sidecar that undid and redid it: {resident_mib(a):.0f} MiB")

    def test_disk_full_of_what_a_transaction_changed(self):
        self.in_a_mount_namespace()
        cluster = self.running(TABLES)
        a, b, c, d = cluster.nodes
        a.sql(f"INSERT INTO large {numbers(1000)} SELECT i, randomblob(1000) FROM n;")
        cluster.settle()
        before = a.one("SELECT hex(max(body)) FROM large")
        a.stop()
        files = {file.name: file.read_bytes() for file in a.directory.iterdir() if file.is_file()}
        run("mount", "-t", "tmpfs", "-o", "size=16m", "tmpfs", a.directory)
        for name, content in files.items():
            (a.directory / name).write_bytes(content)
        # The table has 1 MB, what is recorded 2 MB a time.
        again = "UPDATE large SET body = randomblob(1000);" * 12
        done = a.shell("BEGIN;" + again + "COMMIT;")
        self.assertIn("colony: cannot write a temporary file", done.stderr)
        self.assertIn("No space left on device", done.stderr)
        self.assertEqual(a.one("SELECT hex(max(body)) FROM large"), before)
        self.assertEqual(a.one("SELECT count(*) FROM __colony_outbox"), 0)
        a.sql("UPDATE large SET body = 'small' WHERE id = 1;")
        a.start()
        cluster.assert_equal()
