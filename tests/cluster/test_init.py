"""Making files into nodes, and giving them back."""

import contextlib
import os
import pathlib
import pty
import shutil
import sqlite3
import subprocess
import tempfile

from colony_cluster import ColonyTest, Node, colony
from processes import COLONY, EXTENSION, SQLITE, run

SCHEMA = """
CREATE TABLE items(id TEXT PRIMARY KEY, n INTEGER);
CREATE TABLE notes(id INTEGER PRIMARY KEY, text TEXT);
INSERT INTO items VALUES('one', 1), ('two', 2);
INSERT INTO notes VALUES(1, 'first');
"""


class Init(ColonyTest):
    def setUp(self):
        self.directory = pathlib.Path(tempfile.mkdtemp(prefix="colony-"))
        if "COLONY_TEST_RUNNER" not in os.environ:
            self.addCleanup(shutil.rmtree, self.directory, ignore_errors=True)

    def file(self, schema=SCHEMA, name="app.db"):
        path = self.directory / name
        with contextlib.closing(sqlite3.connect(path)) as db:
            db.create_collation("app_order", lambda a, b: (a > b) - (a < b))
            db.executescript(schema)
        return path

    def init(self, path, node="a", cluster="c", *more):
        return colony("init", path, "--cluster", cluster, "--node", node, *more)

    def untouched_after(self, path, *command_words):
        """Runs a command that must be refused and must leave the folder as it is."""
        def contents():
            return {file.name: file.read_bytes() for file in path.parent.iterdir() if file.is_file()}
        before = contents()
        done = colony(*command_words)
        self.assertEqual(contents().keys(), before.keys(), "files came or went")
        self.assertEqual(contents(), before, "a file was changed")
        return done

    def test_init_is_idempotent(self):
        path = self.file()
        first = self.init(path)
        self.assertEqual(first.returncode, 0, first.stderr)
        self.assertIn("replicated: items, notes", first.stdout)
        def dump():
            lines = run(SQLITE, path, ".dump").stdout.splitlines()
            return [line for line in lines if "'wal_mark'" not in line]  # it counts Colony's transactions

        before = dump()
        for _ in range(2):
            again = self.init(path)
            self.assertEqual(again.returncode, 0, again.stderr)
        self.assertEqual(dump(), before)

    def test_init_again_takes_new_tables(self):
        path = self.file()
        self.init(path)
        with contextlib.closing(sqlite3.connect(path)) as db:
            db.execute("CREATE TABLE later(id TEXT PRIMARY KEY)")
        self.assertIn("replicated: items, later, notes", self.init(path).stdout)

    def test_init_names_what_it_leaves_out_and_why(self):
        path = self.file(SCHEMA + """
            CREATE TABLE keyless(a);
            CREATE VIRTUAL TABLE docs USING fts5(body);
            CREATE VIRTUAL TABLE boxes USING rtree(id, x0, x1);
            CREATE TABLE ordered(id TEXT COLLATE app_order PRIMARY KEY);
            CREATE TABLE empty_keys(id TEXT PRIMARY KEY);
            INSERT INTO empty_keys VALUES(NULL), ('x');
            CREATE TABLE numbered(id INTEGER PRIMARY KEY AUTOINCREMENT);
            INSERT INTO numbered DEFAULT VALUES;
        """)
        done = self.init(path)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn("replicated: items, notes, numbered\n", done.stdout)
        left_out = dict(line.split(": ", 2)[1:] for line in done.stdout.splitlines() if line.startswith("left out: "))
        self.assertEqual(left_out["keyless"], "has no PRIMARY KEY")
        self.assertEqual(left_out["docs"], "a virtual table")
        self.assertEqual(left_out["docs_content"], "belongs to a virtual table")
        self.assertEqual(left_out["boxes_rowid"], "belongs to a virtual table")
        self.assertEqual(left_out["sqlite_sequence"], "SQLite's own")
        self.assertIn("app_order", left_out["ordered"])
        self.assertIn("NULL", left_out["empty_keys"])
        # What is left out any program can write.
        done = run(SQLITE, path, "INSERT INTO keyless VALUES(1); INSERT INTO docs VALUES('text');")
        self.assertEqual(done.returncode, 0, done.stderr)

    def test_init_tables_chooses(self):
        path = self.file()
        done = self.init(path, "a", "c", "--tables", "notes")
        self.assertIn("replicated: notes\n", done.stdout)
        self.assertIn("left out: items: not chosen\n", done.stdout)
        self.assertEqual(run(SQLITE, path, "INSERT INTO items VALUES('three', 3)").returncode, 0)
        # The choice holds until another one is made.
        self.assertIn("replicated: notes\n", self.init(path).stdout)
        self.assertIn("replicated: items, notes\n", self.init(path, "a", "c", "--tables", "items,notes").stdout)
        self.assertIn("replicated: items\n", self.init(path, "a", "c", "--tables", "items").stdout)
        self.assertEqual(run(SQLITE, path, "INSERT INTO notes VALUES(2, 'second')").returncode, 0)
        for tables, word in (("nothing", "nothing"), ("items,nothing", "nothing")):
            self.refused(self.untouched_after(path, "init", path, "--cluster", "c", "--node", "a", "--tables", tables),
                         word)

    def test_init_refuses_and_leaves_the_file_untouched(self):
        path = self.file(SCHEMA + "CREATE TABLE keyless(a);")

        def refused(path, cluster, node, *more, says):
            self.refused(self.untouched_after(path, "init", path, "--cluster", cluster, "--node", node, *more), *says)
        refused(self.directory / "missing.db", "c", "a", says=["missing.db"])
        folder = self.directory / "folder"
        folder.mkdir()
        refused(folder, "c", "a", says=["not a file"])
        text = self.directory / "notes.txt"
        text.write_text("This is no database. " * 200)
        refused(text, "c", "a", says=["not an SQLite database"])
        for bad in ("", "a b", "a.b", "a*", "ä", "x" * 33, "a/b", ">"):
            refused(path, "c", bad, says=["name"])
            refused(path, bad, "a", says=["name"])
        refused(path, "c", "a", "--tables", "nothing", says=["nothing"])
        refused(path, "c", "a", "--tables", "keyless", says=["PRIMARY KEY"])
        self.assertEqual(self.init(path).returncode, 0)
        refused(path, "other", "a", says=["colony c", "node a"])
        refused(path, "c", "b", says=["node a"])
        self.assertEqual(run(SQLITE, path, "SELECT count(*) FROM items").stdout, "2\n")

    def test_init_refuses_a_locked_file_in_time(self):
        path = self.file()
        with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as db:
            db.execute("BEGIN EXCLUSIVE")
            self.refused(self.init(path), "locked")
            db.execute("ROLLBACK")
        self.assertEqual(self.init(path).returncode, 0)

    def test_init_under_a_running_program_names_it_first(self):
        path = self.file()
        words = ["init", path, "--cluster", "c", "--node", "a"]
        with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as db:
            db.execute("SELECT * FROM items").fetchall()
            self.refused(self.untouched_after(path, *words), f"process {os.getpid()} (python3 ", "has app.db open",
                         "items, notes", "colony.so", "--yes")
            db.execute("INSERT INTO items VALUES('three', 3)")
            done = colony(*words, "--yes")
            self.assertEqual(done.returncode, 0, done.stderr)
            self.assertIn(f"process {os.getpid()} (", done.stderr)
            self.assertIn("programs that write items, notes must load colony.so", done.stdout)
            with self.assertRaisesRegex(sqlite3.OperationalError, "this_connection_must_load_colony_so"):
                db.execute("INSERT INTO items VALUES('four', 4)")
            self.assertEqual(db.execute("SELECT count(*) FROM items").fetchone(), (3,))
            # It changes nothing for the program any more, until there is a table that it can write.
            self.quiet(colony(*words))
            db.execute("CREATE TABLE later(id TEXT PRIMARY KEY)")
            self.refused(colony(*words), "its next writes to later will be refused")

    def quiet(self, done):
        self.assertEqual((done.returncode, done.stderr), (0, ""))

    def test_init_asks_at_a_terminal(self):
        path = self.file()
        words = [COLONY, "init", str(path), "--cluster", "c", "--node", "a"]

        def asked(answer):
            ours, theirs = pty.openpty()
            try:
                os.write(ours, answer)
                return subprocess.run(words, stdin=theirs, capture_output=True, text=True, timeout=60)
            finally:
                os.close(ours)
                os.close(theirs)
        with contextlib.closing(sqlite3.connect(path)) as db:
            db.execute("SELECT * FROM items").fetchall()
            before = path.read_bytes()
            for no in (b"n\n", b"\n", b"\x04"):
                done = asked(no)
                self.assertEqual(done.returncode, 1, done.stderr)
                self.assertIn(f"process {os.getpid()} (", done.stderr)
                self.assertIn("Go on? [y/N] nothing was changed", done.stderr)
                self.assertEqual(path.read_bytes(), before)
            done = asked(b"y\n")
            self.assertEqual(done.returncode, 0, done.stderr)
            self.assertIn("is now node a of colony c", done.stdout)

    def test_init_does_not_ask_for_programs_that_can_go_on(self):
        path = self.file()
        with contextlib.closing(sqlite3.connect(path)) as db:
            self.refused(self.init(path), f"process {os.getpid()} (")
            db.enable_load_extension(True)
            db.load_extension(EXTENSION)
            self.quiet(self.init(path))
        cluster = self.running(SCHEMA, nodes="a")
        a = cluster.nodes[0]
        run(SQLITE, a.path, "CREATE TABLE later(id TEXT PRIMARY KEY)")
        self.quiet(self.init(a.path))  # its sidecar has it open

    def test_init_says_that_it_cannot_look_into_processes_of_others(self):
        if os.getuid() != 0 or not shutil.which("setpriv"):
            self.cannot_run_here("it takes root, and setpriv, to be two other users")
        path = self.file()
        binary = self.directory / "colony"
        shutil.copy(COLONY, binary)
        self.directory.chmod(0o777)
        path.chmod(0o666)
        folder = self.directory.parent
        while folder != folder.parent:  # mkdtemp's folders are for their owner only
            if folder.stat().st_uid == 0 and not folder.stat().st_mode & 0o001:
                folder.chmod(0o755)
            folder = folder.parent

        def user(number):
            return ["setpriv", f"--reuid={number}", f"--regid={number}", "--clear-groups"]
        other = subprocess.Popen([*user(65533), SQLITE, path], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        try:
            other.stdin.write("SELECT count(*) FROM items;\n")
            other.stdin.flush()
            self.assertEqual(other.stdout.readline(), "2\n")
            done = run(*user(65534), binary, "init", path, "--cluster", "c", "--node", "a")
            self.assertEqual(done.returncode, 0, done.stderr)
            self.assertRegex(done.stderr, r"^note: (a process|\d+ processes) of other users could not be looked at")
            # In WAL mode the locks tell who has it open.
            other.stdin.write("SELECT count(*) FROM notes;\n")
            other.stdin.flush()
            self.assertEqual(other.stdout.readline(), "1\n")
            run(SQLITE, path, "CREATE TABLE later(id TEXT PRIMARY KEY)")
            self.refused(run(*user(65534), binary, "init", path, "--cluster", "c", "--node", "a"),
                         f"process {other.pid} (sqlite3 ", "its next writes to later")
        finally:
            other.kill()
            other.communicate()

    def test_init_of_a_copy_gives_it_its_own_identity(self):
        cluster = self.cluster(SCHEMA, nodes="a")
        a = cluster.nodes[0]
        a.sql("INSERT INTO items VALUES('sent', 3)")
        cluster.start()
        a.wait()
        a.stop()
        # What the original has not sent yet is not the copy's to have.
        a.sql("UPDATE items SET n = 20 WHERE id = 'two'; INSERT INTO items VALUES('pending', 4);"
              "DELETE FROM items WHERE id = 'one';")
        b = Node(cluster, "b")
        self.assertEqual(run(SQLITE, a.path, f".backup {b.path}").returncode, 0)
        said = b.init()
        self.assertIn("a copy of node a's file, is now node b", said)
        self.assertEqual(b.query("SELECT * FROM items ORDER BY id"), [("one", 1), ("sent", 3), ("two", 2)])
        self.assertEqual(b.status()["pending"], 0)
        self.assertEqual(a.status()["pending"], 3)
        self.refused(colony("init", b.path, "--cluster", "c", "--node", "a"))
        cluster.nodes.append(b)
        b.sql("INSERT INTO items VALUES('from b', 5)")
        b.start()
        self.assertEqual(b.query("SELECT count(*) FROM items"), [(4,)])
        a.start()
        rows = cluster.assert_equal()["items"]
        self.assertEqual(len(rows), 4)
        self.assertEqual(a.query("SELECT id, n FROM items ORDER BY id"),
                         [("from b", 5), ("pending", 4), ("sent", 3), ("two", 20)])

    def test_init_of_a_copy_refuses_a_name_that_is_taken(self):
        cluster = self.running(SCHEMA, nodes="ab")
        a, b = cluster.nodes
        cluster.settle()
        copy = self.directory / "copy.db"
        run(SQLITE, a.path, f".backup {copy}")
        self.refused(self.untouched_after(copy, "init", copy, "--cluster", "c", "--node", "b"), str(b.path))
        self.assertEqual(colony("init", copy, "--cluster", "c", "--node", "new").returncode, 0)

    def test_detach_gives_the_file_back(self):
        for mode in ("delete", "wal"):
            path = self.file(f"PRAGMA journal_mode = {mode};" + SCHEMA + """
                CREATE TABLE keyless(a);
                CREATE INDEX by_n ON items(n);
                CREATE VIEW totals AS SELECT sum(n) FROM items;
                CREATE TRIGGER log AFTER INSERT ON items BEGIN INSERT INTO keyless VALUES(new.id); END;
            """, f"{mode}.db")
            before = run(SQLITE, path, ".dump").stdout
            self.assertEqual(self.init(path).returncode, 0)
            self.assertEqual(run(SQLITE, path, "PRAGMA journal_mode").stdout, "wal\n")
            done = colony("detach", path)
            self.assertEqual(done.returncode, 0, done.stderr)
            self.assertEqual(run(SQLITE, path, ".dump").stdout, before)
            self.assertEqual(run(SQLITE, path, "PRAGMA journal_mode").stdout, mode + "\n")
            self.assertEqual(run(SQLITE, path, "PRAGMA integrity_check").stdout, "ok\n")
            # Any program can write it again; and it belongs to nobody.
            self.assertEqual(run(SQLITE, path, "INSERT INTO items VALUES('three', 3)").returncode, 0)
            for command in ("status", "detach", "run", "wait", "verify", "conflicts"):
                self.refused(colony(command, path), "colony")
            self.assertEqual(self.init(path, "z", "elsewhere").returncode, 0)

    def test_detach_says_what_was_not_sent_and_refuses_under_a_sidecar(self):
        cluster = self.running(SCHEMA, nodes="a")
        a = cluster.nodes[0]
        self.refused(colony("detach", a.path), str(a.pid))
        a.stop()
        a.sql("INSERT INTO items VALUES('three', 3)")
        self.assertIn("1 transactions had not reached the log", colony("detach", a.path).stdout)
        self.assertEqual(a.one("SELECT count(*) FROM items"), 3)

    def test_read_only_directory_is_refused(self):
        path = self.file()
        binary = self.directory / "bin"
        binary.mkdir()
        for program in (COLONY, EXTENSION):
            shutil.copy(program, binary)
        prefix = []
        if os.getuid() == 0:
            if not shutil.which("setpriv"):
                self.cannot_run_here("root may write everywhere, and there is no setpriv")
            prefix = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"]
            folder = self.directory
            while folder != folder.parent:  # mkdtemp's folders are for their owner only
                if folder.stat().st_uid == 0 and not folder.stat().st_mode & 0o001:
                    folder.chmod(0o755)
                folder = folder.parent
        path.chmod(0o666)
        self.directory.chmod(0o555)
        self.addCleanup(self.directory.chmod, 0o755)
        colony_here = binary / "colony"
        words = ["init", path, "--cluster", "c", "--node", "a"]
        before = path.read_bytes()
        self.refused(run(*prefix, colony_here, *words), "cannot be written")
        self.assertEqual(path.read_bytes(), before)
        self.assertEqual(sorted(file.name for file in self.directory.iterdir()), ["app.db", "bin"])
        # The same once it is a node's: reading goes on, running does not.
        self.directory.chmod(0o777)
        self.assertEqual(run(*prefix, colony_here, *words).returncode, 0)
        path.chmod(0o444)
        self.refused(run(*prefix, colony_here, "run", path), "cannot be written")
