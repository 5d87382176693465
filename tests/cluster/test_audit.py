"""Rows that programs change past the capture of session mode are noticed, and captured late."""

import contextlib
import json
import os
import unittest.mock

from colony_cluster import ColonyTest, colony, past_the_guards, session_only
from processes import SQLITE, run, until

SCHEMA = """
    CREATE TABLE items(id TEXT PRIMARY KEY, n INTEGER, note);
    CREATE TABLE pairs(a, b, c, PRIMARY KEY(a, b)) WITHOUT ROWID;
    INSERT INTO items VALUES('one', 1, NULL), ('two', 2, NULL), ('three', 3, NULL);
    INSERT INTO pairs VALUES(1, 1, 'x'), (1, 2, 'y');
"""


@session_only("the audit compares with what colony.so has captured")
class Audit(ColonyTest):
    def setUp(self):
        super().setUp()
        self.enterContext(unittest.mock.patch.dict(os.environ, {"COLONY_AUDIT": "true"}))

    def test_nothing_is_said_of_what_is_captured(self):
        cluster = self.running(SCHEMA, nodes="ab")
        a, b = cluster.nodes
        a.sql("INSERT INTO items SELECT 'i' || value, value, zeroblob(value) FROM generate_series(1, 3000)")
        b.sql("BEGIN; UPDATE items SET n = n + 1; SAVEPOINT s; DELETE FROM pairs; ROLLBACK TO s; COMMIT;"
              "ALTER TABLE pairs ADD COLUMN d DEFAULT 4; REPLACE INTO items VALUES('one', 9, 'again'); VACUUM;")
        cluster.assert_equal()
        for node in cluster.nodes:
            status = node.status()
            self.assertEqual((status["uncaptured"], status["unwatched"], status["warnings"]), (0, 0, []))
            self.assertNotIn("not captured", node.said())

    def test_rows_changed_past_the_guards_are_captured_late(self):
        cluster = self.running(SCHEMA, nodes="abc")
        a, b, c = cluster.nodes
        past_the_guards(c, "UPDATE items SET n = 11 WHERE id = 'one'", "DELETE FROM items WHERE id = 'two'",
                        "INSERT INTO items VALUES('four', 4, x'00ff')", "UPDATE pairs SET c = 'z' WHERE b = 2")
        until(lambda: a.query("SELECT n FROM items ORDER BY id") == c.query("SELECT n FROM items ORDER BY id"),
              "a has what was not captured")
        content = cluster.assert_equal()
        self.assertEqual(len(content["items"]), 3)
        status = c.await_status(uncaptured=4, state="running")
        self.assertIn("4 rows", status["warnings"][0])
        self.assertIn("4 rows", colony("status", c.path).stdout)
        c.await_said("not captured table=items rows=3", "not captured table=pairs rows=1", "captured late rows=4")
        self.assertEqual([node.status()["uncaptured"] for node in (a, b)], [0, 0])

    def test_shell_whose_triggers_are_off_is_no_hole(self):
        cluster = self.running(SCHEMA, nodes="ab", init=("--guard", "triggers"))
        a, b = cluster.nodes
        done = run(SQLITE, "-batch", "-bail", a.path, input=".timeout 20000\n.dbconfig enable_trigger off\n"
                   "UPDATE items SET note = 'by hand'; INSERT INTO pairs VALUES(2, 2, 'new');")
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        a.await_said("captured late rows=4")
        self.assertEqual(len(cluster.assert_equal()["pairs"]), 3)

    def test_beside_programs_that_write_on_all_nodes(self):
        cluster = self.running(SCHEMA, nodes="ab")
        a, b = cluster.nodes
        a.sql("INSERT INTO items SELECT 'i' || value, 0, NULL FROM generate_series(1, 50)")
        cluster.settle()
        with contextlib.closing(a.connect()) as on_a, contextlib.closing(b.connect()) as on_b:
            for n in range(300):
                on_a.execute("UPDATE items SET n = n + 1 WHERE id = ?", (f"i{n % 50 + 1}",))
                on_b.execute("UPDATE items SET note = ? WHERE id = ?", (n, f"i{n * 7 % 50 + 1}"))
                if n % 10 == 0:
                    past_the_guards(a, f"UPDATE items SET n = {1000 + n} WHERE id = 'i{n * 3 % 50 + 1}'")
        # The journal may lack, on either node, who lost to a row that was captured late.
        cluster.settle()
        rows_of_a, rows_of_b = ({table: rows for table, rows in node.dump().items() if table != "(conflicts)"}
                                for node in cluster.nodes)
        self.assertEqual(rows_of_a, rows_of_b)
        done = cluster.verify()
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        self.assertGreater(json.loads(colony("status", a.path, "--json").stdout)["uncaptured"], 25)
