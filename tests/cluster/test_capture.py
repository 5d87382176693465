"""What is captured, and what is refused: statement by statement, the app sees what it would
see without Colony, and the other node gets what came of it."""

import contextlib
import shutil
import sqlite3

import stock_changeset
from app_schema import SCHEMA
from colony_cluster import ColonyTest, session_only
from processes import EXTENSION, SQLITE, run
from schemas import names, objects


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

    @session_only("it is about loading colony.so")
    def test_extension_shows_nothing_but_its_entry_point(self):
        """What else it showed, templates of C++ above all, an app's own could be taken for."""
        done = run("nm", "--dynamic", "--defined-only", "--format=just-symbols", EXTENSION)
        self.assertEqual((done.stdout.split(), done.returncode), (["sqlite3_colony_init"], 0), done.stderr)

    @session_only("it is about loading colony.so")
    def test_extension_stays_loaded_when_the_connection_is_closed(self):
        """It has a C++ runtime of its own, whose memory would be lost with every connection."""
        a = self.cluster(SCHEMA, nodes="a").nodes[0]
        a.connect().close()
        with open("/proc/self/maps") as maps:
            self.assertIn("/colony.so", maps.read())

    @session_only("in wal mode nothing refuses a writer")
    def test_writer_without_the_extension_is_refused(self):
        cluster, a, b = self.two_nodes()
        for sql in ("INSERT INTO items(name) VALUES('x')", "UPDATE items SET n = 1", "DELETE FROM items",
                    "REPLACE INTO parent VALUES('x')"):
            done = a.shell(sql, extension=False)
            self.assertNotEqual(done.returncode, 0)
            self.assertIn("this_connection_must_load_colony_so", done.stderr)
            with contextlib.closing(sqlite3.connect(a.path)) as db:
                with self.assertRaisesRegex(sqlite3.OperationalError, "this_connection_must_load_colony_so"):
                    db.execute(sql)
        # What is not replicated is everybody's.
        self.assertEqual(a.shell("INSERT INTO keyless VALUES(1)", extension=False).returncode, 0)
        self.assertEqual(a.status()["pending"], 0)

    def test_reading_needs_no_extension(self):
        cluster, a, b = self.two_nodes()
        a.sql("INSERT INTO items(name, n) VALUES('x', 5)")
        cluster.settle()
        for node in (a, b):
            done = node.shell("SELECT name, n FROM items; PRAGMA quick_check;", extension=False)
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
            "BEGIN", "INSERT INTO items(id, name) VALUES(1, 'kept')", "SAVEPOINT s",
            "INSERT INTO items(name) VALUES('undone')", "UPDATE items SET n = 5", "ROLLBACK TO s",
            "UPDATE items SET n = 6 WHERE id = 1", "RELEASE s", "COMMIT",
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

    def test_deferred_foreign_keys(self):
        schema = ("CREATE TABLE p(id INTEGER PRIMARY KEY); CREATE TABLE c(id INTEGER PRIMARY KEY, p INTEGER "
                  "REFERENCES p(id) DEFERRABLE INITIALLY DEFERRED);")
        cluster = self.as_without_colony(
            "BEGIN", "INSERT INTO c VALUES(1, 7)", "COMMIT", "INSERT INTO p VALUES(7)", "COMMIT",  # the first one fails
            "BEGIN", "INSERT INTO c VALUES(2, 8)", "COMMIT", "ROLLBACK",
            "INSERT INTO c VALUES(3, 9)", "INSERT INTO c VALUES(4, 7)", schema=schema)
        self.assertEqual(cluster.nodes[1].query("SELECT * FROM c"), [(1, 7), (4, 7)])

    def test_alter_table_while_a_connection_is_open(self):
        cluster, a, b = self.two_nodes()
        first, second = a.connect(), a.connect()
        for db in (first, second):
            db.execute("INSERT INTO items(name) VALUES(?)", (f"by {id(db)}",))
        cluster.settle()
        change = "ALTER TABLE items ADD COLUMN note TEXT DEFAULT 'none'; ALTER TABLE items ADD COLUMN price REAL;"
        at_b = b.connect()
        at_b.execute("INSERT INTO items(name) VALUES('by b')")
        first.executescript(change)
        second.execute("UPDATE items SET note = 'second', price = 1.5")
        first.execute("INSERT INTO items(id, name, note, price) VALUES(70, 'new', 'first', 2)")
        cluster.assert_equal()
        self.assertEqual(b.query("SELECT note, price FROM items WHERE id = 70"), [("first", 2.0)])
        at_b.execute("SELECT note FROM items").fetchone()  # ALTER TABLE itself looks at no new schema
        at_b.executescript("ALTER TABLE items RENAME COLUMN note TO remark; ALTER TABLE items DROP COLUMN price;")
        cluster.settle()
        first.execute("UPDATE items SET remark = 'renamed' WHERE id = 70")
        second.execute("DELETE FROM items WHERE id <> 70")
        cluster.assert_equal()
        self.assertEqual(b.query("SELECT name, n, remark FROM items"), [("new", 0, "renamed")])

    def test_schema_changes_within_a_transaction(self):
        cluster, a, b = self.two_nodes()
        for statements in (
                ["INSERT INTO parent VALUES('p1')", "CREATE TABLE other(x)", "INSERT INTO parent VALUES('p2')"],
                ["INSERT INTO items(id, name) VALUES(1, 'one')", "CREATE INDEX by_n ON items(n)",
                 "UPDATE items SET n = 1"],
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
        self.assertEqual(b.query("SELECT what FROM audit ORDER BY id"),
                         [("insert one",), ("update one",), ("insert two",)])
        self.assertEqual(names(a, "trigger"), names(b, "trigger"))
        # A column that appears between two changes of one transaction.
        db = a.connect()
        for statement in ("BEGIN", "INSERT INTO items(id, name) VALUES(4, 'four')",
                          "ALTER TABLE items ADD COLUMN late TEXT DEFAULT 'x'",
                          "UPDATE items SET late = 'y' WHERE id IN (1, 4)"):
            db.execute(statement)
        db.execute("COMMIT")
        cluster.assert_equal()
        self.assertEqual(b.query("SELECT id, late FROM items ORDER BY id"), [(1, "y"), (2, "x"), (3, "x"), (4, "y")])
        self.assertEqual(objects(a.path), objects(b.path))

    def test_drop_table_with_foreign_keys(self):
        """DROP TABLE then deletes the rows first, and their children with them."""
        cluster, a, b = self.two_nodes()
        a.sql("INSERT INTO parent VALUES('p'); INSERT INTO child VALUES(1, 'p'), (2, NULL);")
        cluster.settle()
        a.sql("PRAGMA foreign_keys = ON; DROP TABLE parent;")
        cluster.settle()
        for node in (a, b):
            self.assertEqual(node.query("SELECT id FROM child"), [(2,)])
            self.assertNotIn("parent", names(node, "table"))
        a.sql("INSERT INTO items(name) VALUES('goes on')")
        self.assertEqual(len(cluster.assert_equal()["items"]), 1)
        self.assertEqual(objects(a.path), objects(b.path))

    @session_only("in wal mode all that a program does to the schema travels")
    def test_operator_drops_a_table_with_foreign_keys(self):
        """By hand on every node: nothing of it travels but the children's rows."""
        cluster, a, b = self.two_nodes()
        a.sql("INSERT INTO parent VALUES('p'); INSERT INTO child VALUES(1, 'p'), (2, NULL);")
        cluster.settle()
        a.migrate("PRAGMA foreign_keys = ON; DROP TABLE parent;")
        a.init()
        a.wait()
        b.wait()
        self.assertEqual(a.query("SELECT id FROM child"), [(2,)])
        self.assertEqual(b.query("SELECT id FROM child"), [(2,)])
        b.migrate("DROP TABLE parent;")
        b.init()
        a.sql("INSERT INTO items(name) VALUES('goes on')")
        for node in (a, b):
            node.init()
        self.assertEqual(len(cluster.assert_equal()["items"]), 1)

    @session_only("it reads what the commit itself has queued")
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
