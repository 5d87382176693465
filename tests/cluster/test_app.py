"""The app's side: however a program opens, copies or shares its file, it notices nothing."""

import contextlib
import os
import pathlib
import sqlite3
import subprocess

from app_schema import SCHEMA
from colony_cluster import ColonyTest, allow_guarded, connect, session_only
from processes import COLONY, EXTENSION, SQLITE, app, finished, run


class App(ColonyTest):
    def two_nodes(self, schema=SCHEMA):
        cluster = self.running(schema, nodes="ab")
        return cluster, *cluster.nodes

    def test_python_as_it_comes(self):
        """The module's own transactions, executemany, iterdump, a with statement."""
        cluster, a, b = self.two_nodes()
        db = sqlite3.connect(a.path, timeout=20)
        db.enable_load_extension(True)
        db.load_extension(EXTENSION)
        with db:
            db.executemany("INSERT INTO items(name, n) VALUES(?, ?)", [(f"n{i}", i) for i in range(100)])
        db.execute("DELETE FROM items WHERE n < 10")
        db.rollback()
        db.execute("PRAGMA count_changes = ON")
        db.execute("UPDATE items SET n = n + 1 WHERE n < 50")
        db.commit()
        db.execute("PRAGMA count_changes = OFF")
        with contextlib.suppress(ZeroDivisionError), db:
            db.execute("DELETE FROM items")
            1 / 0
        self.assertIn("n99", "".join(db.iterdump()))
        db.close()
        cluster.assert_equal()
        self.assertEqual(b.one("SELECT sum(n) FROM items"), sum(range(100)) + 50)

    @session_only("in wal mode no guard is in the way of VACUUM and the shell")
    def test_vacuum_dump_backup_and_integrity(self):
        cluster, a, b = self.two_nodes()
        a.sql("INSERT INTO items(name) VALUES('x'), ('y'); DELETE FROM items WHERE name = 'x';")
        cluster.settle()
        a.sql("VACUUM;")
        self.assertIn("must_load_colony_so", a.shell("VACUUM;", extension=False).stderr)
        self.assertEqual(a.shell("REINDEX; ANALYZE; PRAGMA optimize; PRAGMA wal_checkpoint(TRUNCATE);").stderr, "")
        a.sql("INSERT INTO items(name) VALUES('after')")
        into, backup, dump = (cluster.directory / name for name in ("into.db", "backup.db", "dump.db"))
        a.sql(f"VACUUM INTO '{into}';")
        self.assertEqual(a.shell(f".backup {backup}\n", extension=False).stderr, "")
        dumped = a.shell(".dump items\n", extension=False)
        self.assertEqual(dumped.stderr, "")
        with contextlib.closing(sqlite3.connect(dump)) as db:
            db.executescript("\n".join(line for line in dumped.stdout.splitlines() if "__colony" not in line))
        for path in (a.path, b.path, into, backup, dump):
            with contextlib.closing(sqlite3.connect(path)) as db:
                allow_guarded(db)
                self.assertEqual(db.execute("PRAGMA integrity_check").fetchall(), [("ok",)], path)
        expected = a.query("SELECT * FROM items ORDER BY id")
        for path in (into, backup, dump):
            with contextlib.closing(sqlite3.connect(path)) as db:
                self.assertEqual(db.execute("SELECT * FROM items ORDER BY id").fetchall(), expected, path)
        whole = run(SQLITE, a.path, ".dump")
        self.assertEqual((whole.returncode, whole.stderr), (0, ""))
        cluster.assert_equal()

    def test_attach(self):
        cluster, a, b = self.two_nodes()
        other = cluster.directory / "other.db"
        db = connect(other)
        db.execute("CREATE TABLE items(id INTEGER PRIMARY KEY, name)")
        db.execute(f"ATTACH '{a.path}' AS node")
        db.execute("INSERT INTO main.items VALUES(1, 'not replicated')")
        db.execute("INSERT INTO node.items(id, name) VALUES(5, 'through attach')")
        db.execute("BEGIN")
        db.execute("INSERT INTO main.items SELECT id + 10, name FROM node.items")
        db.execute("UPDATE node.items SET n = 7")
        db.execute("COMMIT")
        db.execute("DETACH node")
        db.close()
        cluster.assert_equal()
        self.assertEqual(b.query("SELECT id, name, n FROM items"), [(5, "through attach", 7)])
        # A node's file that has another file attached; and two nodes' files in one connection.
        db = a.connect()
        db.execute(f"ATTACH '{other}' AS o")
        db.execute("INSERT INTO items(id, name) SELECT id + 100, name || ' copied' FROM o.items WHERE id = 1")
        db.execute(f"ATTACH '{b.path}' AS b")
        db.execute("BEGIN IMMEDIATE")
        db.execute("INSERT INTO main.items(id, name) VALUES(300, 'in a')")
        db.execute("INSERT INTO b.items(id, name) VALUES(400, 'in b')")
        db.execute("COMMIT")
        db.close()
        cluster.assert_equal()
        self.assertEqual(b.query("SELECT id FROM items ORDER BY id"), [(5,), (101,), (300,), (400,)])

    @session_only("in wal mode nothing refuses a writer")
    def test_attached_without_the_extension_is_refused(self):
        cluster, a, b = self.two_nodes()
        with contextlib.closing(sqlite3.connect(":memory:")) as db:
            db.execute("ATTACH ? AS node", (str(a.path),))
            self.assertEqual(db.execute("SELECT count(*) FROM node.items").fetchone(), (0,))
            with self.assertRaisesRegex(sqlite3.OperationalError, "this_connection_must_load_colony_so"):
                db.execute("INSERT INTO node.items(name) VALUES('x')")

    def test_two_connections(self):
        cluster, a, b = self.two_nodes()
        one, two = a.connect(), a.connect(timeout=0)
        one.execute("BEGIN IMMEDIATE")
        one.execute("INSERT INTO items(id, name) VALUES(1, 'one')")
        with self.assertRaisesRegex(sqlite3.OperationalError, "locked"):
            two.execute("INSERT INTO items(id, name) VALUES(2, 'two')")
        self.assertEqual(two.execute("SELECT count(*) FROM items").fetchone(), (0,))
        one.execute("COMMIT")
        two.execute("PRAGMA busy_timeout = 20000")
        two.execute("INSERT INTO items(id, name) VALUES(2, 'two')")
        one.execute("UPDATE items SET n = n + 1")
        cluster.assert_equal()
        self.assertEqual(b.query("SELECT id, name, n FROM items ORDER BY id"), [(1, "one", 1), (2, "two", 1)])

    def test_fork(self):
        cluster, a, b = self.two_nodes()
        finished([app(fork_and_write, a.path)])
        rows = cluster.assert_equal()
        self.assertEqual(len(rows["items"]), 201)
        self.assertEqual(len(rows["audit"]), 201)

    @session_only("it is about loading colony.so")
    def test_extension_loaded_twice(self):
        cluster, a, b = self.two_nodes()
        db = a.connect()
        db.enable_load_extension(True)
        db.load_extension(EXTENSION)
        db.execute("INSERT INTO items(name) VALUES('once')")
        self.assertEqual(db.execute("SELECT colony_node()").fetchone(), ("a",))
        cluster.assert_equal()
        self.assertEqual(db.execute("SELECT colony_pending()").fetchone(), (0,))
        self.assertEqual(b.query("SELECT what FROM audit"), [("insert once",)])

    def test_trusted_schema_off(self):
        cluster, a, b = self.two_nodes()
        db = a.connect()
        db.execute("PRAGMA trusted_schema = OFF")
        db.execute("INSERT INTO items(name) VALUES('x')")
        db.execute("UPDATE items SET n = 2")
        cluster.assert_equal()
        self.assertEqual(b.query("SELECT name, n FROM items"), [("x", 2)])

    def test_defensive_mode(self):
        cluster, a, b = self.two_nodes()
        a.sql(".dbconfig defensive on\nINSERT INTO items(name) VALUES('x'); UPDATE items SET n = 2; "
              "DELETE FROM items WHERE n = 3; VACUUM;")
        cluster.assert_equal()
        self.assertEqual(b.query("SELECT name, n FROM items"), [("x", 2)])

    @session_only("in wal mode there is no __colony_capture to authorize")
    def test_authorizer(self):
        """An app that allows itself its own tables only."""
        cluster, a, b = self.two_nodes()
        db = a.connect()
        asked = []

        def authorize(action, first, second, schema, trigger):
            asked.append(first)
            own_table = first and str(first).startswith("__colony") and action in (
                sqlite3.SQLITE_INSERT, sqlite3.SQLITE_UPDATE, sqlite3.SQLITE_DELETE)
            return sqlite3.SQLITE_DENY if own_table and trigger is None else sqlite3.SQLITE_OK
        db.set_authorizer(lambda *_: sqlite3.SQLITE_OK)
        db.execute("INSERT INTO items(name) VALUES('x')")
        db.set_authorizer(authorize)
        # Never written without being captured.
        with self.assertRaisesRegex(sqlite3.DatabaseError, "not authorized"):
            db.execute("INSERT INTO items(name) VALUES('y')")
        self.assertIn("__colony_outbox", asked)
        db.close()
        cluster.assert_equal()
        self.assertEqual(b.query("SELECT name FROM items"), [("x",)])

    def test_app_with_a_busy_timeout_of_0(self):
        cluster, a, b = self.two_nodes()
        writer = app(write_busily, b.path)
        db = a.connect(timeout=0)
        tries = busy = 0
        while tries < 500:
            try:
                db.execute("INSERT INTO items(name) VALUES(?)", (f"a {tries}",))
                tries += 1
            except sqlite3.OperationalError as error:
                self.assertIn("locked", str(error))
                busy += 1
        finished([writer])
        rows = cluster.assert_equal()
        self.assertEqual(sum("by a" not in row and "text:a " in row for row in rows["items"]), 500)
        print(f"NOTE 500 writes met a busy file {busy} times")

    @session_only("in wal mode nothing refuses a writer")
    def test_incremental_blob_write(self):
        """sqlite3_blob_write() runs no trigger, and SQLite shows it to the hook as a DELETE. It
        must not be shipped as one. A guard index refuses it, triggers alone its commit."""
        cluster, a, b = self.two_nodes("CREATE TABLE docs(id INTEGER PRIMARY KEY, body BLOB, n INTEGER);")
        db = a.connect()
        if not hasattr(db, "blobopen"):
            self.cannot_run_here("this Python has no Connection.blobopen()")
        db.execute("INSERT INTO docs VALUES(1, zeroblob(5), 1), (2, zeroblob(5), 1)")

        def write():
            with db.blobopen("docs", "body", 1) as blob:
                blob.write(b"hello")
        with self.assertRaisesRegex(sqlite3.OperationalError, "indexed column"):
            write()
        self.assertEqual(run(COLONY, "init", a.path, "--cluster", "c", "--node", "a", "--guard", "triggers").returncode, 0)
        # Within a transaction that is captured: refused.
        for statement in ("UPDATE docs SET n = 2 WHERE id = 1", "UPDATE docs SET n = 2 WHERE id = 2"):
            for order in (0, 1):
                db.execute("BEGIN")
                write() if order else db.execute(statement)
                db.execute(statement) if order else write()
                with self.assertRaisesRegex(sqlite3.OperationalError, "sqlite3_blob_write"):
                    db.execute("COMMIT")
                self.assertFalse(db.in_transaction)
        cluster.assert_equal()
        # By itself: it is rolled back, which Python does not tell.
        write()
        self.assertEqual(a.query("SELECT * FROM docs"), [(1, bytes(5), 1), (2, bytes(5), 1)])
        db.execute("UPDATE docs SET n = 4 WHERE id = 2")
        cluster.settle()
        self.assertEqual(b.query("SELECT * FROM docs"), [(1, bytes(5), 1), (2, bytes(5), 4)])
        self.assertEqual(cluster.verify().returncode, 0)
        db.execute("UPDATE docs SET body = x'00' WHERE id = 1")
        db.execute("UPDATE docs SET body = CAST('hello' AS BLOB) WHERE id = 1")
        cluster.settle()
        self.assertEqual(cluster.verify().returncode, 0)

    @session_only("it is about loading colony.so")
    def test_host_without_the_preupdate_hook_is_refused(self):
        """Debian has no such SQLite. A copy of the library stands in for one in whose table
        of symbols the hook has another name: one of the same hash, so that the library
        still finds it and nobody else does."""
        cluster = self.cluster(SCHEMA, nodes="a")
        library = library_of_sqlite().read_bytes()
        name, other = b"\0sqlite3_preupdate_hook\0", b"\0sqlite3_preupdate_hopJ\0"
        self.assertEqual(gnu_hash(name[1:-1]), gnu_hash(other[1:-1]))
        self.assertEqual(library.count(name), 1)
        (cluster.directory / "libsqlite3.so.0").write_bytes(library.replace(name, other))
        a = cluster.nodes[0]
        done = subprocess.run([SQLITE, "-init", "/dev/null", "-batch", "-bail", a.path],
                              input=f".load {EXTENSION}\nINSERT INTO items(name) VALUES('x');\n", text=True,
                              capture_output=True, env=dict(os.environ, LD_LIBRARY_PATH=str(cluster.directory)))
        self.assertIn("built without SQLITE_ENABLE_PREUPDATE_HOOK", done.stderr)
        self.assertEqual(len(done.stderr.splitlines()), 1, done.stderr)
        self.assertNotEqual(done.returncode, 0)
        self.assertEqual(a.one("SELECT count(*) FROM items"), 0)


def fork_and_write(path):
    """The child inherits the parent's connection and leaves it alone, as SQLite asks."""
    inherited = connect(path)
    inherited.execute("INSERT INTO items(name) VALUES('before the fork')")
    child = os.fork()
    if child == 0:
        own = connect(path)
        for n in range(100):
            own.execute("INSERT INTO items(name) VALUES(?)", (f"child {n}",))
        os._exit(0)
    for n in range(100):
        inherited.execute("INSERT INTO items(name) VALUES(?)", (f"parent {n}",))
    os._exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))


def write_busily(path):
    db = connect(path)
    for n in range(500):
        db.execute("INSERT INTO parent VALUES(?)", (f"b {n}",))


def library_of_sqlite():
    for line in pathlib.Path("/proc/self/maps").read_text().splitlines():
        if "libsqlite3.so" in line:
            return pathlib.Path(line.split()[-1])
    raise LookupError("this Python's SQLite is no shared library")


def gnu_hash(name):
    value = 5381
    for byte in name:
        value = (value * 33 + byte) & 0xFFFFFFFF
    return value
