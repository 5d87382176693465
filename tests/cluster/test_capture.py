"""The app's side: what is captured, what is refused, and that the app notices nothing."""

import contextlib
import os
import pathlib
import shutil
import sqlite3
import subprocess

import stock_changeset
from colony_cluster import EXTENSION, SQLITE, ColonyTest, app, connect, finished, run

SCHEMA = """
CREATE TABLE items(id INTEGER PRIMARY KEY, name TEXT UNIQUE, n INTEGER NOT NULL DEFAULT 0 CHECK(n < 1000));
CREATE TABLE audit(id INTEGER PRIMARY KEY, what TEXT);
CREATE TABLE parent(id TEXT PRIMARY KEY);
CREATE TABLE child(id INTEGER PRIMARY KEY, parent TEXT REFERENCES parent(id) ON DELETE CASCADE ON UPDATE CASCADE);
CREATE TABLE keyless(a);
CREATE TRIGGER items_audit AFTER INSERT ON items BEGIN INSERT INTO audit(what) VALUES('insert ' || new.name); END;
CREATE TRIGGER items_audit_update AFTER UPDATE ON items WHEN new.n <> old.n BEGIN
  INSERT INTO audit(what) VALUES('update ' || new.name); INSERT INTO keyless VALUES(new.n); END;
"""


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


class Capture(ColonyTest):
    def two_nodes(self, schema=SCHEMA):
        cluster = self.running(schema, nodes="ab")
        return cluster, *cluster.nodes

    def as_without_colony(self, *statements, before="", schema=SCHEMA):
        """Runs statements on a node's file and on a file of no colony: every answer must
        be the same, then the rows, and then the rows of the other node."""
        cluster, a, b = self.two_nodes(schema)
        plain_path = cluster.directory / "plain.db"
        shutil.copy(cluster.directory / "seed.db", plain_path)
        plain = sqlite3.connect(plain_path, isolation_level=None)
        plain.execute("PRAGMA journal_mode = WAL")
        captured = a.connect()
        for db in (plain, captured):
            db.executescript("PRAGMA foreign_keys = ON;" + before)
        for statement in statements:
            answers = []
            for db in (plain, captured):
                try:
                    answer = db.execute(statement).fetchall()
                except sqlite3.Error as error:
                    answer = f"{type(error).__name__}: {error}"
                counters = db.execute("SELECT last_insert_rowid(), changes(), total_changes()").fetchone()
                answers.append((answer, counters, db.in_transaction))
            self.assertEqual(answers[1], answers[0], f"after {statement}")
        tables = [row[0] for row in plain.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")]
        for table in tables:
            rows = [sorted(map(repr, db.execute(f'SELECT * FROM "{table}"'))) for db in (captured, plain)]
            self.assertEqual(rows[0], rows[1], table)
        captured.close()
        plain.close()
        cluster.assert_equal()
        return cluster

    def test_writer_without_the_extension_is_refused(self):
        cluster, a, b = self.two_nodes()
        for sql in ("INSERT INTO items(name) VALUES('x')", "UPDATE items SET n = 1", "DELETE FROM items",
                    "REPLACE INTO parent VALUES('x')"):
            done = a.shell(sql, extension=False)
            self.assertNotEqual(done.returncode, 0)
            self.assertIn("no such module: colony_capture", done.stderr)
            with contextlib.closing(sqlite3.connect(a.path)) as db:
                with self.assertRaisesRegex(sqlite3.OperationalError, "no such module: colony_capture"):
                    db.execute(sql)
        # What is not replicated is everybody's.
        self.assertEqual(a.shell("INSERT INTO keyless VALUES(1)", extension=False).returncode, 0)
        self.assertEqual(a.status()["pending"], 0)

    def test_reading_needs_no_extension(self):
        cluster, a, b = self.two_nodes()
        a.sql("INSERT INTO items(name, n) VALUES('x', 5)")
        cluster.settle()
        for node in (a, b):
            done = node.shell("SELECT name, n FROM items; PRAGMA integrity_check;", extension=False)
            self.assertEqual((done.stdout, done.stderr), ("x|5\nok\n", ""))
            self.assertEqual(run(SQLITE, "-readonly", node.path, "SELECT count(*) FROM items").stdout, "1\n")

    def test_last_insert_rowid_and_changes(self):
        self.as_without_colony(
            "INSERT INTO items(id, name) VALUES(100, 'a'), (200, 'b')", "INSERT INTO audit VALUES(50, 'own')",
            "UPDATE items SET n = n + 1", "DELETE FROM audit WHERE id = 50", "DELETE FROM items WHERE id = 77",
            "INSERT INTO keyless VALUES(1)", "BEGIN", "INSERT INTO items(name) VALUES('c')", "COMMIT",
            "BEGIN", "INSERT INTO items(name) VALUES('d')", "ROLLBACK", "INSERT INTO parent VALUES('p')",
            "INSERT INTO child(parent) VALUES('p'), ('p'), ('p')", "DELETE FROM parent",
            "INSERT INTO items(name, n) VALUES('e', 3) RETURNING id, name", "UPDATE items SET n = 9 RETURNING id",
            "DELETE FROM items WHERE id > 1 RETURNING name")

    def test_rolled_back(self):
        cluster = self.as_without_colony(
            "BEGIN", "INSERT INTO items(name) VALUES('gone')", "ROLLBACK",
            "BEGIN", "INSERT INTO items(id, name) VALUES(1, 'kept')", "SAVEPOINT s", "INSERT INTO items(name) VALUES('undone')",
            "UPDATE items SET n = 5", "ROLLBACK TO s", "UPDATE items SET n = 6 WHERE id = 1", "RELEASE s", "COMMIT",
            "SAVEPOINT outer", "INSERT INTO items(id, name) VALUES(2, 'two')", "SAVEPOINT inner", "DELETE FROM items",
            "ROLLBACK TO inner", "RELEASE inner", "RELEASE outer",
            "SAVEPOINT only", "DELETE FROM items", "ROLLBACK TO only", "RELEASE only",
            "BEGIN", "SAVEPOINT first", "SAVEPOINT second", "DELETE FROM items", "RELEASE second", "ROLLBACK TO first",
            "COMMIT",
            # Statements that fail half-way, each in its way.
            "INSERT INTO items(id, name) VALUES(10, 'x'), (11, 'kept')",
            "INSERT OR IGNORE INTO items(id, name) VALUES(12, 'y'), (13, 'kept'), (14, 'z')",
            "INSERT OR FAIL INTO items(id, name) VALUES(15, 'f'), (16, 'kept')",
            "INSERT OR ABORT INTO items(id, name) VALUES(17, 'g'), (18, 'kept')",
            "BEGIN", "INSERT INTO items(id, name) VALUES(19, 'h')",
            "INSERT OR ROLLBACK INTO items(id, name) VALUES(20, 'i'), (21, 'kept')",
            "INSERT INTO items(id, name, n) VALUES(22, 'check', 1000)", "UPDATE items SET n = n + 995",
            "BEGIN", "DELETE FROM items WHERE id = 2", "UPDATE items SET name = 'kept' WHERE id = 12", "COMMIT")
        self.assertEqual(cluster.nodes[1].query("SELECT id, name, n FROM items ORDER BY id"),
                         [(1, "kept", 6), (12, "y", 0), (14, "z", 0), (15, "f", 0)])

    def test_statement_that_violates_a_foreign_key(self):
        """What SQLite leaves in last_insert_rowid() here depends on whether the table has
        any AFTER trigger, and so on Colony's; it was no insert, so nobody should ask."""
        cluster, a, b = self.two_nodes()
        db = a.connect()
        db.execute("PRAGMA foreign_keys = ON")
        with self.assertRaisesRegex(sqlite3.IntegrityError, "FOREIGN KEY"):
            db.execute("INSERT INTO child(parent) VALUES('nobody')")
        self.assertEqual(db.execute("SELECT changes(), total_changes()").fetchone(), (0, 0))
        db.execute("BEGIN")
        db.execute("INSERT INTO parent VALUES('p')")
        with self.assertRaisesRegex(sqlite3.IntegrityError, "FOREIGN KEY"):
            db.execute("INSERT INTO child VALUES(1, 'p'), (2, 'nobody')")
        db.execute("COMMIT")
        cluster.assert_equal()
        self.assertEqual((b.one("SELECT count(*) FROM parent"), b.one("SELECT count(*) FROM child")), (1, 0))

    def test_replace_and_upsert(self):
        cluster = self.as_without_colony(
            "INSERT INTO items VALUES(1, 'a', 1), (2, 'b', 2), (3, 'c', 3)",
            "REPLACE INTO items VALUES(1, 'c', 10)",  # displaces 1 and 3
            "INSERT INTO items(id, name) VALUES(2, 'zz') ON CONFLICT(id) DO UPDATE SET n = n + 100",
            "INSERT INTO items(id, name) VALUES(9, 'b') ON CONFLICT(name) DO UPDATE SET id = 8, n = 7",
            "INSERT INTO items(id, name) VALUES(8, 'x') ON CONFLICT DO NOTHING",
            "INSERT INTO items(id, name) VALUES(5, 'e')", "UPDATE OR REPLACE items SET name = 'b' WHERE id = 5",
            "UPDATE OR IGNORE items SET name = 'c' WHERE id = 5")
        self.assertEqual(cluster.nodes[1].query("SELECT id, name, n FROM items ORDER BY id"),
                         [(1, "c", 10), (5, "b", 0)])

    def test_recursive_triggers_and_replace(self):
        self.as_without_colony(
            "INSERT INTO items VALUES(1, 'a', 1), (2, 'b', 2)", "REPLACE INTO items VALUES(1, 'b', 3)",
            before="PRAGMA recursive_triggers = ON; ",
            schema=SCHEMA + "CREATE TRIGGER d AFTER DELETE ON items BEGIN INSERT INTO audit(what) VALUES('gone'); END;")

    def test_truncate(self):
        cluster, a, b = self.two_nodes()
        a.sql("WITH RECURSIVE c(i) AS (VALUES(1) UNION ALL SELECT i + 1 FROM c WHERE i < 5000) "
              "INSERT INTO parent SELECT i FROM c;")
        cluster.settle()
        self.assertEqual(b.one("SELECT count(*) FROM parent"), 5000)
        self.assertEqual(a.sql("DELETE FROM parent; SELECT changes();"), "5000")
        cluster.assert_equal()
        self.assertEqual(b.one("SELECT count(*) FROM parent"), 0)

    def test_app_triggers_and_cascades_are_shipped_once(self):
        cluster = self.as_without_colony(
            "INSERT INTO items(id, name) VALUES(1, 'a')", "UPDATE items SET n = 5 WHERE id = 1",
            "INSERT INTO parent VALUES('p'), ('q')", "INSERT INTO child VALUES(1, 'p'), (2, 'p'), (3, 'q')",
            "UPDATE parent SET id = 'r' WHERE id = 'p'", "DELETE FROM parent WHERE id = 'q'")
        b = cluster.nodes[1]
        self.assertEqual(b.query("SELECT what FROM audit ORDER BY id"), [("insert a",), ("update a",)])
        self.assertEqual(b.query("SELECT * FROM child ORDER BY id"), [(1, "r"), (2, "r")])
        self.assertEqual(b.query("SELECT * FROM keyless"), [], "not replicated, and b's app wrote nothing")

    def test_alter_table_while_a_connection_is_open(self):
        cluster, a, b = self.two_nodes()
        first, second = a.connect(), a.connect()
        for db in (first, second):
            db.execute("INSERT INTO items(name) VALUES(?)", (f"by {id(db)}",))
        cluster.settle()
        change = "ALTER TABLE items ADD COLUMN note TEXT DEFAULT 'none'; ALTER TABLE items ADD COLUMN price REAL;"
        first.executescript(change)
        b.sql(change)
        b.init()
        second.execute("UPDATE items SET note = 'second', price = 1.5")
        first.execute("INSERT INTO items(id, name, note, price) VALUES(70, 'new', 'first', 2)")
        cluster.assert_equal()
        self.assertEqual(b.query("SELECT note, price FROM items WHERE id = 70"), [("first", 2.0)])
        for node, db in ((a, second), (b, b.connect())):
            db.executescript("ALTER TABLE items RENAME COLUMN note TO remark; ALTER TABLE items DROP COLUMN price;")
            node.init()
        first.execute("UPDATE items SET remark = 'renamed' WHERE id = 70")
        second.execute("DELETE FROM items WHERE id <> 70")
        cluster.assert_equal()
        self.assertEqual(b.query("SELECT name, n, remark FROM items"), [("new", 0, "renamed")])

    def test_schema_changes_within_a_transaction(self):
        cluster, a, b = self.two_nodes()
        for statements in (
                ["INSERT INTO parent VALUES('p1')", "CREATE TABLE other(x)", "INSERT INTO parent VALUES('p2')"],
                ["INSERT INTO items(id, name) VALUES(1, 'one')", "CREATE INDEX by_n ON items(n)", "UPDATE items SET n = 1"],
                ["INSERT INTO child VALUES(1, NULL)", "DROP TABLE other", "UPDATE child SET id = 2"],
                ["INSERT INTO items(id, name) VALUES(2, 'two')", "DROP INDEX by_n", "DROP TRIGGER items_audit",
                 "INSERT INTO items(id, name) VALUES(3, 'three')"]):
            db = a.connect()
            for statement in ["BEGIN", *statements, "COMMIT"]:
                db.execute(statement)
            db.close()
        cluster.assert_equal()
        self.assertEqual(b.query("SELECT id, name, n FROM items ORDER BY id"),
                         [(1, "one", 1), (2, "two", 0), (3, "three", 0)])
        self.assertEqual(b.query("SELECT id FROM parent ORDER BY id"), [("p1",), ("p2",)])
        self.assertEqual(b.query("SELECT what FROM audit ORDER BY id"), [("insert one",), ("update one",), ("insert two",)])
        # A column that appears between two changes of one transaction.
        db = a.connect()
        for statement in ("BEGIN", "INSERT INTO items(id, name) VALUES(4, 'four')",
                          "ALTER TABLE items ADD COLUMN late TEXT DEFAULT 'x'",
                          "UPDATE items SET late = 'y' WHERE id IN (1, 4)"):
            db.execute(statement)
        with contextlib.suppress(sqlite3.OperationalError):
            db.execute("COMMIT")
        if db.in_transaction:
            db.execute("ROLLBACK")
        if not a.one("SELECT count(*) FROM items WHERE id = 4"):
            print("NOTE a transaction that writes before and after ALTER TABLE is refused")
            db.execute("ALTER TABLE items ADD COLUMN late TEXT DEFAULT 'x'")
        b.sql("ALTER TABLE items ADD COLUMN late TEXT DEFAULT 'x'")
        cluster.assert_equal()

    def test_drop_table_with_foreign_keys(self):
        """DROP TABLE then deletes the rows first, and their children with them."""
        cluster, a, b = self.two_nodes()
        a.sql("INSERT INTO parent VALUES('p'); INSERT INTO child VALUES(1, 'p'), (2, NULL);")
        cluster.settle()
        a.sql("PRAGMA foreign_keys = ON; DROP TABLE parent;")
        a.wait()
        b.wait()
        self.assertEqual(a.query("SELECT id FROM child"), [(2,)])
        self.assertEqual(b.query("SELECT id FROM child"), [(2,)])
        b.sql("DROP TABLE parent;")
        a.sql("INSERT INTO items(name) VALUES('goes on')")
        for node in (a, b):
            node.init()
        self.assertEqual(len(cluster.assert_equal()["items"]), 1)

    def test_deferred_foreign_keys(self):
        schema = ("CREATE TABLE p(id INTEGER PRIMARY KEY); CREATE TABLE c(id INTEGER PRIMARY KEY, p INTEGER "
                  "REFERENCES p(id) DEFERRABLE INITIALLY DEFERRED);")
        cluster = self.as_without_colony(
            "BEGIN", "INSERT INTO c VALUES(1, 7)", "COMMIT", "INSERT INTO p VALUES(7)", "COMMIT",  # the first one fails
            "BEGIN", "INSERT INTO c VALUES(2, 8)", "COMMIT", "ROLLBACK",
            "INSERT INTO c VALUES(3, 9)", "INSERT INTO c VALUES(4, 7)", schema=schema)
        self.assertEqual(cluster.nodes[1].query("SELECT * FROM c"), [(1, 7), (4, 7)])

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

    def test_vacuum_dump_backup_and_integrity(self):
        cluster, a, b = self.two_nodes()
        a.sql("INSERT INTO items(name) VALUES('x'), ('y'); DELETE FROM items WHERE name = 'x';")
        cluster.settle()
        a.sql("VACUUM;")
        self.assertEqual(a.shell("VACUUM;", extension=False).returncode, 0)
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

    def test_attached_without_the_extension_is_refused(self):
        cluster, a, b = self.two_nodes()
        with contextlib.closing(sqlite3.connect(":memory:")) as db:
            db.execute("ATTACH ? AS node", (str(a.path),))
            self.assertEqual(db.execute("SELECT count(*) FROM node.items").fetchone(), (0,))
            with self.assertRaisesRegex(sqlite3.OperationalError, "no such module: colony_capture"):
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

    def test_incremental_blob_write(self):
        """sqlite3_blob_write() runs no trigger, so it cannot be refused at once, and SQLite
        shows it to the hook as a DELETE. It must not be shipped as one."""
        cluster, a, b = self.two_nodes("CREATE TABLE docs(id INTEGER PRIMARY KEY, body BLOB, n INTEGER);")
        db = a.connect()
        if not hasattr(db, "blobopen"):
            self.cannot_run_here("this Python has no Connection.blobopen()")
        db.execute("INSERT INTO docs VALUES(1, zeroblob(5), 1), (2, zeroblob(5), 1)")

        def write():
            with db.blobopen("docs", "body", 1) as blob:
                blob.write(b"hello")
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
        # By itself: the next transaction tells, and only that one.
        write()
        with self.assertRaisesRegex(sqlite3.OperationalError, "sqlite3_blob_write.*colony verify"):
            db.execute("UPDATE docs SET n = 3 WHERE id = 2")
        db.execute("UPDATE docs SET n = 4 WHERE id = 2")
        cluster.settle()
        self.assertEqual(b.query("SELECT * FROM docs"), [(1, bytes(5), 1), (2, bytes(5), 4)])
        self.assertEqual(cluster.verify().returncode, 1)
        db.execute("UPDATE docs SET body = x'00' WHERE id = 1")
        db.execute("UPDATE docs SET body = CAST('hello' AS BLOB) WHERE id = 1")
        cluster.settle()
        self.assertEqual(cluster.verify().returncode, 0)

    def test_outbox_is_readable_by_stock_functions(self):
        cluster = self.cluster(SCHEMA, nodes="a")
        a = cluster.nodes[0]
        a.sql("INSERT INTO parent VALUES('p'), ('q'); INSERT INTO items VALUES(1, 'one', 1);")
        db = a.connect()
        db.execute("BEGIN")
        for statement in (
                "UPDATE items SET n = 2 WHERE id = 1", "UPDATE items SET n = 3 WHERE id = 1",  # 1 to 3
                "INSERT INTO items VALUES(2, 'two', 1)", "UPDATE items SET name = 'zwei' WHERE id = 2",
                "INSERT INTO items VALUES(3, 'three', 1)", "DELETE FROM items WHERE id = 3",  # nothing
                "DELETE FROM parent WHERE id = 'p'", "INSERT INTO parent VALUES('p')",  # nothing
                "UPDATE parent SET id = 'r' WHERE id = 'q'",
                "INSERT INTO child VALUES(1, 'r')", "UPDATE child SET parent = NULL", "DELETE FROM audit"):
            db.execute(statement)
        db.execute("COMMIT")
        outbox = [bytes(row[0]) for row in db.execute("SELECT changeset FROM __colony_outbox ORDER BY piece")]
        self.assertEqual(len(outbox), 3)
        self.assertEqual(stock_changeset.changes(outbox[1]), [
            ("audit", "INSERT", None, (1, "insert one")), ("items", "INSERT", None, (1, "one", 1))])
        self.assertEqual(stock_changeset.changes(outbox[2]), [
            ("audit", "DELETE", (1, "insert one"), None),
            ("child", "INSERT", None, (1, None)),
            ("items", "INSERT", None, (2, "zwei", 1)),
            ("items", "UPDATE", (1, ..., 1), (..., ..., 3)),
            ("parent", "DELETE", ("q",), None),
            ("parent", "INSERT", None, ("r",))])
        self.assertEqual(stock_changeset.changes(stock_changeset.inverted(outbox[2])), [
            ("audit", "INSERT", None, (1, "insert one")),
            ("child", "DELETE", (1, None), None),
            ("items", "DELETE", (2, "zwei", 1), None),
            ("items", "UPDATE", (1, ..., 3), (..., ..., 1)),
            ("parent", "DELETE", ("r",), None),
            ("parent", "INSERT", None, ("q",))])
        both = stock_changeset.combined(*outbox)
        self.assertEqual(stock_changeset.changes(both), [
            ("child", "INSERT", None, (1, None)),
            ("items", "INSERT", None, (1, "one", 3)),
            ("items", "INSERT", None, (2, "zwei", 1)),
            ("parent", "INSERT", None, ("p",)), ("parent", "INSERT", None, ("r",))])

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
