"""How a file's programs are captured: chosen by init, changed by init, told by status, and what is refused."""

import contextlib
import json
import os
import pathlib
import shutil
import sqlite3
import tempfile

from colony_cluster import ColonyTest, Node, colony, connect, session_only
from processes import SQLITE, app, run, until

SCHEMA = """
    CREATE TABLE items(id TEXT PRIMARY KEY, n INTEGER);
    CREATE TABLE notes(id INTEGER PRIMARY KEY, body);
    INSERT INTO items VALUES('one', 1), ('two', 2);
    INSERT INTO notes VALUES(1, 'first');
"""
OF_COLONY = ("SELECT name FROM sqlite_schema WHERE name = '__colony_capture' OR "
             "(name GLOB '__colony_*' AND tbl_name NOT GLOB '__colony_*')")


def write_on(path):
    db = connect(path)
    while True:
        db.execute("INSERT INTO notes(body) SELECT value FROM __colony_meta WHERE key = 'capture'")


class CaptureModes(ColonyTest):
    def setUp(self):
        self.directory = pathlib.Path(tempfile.mkdtemp(prefix="colony-modes-"))
        self.addCleanup(shutil.rmtree, self.directory, ignore_errors=True)

    def file(self, name="app.db"):
        path = self.directory / name
        with contextlib.closing(sqlite3.connect(path)) as db:
            db.executescript(SCHEMA)
        return path

    def init(self, path, *more):
        return colony("init", path, "--cluster", "c", "--node", "a", *more)

    def initialized(self, path, *more):
        done = self.init(path, *more)
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        return done.stdout

    def status(self, path):
        return json.loads(colony("status", path, "--json").stdout)

    def test_capture_wal_leaves_programs_and_tables_alone(self):
        path = self.file()
        with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as db:  # which nobody has to be asked about
            db.execute("SELECT * FROM items").fetchall()
            said = self.initialized(path, "--capture", "wal")
            self.assertIn("capture: wal\n", said)
            self.assertNotIn("must load colony.so", said)
            self.assertIn("next: colony run; programs go on as they are\n", said)
            self.assertEqual(db.execute(OF_COLONY).fetchall(), [])
            db.execute("INSERT INTO items VALUES('three', 3)")
            db.execute("PRAGMA recursive_triggers = ON")
            db.execute("REPLACE INTO notes VALUES(1, 'again')")
            db.execute("VACUUM")
            self.assertEqual(db.execute("PRAGMA integrity_check").fetchall(), [("ok",)])
        self.assertEqual(run(SQLITE, path, "DELETE FROM notes").returncode, 0)

    def test_init_and_help_say_which_mode_fits(self):
        help_page = colony("init", "--help").stdout
        said = self.initialized(self.file())
        for text in (help_page, said):
            lines = text.splitlines()
            begin = next(i for i, line in enumerate(lines) if line.startswith("  session  "))
            self.assertTrue(lines[begin + 3].startswith("  wal      "), lines[begin:begin + 6])
            self.assertTrue(all(line.startswith("           ") for line in lines[begin + 1:begin + 3]))
            self.assertTrue(all(line.startswith("           ") for line in lines[begin + 4:begin + 6]))
            self.assertFalse(lines[begin + 6].startswith(" "))
        self.assertNotIn("  session  ", self.initialized(self.directory / "app.db"))

    def test_mode_stays_as_chosen_and_status_tells_it(self):
        for mode in ("session", "wal"):
            path = self.file(mode + ".db")
            self.assertIn(f"capture: {mode}\n", self.initialized(path, "--capture", mode))
            self.assertIn(f"capture: {mode}\n", self.initialized(path))
            status = self.status(path)
            self.assertEqual((status["capture"], status["format"]), (mode, 6))
            self.assertEqual(status["null_keys"], ["items"] if mode == "wal" else [])
            text = colony("status", path).stdout
            self.assertRegex(text, rf"(?m)^capture +{mode}$")
            self.assertEqual("NULL keys" in text, mode == "wal")
        self.assertIn("capture: session\n", self.initialized(self.file("neither.db")))

    def test_rows_with_null_in_the_key_are_no_reason_to_leave_a_table_out_of_wal_mode(self):
        path = self.file()
        run(SQLITE, path, "INSERT INTO items VALUES(NULL, 5)")
        said = self.initialized(path, "--capture", "wal")
        self.assertIn("replicated: items, notes\n", said)
        self.assertIn("note: items: rows with NULL in the PRIMARY KEY stay on this node\n", said)

    def test_from_session_to_wal_what_was_captured_stays_pending(self):
        path = self.file()
        self.initialized(path)
        with contextlib.closing(connect(path)) as ours, contextlib.closing(sqlite3.connect(path)) as plain:
            ours.execute("INSERT INTO items VALUES('captured', 3)")
            with self.assertRaisesRegex(sqlite3.OperationalError, "this_connection_must_load_colony_so"):
                plain.execute("INSERT INTO items VALUES('refused', 4)")
            said = self.initialized(path, "--capture", "wal")
            self.assertIn("capture: wal, and no longer session\n", said)
            # Connections that were open go on, with the extension and without.
            ours.execute("INSERT INTO items VALUES('ours', 5)")
            self.assertEqual(plain.execute("SELECT count(*) FROM items").fetchone(), (4,))
            plain.execute("INSERT INTO items VALUES('plain', 6)")
            plain.commit()
            self.assertEqual(ours.execute("SELECT colony_node(), colony_pending()").fetchone(), ("a", 1))
        self.assertEqual(self.status(path)["pending"], 1)

    def test_from_session_to_wal_loses_nothing_of_writers_that_write_on(self):
        """Each commit says in which mode it was made: those of session mode are in the outbox, all and alone."""
        path = self.file()
        self.initialized(path)
        writers = [app(write_on, path) for _ in range(3)]
        try:
            until(lambda: self.written(path).get("session", 0) > 100, "the programs write")
            self.initialized(path, "--capture", "wal")
            until(lambda: self.written(path).get("wal", 0) > 100, "the programs write on")
        finally:
            for writer in writers:
                writer.kill()
                writer.join()
        with contextlib.closing(sqlite3.connect(path)) as db:
            pending = db.execute("SELECT count(*) FROM __colony_outbox WHERE last").fetchone()[0]
        self.assertEqual(self.written(path)["session"], pending)

    def written(self, path):
        with contextlib.closing(sqlite3.connect(path, timeout=20)) as db:
            return dict(db.execute("SELECT body, count(*) FROM notes WHERE id > 1 GROUP BY body"))

    @session_only("it begins with a session node")
    def test_mode_does_not_change_under_a_sidecar(self):
        cluster = self.running(SCHEMA, nodes="a")
        a = cluster.nodes[0]
        done = self.init(a.path, "--capture", "wal")
        self.refused(done, "a sidecar runs on", str(a.pid), "stop it")
        self.assertEqual(a.status()["capture"], "session")
        a.sql("INSERT INTO items VALUES('three', 3)")
        a.wait()
        self.assertEqual(self.init(a.path, "--capture", "session").returncode, 0)
        a.stop()
        self.initialized(a.path, "--capture", "wal")
        self.assertEqual(a.status()["capture"], "wal")

    def test_what_cannot_be_is_refused_and_the_file_stays_as_it_was(self):
        path = self.file()
        before = path.read_bytes()
        self.refused(self.init(path, "--capture", "wal", "--guard", "index"), "--guard", "--capture session")
        self.assertNotEqual(self.init(path, "--capture", "triggers").returncode, 0)
        self.assertEqual(path.read_bytes(), before)
        encrypted = self.directory / "encrypted.db"
        encrypted.write_bytes(os.urandom(8192))
        before = encrypted.read_bytes()
        for mode in ("wal", "session"):
            self.refused(self.init(encrypted, "--capture", mode), "not an SQLite database", "SQLCipher")
        self.assertEqual(encrypted.read_bytes(), before)

    def test_file_that_a_program_has_for_itself_is_refused_with_its_name(self):
        path = self.file()
        with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as db:
            db.execute("PRAGMA journal_mode = WAL")
            db.execute("PRAGMA locking_mode = EXCLUSIVE")
            db.execute("INSERT INTO notes(body) VALUES('alone')")
            self.refused(self.init(path, "--capture", "wal"), f"process {os.getpid()} (", "locking_mode=EXCLUSIVE",
                         "locking_mode=NORMAL")
        self.initialized(path, "--capture", "wal")

    @session_only("it begins with a session node")
    def test_new_node_in_wal_mode_from_the_snapshot_of_a_session_node(self):
        cluster = self.running(SCHEMA, nodes="a")
        a, b = cluster.nodes[0], Node(cluster, "b")
        cluster.settle()
        cluster.nodes.append(b)
        b.launch_sidecar(more=["--cluster", "c", "--node", "b", "--capture", "wal"])
        until(lambda: b.path.exists() or not b.runs(), lambda: f"b joins: {b.said()}")
        b.await_state("running")
        self.assertEqual(b.status()["capture"], "wal")
        self.assertEqual(b.query(OF_COLONY), [])
        a.sql("INSERT INTO items VALUES('three', 3); CREATE TABLE later(id INTEGER PRIMARY KEY); "
              "INSERT INTO later VALUES(7)")
        a.wait()
        b.wait()
        self.assertEqual(b.query("SELECT * FROM later"), [(7,)])
        self.assertEqual(b.query(OF_COLONY), [])
        self.assertEqual(cluster.verify().returncode, 0)

        def told():
            members = json.loads(colony("nodes", a.path, "--json").stdout)["nodes"]
            return {member["node"]: member["capture"] for member in members} == {"a": "session", "b": "wal"}
        until(told, "a hears of b's mode")
        self.assertRegex(colony("nodes", a.path).stdout, r"(?m)^b .* wal ")
        b.stop()
        # Once it is there, its mode is not for run to say.
        b.launch_sidecar(more=["--capture", "session"])
        self.assertEqual(b.process.wait(30), 2)
        self.assertIn("is in wal mode", b.said())
        b.launch_sidecar(more=["--capture", "wal"])
        b.await_state("running")
        self.assertTrue(b.status()["well"])
