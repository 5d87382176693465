"""Rows that are easily damaged on the way: values, names, keys, and what is derived from them."""

import itertools

from colony_cluster import ColonyTest, session_only
from processes import SQLITE, run

PEOPLE = """
CREATE TABLE people(id INTEGER PRIMARY KEY, name TEXT, email TEXT, city TEXT);
INSERT INTO people VALUES(1, 'Ada', 'ada@example', 'London'), (2, 'Bob', 'bob@example', 'Bonn');
"""


class Values(ColonyTest):
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
                               "CREATE TABLE strict_t(id INTEGER PRIMARY KEY, i INT, r REAL, t TEXT, b BLOB, a ANY)"
                               " STRICT;")
        a, b, c, d = cluster.nodes
        sql = "".join(f"INSERT INTO t VALUES({n}, {', '.join([v] * 7)});" for n, v in enumerate(values))
        sql += "".join(f"INSERT OR REPLACE INTO by_value VALUES({v}, {n});"
                       for n, v in enumerate(values) if v != "NULL")
        sql += "".join(f"INSERT INTO strict_t(id, a) VALUES({n}, {v});" for n, v in enumerate(values))
        sql += f"INSERT INTO t VALUES({len(values)}, randomblob(3000000), NULL, NULL, NULL, NULL, NULL, NULL);"
        a.sql(sql)
        rows = cluster.assert_equal()
        self.assertEqual(len(rows["t"]), len(values) + 1)
        types = ("SELECT id, typeof(i), typeof(r), typeof(n), typeof(x), typeof(b), typeof(u), typeof(d),"
                 " hex(x), hex(u) FROM t")
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
        cluster.unaware(("a", "UPDATE people SET city = 'Zürich €' WHERE id = 1"),
                        ("b", "UPDATE people SET name = 'Ådа', city = '東京' WHERE id = 1"))
        self.assertEqual(cluster.nodes[2].query("SELECT name, city FROM people WHERE id = 1"), [("Ådа", "東京")])
        self.assertEqual(cluster.conflict_kinds(), [("update_differs", "people", {"city": "Zürich €"})])

    def test_names(self):
        tables = ["with space", 'with"quote', "it's", "select", "Größe", "naïve [x]", "semi;colon", "emoji 🦆",
                  "a.b", "percent%s", "dash-"]
        schema = ""
        for table in tables:
            schema += ('CREATE TABLE "{0}"("key of {0}" TEXT PRIMARY KEY, "group" INTEGER, "ü\'\"\"x" , "{0}" REAL);'
                       .format(table.replace('"', '""')))
        schema += 'CREATE UNIQUE INDEX "my index" ON "with space"("group");'
        schema += 'CREATE TABLE "Mixed"("K" TEXT PRIMARY KEY, "V");'
        cluster = self.running(schema)
        for n, (table, node) in enumerate(zip(tables, itertools.cycle(cluster.nodes))):
            quoted = '"' + table.replace('"', '""') + '"'
            node.sql(f"INSERT INTO {quoted} VALUES('k', {n}, 'v', 1.5), ('l', {n} + 100, 'v', 2.5);"
                     f"UPDATE {quoted} SET \"group\" = -1, \"ü'\"\"x\" = 'w' WHERE \"key of {quoted[1:]} = 'k';"
                     f"DELETE FROM {quoted} WHERE {quoted} = 2.5;")
        cluster.nodes[0].sql("insert into mixed values('k', 'v'); update MIXED set V = 'w';")
        rows = cluster.assert_equal()
        self.assertEqual(sum(len(r) for table, r in rows.items() if table != "(conflicts)"), len(tables) + 1)
        cluster.unaware(("a", "INSERT INTO \"with space\" VALUES('a', 7, 1, 1)"),
                        ("b", "INSERT INTO \"with space\" VALUES('b', 7, 1, 1)"))
        self.assertEqual([kind for kind, _, _ in cluster.conflict_kinds()], ["displaced"])
        self.assertEqual(cluster.nodes[3].status()["tables"], sorted([*tables, "Mixed"], key=lambda t: t.encode()))

    @session_only("in wal mode rows with a NULL in the key are not refused, but stay on their node")
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
              "INSERT INTO blob_key VALUES(x'', 'empty'), (x'00', 'nul');"
              "INSERT INTO untyped VALUES('1', 't'), (1, 'i');")
        cluster.assert_equal()
        b.sql("UPDATE composite SET v = -v; UPDATE composite SET b = 2 WHERE c = x'0000'; UPDATE small SET v = v + 1;"
              "UPDATE nocase SET v = 2 WHERE k = 'KEY'; UPDATE nocase SET k = 'KEY'; UPDATE descending SET k = k + 1;"
              "UPDATE real_key SET v = 9 WHERE k = 1; DELETE FROM blob_key WHERE k = x'';"
              "DELETE FROM untyped WHERE k = 1;")
        cluster.assert_equal()
        self.assertEqual(c.query("SELECT k, v FROM nocase"), [("KEY", 2)])
        self.assertEqual(d.query("SELECT k, v FROM descending ORDER BY k"), [(6, "five"), (8, "seven")])
        cluster.unaware(("a", "INSERT INTO nocase VALUES('ß', 'a'), ('new', 'a')"),
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
        cluster.unaware(("a", "UPDATE docs SET body = 'by a' WHERE id = 1"),
                        ("b", "UPDATE docs SET body = 'by b', title = 'T' WHERE id = 1"),
                        ("c", "DELETE FROM docs WHERE id = 3"))
        for node in cluster.nodes:
            self.assertEqual(node.query("SELECT rowid FROM search WHERE search MATCH 'a'"), [])
            self.assertEqual(node.query("SELECT rowid FROM search WHERE search MATCH 'b'"), [(1,)])
            node.sql("INSERT INTO search(search, rank) VALUES('integrity-check', 1);")

    def test_trigger_that_feeds_an_index_and_a_table(self):
        cluster = self.running("""
            CREATE TABLE audit(id TEXT PRIMARY KEY DEFAULT(hex(randomblob(8))), what);
            CREATE TABLE t(id TEXT PRIMARY KEY, txt TEXT);
            CREATE VIRTUAL TABLE f USING fts5(txt, content='t');
            CREATE TRIGGER ai AFTER INSERT ON t BEGIN INSERT INTO f(rowid, txt) VALUES(new.rowid, new.txt);
              INSERT INTO audit(what) VALUES('new ' || new.id); END;
            CREATE TRIGGER ad AFTER DELETE ON t BEGIN
              INSERT INTO f(f, rowid, txt) VALUES('delete', old.rowid, old.txt); END;""", nodes="ab")
        a, b = cluster.nodes
        a.sql("INSERT INTO t VALUES('1', 'one'); INSERT INTO t VALUES('2', 'two');")
        cluster.settle()
        self.assertEqual(b.query("SELECT txt FROM f WHERE f MATCH 'one'"), [("one",)])
        a.sql("DELETE FROM t WHERE id = '1'")
        rows = cluster.assert_equal()
        self.assertEqual((len(rows["t"]), len(rows["audit"])), (1, 2))
        for node in (a, b):
            node.sql("INSERT INTO f(f) VALUES('integrity-check');")
            self.assertEqual(node.query("SELECT txt FROM f WHERE f MATCH 'one OR two'"), [("two",)], node.name)

        # The index alone is broken, and nobody says that of the file.
        b.sql("INSERT INTO f(f) VALUES('delete-all');")
        a.sql("DELETE FROM t")
        b.halted("virtual table f", "the file itself is sound", "INSERT INTO f(f) VALUES('rebuild')")
        b.sql("INSERT INTO f(f) VALUES('rebuild');")
        b.await_state("running")
        cluster.assert_equal()
        b.sql("INSERT INTO f(f) VALUES('integrity-check');")

    @session_only("its program writes with functions of its own, which the plain shell lacks")
    def test_trigger_that_only_the_app_can_run(self):
        cluster = self.running("CREATE TABLE t(id INTEGER PRIMARY KEY, txt TEXT); CREATE TABLE u(id TEXT PRIMARY KEY);"
                               "CREATE VIRTUAL TABLE f USING fts5(txt);", nodes="ab")
        a, b = cluster.nodes
        # Without the extension: it would travel, and the shell at a could write no longer.
        run(SQLITE, b.path, "CREATE TRIGGER ai AFTER INSERT ON t WHEN unaccent(new.txt) > '' BEGIN"
            " INSERT INTO f(rowid, txt) VALUES(new.id, new.txt); END;")
        a.sql("INSERT INTO u VALUES('x')")
        cluster.settle()  # it is in nobody's way yet
        a.sql("INSERT INTO t VALUES(1, 'x')")
        b.halted("trigger ai", "table t", "virtual table f", "unaccent()", "which only the app has")
        self.assertIn("left out: t: its trigger ai feeds the virtual table f and uses the function unaccent(), which "
                      "only the app has", b.init())
        run(SQLITE, b.path, "DROP TRIGGER ai;")
        b.init()
        b.await_state("running")
        cluster.assert_equal()

    def test_verify_answers_whatever_foreign_keys_look_like(self):
        cluster = self.running("CREATE TABLE p(id TEXT PRIMARY KEY, u TEXT); CREATE VIEW v AS SELECT * FROM p;"
                               "CREATE TABLE c(id INTEGER PRIMARY KEY, au TEXT REFERENCES p(u), b REFERENCES v(id));",
                               nodes="ab")
        cluster.nodes[0].sql("INSERT INTO c VALUES(1, 'x', 'y')")
        cluster.settle()
        done = cluster.verify()
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn("note: the foreign key c(au) refers to p(u), which is not unique", done.stdout)
        self.assertIn("note: the foreign key c(b) refers to v(id), which is a view", done.stdout)

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
        cluster.unaware(("a", "INSERT INTO lines(id, price, n) VALUES(10, 7, 7)"),
                        ("c", "INSERT INTO lines(id, price, n) VALUES(11, 7, 7)"))
        self.assertEqual(d.query("SELECT id FROM lines ORDER BY id"), [(1,), (11,)])
        for node in cluster.nodes:
            self.assertEqual(node.query("PRAGMA integrity_check"), [("ok",)])
