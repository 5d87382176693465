"""Rows that several nodes change at once, and rows that are easily damaged on the way.

Where it matters who comes first in the log, the nodes write one after the other while
none has seen the other's: a sidecar that is stopped ships later.
"""

import itertools
import sqlite3

from colony_cluster import ColonyTest, app, connect, finished

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
    def unaware(self, cluster, *writes):
        """Each (node, sql) is committed before its node has seen any of the others', and
        they come into the log in this order."""
        cluster.settle()
        nodes = {node.name: node for node in cluster.nodes}
        writers = [nodes[name] for name in dict(writes)]
        for node in writers:
            node.stop()
        for name, sql in writes:
            nodes[name].sql(sql)
        for node in writers:
            node.start()
            node.wait()
        return cluster.assert_equal()

    def kinds(self, cluster):
        return [(conflict["kind"], conflict["table"], conflict["lost"]) for conflict in cluster.nodes[0].conflicts()]

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
        self.unaware(cluster, ("a", "UPDATE crossed SET x = 'a'"), ("b", "UPDATE crossed SET x = 'b'"))
        self.assertEqual(a.one("SELECT x FROM crossed"), "b")
        self.unaware(cluster, ("b", "UPDATE crossed SET x = 'b2'"), ("a", "UPDATE crossed SET x = 'a2'"))
        self.assertEqual(b.one("SELECT x FROM crossed"), "a2")

    def test_columns_merge(self):
        cluster = self.running(PEOPLE)
        rows = self.unaware(cluster, ("a", "UPDATE people SET email = 'a@new' WHERE id = 1"),
                            ("b", "UPDATE people SET city = 'Berlin' WHERE id = 1"),
                            ("c", "UPDATE people SET name = 'Ada L.' WHERE id = 1"))
        self.assertIn("(1, b'text:Ada L.', b'text:a@new', b'text:Berlin')", rows["people"])
        self.assertEqual(self.kinds(cluster), [])

    def test_same_column_later_wins_and_the_loser_is_journalled(self):
        cluster = self.running(PEOPLE)
        self.unaware(cluster, ("a", "UPDATE people SET city = 'Paris' WHERE id = 1"),
                     ("b", "UPDATE people SET city = 'Rome', name = 'A.' WHERE id = 1"))
        self.assertEqual(cluster.nodes[2].query("SELECT name, city FROM people WHERE id = 1"), [("A.", "Rome")])
        self.assertEqual(self.kinds(cluster), [("update_differs", "people", {"city": "Paris"})])

    def test_delete_vs_update(self):
        cluster = self.running(PEOPLE)
        self.unaware(cluster, ("a", "DELETE FROM people WHERE id = 1"),
                     ("b", "UPDATE people SET city = 'Rome' WHERE id = 1"))
        self.unaware(cluster, ("a", "UPDATE people SET city = 'Rome' WHERE id = 2"),
                     ("b", "DELETE FROM people WHERE id = 2"))
        self.assertEqual(cluster.nodes[3].query("SELECT * FROM people"), [])
        self.assertEqual([kind for kind, _, _ in self.kinds(cluster)], ["update_missing", "delete_differs"])

    def test_delete_vs_insert(self):
        cluster = self.running(PEOPLE)
        self.unaware(cluster, ("a", "DELETE FROM people WHERE id = 1"),
                     ("b", "DELETE FROM people WHERE id = 1; INSERT INTO people VALUES(1, 'New', 'n', 'Oslo');"))
        self.assertEqual(cluster.nodes[2].query("SELECT name FROM people WHERE id = 1"), [("New",)])
        self.unaware(cluster,
                     ("b", "DELETE FROM people WHERE id = 2; INSERT INTO people VALUES(2, 'New', 'n', 'Oslo');"),
                     ("a", "DELETE FROM people WHERE id = 2"))
        self.assertEqual(cluster.nodes[2].query("SELECT name FROM people WHERE id = 2"), [])

    def test_insert_vs_insert(self):
        cluster = self.running(PEOPLE)
        self.unaware(cluster, ("a", "INSERT INTO people VALUES(7, 'from a', NULL, 'A')"),
                     ("b", "INSERT INTO people VALUES(7, 'from b', 'b', NULL)"))
        self.assertEqual(cluster.nodes[3].query("SELECT * FROM people WHERE id = 7"), [(7, "from b", "b", None)])
        [(kind, _, lost)] = self.kinds(cluster)
        self.assertEqual((kind, lost["name"], lost["city"]), ("insert_exists", "from a", "A"))

    def test_key_change(self):
        cluster = self.running(PEOPLE + "CREATE TABLE pairs(a TEXT, b INTEGER, v, PRIMARY KEY(a, b)) WITHOUT ROWID;"
                                        "INSERT INTO pairs VALUES('x', 1, 'one'), ('x', 2, 'two');")
        a, b, c, d = cluster.nodes
        a.sql("UPDATE people SET id = 100 WHERE id = 1; UPDATE people SET id = id + 1000 WHERE id = 2;"
              "BEGIN; UPDATE pairs SET b = -b; UPDATE pairs SET b = b + 3; UPDATE pairs SET a = 'y' WHERE b = 1; COMMIT;")
        cluster.assert_equal()
        for node in cluster.nodes:
            self.assertEqual(node.query("SELECT id, name FROM people ORDER BY id"), [(100, "Ada"), (1002, "Bob")])
            self.assertEqual(node.query("SELECT * FROM pairs ORDER BY v"), [("x", 2, "one"), ("y", 1, "two")])
        # While another node changes the row by its old key.
        self.unaware(cluster, ("a", "UPDATE people SET id = 5 WHERE id = 100"),
                     ("b", "UPDATE people SET city = 'Rome' WHERE id = 100"))
        self.assertEqual(c.query("SELECT id FROM people ORDER BY id"), [(5,), (1002,)])

    def test_unique_clash(self):
        cluster = self.running("CREATE TABLE users(id INTEGER PRIMARY KEY, name TEXT UNIQUE, mail TEXT UNIQUE);"
                               "CREATE UNIQUE INDEX partly ON users(lower(name)) WHERE mail IS NOT NULL;"
                               "INSERT INTO users VALUES(1, 'one', 'm1'), (2, 'two', 'm2'), (3, 'three', 'm3');")
        self.unaware(cluster, ("a", "INSERT INTO users VALUES(10, 'ada', 'a@a')"),
                     ("b", "INSERT INTO users VALUES(20, 'ada', 'b@b')"))
        self.assertEqual(cluster.nodes[2].query("SELECT id FROM users WHERE id > 3"), [(20,)])
        # One row in the way by each index, and a chain: a frees what b takes.
        self.unaware(cluster, ("a", "UPDATE users SET name = 'x' WHERE id = 1;"
                                    "UPDATE users SET name = 'one' WHERE id = 2;"),
                     ("b", "UPDATE users SET mail = 'y' WHERE id = 2; DELETE FROM users WHERE id = 3;"
                           "INSERT INTO users VALUES(30, 'three', 'm2');"),
                     ("c", "DELETE FROM users WHERE id = 20;"
                           "INSERT INTO users VALUES(40, 'X', 'm'), (41, 'uno', 'y'), (42, 'Ada', 'b@b');"))
        self.assertEqual(cluster.nodes[3].query("SELECT * FROM users ORDER BY id"),
                         [(30, "three", "m2"), (40, "X", "m"), (41, "uno", "y"), (42, "Ada", "b@b")])
        displaced = [lost["id"] for kind, _, lost in self.kinds(cluster) if kind == "displaced"]
        self.assertEqual(sorted(displaced), [1, 2, 10])
        for node in cluster.nodes:
            self.assertEqual(node.query("PRAGMA integrity_check"), [("ok",)])

    def test_unique_values_swapped_and_shifted(self):
        """Within a transaction the values go through states that no index would allow."""
        cluster = self.running("CREATE TABLE list(id TEXT PRIMARY KEY, place INTEGER UNIQUE, name TEXT COLLATE NOCASE UNIQUE);"
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
        self.unaware(cluster, ("b", swap), ("c", shift))
        self.assertEqual(d.query("SELECT id, place, name FROM list ORDER BY id"),
                         [("a", 3, "d"), ("b", 4, "B"), ("c", 5, "C"), ("d", 6, "a")])
        # Equal for the index, not for the bytes.
        self.unaware(cluster, ("a", "INSERT INTO list VALUES('x', 10, 'new')"), ("d", "INSERT INTO list VALUES('y', 11, 'NEW')"))
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
        self.unaware(cluster, ("a", "UPDATE people SET city = 'A' WHERE id = 1"),
                     ("b", "UPDATE people SET city = 'B' WHERE id = 1"),
                     ("c", "UPDATE people SET city = 'C' WHERE id = 1"))
        self.assertEqual(cluster.nodes[0].one("SELECT count(*) FROM audit"), 4 * 3 + 3)

    def test_cascade(self):
        cluster = self.running("""
            CREATE TABLE orders(id INTEGER PRIMARY KEY);
            CREATE TABLE lines(id INTEGER PRIMARY KEY, of INTEGER REFERENCES orders(id) ON DELETE CASCADE);
            INSERT INTO orders VALUES(1), (2); INSERT INTO lines VALUES(1, 1), (2, 1), (3, 2);""")
        self.unaware(cluster, ("a", "PRAGMA foreign_keys = ON; DELETE FROM orders WHERE id = 1;"),
                     ("b", "PRAGMA foreign_keys = ON; INSERT INTO lines VALUES(4, 1);"))
        for node in cluster.nodes:
            self.assertEqual(node.query("SELECT id FROM orders"), [(2,)])
            self.assertEqual(node.query("SELECT id FROM lines ORDER BY id"), [(3,), (4,)])
        self.assertIn("violate foreign keys", cluster.verify().stdout)
        cluster.nodes[2].sql("DELETE FROM lines WHERE id = 4")
        cluster.assert_equal()
        self.assertNotIn("violate foreign keys", cluster.verify().stdout)

    def values(self, encoding):
        texts = ["''", "'x'", "'ä€𝄞'", "'2024-02-30'", "'1e3'", "' 7 '", "CAST(x'610062' AS TEXT)", "char(0)",
                 "'a' || char(0) || 'b'", "char(0xFFFD, 0x10FFFF, 0xE000)"]
        if encoding == "UTF-8":
            texts.append("CAST(x'ff80c1' AS TEXT)")
        numbers = ["0", "-0.0", "0.1", "1e308", "-1e-320", "9e999", "-9e999", "9007199254740993", "3.0",
                   "9223372036854775807", "-9223372036854775808", "1.0e15", "123456789012345678"]
        blobs = ["x''", "x'00'", "randomblob(1000)", "zeroblob(70000)", "x'ffff'"]
        values = ["NULL"] + texts + numbers + blobs
        cluster = self.running(f"PRAGMA encoding = '{encoding}';"
                               "CREATE TABLE t(id INTEGER PRIMARY KEY, i INTEGER, r REAL, n NUMERIC, x TEXT, b BLOB, u,"
                               " d DATE);"
                               "CREATE TABLE by_value(k PRIMARY KEY, v) WITHOUT ROWID;"
                               "CREATE TABLE strict_t(id INTEGER PRIMARY KEY, i INT, r REAL, t TEXT, b BLOB, a ANY) STRICT;")
        a, b, c, d = cluster.nodes
        sql = "".join(f"INSERT INTO t VALUES({n}, {', '.join([v] * 7)});" for n, v in enumerate(values))
        sql += "".join(f"INSERT OR REPLACE INTO by_value VALUES({v}, {n});" for n, v in enumerate(values) if v != "NULL")
        sql += "".join(f"INSERT INTO strict_t(id, a) VALUES({n}, {v});" for n, v in enumerate(values))
        sql += f"INSERT INTO t VALUES({len(values)}, randomblob(3000000), NULL, NULL, NULL, NULL, NULL, NULL);"
        a.sql(sql)
        rows = cluster.assert_equal()
        self.assertEqual(len(rows["t"]), len(values) + 1)
        types = "SELECT id, typeof(i), typeof(r), typeof(n), typeof(x), typeof(b), typeof(u), typeof(d), hex(x), hex(u) FROM t"
        for node in (b, c, d):
            self.assertEqual(node.query(types), a.query(types))
            self.assertEqual(node.query("PRAGMA integrity_check"), [("ok",)])
            self.assertEqual(node.query("PRAGMA encoding"), [(encoding,)])
        # Every value to every other: updates must tell them apart.
        count = len(values)
        b.sql("".join(f"UPDATE t SET i = (SELECT u FROM t s WHERE s.id = (t.id + {k}) % {count}), x = u, "
                      f"u = (SELECT u FROM t s WHERE s.id = (t.id + {k}) % {count}) WHERE id < {count};"
                      for k in (1, 5, 11)))
        cluster.assert_equal()
        for node in (a, c, d):
            self.assertEqual(node.query(types), b.query(types))
        self.assertEqual(cluster.nodes[0].conflicts(), [])
        c.sql("DELETE FROM t; DELETE FROM by_value; DELETE FROM strict_t;")
        self.assertEqual(cluster.assert_equal()["by_value"], [])

    def test_values(self):
        self.values("UTF-8")

    def test_values_in_utf16(self):
        self.values("UTF-16le")

    def test_values_of_a_crossed_utf16_colony(self):
        cluster = self.running("PRAGMA encoding = 'UTF-16be';" + PEOPLE)
        self.unaware(cluster, ("a", "UPDATE people SET city = 'Zürich €' WHERE id = 1"),
                     ("b", "UPDATE people SET name = 'Ådа', city = '東京' WHERE id = 1"))
        self.assertEqual(cluster.nodes[2].query("SELECT name, city FROM people WHERE id = 1"), [("Ådа", "東京")])
        self.assertEqual(self.kinds(cluster), [("update_differs", "people", {"city": "Zürich €"})])

    def test_names(self):
        tables = ["with space", 'with"quote', "it's", "select", "Größe", "naïve [x]", "semi;colon", "emoji 🦆", "a.b",
                  "percent%s", "dash-"]
        schema = ""
        for table in tables:
            schema += ('CREATE TABLE "{0}"("key of {0}" TEXT PRIMARY KEY, "group" INTEGER, "ü\'\"\"x" , "{0}" REAL);'
                       .format(table.replace('"', '""')))
        schema += 'CREATE UNIQUE INDEX "my index" ON "with space"("group"); CREATE TABLE "Mixed"("K" TEXT PRIMARY KEY, "V");'
        cluster = self.running(schema)
        for n, (table, node) in enumerate(zip(tables, itertools.cycle(cluster.nodes))):
            quoted = '"' + table.replace('"', '""') + '"'
            node.sql(f"INSERT INTO {quoted} VALUES('k', {n}, 'v', 1.5), ('l', {n} + 100, 'v', 2.5);"
                     f"UPDATE {quoted} SET \"group\" = -1, \"ü'\"\"x\" = 'w' WHERE \"key of {table.replace(chr(34), chr(34) * 2)}\" = 'k';"
                     f"DELETE FROM {quoted} WHERE {quoted} = 2.5;")
        cluster.nodes[0].sql("insert into mixed values('k', 'v'); update MIXED set V = 'w';")
        rows = cluster.assert_equal()
        self.assertEqual(sum(len(r) for table, r in rows.items() if table != "(conflicts)"), len(tables) + 1)
        self.unaware(cluster, ("a", "INSERT INTO \"with space\" VALUES('a', 7, 1, 1)"),
                     ("b", "INSERT INTO \"with space\" VALUES('b', 7, 1, 1)"))
        self.assertEqual([kind for kind, _, _ in self.kinds(cluster)], ["displaced"])
        self.assertEqual(cluster.nodes[3].status()["tables"], sorted([*tables, "Mixed"], key=lambda t: t.encode()))

    def test_keys(self):
        """Composite, WITHOUT ROWID, NOCASE, descending, REAL and BLOB keys."""
        cluster = self.running("""
            CREATE TABLE composite(a TEXT, b INTEGER, c BLOB, v, PRIMARY KEY(c, a, b));
            CREATE TABLE small(k TEXT PRIMARY KEY, v) WITHOUT ROWID;
            CREATE TABLE nocase(k TEXT COLLATE NOCASE PRIMARY KEY, v);
            CREATE TABLE descending(k INTEGER PRIMARY KEY DESC, v);
            CREATE TABLE real_key(k REAL PRIMARY KEY, v);
            CREATE TABLE blob_key(k BLOB PRIMARY KEY, v) WITHOUT ROWID;
            CREATE TABLE untyped(k PRIMARY KEY, v);""")
        a, b, c, d = cluster.nodes
        a.sql("INSERT INTO composite VALUES('a', 1, x'00', 1), ('a', 1, x'0000', 2), ('A', 1, x'00', 3);"
              "INSERT INTO small VALUES('x', 1), ('X', 2); INSERT INTO nocase VALUES('Key', 1);"
              "INSERT INTO descending VALUES(5, 'five'), (7, 'seven'); INSERT INTO real_key VALUES(1, 1), (1.5, 2);"
              "INSERT INTO blob_key VALUES(x'', 'empty'), (x'00', 'nul'); INSERT INTO untyped VALUES('1', 't'), (1, 'i');")
        cluster.assert_equal()
        b.sql("UPDATE composite SET v = -v; UPDATE composite SET b = 2 WHERE c = x'0000'; UPDATE small SET v = v + 1;"
              "UPDATE nocase SET v = 2 WHERE k = 'KEY'; UPDATE nocase SET k = 'KEY'; UPDATE descending SET k = k + 1;"
              "UPDATE real_key SET v = 9 WHERE k = 1; DELETE FROM blob_key WHERE k = x''; DELETE FROM untyped WHERE k = 1;")
        cluster.assert_equal()
        self.assertEqual(c.query("SELECT k, v FROM nocase"), [("KEY", 2)])
        self.assertEqual(d.query("SELECT k, v FROM descending ORDER BY k"), [(6, "five"), (8, "seven")])
        self.unaware(cluster, ("a", "INSERT INTO nocase VALUES('ß', 'a'), ('new', 'a')"),
                     ("b", "INSERT INTO nocase VALUES('NEW', 'b')"))
        self.assertEqual(c.one("SELECT count(*) FROM nocase WHERE k = 'new'"), 1)
        # A key that is NULL identifies nothing, and is refused where it is written.
        done = a.shell("INSERT INTO untyped VALUES(NULL, 'none')")
        self.assertIn("NULL in the primary key of untyped", done.stderr)

    def test_fts5_external_content(self):
        cluster = self.running("""
            CREATE TABLE docs(id INTEGER PRIMARY KEY, title TEXT, body TEXT);
            CREATE VIRTUAL TABLE search USING fts5(title, body, content='docs', content_rowid='id');
            CREATE TRIGGER docs_ai AFTER INSERT ON docs BEGIN
              INSERT INTO search(rowid, title, body) VALUES(new.id, new.title, new.body); END;
            CREATE TRIGGER docs_ad AFTER DELETE ON docs BEGIN
              INSERT INTO search(search, rowid, title, body) VALUES('delete', old.id, old.title, old.body); END;
            CREATE TRIGGER docs_au AFTER UPDATE ON docs BEGIN
              INSERT INTO search(search, rowid, title, body) VALUES('delete', old.id, old.title, old.body);
              INSERT INTO search(rowid, title, body) VALUES(new.id, new.title, new.body); END;""")
        a, b, c, d = cluster.nodes
        a.sql("INSERT INTO docs VALUES(1, 'Ducks', 'A duck swims'), (2, 'Geese', 'A goose flies');")
        cluster.settle()
        b.sql("UPDATE docs SET body = 'A duck dives' WHERE id = 1; DELETE FROM docs WHERE id = 2;"
              "INSERT INTO docs VALUES(3, 'Swans', 'A swan glides');")
        cluster.assert_equal()
        for node in cluster.nodes:
            for word, found in (("dives", [(1,)]), ("swims", []), ("goose", []), ("swan", [(3,)])):
                self.assertEqual(node.query("SELECT rowid FROM search WHERE search MATCH ?", word), found,
                                 f"{word} on {node.name}")
            node.sql("INSERT INTO search(search, rank) VALUES('integrity-check', 1);")
        self.unaware(cluster, ("a", "UPDATE docs SET body = 'by a' WHERE id = 1"),
                     ("b", "UPDATE docs SET body = 'by b', title = 'T' WHERE id = 1"), ("c", "DELETE FROM docs WHERE id = 3"))
        for node in cluster.nodes:
            self.assertEqual(node.query("SELECT rowid FROM search WHERE search MATCH 'a'"), [])
            self.assertEqual(node.query("SELECT rowid FROM search WHERE search MATCH 'b'"), [(1,)])
            node.sql("INSERT INTO search(search, rank) VALUES('integrity-check', 1);")

    def test_rtree(self):
        cluster = self.running("""
            CREATE TABLE places(id INTEGER PRIMARY KEY, x REAL, y REAL);
            CREATE VIRTUAL TABLE areas USING rtree(id, x0, x1, y0, y1);
            CREATE TRIGGER places_ai AFTER INSERT ON places BEGIN
              INSERT INTO areas VALUES(new.id, new.x, new.x, new.y, new.y); END;
            CREATE TRIGGER places_au AFTER UPDATE ON places BEGIN
              UPDATE areas SET x0 = new.x, x1 = new.x, y0 = new.y, y1 = new.y WHERE id = new.id; END;
            CREATE TRIGGER places_ad AFTER DELETE ON places BEGIN DELETE FROM areas WHERE id = old.id; END;""")
        a, b, c, d = cluster.nodes
        a.sql("INSERT INTO places VALUES(1, 1, 1), (2, 2, 2), (3, 30, 30);")
        cluster.settle()
        b.sql("UPDATE places SET x = 40 WHERE id = 2; DELETE FROM places WHERE id = 1;")
        cluster.assert_equal()
        for node in cluster.nodes:
            self.assertEqual(node.query("SELECT id FROM areas WHERE x1 >= 10 ORDER BY id"), [(2,), (3,)], node.name)
            self.assertEqual(node.query("SELECT rtreecheck('areas')"), [("ok",)])

    def test_generated_columns(self):
        cluster = self.running("""
            CREATE TABLE lines(id INTEGER PRIMARY KEY, price REAL, total AS (price * n) STORED, n INTEGER,
              label TEXT AS (n || ' at ' || price) VIRTUAL, note TEXT);
            CREATE UNIQUE INDEX by_label ON lines(label);""")
        a, b, c, d = cluster.nodes
        a.sql("INSERT INTO lines(id, price, n, note) VALUES(1, 1.5, 2, 'x'), (2, 2.5, 4, 'y')")
        cluster.assert_equal()
        b.sql("UPDATE lines SET n = 3 WHERE id = 1; UPDATE lines SET note = 'z'; DELETE FROM lines WHERE id = 2;")
        cluster.assert_equal()
        self.assertEqual(d.query("SELECT * FROM lines"), [(1, 1.5, 4.5, 3, "3 at 1.5", "z")])
        self.unaware(cluster, ("a", "INSERT INTO lines(id, price, n) VALUES(10, 7, 7)"),
                     ("c", "INSERT INTO lines(id, price, n) VALUES(11, 7, 7)"))
        self.assertEqual(d.query("SELECT id FROM lines ORDER BY id"), [(1,), (11,)])
        for node in cluster.nodes:
            self.assertEqual(node.query("PRAGMA integrity_check"), [("ok",)])


def clash(path, node):
    db = connect(path)
    for n in range(150):
        db.execute("BEGIN IMMEDIATE")
        db.execute("INSERT OR REPLACE INTO users VALUES(?, ?, ?, ?)", (f"{node}{n % 10}", f"n{n * 7 % 13}", f"m{n * 5 % 11}", n))
        db.execute("UPDATE OR REPLACE users SET name = ? WHERE mail = ?", (f"n{n % 17}", f"m{n % 11}"))
        db.execute("COMMIT")
    db.close()
