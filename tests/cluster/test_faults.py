"""What happens to disks and files under a sidecar and its app while they run: no file is
damaged, the state says what to do, and all goes on by itself where the cause goes away."""

import contextlib
import errno
import os
import shutil
import signal
import sqlite3

from colony_cluster import ColonyTest, Node, allow_guarded, colony, session_only
from processes import BIN, COLONY, EXTENSION, SQLITE, run, until

SCHEMA = """
CREATE TABLE entries(node TEXT, n INTEGER, body BLOB, PRIMARY KEY(node, n)) WITHOUT ROWID;
"""
BULK = ("INSERT INTO entries WITH RECURSIVE n(i) AS (VALUES({0}) UNION ALL SELECT i + 1 FROM n WHERE i < {1}) "
        "SELECT 'bulk', i, randomblob({2}) FROM n;")


class Faults(ColonyTest):
    def on_a_disk_of_its_own(self, size, nodes="a"):
        """A colony, and a node b that is not started, on a file system of `size`."""
        self.in_a_mount_namespace()
        cluster = self.cluster(SCHEMA, nodes=nodes)
        b = Node(cluster, "b")
        b.log = cluster.directory / "b.log"
        run("mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", b.directory)
        cluster.start()
        return cluster, b

    def make_member(self, cluster, b):
        shutil.copy(cluster.directory / "seed.db", b.path)
        b.init()
        cluster.nodes.append(b)

    def fill(self, directory):
        """Until not a byte more can be written there."""
        ballast = directory / "ballast"
        with open(ballast, "ab", buffering=0) as file, contextlib.suppress(OSError):
            while file.write(bytes(4096)):
                pass
        return ballast

    def whole_and_equal(self, cluster, rows=None):
        content = cluster.assert_equal()
        for node in cluster.nodes:
            self.assertEqual(node.query("PRAGMA integrity_check"), [("ok",)], node.name)
        if rows is not None:
            self.assertEqual(len(content["entries"]), rows)
        return content

    def runs_again(self, node):
        node.await_state("running")

    def test_disk_that_is_full_for_the_app_the_applier_and_a_snapshot(self):
        cluster, b = self.on_a_disk_of_its_own("8m")
        self.make_member(cluster, b)
        b.start()
        a = cluster.nodes[0]
        b.sql("INSERT INTO entries VALUES('b', 1, 'before')")
        cluster.settle()
        app = b.connect()
        ballast = self.fill(b.directory)
        with self.assertRaisesRegex(sqlite3.OperationalError, "full|disk"):
            for n in range(100):
                app.execute("INSERT INTO entries VALUES('b', 1000 + ?, randomblob(100000))", (n,))
        a.sql(BULK.format(1, 40, 20000))
        self.assertIn("make room on its disk", b.halted())
        done = colony("snapshot", b.path)
        self.refused(done, "No space left on device" if "No space" in done.stderr else "full")
        self.assertEqual(b.query("PRAGMA integrity_check"), [("ok",)])
        ballast.unlink()
        self.runs_again(b)
        app.execute("INSERT INTO entries VALUES('b', 2, 'after')")
        self.whole_and_equal(cluster)
        self.assertEqual(b.one("SELECT count(*) FROM entries WHERE node = 'bulk'"), 40)

    @session_only("in wal mode what was written before the first start is what the colony begins with")
    def test_sidecar_that_is_started_on_a_full_disk_says_so_and_does_not_crash(self):
        cluster, b = self.on_a_disk_of_its_own("4m")
        self.make_member(cluster, b)
        app = b.connect()
        app.execute("INSERT INTO entries VALUES('b', 1, 'before')")
        ballast = self.fill(b.directory)
        self.refused(colony("run", b.path, "--nats", cluster.broker.url), "No space left on device")
        ballast.unlink()
        b.start()
        app.execute("INSERT INTO entries VALUES('b', 2, 'after')")
        self.whole_and_equal(cluster, 2)

    def test_joining_on_a_disk_that_is_too_small_waits_for_room(self):
        cluster, b = self.on_a_disk_of_its_own("1m")
        a = cluster.nodes[0]
        a.sql(BULK.format(1, 300, 9000))
        a.wait()
        self.assertEqual(colony("snapshot", a.path).returncode, 0)
        b.launch_sidecar(more=["--cluster", "c", "--node", "b"])
        until(lambda: "room: the snapshot needs" in b.said(), b.said)
        self.assertFalse(b.path.exists())
        run("mount", "-o", "remount,size=60m", b.directory)
        until(b.path.exists, b.said)
        self.runs_again(b)
        cluster.nodes.append(b)
        self.whole_and_equal(cluster, 300)

    def test_installing_a_snapshot_on_a_disk_that_is_too_small_waits_for_room(self):
        cluster, b = self.on_a_disk_of_its_own("2m")
        a = cluster.nodes[0]
        self.make_member(cluster, b)
        b.start()
        b.wait()
        b.kill()
        b.sql("INSERT INTO entries VALUES('b', 1, 'not yet sent')")
        a.sql(BULK.format(1, 300, 9000))
        a.wait()
        self.assertEqual(colony("snapshot", a.path).returncode, 0)
        with cluster.broker.client() as client:
            client.api("STREAM.PURGE.COLONY_c", seq=a.status()["position"])
        b.launch_sidecar()
        self.assertIn("the snapshot needs", b.halted())
        self.assertEqual(b.query("PRAGMA integrity_check"), [("ok",)])
        run("mount", "-o", "remount,size=80m", b.directory)
        self.runs_again(b)
        self.whole_and_equal(cluster, 301)

    def test_database_that_is_moved_away_and_back(self):
        cluster = self.running(SCHEMA, nodes="ab")
        a, b = cluster.nodes
        a.sql("INSERT INTO entries VALUES('a', 1, 'before')")
        cluster.settle()
        elsewhere = cluster.directory / "elsewhere.db"
        os.rename(a.path, elsewhere)
        until(lambda: f"was moved to {elsewhere}" in a.said(), a.said)
        b.sql("INSERT INTO entries VALUES('b', 1, 'meanwhile')")
        os.rename(elsewhere, a.path)
        self.runs_again(a)
        a.sql("INSERT INTO entries VALUES('a', 2, 'after')")
        self.whole_and_equal(cluster, 3)

    def test_folder_that_is_renamed_and_renamed_back(self):
        cluster = self.running(SCHEMA, nodes="ab")
        a, b = cluster.nodes
        a.sql("INSERT INTO entries VALUES('a', 1, 'before')")
        elsewhere = cluster.directory / "renamed"
        os.rename(a.directory, elsewhere)
        a.log = elsewhere / "sidecar.log"
        until(lambda: f"was moved to {elsewhere}/app.db" in a.said(), a.said)
        os.rename(elsewhere, a.directory)
        a.log = a.directory / "sidecar.log"
        self.runs_again(a)
        b.sql("INSERT INTO entries VALUES('b', 1, 'after')")
        self.whole_and_equal(cluster, 2)

    def test_file_that_replaces_the_database_does_not_get_the_former_ones_log(self):
        """Its pages would else be mixed with those of the new file by whoever opens it next."""
        cluster = self.running(SCHEMA, nodes="ab")
        a, b = cluster.nodes
        a.sql(BULK.format(1, 200, 900))
        cluster.settle()
        backup = cluster.directory / "backup.db"
        run(SQLITE, a.path, f".backup {backup}")
        with contextlib.closing(sqlite3.connect(backup, isolation_level=None)) as db:
            allow_guarded(db)
            db.execute("VACUUM")
        a.sql("DELETE FROM entries WHERE n % 3 = 0;" + BULK.format(1000, 1100, 900))
        self.assertGreater(os.stat(f"{a.path}-wal").st_size, 0)
        os.replace(backup, a.path)
        # Until then whoever opens the new file may find it malformed.
        until(lambda: os.stat(f"{a.path}-wal").st_size == 0, "the former one's log is empty")
        why = a.halted()
        for word in ("replaced by another file", f"{a.path}-wal", "start them again"):
            self.assertIn(word, why)
        self.assertEqual(a.end(signal.SIGTERM), 0)
        for suffix in ("-wal", "-shm"):
            with contextlib.suppress(FileNotFoundError):
                os.remove(f"{a.path}{suffix}")
        self.assertEqual(a.query("PRAGMA integrity_check"), [("ok",)])
        self.assertEqual(a.one("SELECT count(*) FROM entries"), 200)  # as the backup had it
        a.start()  # and takes from the log what the backup did not have
        self.whole_and_equal(cluster, 200 - 66 + 101)

    def lose(self, suffix):
        """The app goes on with a file that has no name any more."""
        cluster = self.running(SCHEMA, nodes="ab")
        a, b = cluster.nodes
        app = a.connect(timeout=0.5)
        app.execute("INSERT INTO entries VALUES('a', 1, 'before')")
        cluster.settle()
        app.execute("INSERT INTO entries VALUES('a', 2, 'just before')")
        os.remove(f"{a.path}{suffix}")
        until(lambda: f"{suffix} was deleted or replaced" in a.said(), a.said)
        self.assertIn("stop the programs", a.said())
        with self.assertRaisesRegex(sqlite3.OperationalError, "locked"):
            until(lambda: app.execute("INSERT INTO entries VALUES('a', 3, 'refused')") and False, "it is refused")
        pid = a.pid
        told = app.execute("SELECT count(*) FROM entries").fetchone()[0]
        b.sql("INSERT INTO entries VALUES('b', 1, 'meanwhile')")
        return cluster, a, app, pid, told

    def test_write_ahead_log_that_is_deleted_under_app_and_sidecar_loses_nothing(self):
        cluster, a, app, pid, told = self.lose("-wal")
        done = a.shell("PRAGMA busy_timeout = 100; INSERT INTO entries VALUES('a', 4, 'refused, too')")
        self.assertIn("locked", done.stderr)
        # Whoever reads sees all of it, since it stands in the database itself.
        self.assertEqual(a.one("SELECT count(*) FROM entries"), told)
        app.close()  # the app is restarted: the sidecar goes on by itself
        self.runs_again(a)
        self.assertEqual(a.pid, pid)
        a.sql("INSERT INTO entries VALUES('a', 5, 'after')")
        self.whole_and_equal(cluster, told + 2)

    def test_write_ahead_log_that_is_deleted_is_safe_from_kills(self):
        cluster, a, app, pid, told = self.lose("-wal")
        held = app.execute("SELECT count(*) FROM entries").fetchone()[0]
        done = colony("run", a.path, "--nats", cluster.broker.url)
        self.refused(done, f"process {pid}" if str(pid) in done.stderr else "process", "deleted under it")
        a.kill()
        self.assertEqual(a.one("SELECT count(*) FROM entries"), held)
        app.close()
        a.start()
        a.sql("INSERT INTO entries VALUES('a', 5, 'after')")
        self.whole_and_equal(cluster, told + 2)

    def test_index_of_the_write_ahead_log_that_is_deleted_loses_nothing(self):
        cluster, a, app, pid, told = self.lose("-shm")
        app.close()
        self.runs_again(a)
        a.sql("INSERT INTO entries VALUES('a', 5, 'after')")
        self.whole_and_equal(cluster, told + 2)

    def test_permission_that_is_taken_away_and_given_back(self):
        if os.getuid() != 0:
            self.cannot_run_here("it takes the right to run as somebody else")
        cluster = self.running(SCHEMA, nodes="ab")
        a, b = cluster.nodes
        b.stop()
        os.chmod(cluster.directory, 0o711)
        until(lambda: run("setpriv", "--reuid=65534", "--clear-groups", "test", "-r", "/").returncode == 0, "setpriv")
        for parent in list(cluster.directory.parents)[:-1]:
            if os.stat(parent).st_mode & 0o001 == 0:
                os.chmod(parent, os.stat(parent).st_mode | 0o001)
        for file in [b.directory, *b.directory.iterdir()]:
            os.chown(file, 65534, 65534)
        b.log = cluster.directory / "b.log"
        as_nobody = ("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups")
        b.launch_sidecar(*as_nobody)
        self.runs_again(b)
        # What is open stays open; the folder out of reach is noticed.
        os.chmod(b.directory, 0)
        until(lambda: "cannot be looked at: Permission denied" in b.said(), b.said)
        a.sql("INSERT INTO entries VALUES('a', 1, 'meanwhile')")
        os.chmod(b.directory, 0o755)
        self.runs_again(b)
        cluster.settle()
        self.assertEqual(b.one("SELECT count(*) FROM entries"), 1)
        # Another start would be refused, and says why.
        os.chmod(b.path, 0)
        b.kill()
        done = run(*as_nobody, COLONY, "run", b.path, "--nats",
                   cluster.broker.url)
        self.refused(done, "cannot be written: Permission denied")
        os.chmod(b.path, 0o644)
        b.launch_sidecar(*as_nobody)
        self.runs_again(b)
        self.whole_and_equal(cluster, 1)


class DiskThatFails(ColonyTest):
    """Without the right to mount: a preloaded library makes every write of b's app and
    sidecar fail, as a disk does that the kernel has made read-only, or that is full."""

    def failing(self, fault, words):
        cluster = self.cluster(SCHEMA, nodes="ab")
        a, b = cluster.nodes
        control = cluster.directory / "fault"
        b.log = cluster.directory / "b.log"
        preload = ("env", f"LD_PRELOAD={BIN / 'disk_faults.so'}", f"COLONY_DISK_FAULT={control}",
                   f"COLONY_DISK_FAULT_IN={b.directory}")
        cluster.broker.start()
        a.start()
        b.launch_sidecar(*preload)
        b.await_state("running")
        b.sql("INSERT INTO entries VALUES('b', 1, 'before')")
        cluster.settle()
        control.write_text(str(fault))
        a.sql("INSERT INTO entries VALUES('a', 1, 'meanwhile');" + BULK.format(1, 30, 20000))
        why = b.halted()
        for word in words:
            self.assertIn(word, why)
        app = run(*preload, SQLITE, "-cmd", f".load {EXTENSION}", b.path, "INSERT INTO entries VALUES('b', 2, 'refused')")
        self.assertNotEqual(app.returncode, 0, app.stdout)
        self.assertEqual(b.query("PRAGMA integrity_check"), [("ok",)])
        self.assertTrue(b.runs())
        control.unlink()
        b.await_state("running")
        b.sql("INSERT INTO entries VALUES('b', 3, 'after')")
        content = cluster.assert_equal()
        self.assertEqual(len(content["entries"]), 33)
        for node in cluster.nodes:
            self.assertEqual(node.query("PRAGMA integrity_check"), [("ok",)], node.name)

    def test_disk_that_becomes_read_only_and_writable_again(self):
        self.failing(errno.EROFS, ["Read-only file system", "goes on by itself"])

    def test_disk_that_fails_with_an_input_output_error(self):
        self.failing(errno.EIO, ["Input/output error", "see to the disk"])

    def test_disk_that_has_no_space_left(self):
        self.failing(errno.ENOSPC, ["full", "make room on its disk"])
