"""Schema changes travel with the transactions that make them; and what comes of those that
Colony was not told of."""

import contextlib
import os
import signal
import sqlite3

from colony_cluster import ColonyTest, Node, colony
from processes import PATIENCE_S, SQLITE, app, run, until
from schemas import columns, names, objects

SCHEMA = "CREATE TABLE items(id TEXT PRIMARY KEY, n INTEGER);"
# What SQLite recommends for changes that ALTER TABLE cannot make, and frameworks do.
REMAKE = ("BEGIN; CREATE TABLE new_items(id TEXT PRIMARY KEY, n INTEGER NOT NULL, extra TEXT DEFAULT 'none');"
          "INSERT INTO new_items(id, n) SELECT id, n FROM items; DROP TABLE items;"
          "ALTER TABLE new_items RENAME TO items; COMMIT;")

# One program after another makes these, each on another node: what it makes, a question, and
# the answer on all nodes.
CHANGES = (
    ("BEGIN; CREATE TABLE people(id INTEGER PRIMARY KEY, name TEXT, born INT);"
     "INSERT INTO people VALUES(1, 'Ann', 1970), (2, 'Bob', 1980); COMMIT;",
     "SELECT name FROM people ORDER BY id", [("Ann",), ("Bob",)]),
    ("INSERT INTO people VALUES(3, 'Cleo', 1990);",
     "SELECT count(*) FROM people", [(3,)]),
    ("CREATE INDEX by_born ON people(born);",
     "SELECT name FROM pragma_index_list('people')", [("__colony_guard_people",), ("by_born",)]),
    ("CREATE UNIQUE INDEX by_name ON people(name);",
     "SELECT \"unique\" FROM pragma_index_list('people') WHERE name = 'by_name'", [(1,)]),
    ("CREATE VIEW adults AS SELECT name FROM people WHERE born < 1985;",
     "SELECT name FROM adults ORDER BY name", [("Ann",), ("Bob",)]),
    ("CREATE TABLE log(id TEXT PRIMARY KEY DEFAULT(hex(randomblob(8))), what TEXT);"
     "CREATE TRIGGER noted AFTER INSERT ON people BEGIN INSERT INTO log(what) VALUES('new ' || new.name); END;"
     "INSERT INTO people VALUES(4, 'Dora', 2000);",
     "SELECT what FROM log", [("new Dora",)]),
    ("BEGIN; ALTER TABLE people ADD COLUMN note TEXT DEFAULT '-'; UPDATE people SET note = 'first' WHERE id = 1; COMMIT;",
     "SELECT note FROM people ORDER BY id", [("first",), ("-",), ("-",), ("-",)]),
    ("ALTER TABLE people RENAME COLUMN note TO remark; UPDATE people SET remark = 'second' WHERE id = 2;",
     "SELECT remark FROM people WHERE id < 3 ORDER BY id", [("first",), ("second",)]),
    ("ALTER TABLE people DROP COLUMN remark; INSERT INTO people VALUES(5, 'Ed', 2010);",
     "SELECT * FROM people WHERE id > 3 ORDER BY id", [(4, "Dora", 2000), (5, "Ed", 2010)]),
    ("ALTER TABLE people RENAME TO persons; INSERT INTO persons VALUES(6, 'Flo', 1960);",
     "SELECT name FROM adults ORDER BY name", [("Ann",), ("Bob",), ("Flo",)]),
    ("BEGIN; CREATE TABLE new__persons(id INTEGER PRIMARY KEY, name TEXT NOT NULL, born TEXT);"
     "INSERT INTO new__persons SELECT * FROM persons; DROP VIEW adults; DROP TABLE persons;"
     "ALTER TABLE new__persons RENAME TO persons; CREATE INDEX by_born ON persons(born); COMMIT;",
     "SELECT id, born FROM persons WHERE id < 3", [(1, "1970"), (2, "1980")]),
    ("CREATE VIRTUAL TABLE words USING fts5(name, content='persons', content_rowid='id');"
     "INSERT INTO words(words) VALUES('rebuild');",
     "SELECT rowid FROM words WHERE words MATCH 'bob'", [(2,)]),
    ("CREATE VIEW all_names AS SELECT name FROM persons; DROP VIEW all_names; DROP INDEX by_born; DROP TABLE words;",
     "SELECT count(*) FROM sqlite_schema WHERE name IN ('all_names', 'by_born', 'words', 'words_data')", [(0,)]),
    ("DROP TABLE persons;",
     "SELECT count(*) FROM sqlite_schema WHERE tbl_name = 'persons'", [(0,)]),
)


def hold_a_migration(path, ready):
    """A program that has migrated and not yet committed."""
    from colony_cluster import connect  # pylint: disable=import-outside-toplevel
    db = connect(path)
    for statement in ("BEGIN IMMEDIATE", "ALTER TABLE items ADD COLUMN note TEXT", "UPDATE items SET note = 'x'",
                      "CREATE TABLE more(id INTEGER PRIMARY KEY)", "INSERT INTO more VALUES(1)"):
        db.execute(statement)
    ready.touch()
    signal.pause()


class Schema(ColonyTest):
    def write(self, node, *ids):
        for key in ids:
            node.sql(f"INSERT INTO items(id, n) VALUES('{key}', 1)")

    def same_everywhere(self, cluster):
        """The rows, the journal and the schema of all nodes. Gives the rows."""
        rows = cluster.assert_equal()
        first = cluster.nodes[0]
        for node in cluster.nodes[1:]:
            self.assertEqual(objects(node.path), objects(first.path), node.name)
        for node in cluster.nodes:
            self.assertEqual(node.one("PRAGMA integrity_check"), "ok")
        return rows

    # What travels.

    def test_every_kind_of_schema_change_travels(self):
        cluster = self.running(SCHEMA, nodes="abc")
        for i, (change, question, answer) in enumerate(CHANGES):
            cluster.nodes[i % 3].sql(change)
            cluster.settle()
            for node in cluster.nodes:
                self.assertEqual(sorted(node.query(question)), sorted(answer), f"{node.name} after {change}")
        self.same_everywhere(cluster)
        self.assertEqual(cluster.nodes[0].conflicts(), [])

    def test_schema_change_and_its_rows_are_one_transaction(self):
        cluster = self.running(SCHEMA)
        a = cluster.nodes[0]
        self.write(a, "one")
        cluster.settle()
        a.sql("ALTER TABLE items ADD COLUMN note TEXT; INSERT INTO items VALUES('two', 2, 'new column');")
        for node in cluster.nodes[1:]:
            self.write(node, f"by {node.name}")
        self.assertEqual(len(self.same_everywhere(cluster)["items"]), 5)
        for node in cluster.nodes:
            self.assertEqual(node.query("SELECT note FROM items WHERE id = 'two'"), [("new column",)])
            self.assertEqual(node.status()["state"], "running")

    def test_table_without_a_key_is_made_everywhere_and_its_rows_stay(self):
        cluster = self.running(SCHEMA, nodes="ab")
        a, b = cluster.nodes
        self.write(a, "one")
        a.sql("CREATE TABLE copied AS SELECT * FROM items; CREATE TABLE lines(line TEXT); "
              "INSERT INTO lines VALUES('only here')")
        self.same_everywhere(cluster)
        self.assertEqual((a.one("SELECT count(*) FROM copied"), a.one("SELECT count(*) FROM lines")), (1, 1))
        self.assertEqual((b.one("SELECT count(*) FROM copied"), b.one("SELECT count(*) FROM lines")), (0, 0))

    def test_table_made_anew_keeps_what_others_have_changed_meanwhile(self):
        for first in "ab":
            with self.subTest(first=first):
                cluster = self.running(SCHEMA, nodes="ab", name=f"c{first}")
                a, b = cluster.nodes
                self.write(a, "one", "two", "three")
                writes = [("a", REMAKE), ("b", "UPDATE items SET n = 7 WHERE id = 'two'; DELETE FROM items WHERE "
                                               "id = 'three'; INSERT INTO items VALUES('four', 4);")]
                cluster.unaware(*(writes if first == "a" else reversed(writes)))
                self.same_everywhere(cluster)
                self.assertEqual(b.query("SELECT * FROM items ORDER BY id"),
                                 [("four", 4, "none"), ("one", 1, "none"), ("two", 7, "none")])
                self.assertEqual(a.conflicts(), [])
                cluster.close()

    def test_trigger_that_is_made_by_one_program_fires_once_per_row_everywhere(self):
        cluster = self.running(SCHEMA, nodes="abc")
        a = cluster.nodes[0]
        a.sql("CREATE TABLE audit(id TEXT PRIMARY KEY DEFAULT(hex(randomblob(12))), what TEXT);"
              "CREATE TRIGGER audited AFTER INSERT ON items BEGIN INSERT INTO audit(what) VALUES(new.id); END;")
        cluster.settle()
        for node in cluster.nodes:
            self.assertEqual(names(node, "trigger"), ["audited"])
            self.write(node, f"one of {node.name}", f"two of {node.name}")
        rows = self.same_everywhere(cluster)
        self.assertEqual((len(rows["items"]), len(rows["audit"])), (6, 6))
        self.assertEqual(a.query("SELECT what FROM audit ORDER BY what"), a.query("SELECT id FROM items ORDER BY id"))

    def test_unique_index_displaces_rows_that_it_has_no_room_for(self):
        cluster = self.running(SCHEMA, nodes="ab")
        a, b = cluster.nodes
        a.sql("INSERT INTO items VALUES('one', 1), ('two', 2)")
        cluster.unaware(("b", "INSERT INTO items VALUES('three', 1)"), ("a", "CREATE UNIQUE INDEX by_n ON items(n)"))
        self.same_everywhere(cluster)
        self.assertEqual(b.query("SELECT id FROM items ORDER BY id"), [("three",), ("two",)])
        self.assertEqual([(kind, table) for kind, table, _ in cluster.conflict_kinds()], [("displaced", "items")])

    # Everybody migrates.

    MIGRATION = ("BEGIN IMMEDIATE; CREATE TABLE IF NOT EXISTS migrations(id INTEGER PRIMARY KEY, name TEXT UNIQUE);"
                 "ALTER TABLE items ADD COLUMN note TEXT NOT NULL DEFAULT 'none'; CREATE INDEX by_note ON items(note);"
                 "CREATE TABLE tags(id INTEGER PRIMARY KEY, tag TEXT); INSERT INTO tags VALUES(1, 'first');"
                 "INSERT INTO migrations(name) VALUES('0001'); COMMIT;")

    def migrate_at_start(self, node):
        """As programs do: a migration is made if its name is not noted yet. It looks in the transaction
        that makes it, since the sidecar may bring it at any other moment."""
        with contextlib.closing(node.connect()) as db:
            begin, *statements, commit = self.MIGRATION.split(";")[:-1]
            db.execute(begin)
            if "migrations" not in names(node, "table") or not db.execute("SELECT * FROM migrations").fetchall():
                for statement in statements:
                    db.execute(statement)
            db.execute(commit)

    def migrated_once(self, cluster):
        self.same_everywhere(cluster)
        for node in cluster.nodes:
            self.assertEqual(columns(node, "items"), ["id", "n", "note"])
            self.assertEqual(node.query("SELECT * FROM migrations"), [(1, "0001")])
            self.assertEqual(node.query("SELECT * FROM tags"), [(1, "first")])
            self.assertEqual(names(node, "index").count("by_note"), 1)
        for conflict in cluster.nodes[0].conflicts():  # rows that came twice, alike
            self.assertEqual(conflict["kind"], "insert_exists")
            self.assertIn(conflict["lost"], ({"id": 1, "name": "0001"}, {"id": 1, "tag": "first"}))

    def test_same_migration_on_all_nodes_at_once_counts_once(self):
        cluster = self.running(SCHEMA, nodes="abc")
        self.write(cluster.nodes[0], "one")
        cluster.unaware(*[(node.name, self.MIGRATION) for node in cluster.nodes])
        self.migrated_once(cluster)
        for node in cluster.nodes:
            node.sql(f"INSERT INTO items VALUES('{node.name}', 1, 'after'); UPDATE tags SET tag = 'by {node.name}'")
            cluster.settle()
        self.assertEqual(len(self.same_everywhere(cluster)["items"]), 4)

    def test_same_migration_by_programs_that_start_together(self):
        """With sidecars that run: any of them may have it before the program asks."""
        cluster = self.running(SCHEMA, nodes="abc")
        self.write(cluster.nodes[0], "one")
        programs = [app(self.migrate_at_start, node) for node in cluster.nodes]
        for program in programs:
            program.join(PATIENCE_S)
            self.assertEqual(program.exitcode, 0)
        self.migrated_once(cluster)

    def test_same_migration_one_after_another_counts_once(self):
        cluster = self.running(SCHEMA, nodes="abc")
        for node in cluster.nodes:
            self.migrate_at_start(node)
            cluster.settle()
        self.migrated_once(cluster)

    def test_same_remake_on_two_nodes_counts_once(self):
        cluster = self.running(SCHEMA, nodes="ab")
        a, b = cluster.nodes
        self.write(a, "one")
        cluster.unaware(("a", REMAKE), ("b", REMAKE + "UPDATE items SET extra = 'b'"))
        self.same_everywhere(cluster)
        self.assertEqual(b.query("SELECT * FROM items"), [("one", 1, "b")])
        self.assertEqual(a.conflicts(), [])

    def test_of_two_different_changes_of_one_table_the_first_in_the_log_stands(self):
        cluster = self.running(SCHEMA, nodes="ab")
        a, b = cluster.nodes
        self.write(a, "one")
        cluster.unaware(
            ("a", "ALTER TABLE items RENAME COLUMN n TO amount; ALTER TABLE items ADD COLUMN note TEXT;"
                  "INSERT INTO items VALUES('of a', 2, 'x');"),
            ("b", "ALTER TABLE items RENAME COLUMN n TO number; ALTER TABLE items ADD COLUMN price REAL;"
                  "INSERT INTO items VALUES('of b', 3, 1.5);"))
        self.same_everywhere(cluster)
        self.assertEqual(columns(b, "items"), ["id", "amount", "note", "price"])
        self.assertEqual(b.query("SELECT id, note, price FROM items ORDER BY id"),
                         [("of a", "x", None), ("of b", None, 1.5), ("one", None, None)])
        lost = [(conflict["kind"], conflict["key"], conflict["lost"]) for conflict in a.conflicts()]
        self.assertEqual(lost[0][0], "schema_differs", lost)
        self.assertEqual(lost[0][2]["renamed_to"], "number", lost)

    # Rows of an older schema.

    def test_rows_that_waited_while_others_migrated_are_applied_by_column_name(self):
        cluster = self.running(SCHEMA + "CREATE TABLE extra(id INTEGER PRIMARY KEY, kept TEXT, dropped TEXT);", nodes="ab")
        a, b = cluster.nodes
        self.write(a, "one")
        a.sql("INSERT INTO extra VALUES(1, 'k', 'd')")
        cluster.settle()
        b.stop()
        a.sql("ALTER TABLE items RENAME TO things; ALTER TABLE things RENAME COLUMN n TO amount;"
              "ALTER TABLE things ADD COLUMN note TEXT DEFAULT 'none'; ALTER TABLE extra DROP COLUMN dropped;")
        a.wait()
        b.sql("UPDATE items SET n = 5; INSERT INTO items VALUES('two', 2);"
              "INSERT INTO extra VALUES(2, 'k2', 'lost'); UPDATE extra SET kept = 'K' WHERE id = 1;")
        b.start()
        self.same_everywhere(cluster)
        self.assertEqual(a.query("SELECT * FROM things ORDER BY id"), [("one", 5, "none"), ("two", 2, "none")])
        self.assertEqual(a.query("SELECT * FROM extra ORDER BY id"), [(1, "K"), (2, "k2")])
        self.assertEqual(cluster.conflict_kinds(), [("no_place", "extra", {"dropped": "lost"})])

    def test_rolling_upgrade_while_old_and_new_programs_write(self):
        """Each program goes on with its statements until it is replaced; nothing that committed is lost."""
        cluster = self.running(SCHEMA, nodes="abc")
        old = "INSERT INTO items(id, n) VALUES(?, 1)"
        new = "INSERT INTO items(id, note, n) VALUES(?, 'new', 2)"
        programs = {node.name: node.connect() for node in cluster.nodes}

        def write(step):
            for node in cluster.nodes:
                upgraded = "note" in columns(node, "items")
                programs[node.name].execute(new if upgraded else old, (f"{step} by {node.name}",))
        for step, node in enumerate(cluster.nodes):
            for n in range(5):
                write(f"{step}.{n}")
            programs[node.name].executescript("" if "note" in columns(node, "items") else
                                              "ALTER TABLE items ADD COLUMN note TEXT NOT NULL DEFAULT 'old'")
            write(f"{step} after")
        rows = self.same_everywhere(cluster)["items"]
        self.assertEqual(len(rows), 3 * 18)
        self.assertEqual(cluster.nodes[0].query("SELECT DISTINCT n, note FROM items ORDER BY n"), [(1, "old"), (2, "new")])
        self.assertEqual(cluster.nodes[0].conflicts(), [])

    def test_rows_for_a_table_that_others_have_dropped_are_in_the_journal(self):
        cluster = self.running(SCHEMA + "CREATE TABLE old(id INTEGER PRIMARY KEY, x);", nodes="ab")
        cluster.unaware(("a", "DROP TABLE old"), ("b", "INSERT INTO old VALUES(1, 'late')"))
        self.same_everywhere(cluster)
        self.assertEqual(cluster.conflict_kinds(), [("no_place", "old", {"id": 1, "x": "late"})])

    def test_schema_change_while_the_broker_is_away_waits_in_the_outbox(self):
        cluster = self.running(SCHEMA, nodes="ab")
        a, b = cluster.nodes
        self.write(a, "one")
        cluster.settle()
        cluster.broker.stop()
        a.await_state("waiting_for_broker")
        a.sql("ALTER TABLE items ADD COLUMN note TEXT DEFAULT 'none'; UPDATE items SET note = 'a';"
              "CREATE TABLE more(id INTEGER PRIMARY KEY); INSERT INTO more VALUES(1);")
        self.write(b, "two")
        self.assertGreater(a.status()["pending"], 0)
        self.assertEqual(columns(b, "items"), ["id", "n"])
        a.restart()  # nothing of it is in memory only
        cluster.broker.start()
        self.same_everywhere(cluster)
        self.assertEqual(b.query("SELECT * FROM items ORDER BY id"), [("one", 1, "a"), ("two", 1, "none")])
        self.assertEqual(b.query("SELECT * FROM more"), [(1,)])
        self.assertEqual(a.conflicts(), [])

    # Killed, restored, joined, older.

    def test_program_killed_within_a_migration_leaves_nothing_of_it(self):
        cluster = self.running(SCHEMA, nodes="ab")
        a, b = cluster.nodes
        self.write(a, "one")
        cluster.settle()
        before, ready = objects(a.path), cluster.directory / "ready"
        program = app(hold_a_migration, a.path, ready)
        until(ready.exists, "the program has migrated")
        os.kill(program.pid, signal.SIGKILL)
        program.join(PATIENCE_S)
        self.write(a, "two")
        self.same_everywhere(cluster)
        self.assertEqual(objects(b.path), before)
        self.assertEqual(b.query("SELECT * FROM items ORDER BY id"), [("one", 1), ("two", 1)])

    def test_sidecars_killed_around_a_migration_have_it_once(self):
        cluster = self.running(SCHEMA, nodes="abc")
        a = cluster.nodes[0]
        self.write(a, "one", "two")
        cluster.settle()
        for i in range(4):
            by = cluster.nodes[i % 3]
            by.sql(f"ALTER TABLE items ADD COLUMN c{i} DEFAULT {i}; UPDATE items SET c{i} = 'by {by.name}'")
            for node in cluster.nodes:
                node.restart()
            by.sql(f"INSERT INTO items(id, n, c{i}) VALUES('after {i}', 0, 'x')")
            for node in reversed(cluster.nodes):
                node.restart()
        self.same_everywhere(cluster)  # a remake drops the columns that its program knows
        self.assertEqual(a.query("SELECT c0, c1, c2, c3 FROM items WHERE id IN ('one', 'two')"),
                         [("by a", "by b", "by c", "by a")] * 2)
        by.sql(REMAKE.replace("extra TEXT DEFAULT 'none'", "c3"))
        for node in cluster.nodes:
            node.restart()
        self.assertEqual(len(self.same_everywhere(cluster)["items"]), 6)
        self.assertEqual(columns(a, "items"), ["id", "n", "c3"])

    def test_restore_gives_the_schema_of_its_position(self):
        cluster = self.cluster(SCHEMA, nodes="a")
        a = cluster.nodes[0]
        cluster.broker.start()
        a.start()
        a.wait()
        until(lambda: colony("snapshots", a.path, "--json").stdout.count('"position"') > 0, "there is a snapshot")
        self.write(a, "one")
        a.wait()
        expected = {a.status()["position"]: (objects(a.path), a.query("SELECT * FROM items"))}
        for change in ("ALTER TABLE items ADD COLUMN note TEXT DEFAULT 'none'; UPDATE items SET note = 'a'",
                       "ALTER TABLE items RENAME COLUMN note TO remark; CREATE INDEX by_remark ON items(remark)",
                       "DROP INDEX by_remark;" + REMAKE, "ALTER TABLE items DROP COLUMN n"):
            a.sql(change)
            a.wait()
            expected[a.status()["position"]] = objects(a.path), a.query("SELECT * FROM items")
        self.assertGreaterEqual(len(expected), 5)
        for position, (schema, rows) in expected.items():
            out = cluster.directory / f"at-{position}.db"
            done = colony("restore", out, "--cluster", "c", "--nats", cluster.broker.url, "--at", position)
            self.assertEqual(done.returncode, 0, done.stderr)
            self.assertEqual(objects(out), schema)
            with contextlib.closing(sqlite3.connect(out)) as db:
                self.assertEqual(db.execute("SELECT * FROM items").fetchall(), rows)

    def test_nodes_that_join_before_and_after_a_snapshot_of_a_schema_change(self):
        cluster = self.cluster(SCHEMA, nodes="a")
        a = cluster.nodes[0]
        cluster.broker.start()
        a.start()

        def snapshots():
            return colony("snapshots", a.path, "--json").stdout.count('"position"')

        def join(name):
            node = Node(cluster, name)
            cluster.nodes.append(node)
            node.launch_sidecar(more=["--cluster", cluster.name, "--node", name])
            until(lambda: node.path.exists() or not node.runs(), lambda: f"{name} joins: {node.said()}")
            node.await_state("running")
            return node
        until(snapshots, "there is a snapshot")
        a.sql("INSERT INTO items VALUES('one', 1); ALTER TABLE items ADD COLUMN note TEXT DEFAULT 'none';" + REMAKE)
        a.sql("CREATE TABLE more(id INTEGER PRIMARY KEY); INSERT INTO more VALUES(1)")
        a.wait()
        b = join("b")
        self.same_everywhere(cluster)
        self.assertEqual(colony("snapshot", a.path).returncode, 0)
        c = join("c")
        c.sql("ALTER TABLE items RENAME COLUMN extra TO other; INSERT INTO more VALUES(2)")
        b.sql("INSERT INTO more VALUES(3)")
        self.same_everywhere(cluster)
        self.assertEqual(a.query("SELECT * FROM items"), [("one", 1, "none")])

    def test_node_of_the_version_before_halts_at_a_schema_change(self):
        older = os.environ.get("COLONY_BEFORE", "")
        if not older:
            self.cannot_run_here("COLONY_BEFORE names no colony of the version before schema changes travelled")
        cluster = self.cluster(SCHEMA, nodes="a")
        a, b = cluster.nodes[0], Node(cluster, "b")
        self.addCleanup(b.kill)
        with contextlib.closing(sqlite3.connect(b.path)) as db:
            db.executescript(SCHEMA)
        done = run(older, "init", b.path, "--cluster", "c", "--node", "b")
        self.assertEqual(done.returncode, 0, done.stderr)
        cluster.broker.start()
        # Without snapshots: the older one could not read those of today.
        a.launch_sidecar(more=["--snapshots", "none"])
        b.launch([older, "run", b.path, "--nats", cluster.broker.url, "--snapshots", "none"])
        self.write(a, "one")
        until(lambda: b.query("SELECT id FROM items") == [("one",)], "ordinary rows arrive")
        before = objects(b.path)
        a.sql("ALTER TABLE items ADD COLUMN note TEXT DEFAULT 'none'; INSERT INTO items VALUES('two', 2, 'x')")

        def says_why():
            return "newer" in run(older, "status", b.path).stdout and run(older, "status", b.path).stdout
        self.assertIn("halted", until(says_why, lambda: run(older, "status", b.path).stdout))
        self.assertEqual((objects(b.path), b.query("SELECT id FROM items")), (before, [("one",)]))
        self.assertEqual(b.one("SELECT value FROM __colony_meta WHERE key = 'format'"), 4)
        b.stop()
        b.start()  # the version of today
        cluster.nodes.append(b)
        self.same_everywhere(cluster)
        self.assertEqual(b.query("SELECT * FROM items ORDER BY id"), [("one", 1, "none"), ("two", 2, "x")])

    # What is refused, and what nobody was told of.

    def test_what_cannot_be_told_to_others_is_refused_with_one_line(self):
        cluster = self.running(SCHEMA, nodes="ab")
        a = cluster.nodes[0]
        self.write(a, "one")
        before = objects(a.path)
        refusal = a.shell("BEGIN; PRAGMA writable_schema = ON; UPDATE sqlite_schema SET sql = replace(sql, 'n INTEGER', "
                          "'n INTEGER CHECK(n > 0)') WHERE name = 'items'; PRAGMA writable_schema = RESET; COMMIT;").stderr
        self.assertEqual(len(refusal.splitlines()), 1, refusal)
        for word in ("table items was altered in a way that SQLite has no statement for", "ALTER TABLE",
                     "docs/operations.md"):
            self.assertIn(word, refusal)
        for change, why in (("DROP TABLE __colony_outbox", "__colony_outbox is Colony's own"),
                            ("DROP TRIGGER __colony_insert_items", "table items has lost")):
            self.assertIn(why, a.shell(change).stderr)
        self.assertEqual(objects(a.path), before)
        self.write(a, "two")
        self.assertEqual(len(self.same_everywhere(cluster)["items"]), 2)

    def test_schema_that_differs_from_the_start(self):
        """The same columns in another order: nothing may end in the wrong one."""
        cluster = self.cluster("CREATE TABLE t(id INTEGER PRIMARY KEY, x, y);", nodes="a")
        a, b = cluster.nodes[0], Node(cluster, "b")
        self.addCleanup(b.kill)
        with contextlib.closing(sqlite3.connect(b.path)) as db:
            db.execute("CREATE TABLE t(id INTEGER PRIMARY KEY, y, x)")
        b.init()
        cluster.start()
        a.sql("INSERT INTO t(id, x, y) VALUES(1, 'x', 'y')")
        a.wait()
        b.launch_sidecar()
        b.halted("t (here its columns are in another order)")
        self.assertEqual(b.query("SELECT id, x, y FROM t"), [])

    def test_table_made_anew_by_programs_without_the_extension(self):
        """Nodes halt, and accepting it does not hide that they may differ."""
        cluster = self.running(SCHEMA, nodes="ab")
        a, b = cluster.nodes
        self.write(a, "one")
        cluster.settle()
        for node in (a, b):
            done = run(SQLITE, node.path, REMAKE)
            self.assertEqual(done.returncode, 0, done.stderr)
        self.halt_and_say([a, b], "table items was made anew (", "column extra is new", "on every node", "colony init")
        for node in (a, b):
            said = node.init()
            self.assertIn("items was made anew (", said)
            self.assertIn("has not been compared with the other nodes", said)
        for node in (a, b):
            node.await_status(state="running", well=True, warnings=[])
        a.sql("INSERT INTO items VALUES('two', 2, 'x')")
        b.sql("UPDATE items SET extra = 'y' WHERE id = 'one'")
        self.assertEqual(len(self.same_everywhere(cluster)["items"]), 2)
        self.assertEqual(a.query("SELECT * FROM items ORDER BY id"), [("one", 1, "y"), ("two", 2, "x")])

    def test_table_that_a_program_without_the_extension_has_made(self):
        cluster = self.running(SCHEMA, nodes="ab")
        a, b = cluster.nodes
        change = "CREATE TABLE later(id TEXT PRIMARY KEY, n);"
        run(SQLITE, a.path, change)
        self.assertIn("table later is new, with a key and rows, and not replicated yet",
                      a.shell("INSERT INTO later VALUES('x', 1)").stderr)
        a.init()
        a.sql("INSERT INTO later VALUES('x', 1)")
        self.halt_and_say([b], "later")
        b.sql(change)  # and this travels
        b.await_state("running")
        b.sql("INSERT INTO later VALUES('y', 2)")
        self.assertEqual(len(self.same_everywhere(cluster)["later"]), 2)

    def test_tables_that_only_one_node_has_chosen(self):
        cluster = self.cluster(SCHEMA + "CREATE TABLE more(id TEXT PRIMARY KEY);", nodes="ab")
        a, b = cluster.nodes
        cluster.start()
        b.init("--tables", "items")
        a.sql("INSERT INTO more VALUES('x')")
        self.write(a, "one")
        # Not passed over in silence: the nodes are to replicate the same tables.
        b.halted("more", "init")
        b.init("--tables", "items,more")
        b.await_state("running")
        self.assertEqual(len(cluster.assert_equal()["more"]), 1)

    def test_table_dropped_by_programs_without_the_extension(self):
        cluster = self.running(SCHEMA + "CREATE TABLE old(id TEXT PRIMARY KEY);", nodes="ab")
        a, b = cluster.nodes
        a.sql("INSERT INTO old VALUES('x')")
        cluster.settle()
        for node in (a, b):
            node.migrate("DROP TABLE old;")
        self.halt_and_say([a, b], "table old is gone: it was dropped")
        self.write(a, "goes on")
        for node in (a, b):
            self.assertIn("old is gone: it was dropped; it is replicated no more", node.init())
            node.await_state("running")
        self.same_everywhere(cluster)
        self.assertEqual(b.query("SELECT id FROM items"), [("goes on",)])
        self.assertEqual(colony("status", a.path).returncode, 0)

    def test_unique_index_that_one_node_makes(self):
        cluster = self.running(SCHEMA, nodes="ab")
        a, b = cluster.nodes
        self.write(a, "one")
        cluster.settle()
        run(SQLITE, b.path, "CREATE UNIQUE INDEX by_n ON items(n)")
        self.halt_and_say([b], "table items has changed: UNIQUE(n) is new")
        self.write(a, "two")  # b would lose a row to it
        a.wait()
        self.assertEqual(b.query("SELECT id FROM items"), [("one",)])
        run(SQLITE, b.path, "DROP INDEX by_n")
        b.await_state("running")
        self.assertEqual(len(cluster.assert_equal()["items"]), 2)

    def test_default_that_is_computed_travels_from_an_empty_table(self):
        """SQLite itself refuses it of a table with rows, and other nodes may have some."""
        cluster = self.running(SCHEMA, nodes="ab")
        a, b = cluster.nodes
        change = "ALTER TABLE items ADD COLUMN made DEFAULT CURRENT_TIMESTAMP"
        self.write(a, "one")
        cluster.settle()
        self.assertIn("non-constant default", a.shell(change).stderr)
        a.sql("DELETE FROM items")
        cluster.unaware(("b", "INSERT INTO items VALUES('two', 2)"), ("a", change))
        self.same_everywhere(cluster)
        self.assertEqual(columns(b, "items"), ["id", "n", "made"])
        self.assertEqual(b.query("SELECT * FROM items"), [("two", 2, None)])

    def test_default_that_is_computed_halts_without_the_extension(self):
        cluster = self.running(SCHEMA, nodes="ab")
        b = cluster.nodes[1]
        run(SQLITE, b.path, "ALTER TABLE items ADD COLUMN made DEFAULT CURRENT_TIMESTAMP")
        self.halt_and_say([b], "column made was added with a default that is not a constant")
