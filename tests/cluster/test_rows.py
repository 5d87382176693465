"""Rows that several nodes change at once.

Where it matters who comes first in the log, the nodes write one after the other while
none has seen the other's: a sidecar that is stopped ships later.
"""

from colony_cluster import ColonyTest, connect, session_only
from processes import app, finished

PEOPLE = """
CREATE TABLE people(id INTEGER PRIMARY KEY, name TEXT, email TEXT, city TEXT);
INSERT INTO people VALUES(1, 'Ada', 'ada@example', 'London'), (2, 'Bob', 'bob@example', 'Bonn');
"""


def add_one(path, times):
    db = connect(path)
    for _ in range(times):
        db.execute("UPDATE counter SET n = n + 1 WHERE id = 1")
    db.close()


def set_to(path, value, times):
    db = connect(path)
    for n in range(times):
        db.execute("UPDATE crossed SET x = ?, n = ? WHERE id = 1", (value, n))
    db.close()


class Rows(ColonyTest):
    def test_crossed_writes(self):
        """Neither skipping nor replaying one's own messages gives equal rows here."""
        cluster = self.running("CREATE TABLE crossed(id INTEGER PRIMARY KEY, x, n);"
                               "CREATE TABLE counter(id INTEGER PRIMARY KEY, n);"
                               "INSERT INTO crossed VALUES(1, 0, 0); INSERT INTO counter VALUES(1, 0);")
        a, b, c, d = cluster.nodes
        finished([app(set_to, a.path, 1, 200), app(set_to, b.path, 2, 200), app(set_to, c.path, 3, 200),
                  app(add_one, d.path, 300)])
        cluster.assert_equal()
        self.assertEqual(a.one("SELECT n FROM counter"), 300)  # its only writer ran ahead of the log
        cluster.unaware(("a", "UPDATE crossed SET x = 'a'"), ("b", "UPDATE crossed SET x = 'b'"))
        self.assertEqual(a.one("SELECT x FROM crossed"), "b")
        cluster.unaware(("b", "UPDATE crossed SET x = 'b2'"), ("a", "UPDATE crossed SET x = 'a2'"))
        self.assertEqual(b.one("SELECT x FROM crossed"), "a2")

    def test_columns_merge(self):
        cluster = self.running(PEOPLE)
        rows = cluster.unaware(("a", "UPDATE people SET email = 'a@new' WHERE id = 1"),
                               ("b", "UPDATE people SET city = 'Berlin' WHERE id = 1"),
                               ("c", "UPDATE people SET name = 'Ada L.' WHERE id = 1"))
        self.assertIn("(1, b'text:Ada L.', b'text:a@new', b'text:Berlin')", rows["people"])
        self.assertEqual(cluster.conflict_kinds(), [])

    def test_same_column_later_wins_and_the_loser_is_journalled(self):
        cluster = self.running(PEOPLE)
        cluster.unaware(("a", "UPDATE people SET city = 'Paris' WHERE id = 1"),
                        ("b", "UPDATE people SET city = 'Rome', name = 'A.' WHERE id = 1"))
        self.assertEqual(cluster.nodes[2].query("SELECT name, city FROM people WHERE id = 1"), [("A.", "Rome")])
        self.assertEqual(cluster.conflict_kinds(), [("update_differs", "people", {"city": "Paris"})])

    def test_delete_vs_update(self):
        cluster = self.running(PEOPLE)
        cluster.unaware(("a", "DELETE FROM people WHERE id = 1"),
                        ("b", "UPDATE people SET city = 'Rome' WHERE id = 1"))
        cluster.unaware(("a", "UPDATE people SET city = 'Rome' WHERE id = 2"),
                        ("b", "DELETE FROM people WHERE id = 2"))
        self.assertEqual(cluster.nodes[3].query("SELECT * FROM people"), [])
        self.assertEqual([kind for kind, _, _ in cluster.conflict_kinds()], ["update_missing", "delete_differs"])

    @session_only("in wal mode what was committed while no sidecar ran may become one net transaction")
    def test_delete_vs_insert(self):
        cluster = self.running(PEOPLE)
        cluster.unaware(("a", "DELETE FROM people WHERE id = 1"),
                        ("b", "DELETE FROM people WHERE id = 1; INSERT INTO people VALUES(1, 'New', 'n', 'Oslo');"))
        self.assertEqual(cluster.nodes[2].query("SELECT name FROM people WHERE id = 1"), [("New",)])
        cluster.unaware(
                     ("b", "DELETE FROM people WHERE id = 2; INSERT INTO people VALUES(2, 'New', 'n', 'Oslo');"),
                     ("a", "DELETE FROM people WHERE id = 2"))
        self.assertEqual(cluster.nodes[2].query("SELECT name FROM people WHERE id = 2"), [])

    def test_insert_vs_insert(self):
        cluster = self.running(PEOPLE)
        cluster.unaware(("a", "INSERT INTO people VALUES(7, 'from a', NULL, 'A')"),
                        ("b", "INSERT INTO people VALUES(7, 'from b', 'b', NULL)"))
        self.assertEqual(cluster.nodes[3].query("SELECT * FROM people WHERE id = 7"), [(7, "from b", "b", None)])
        [(kind, _, lost)] = cluster.conflict_kinds()
        self.assertEqual((kind, lost["name"], lost["city"]), ("insert_exists", "from a", "A"))

    def test_key_change(self):
        cluster = self.running(PEOPLE + "CREATE TABLE pairs(a TEXT, b INTEGER, v, PRIMARY KEY(a, b)) WITHOUT ROWID;"
                                        "INSERT INTO pairs VALUES('x', 1, 'one'), ('x', 2, 'two');")
        a, b, c, d = cluster.nodes
        a.sql("UPDATE people SET id = 100 WHERE id = 1; UPDATE people SET id = id + 1000 WHERE id = 2;"
              "BEGIN; UPDATE pairs SET b = -b; UPDATE pairs SET b = b + 3;"
              "UPDATE pairs SET a = 'y' WHERE b = 1; COMMIT;")
        cluster.assert_equal()
        for node in cluster.nodes:
            self.assertEqual(node.query("SELECT id, name FROM people ORDER BY id"), [(100, "Ada"), (1002, "Bob")])
            self.assertEqual(node.query("SELECT * FROM pairs ORDER BY v"), [("x", 2, "one"), ("y", 1, "two")])
        # While another node changes the row by its old key.
        cluster.unaware(("a", "UPDATE people SET id = 5 WHERE id = 100"),
                        ("b", "UPDATE people SET city = 'Rome' WHERE id = 100"))
        self.assertEqual(c.query("SELECT id FROM people ORDER BY id"), [(5,), (1002,)])

    def test_unique_clash(self):
        cluster = self.running("CREATE TABLE users(id INTEGER PRIMARY KEY, name TEXT UNIQUE, mail TEXT UNIQUE);"
                               "CREATE UNIQUE INDEX partly ON users(lower(name)) WHERE mail IS NOT NULL;"
                               "INSERT INTO users VALUES(1, 'one', 'm1'), (2, 'two', 'm2'), (3, 'three', 'm3');")
        cluster.unaware(("a", "INSERT INTO users VALUES(10, 'ada', 'a@a')"),
                        ("b", "INSERT INTO users VALUES(20, 'ada', 'b@b')"))
        self.assertEqual(cluster.nodes[2].query("SELECT id FROM users WHERE id > 3"), [(20,)])
        # One row in the way by each index, and a chain: a frees what b takes.
        cluster.unaware(("a", "UPDATE users SET name = 'x' WHERE id = 1;"
                                       "UPDATE users SET name = 'one' WHERE id = 2;"),
                        ("b", "UPDATE users SET mail = 'y' WHERE id = 2; DELETE FROM users WHERE id = 3;"
                              "INSERT INTO users VALUES(30, 'three', 'm2');"),
                        ("c", "DELETE FROM users WHERE id = 20;"
                              "INSERT INTO users VALUES(40, 'X', 'm'), (41, 'uno', 'y'), (42, 'Ada', 'b@b');"))
        self.assertEqual(cluster.nodes[3].query("SELECT * FROM users ORDER BY id"),
                         [(30, "three", "m2"), (40, "X", "m"), (41, "uno", "y"), (42, "Ada", "b@b")])
        displaced = [lost["id"] for kind, _, lost in cluster.conflict_kinds() if kind == "displaced"]
        self.assertEqual(sorted(displaced), [1, 2, 10])
        for node in cluster.nodes:
            self.assertEqual(node.query("PRAGMA integrity_check"), [("ok",)])

    def test_unique_values_swapped_and_shifted(self):
        """Within a transaction the values go through states that no index would allow."""
        cluster = self.running("CREATE TABLE list(id TEXT PRIMARY KEY, place INTEGER UNIQUE,"
                               " name TEXT COLLATE NOCASE UNIQUE);"
                               "INSERT INTO list VALUES('a', 1, 'A'), ('b', 2, 'B'), ('c', 3, 'C'), ('d', 4, 'D');")
        a, b, c, d = cluster.nodes
        shift = "BEGIN; UPDATE list SET place = -place; UPDATE list SET place = 1 - place; COMMIT;"
        swap = ("BEGIN; UPDATE list SET place = NULL, name = NULL WHERE id = 'a';"
                "UPDATE list SET place = 2, name = 'b' WHERE id = 'b' AND 0;"
                "UPDATE list SET name = 'a' WHERE id = 'd'; UPDATE list SET name = 'd' WHERE id = 'a'; COMMIT;")
        a.sql(shift)
        cluster.assert_equal()
        self.assertEqual(d.query("SELECT id, place FROM list ORDER BY place"), [("a", 2), ("b", 3), ("c", 4), ("d", 5)])
        self.assertEqual(a.conflicts(), [])
        cluster.unaware(("b", swap), ("c", shift))
        self.assertEqual(d.query("SELECT id, place, name FROM list ORDER BY id"),
                         [("a", 3, "d"), ("b", 4, "B"), ("c", 5, "C"), ("d", 6, "a")])
        # Equal for the index, not for the bytes.
        cluster.unaware(("a", "INSERT INTO list VALUES('x', 10, 'new')"),
                           ("d", "INSERT INTO list VALUES('y', 11, 'NEW')"))
        self.assertEqual(b.query("SELECT id FROM list WHERE name = 'new'"), [("y",)])
        for node in cluster.nodes:
            self.assertEqual(node.query("PRAGMA integrity_check"), [("ok",)])

    def test_unique_clashes_of_four_nodes_at_once(self):
        cluster = self.running("CREATE TABLE users(id TEXT PRIMARY KEY, name TEXT UNIQUE, mail TEXT UNIQUE, n);")
        finished([app(clash, node.path, node.name) for node in cluster.nodes])
        cluster.assert_equal()
        for node in cluster.nodes:
            self.assertEqual(node.query("PRAGMA integrity_check"), [("ok",)])

    def test_audit_trigger(self):
        cluster = self.running(PEOPLE + """
            CREATE TABLE audit(id TEXT PRIMARY KEY DEFAULT(lower(hex(randomblob(8)))), what TEXT, who INTEGER);
            CREATE TRIGGER added AFTER INSERT ON people BEGIN
              INSERT INTO audit(what, who) VALUES('added', new.id); END;
            CREATE TRIGGER changed AFTER UPDATE ON people BEGIN
              INSERT INTO audit(what, who) VALUES('changed', new.id); END;""")
        for n, node in enumerate(cluster.nodes):
            node.sql(f"INSERT INTO people VALUES({n + 10}, 'n', 'e', 'c'), ({n + 20}, 'n', 'e', 'c');"
                     f"UPDATE people SET name = 'm' WHERE id = {n + 10};")
        rows = cluster.assert_equal()
        self.assertEqual(len(rows["audit"]), 4 * 3)
        # Also where a rebase undoes and redoes the row that the trigger saw.
        cluster.unaware(("a", "UPDATE people SET city = 'A' WHERE id = 1"),
                        ("b", "UPDATE people SET city = 'B' WHERE id = 1"),
                        ("c", "UPDATE people SET city = 'C' WHERE id = 1"))
        self.assertEqual(cluster.nodes[0].one("SELECT count(*) FROM audit"), 4 * 3 + 3)

    def test_cascade(self):
        cluster = self.running("""
            CREATE TABLE orders(id INTEGER PRIMARY KEY);
            CREATE TABLE lines(id INTEGER PRIMARY KEY, of INTEGER REFERENCES orders(id) ON DELETE CASCADE);
            INSERT INTO orders VALUES(1), (2); INSERT INTO lines VALUES(1, 1), (2, 1), (3, 2);""")
        cluster.unaware(("a", "PRAGMA foreign_keys = ON; DELETE FROM orders WHERE id = 1;"),
                        ("b", "PRAGMA foreign_keys = ON; INSERT INTO lines VALUES(4, 1);"))
        for node in cluster.nodes:
            self.assertEqual(node.query("SELECT id FROM orders"), [(2,)])
            self.assertEqual(node.query("SELECT id FROM lines ORDER BY id"), [(3,), (4,)])
        self.assertIn("violate foreign keys", cluster.verify().stdout)
        cluster.nodes[2].sql("DELETE FROM lines WHERE id = 4")
        cluster.assert_equal()
        self.assertNotIn("violate foreign keys", cluster.verify().stdout)


def clash(path, node):
    db = connect(path)
    for n in range(150):
        db.execute("BEGIN IMMEDIATE")
        db.execute("INSERT OR REPLACE INTO users VALUES(?, ?, ?, ?)",
                   (f"{node}{n % 10}", f"n{n * 7 % 13}", f"m{n * 5 % 11}", n))
        db.execute("UPDATE OR REPLACE users SET name = ? WHERE mail = ?", (f"n{n % 17}", f"m{n % 11}"))
        db.execute("COMMIT")
    db.close()
