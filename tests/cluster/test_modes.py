"""Nothing that Colony makes can be read by more than the database can."""

import os
import stat
import threading

from colony_cluster import ColonyTest, Node, colony
from processes import until

SCHEMA = "CREATE TABLE t(id INTEGER PRIMARY KEY, a);"


class Watch(threading.Thread):
    """Looks again and again at the modes of all files below some folders."""

    def __init__(self, folders, allowed):
        super().__init__(daemon=True)
        self.folders, self.allowed = folders, allowed
        self.seen, self.loose = set(), {}
        self.stopping = threading.Event()

    def look(self):
        for folder in self.folders:
            for parent, _, names in os.walk(folder):
                for name in names:
                    path = os.path.join(parent, name)
                    try:
                        status = os.lstat(path)
                    except FileNotFoundError:
                        continue
                    self.seen.add(name)
                    if stat.S_ISREG(status.st_mode) and status.st_mode & 0o777 & ~self.allowed:
                        self.loose[path] = oct(status.st_mode & 0o777)

    def run(self):
        while not self.stopping.wait(0.001):
            self.look()


class Modes(ColonyTest):
    def files_are_private(self, umask, mode):
        os.umask(umask)
        cluster = self.cluster(SCHEMA, nodes="a")
        a = cluster.nodes[0]
        a.log = cluster.directory / "a.log"  # the test's own, not Colony's
        for file in a.directory.iterdir():
            file.chmod(mode)
        store = cluster.directory / "store"
        work = cluster.directory / "work"
        work.mkdir()
        store.mkdir()
        watch = Watch([a.directory, work, store], mode)
        watch.start()
        cluster.broker.start()
        flags = ["--snapshots", store]
        a.launch_sidecar(more=flags)
        a.await_state("running")
        a.sql("INSERT INTO t WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM n WHERE i < 30000) "
              "SELECT i, hex(randomblob(40)) FROM n")
        a.wait()
        for words in (["snapshot", a.path, "--to", store], ["snapshot", a.path, "--to", work / "backup.db"],
                      ["restore", work / "restored.db", "--from", store, "--cluster", "c", "--nats",
                       cluster.broker.url], ["keygen", work / "key"], ["keygen", "--nkey", work / "nkey"]):
            done = colony(*words)
            self.assertEqual(done.returncode, 0, done.stderr)
        b = Node(cluster, "b", work / "b.db")
        self.addCleanup(b.kill)
        b.launch_sidecar(more=[*flags, "--cluster", "c", "--node", "b"])
        until(lambda: b.path.exists() and b.status()["state"] == "running", "b has joined")
        b.sql("INSERT INTO t VALUES(0, 'b')")
        b.wait()
        watch.look()
        a.stop()
        b.stop()
        watch.stopping.set()
        watch.join()
        self.assertEqual(watch.loose, {})
        for name in ("app.db-wal", "app.db-shm", "app.db-colony", "b.db", "b.db-wal", "b.db-colony", "backup.db",
                     "restored.db", "key", "nkey"):
            self.assertIn(name, watch.seen)

    def test_files_of_a_private_database_without_a_umask(self):
        self.files_are_private(0o000, 0o600)

    def test_files_of_a_private_database_with_the_usual_umask(self):
        self.files_are_private(0o022, 0o600)

    def test_files_of_a_database_of_a_group(self):
        self.files_are_private(0o000, 0o640)

    def test_leftover_that_everybody_could_read_is_closed(self):
        cluster = self.cluster(SCHEMA, nodes="a")
        a = cluster.nodes[0]
        for file in a.directory.iterdir():
            file.chmod(0o600)
        left = a.directory / "app.db-colony"
        left.touch()
        left.chmod(0o644)
        cluster.broker.start()
        a.start()
        self.assertEqual(left.stat().st_mode & 0o777, 0o600)
