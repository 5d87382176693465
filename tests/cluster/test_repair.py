"""`colony repair`: a file's rows were changed behind Colony's back; it is shown which, and
the two ways out of it leave all nodes equal."""

import contextlib
import json
import sqlite3
import threading

from colony_cluster import ColonyTest, colony, session_only
from processes import until

SCHEMA = """
CREATE TABLE items(id INTEGER PRIMARY KEY, name TEXT, code INTEGER UNIQUE);
CREATE TABLE notes(name TEXT COLLATE NOCASE PRIMARY KEY, text) WITHOUT ROWID;
INSERT INTO items VALUES(1, 'one', 1), (2, 'two', 2), (3, 'three', 3);
INSERT INTO notes VALUES('first', 'x');
"""
MEDDLING = """
UPDATE items SET name = 'zwei' WHERE id = 2;
DELETE FROM items WHERE id = 3;
INSERT INTO items VALUES(9, 'nine', 9);
UPDATE notes SET text = x'00ff';
"""


UNSEEN = "its rows are changed while no sidecar runs, which in wal mode is captured at the start"


def behind_its_back(node, sql):
    """These changes are in the rows and nowhere else: what captured them is taken away."""
    runs = node.runs()
    if runs:
        node.stop()
    end = node.one("SELECT coalesce(max(piece), 0) FROM __colony_outbox")
    node.sql(f"BEGIN; {sql}; COMMIT; DELETE FROM __colony_outbox WHERE piece > {end}")
    if runs:
        node.start()


@session_only(UNSEEN)
class Repair(ColonyTest):
    def colony_of_two(self):
        """With a snapshot of a's, and some of the log after it."""
        cluster = self.running(SCHEMA, nodes="ab")
        a, b = cluster.nodes
        cluster.settle()
        self.assertEqual(colony("snapshot", a.path).returncode, 0)
        a.sql("INSERT INTO items VALUES(4, 'four', 4)")
        b.sql("INSERT INTO items VALUES(5, 'five', 5)")
        cluster.settle()
        return cluster, a, b

    def repair(self, node, *more, code=0):
        done = colony("repair", *more, node.path)
        self.assertEqual(done.returncode, code, done.stdout + done.stderr)
        self.assertEqual(done.stderr, "")
        left = [path.name for path in node.directory.iterdir() if "expected" in path.name or "unfinished" in path.name]
        self.assertEqual(left, [])
        return done.stdout

    def test_nothing_differs_is_one_quiet_line(self):
        _, a, b = self.colony_of_two()
        for node in (a, b):
            said = self.repair(node)
            self.assertRegex(said, "^nothing differs from the log at position [0-9]+\n$")

    def test_rows_are_shown_then_kept_and_all_nodes_come_to_them(self):
        cluster, _, b = self.colony_of_two()
        behind_its_back(b, MEDDLING)
        said = self.repair(b, code=1)
        self.assertIn('items: 1 only here, 1 missing here, 1 different\n', said)
        self.assertIn('  + {"id":9} {"name":"nine","code":9}\n', said)
        self.assertIn('  - {"id":3} {"name":"three","code":3}\n', said)
        self.assertIn('  ~ {"id":2} name: "zwei" -> "two"\n', said)
        self.assertIn('notes: 1 different\n  ~ {"name":"first"} text: {"hex":"00ff"} -> "x"\n', said)
        self.assertIn("  and 2 more\n", self.repair(b, "--limit", "1", code=1))
        self.assertEqual(cluster.verify().returncode, 1)

        before = b.dump()
        said = self.repair(b, "--keep-mine", "--dry-run", code=1)
        self.assertIn("4 rows: this file's would become a transaction of b", said)
        self.assertEqual(b.dump(), before)
        said = self.repair(b, "--keep-mine")
        self.assertIn("4 rows: this file's are now a transaction of b", said)
        cluster.assert_equal()
        self.assertEqual(b.dump()["items"], before["items"])
        self.assertIn("nothing differs", self.repair(b, "--keep-mine"))
        self.assertEqual(b.conflicts(), [])

    def test_the_logs_rows_are_taken_and_what_was_there_is_kept(self):
        cluster, a, b = self.colony_of_two()
        behind_its_back(b, MEDDLING)
        report = json.loads(self.repair(b, "--take-theirs", "--dry-run", "--json", "--table", "items", code=1))
        self.assertEqual((report["differs"], report["action"], report["changed_rows"]), (True, "take-theirs", 0))
        self.assertEqual([table["table"] for table in report["tables"]], ["items"])
        self.assertIn({"key": {"id": 3}, "mine": None, "theirs": {"id": 3, "name": "three", "code": 3}},
                      report["tables"][0]["rows"])
        self.assertEqual(b.one("SELECT count(*) FROM items WHERE id = 9"), 1)

        report = json.loads(self.repair(b, "--take-theirs", "--json", "--table", "items"))
        self.assertEqual(report["changed_rows"], 3)
        with contextlib.closing(sqlite3.connect(report["kept_in"])) as kept:
            self.assertEqual(kept.execute("SELECT * FROM items ORDER BY id").fetchall(), [(2, "zwei", 2), (9, "nine", 9)])
        self.assertEqual(b.query("SELECT * FROM items ORDER BY id"), a.query("SELECT * FROM items ORDER BY id"))
        self.assertIn("notes: 1 different", self.repair(b, "--table", "items", "--table", "notes", code=1))
        said = self.repair(b, "--take-theirs")
        self.assertIn("1 row: the log's were put in place of this file's; 1 of this file's are kept in ", said)
        cluster.assert_equal()

    def test_a_halted_node_goes_on_by_itself_after_the_repair(self):
        cluster, a, b = self.colony_of_two()
        b.stop()
        b.sql("UPDATE items SET name = 'pending' WHERE id = 3; INSERT INTO items VALUES(6, 'six', 6)")
        behind_its_back(b, "DELETE FROM items WHERE id = 3")
        a.sql("UPDATE items SET code = 33 WHERE id = 3")
        a.wait()
        b.launch_sidecar()
        self.assertIn("colony repair", b.halted("behind Colony's back"))
        said = self.repair(b, code=1)
        self.assertIn('items: 1 missing here\n  - {"id":3} {"name":"pending","code":3}\n', said)
        self.repair(b, "--take-theirs")
        b.await_state("running")
        cluster.assert_equal()
        self.assertEqual(a.query("SELECT * FROM items WHERE id IN (3, 6)"), [(3, "pending", 33), (6, "six", 6)])

    def test_a_halted_node_goes_on_with_the_rows_it_has(self):
        cluster, a, b = self.colony_of_two()
        b.stop()
        b.sql("UPDATE items SET name = 'pending' WHERE id = 3")
        behind_its_back(b, "DELETE FROM items WHERE id = 3")
        a.sql("UPDATE items SET code = 33 WHERE id = 3")
        a.wait()
        b.launch_sidecar()
        b.halted("behind Colony's back")
        self.repair(b, "--keep-mine")
        b.await_state("running")
        cluster.assert_equal()
        self.assertEqual(a.query("SELECT * FROM items WHERE id = 3"), [])

    def test_rows_are_repaired_while_programs_write_on_both_nodes(self):
        cluster, a, b = self.colony_of_two()
        behind_its_back(b, MEDDLING)
        for node, ids in ((a, (1000, 1400)), (b, (2000, 2400))):
            node.writer = node.connect(check_same_thread=False)
            node.ids = iter(range(*ids))

        def write():
            for node in (a, b):
                for identity in (next(node.ids), next(node.ids)):
                    node.writer.execute("INSERT INTO items VALUES(?, 'new', ?)", (identity, identity))
                    node.writer.execute("UPDATE items SET name = ? WHERE id = 1", (f"{identity}",))
        write()
        for words in (("--take-theirs", "--table", "notes"), ("--keep-mine",)):
            with self.in_the_background(write):
                self.repair(b, *words)
        for node in (a, b):
            node.writer.close()
        cluster.assert_equal()
        self.assertEqual(a.query("SELECT id, name FROM items WHERE id IN (2, 3, 9)"), [(2, "zwei"), (9, "nine")])
        self.assertEqual(b.query("SELECT text FROM notes"), [("x",)])

    @contextlib.contextmanager
    def in_the_background(self, write):
        ended = threading.Event()
        failed = []

        def body():
            try:
                for _ in range(50):
                    if not ended.is_set():
                        write()
            except Exception as error:  # the test's thread raises it
                failed.append(error)
        thread = threading.Thread(target=body)
        thread.start()
        try:
            yield
        finally:
            ended.set()
            thread.join()
        self.assertEqual(failed, [])

    def test_what_cannot_be_told_is_said_in_one_line(self):
        cluster, a, b = self.colony_of_two()
        self.refused(colony("repair", b.path, "--table", "nope"), "no table nope")
        self.refused(colony("repair", b.path, "--dry-run"), "--keep-mine")
        self.refused(colony("repair", b.path, "--from", cluster.directory), "no snapshot", "colony snapshot")
        self.refused(colony("repair", b.path, "--nats", "none"), "--from")
        self.assertEqual(colony("snapshot", a.path, "--to", cluster.directory).returncode, 0)
        b.stop()
        self.assertIn("nothing differs", self.repair(b, "--from", cluster.directory, "--nats", "none"))
        b.start()
        a.sql("INSERT INTO items VALUES(7, 'seven', 7)")
        cluster.settle()
        until(lambda: b.query("SELECT 1 FROM items WHERE id = 7"), "it has come")
        self.refused(colony("repair", b.path, "--from", cluster.directory, "--nats", "none"), "--nats")
