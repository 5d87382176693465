"""The file under a sidecar: copied, moved, put back, deleted, on a full disk; and who it is."""

import contextlib
import os
import shutil
import signal

from colony_cluster import ColonyTest, Node, colony
from processes import SQLITE, run, until

SCHEMA = """
CREATE TABLE entries(node TEXT, n INTEGER, body BLOB, PRIMARY KEY(node, n)) WITHOUT ROWID;
CREATE TABLE counters(node TEXT PRIMARY KEY, value INTEGER);
INSERT INTO counters VALUES('a', 0);
"""


class File(ColonyTest):
    def test_two_sidecars(self):
        cluster = self.running(SCHEMA, nodes="a")
        a = cluster.nodes[0]
        link = cluster.directory / "link.db"
        link.symlink_to(a.path)
        for path in (a.path, os.path.relpath(a.path), link):
            self.refused(colony("run", path, "--nats", cluster.broker.url), f"process {a.pid}", "one file")
        self.assertTrue(a.runs())
        a.kill()
        a.start()

    def test_symbolic_link_to_the_file(self):
        cluster = self.running(SCHEMA, nodes="ab")
        a, b = cluster.nodes
        a.stop()
        a.path, file = cluster.directory / "link.db", a.path
        a.path.symlink_to(file)
        a.start()
        a.sql("INSERT INTO entries VALUES('a', 1, 'through the link')")
        cluster.assert_equal()
        a.path = file
        a.await_state("running")

    def test_wrong_cluster(self):
        """Two colonies on one broker have nothing to do with each other."""
        one = self.running(SCHEMA, nodes="ab", name="one")
        two = self.cluster(SCHEMA, nodes="ab", name="two")
        two.broker = one.broker
        for node in two.nodes:
            node.start()
        one.nodes[0].sql("INSERT INTO entries VALUES('a', 1, 'of one')")
        two.nodes[0].sql("INSERT INTO entries VALUES('a', 1, 'of two')")
        self.assertNotEqual(one.assert_equal()["entries"], two.assert_equal()["entries"])
        self.refused(colony("init", one.nodes[0].path, "--cluster", "two", "--node", "a"), "colony one")

    def test_clone(self):
        cluster = self.running(SCHEMA, nodes="ab")
        a, b = cluster.nodes
        a.sql("INSERT INTO entries VALUES('a', 1, 'x')")
        cluster.settle()
        copy = cluster.directory / "copy.db"
        run(SQLITE, a.path, f".backup {copy}")
        self.refused(colony("run", copy, "--nats", cluster.broker.url), str(a.path), "--node NEW")
        # A file that was moved is no copy.
        a.stop()
        moved = cluster.directory / "moved.db"
        shutil.move(a.path, moved)
        a.path = moved
        a.start()
        a.sql("INSERT INTO entries VALUES('a', 2, 'from another place')")
        cluster.assert_equal()

    def test_clone_on_another_machine(self):
        """Where the first file cannot be seen, the log tells of the second."""
        if os.getuid() != 0 or run("unshare", "--uts", "true").returncode != 0:
            self.cannot_run_here("it takes the right to name a machine")
        cluster = self.running(SCHEMA, nodes="ab")
        a, b = cluster.nodes
        a.sql("INSERT INTO entries VALUES('a', 1, 'x')")
        cluster.settle()
        clone = Node(cluster, "clone")
        self.addCleanup(clone.kill)
        run(SQLITE, a.path, f".backup {clone.path}")
        clone.launch_sidecar("unshare", "--uts", "sh", "-c", 'hostname elsewhere && exec "$@"', "sh")
        halted = until(lambda: [n for n in (a, clone) if n.status()["state"] == "halted"], "one of the two has halted")
        for node in halted:
            node.halted("copy of this file")
        clone.kill()
        b.sql("INSERT INTO entries VALUES('b', 1, 'x')")
        b.wait()
        a.kill()
        a.start()  # and speaks for itself again
        a.sql("INSERT INTO entries VALUES('a', 2, 'y')")
        cluster.assert_equal()

    def test_restored_backup(self):
        """A node that is put back to yesterday's file takes from the log what it forgot."""
        cluster = self.running(SCHEMA)
        a = cluster.nodes[0]
        a.sql("INSERT INTO entries VALUES('a', 1, 'before')")
        cluster.settle()
        backup = cluster.directory / "backup.db"
        run(SQLITE, a.path, f".backup {backup}")
        for n in range(2, 30):
            a.sql(f"INSERT INTO entries VALUES('a', {n}, 'after'); UPDATE counters SET value = {n} WHERE node = 'a';")
        cluster.nodes[1].sql("UPDATE entries SET body = 'b''s' WHERE n = 20")
        cluster.settle()

        def restore():
            a.stop()
            for suffix in ("", "-wal", "-shm"):
                with contextlib.suppress(FileNotFoundError):
                    os.remove(f"{a.path}{suffix}")
            shutil.copy(backup, a.path)
        restore()
        a.start()
        a.sql("INSERT INTO entries VALUES('a', 100, 'new')")
        self.assertEqual(len(cluster.assert_equal()["entries"]), 30)
        # Written to before it could catch up: its numbers now stand for two things.
        restore()
        a.sql("INSERT INTO entries VALUES('a', 200, 'too early')")
        a.launch_sidecar()
        self.assertIn("older backup", a.halted())
        self.assertEqual(a.one("SELECT count(*) FROM entries WHERE n = 200"), 1)

    def test_restored_backup_under_a_running_sidecar(self):
        """sqlite3's .restore writes the old pages into the very file."""
        cluster = self.running(SCHEMA)
        a, b, c, d = cluster.nodes
        a.sql("INSERT INTO entries VALUES('a', 1, 'before')")
        cluster.settle()
        backup = cluster.directory / "backup.db"
        run(SQLITE, a.path, f".backup {backup}")
        a.sql("INSERT INTO entries VALUES('a', 2, 'after')")
        b.sql("INSERT INTO entries VALUES('b', 2, 'after')")
        cluster.settle()
        done = run(SQLITE, a.path, f".restore {backup}")
        self.assertEqual(done.stderr, "")
        b.sql("INSERT INTO entries VALUES('b', 3, 'later')")
        b.wait()
        def outcome():
            return "halted" if a.status()["state"] == "halted" else (
                a.one("SELECT count(*) FROM entries") == 4 and "has all")
        if until(outcome, "a has all again, or halts") != "halted":
            cluster.assert_equal()

    def test_same_name(self):
        cluster = self.running(SCHEMA, nodes="ab")
        second = Node(cluster, "second")
        self.addCleanup(second.kill)
        shutil.copy(cluster.directory / "seed.db", second.path)
        colony("init", second.path, "--cluster", "c", "--node", "a")
        second.sql("INSERT INTO entries VALUES('second', 1, 'never shipped')")
        second.launch_sidecar()
        why = second.halted()
        self.assertIn(str(cluster.nodes[0].path), why)
        self.assertIn("--node NEW", why)
        self.assertEqual(second.status()["pending"], 1)
        cluster.nodes[0].sql("INSERT INTO entries VALUES('a', 1, 'goes on')")
        self.assertEqual(len(cluster.assert_equal()["entries"]), 1)

    def test_database_deleted_under_the_sidecar(self):
        cluster = self.running(SCHEMA, nodes="ab")
        a, b = cluster.nodes
        for suffix in ("", "-wal", "-shm"):
            os.remove(f"{a.path}{suffix}")
        until(lambda: "was deleted under the sidecar" in a.said(), "a says so")
        self.assertIn("state=halted", a.said())
        b.sql("INSERT INTO entries VALUES('b', 1, 'goes on')")
        b.wait()
        self.assertEqual(a.end(signal.SIGTERM), 0)

    def test_database_replaced_under_the_sidecar(self):
        cluster = self.running(SCHEMA, nodes="ab")
        a, b = cluster.nodes
        backup = cluster.directory / "backup.db"
        run(SQLITE, a.path, f".backup {backup}")
        os.replace(backup, a.path)
        self.assertIn("replaced by another file", a.halted())
        position = a.status()["position"]
        b.sql("INSERT INTO entries VALUES('b', 1, 'x')")
        b.wait()
        self.assertEqual(a.status()["position"], position)

    def test_disk_full(self):
        self.in_a_mount_namespace()
        cluster = self.cluster(SCHEMA, nodes="a")
        a = cluster.nodes[0]
        b = Node(cluster, "b")
        run("mount", "-t", "tmpfs", "-o", "size=3m", "tmpfs", b.directory)
        shutil.copy(cluster.directory / "seed.db", b.path)
        b.init()
        cluster.nodes.append(b)
        cluster.start()
        a.sql("INSERT INTO entries VALUES('a', 1, randomblob(6000000)); INSERT INTO entries VALUES('a', 2, 'small');")
        self.assertIn("full", b.halted())
        self.assertEqual(b.one("SELECT count(*) FROM entries"), 0)
        self.assertEqual(run("mount", "-o", "remount,size=100m", b.directory).stderr, "")
        b.await_state("running")  # by itself
        self.assertEqual(len(cluster.assert_equal()["entries"]), 2)

    def test_read_only_file_system(self):
        self.in_a_mount_namespace()
        cluster = self.cluster(SCHEMA, nodes="a")
        a = cluster.nodes[0]
        b = Node(cluster, "b")
        run("mount", "-t", "tmpfs", "tmpfs", b.directory)
        b.log = cluster.directory / "b.log"  # which would keep the file system writable
        shutil.copy(cluster.directory / "seed.db", b.path)
        b.init()
        run("mount", "-o", "remount,ro", b.directory)
        self.refused(colony("run", b.path, "--nats", "nats://127.0.0.1:1"), "cannot be written")
        self.refused(colony("init", b.path, "--cluster", "c", "--node", "b"), "cannot be written")
        run("mount", "-o", "remount,rw", b.directory)
        cluster.nodes.append(b)
        cluster.start()
        a.sql("INSERT INTO entries VALUES('a', 1, 'x')")
        cluster.assert_equal()
