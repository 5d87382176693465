"""Colonies whose programs are linked with a SQLite of their own."""

import contextlib
import os
import sqlite3

from colony_cluster import ColonyTest
from processes import PATIENCE_S, Child, run
from writers import WRITERS, command

WAL = ("--capture", "wal")

SCHEMA = """
CREATE TABLE plain(id INTEGER PRIMARY KEY, x, y TEXT, r REAL);
CREATE INDEX plain_x ON plain(x);
CREATE TABLE pairs(w INT, b TEXT COLLATE NOCASE, a INT, g AS (w + 1) STORED, v, PRIMARY KEY(a, b)) WITHOUT ROWID;
CREATE TABLE words(x, k TEXT PRIMARY KEY, u UNIQUE);
CREATE TABLE parent(id INTEGER PRIMARY KEY, name TEXT);
CREATE TABLE child(id INTEGER PRIMARY KEY, p INTEGER REFERENCES parent(id) ON DELETE CASCADE, note);
CREATE TABLE totals(id INTEGER PRIMARY KEY, rows INT);
CREATE TRIGGER plain_ai AFTER INSERT ON plain BEGIN
  INSERT INTO totals VALUES(new.id / 100000, 1) ON CONFLICT(id) DO UPDATE SET rows = rows + 1; END;
"""


def statements(writer):
    """Of one writer, in its own range of keys: rows of all forms, whole and undone transactions,
    overflow pages, pages that become free, the log begun anew."""
    n = list(WRITERS).index(writer) + 1
    begin = n * 100_000
    own = f"id BETWEEN {begin} AND {begin + 99_999}"
    series = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {})"
    return [
        "PRAGMA foreign_keys = ON;",
        f"INSERT INTO plain VALUES({begin}, '{writer}', 'one row', 5);",
        f"{series.format(400)} INSERT INTO plain SELECT {begin} + i, i % 7, hex(zeroblob(i)), i FROM n;",
        f"UPDATE plain SET y = hex(zeroblob(3000)) WHERE {own} AND id % 50 = 3;",
        "BEGIN IMMEDIATE;",
        f"INSERT INTO pairs(w, b, a, v) VALUES({n}, 'Grüße', {n}, x'00ff'), ({n}, 'b', {n}, NULL), ({n}, 'c', {n}, 1.5);",
        "SAVEPOINT s;",
        f"DELETE FROM pairs WHERE a = {n};",
        "ROLLBACK TO s;",
        f"UPDATE pairs SET b = 'B', v = 'changed' WHERE a = {n} AND b = 'b';",
        "COMMIT;",
        "BEGIN;",
        f"DELETE FROM plain WHERE {own};",
        "ROLLBACK;",
        f"INSERT INTO words VALUES(1, '{writer}', {n}), (2, '{writer} 2', {begin});",
        f"INSERT OR REPLACE INTO words VALUES(3, '{writer} 3', {n});",
        f"INSERT INTO parent VALUES({begin}, '{writer}'), ({begin + 1}, 'goes');",
        f"{series.format(60)} INSERT INTO child SELECT {begin} + i, {begin} + i % 2, randomblob(i * 20) FROM n;",
        f"DELETE FROM parent WHERE id = {begin + 1};",
        "PRAGMA wal_checkpoint(TRUNCATE);",
        f"DELETE FROM plain WHERE {own} AND id % 10 BETWEEN 4 AND 8;",
        f"UPDATE plain SET id = id + 50000, r = r * 0.5 WHERE {own} AND id % 10 = 1;",
        "PRAGMA wal_checkpoint(PASSIVE);",
        f"UPDATE child SET note = zeroblob(9000) WHERE {own} AND id % 20 = 0;",
        f"DELETE FROM child WHERE {own} AND id % 20 = 2;",
    ]


class WalWriters(ColonyTest):
    def two_nodes(self):
        cluster = self.running(SCHEMA, nodes="ab", init=WAL)
        return cluster, *cluster.nodes

    def words(self, node, writer):
        lines = node.directory / f"{writer}.sql"
        lines.write_text("\n".join(statements(writer)) + "\n", encoding="utf-8")
        return command(writer, node.path, lines)

    def write(self, node, writer):
        done = run(*self.words(node, writer))
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)

    def assert_alike(self, cluster):
        cluster.assert_equal()
        for node in cluster.nodes:
            self.assertEqual(node.query("PRAGMA integrity_check"), [("ok",)])
            self.assertEqual(node.query("PRAGMA foreign_key_check"), [])
            self.assertEqual(node.conflicts(), [])

    def assert_written(self, node, writers):
        """All that the writers have said, and nothing else; but blobs at random."""
        with contextlib.closing(sqlite3.connect(":memory:", isolation_level=None)) as db:
            db.executescript(SCHEMA)
            for writer in writers:
                for line in statements(writer):
                    if "wal_checkpoint" not in line:
                        db.execute(line)
            for table in ("plain", "pairs", "words", "parent", "totals"):
                wanted = sorted(map(repr, db.execute(f"SELECT * FROM {table}")))
                self.assertEqual(sorted(map(repr, node.query(f"SELECT * FROM {table}"))), wanted, table)
            lengths = "SELECT id, p, length(note) FROM child ORDER BY 1"
            self.assertEqual(node.query(lengths), db.execute(lengths).fetchall())

    def both_ways(self, writer):
        """It writes on a node; then, on the other one, to a file that Colony has written."""
        cluster, a, b = self.two_nodes()
        self.write(a, writer)
        self.assert_alike(cluster)
        self.assert_written(b, [writer])
        other = next(name for name in WRITERS if name != writer)
        self.write(a, other)
        cluster.settle()
        run_on_b = f"UPDATE plain SET y = '{writer} on b' WHERE id % 3 = 0;\nDELETE FROM pairs;\nVACUUM;\n"
        lines = b.directory / "more.sql"
        lines.write_text(run_on_b)
        done = run(*command(writer, b.path, lines))
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        self.assert_alike(cluster)
        self.assertEqual(a.one("SELECT count(*) FROM pairs"), 0)
        self.assertGreater(a.one("SELECT count(*) FROM plain WHERE y = ?", f"{writer} on b"), 50)

    def test_apsw(self):
        self.both_ways("apsw")

    def test_better_sqlite3(self):
        self.both_ways("better_sqlite3")

    def test_go_mattn(self):
        self.both_ways("go_mattn")

    def test_go_modernc(self):
        self.both_ways("go_modernc")

    def test_rusqlite(self):
        self.both_ways("rusqlite")

    def test_sqlite_jdbc(self):
        self.both_ways("sqlite_jdbc")

    def test_fossil_shell(self):
        self.both_ways("fossil")

    def test_all_at_once(self):
        """On both nodes, one half each: several SQLites in one file at the same time."""
        cluster, a, b = self.two_nodes()
        writing = []
        for i, writer in enumerate(WRITERS):
            node = (a, b)[i % 2]
            child = Child(node.directory / f"{writer}.log")
            self.addCleanup(child.kill)
            child.launch(self.words(node, writer))
            writing.append(child)
        for child in writing:
            self.assertEqual(child.process.wait(PATIENCE_S * 2), 0, child.said())
        self.assert_alike(cluster)
        self.assert_written(a, WRITERS)

    def test_while_no_sidecar_runs(self):
        cluster, a, b = self.two_nodes()
        a.stop()
        for writer in ("go_modernc", "apsw", "rusqlite"):
            self.write(a, writer)
        b.kill()
        self.write(b, "better_sqlite3")
        for node in (a, b):
            node.launch_sidecar()
            node.await_state("running")
        self.assert_alike(cluster)
        self.assert_written(b, ["go_modernc", "apsw", "rusqlite", "better_sqlite3"])

    def test_fossil_repository(self):
        """Fossil itself: what is committed in a checkout on one node is in the repository of the other."""
        cluster = self.cluster("CREATE TABLE unused(id INTEGER PRIMARY KEY)", nodes="")
        seed = cluster.directory / "seed.fossil"

        def fossil(*words, **more):
            done = run("fossil", *words, env=dict(os.environ, USER="ada", FOSSIL_USER="ada"), **more)
            self.assertEqual(done.returncode, 0, f"{words}: {done.stdout}{done.stderr}")
            return done.stdout

        fossil("new", seed)
        a, b = cluster.nodes = [cluster.add(name, seed, *WAL) for name in "ab"]
        cluster.start()
        checkout = cluster.directory / "checkout"
        checkout.mkdir()
        fossil("open", a.path, cwd=checkout)
        for i in range(5):
            (checkout / "file.txt").write_text("".join(f"line {n} of commit {i}\n" for n in range(500 * (i + 1))))
            fossil("addremove", cwd=checkout)
            fossil("commit", "-m", f"commit {i}", "--no-warnings", cwd=checkout)
        fossil("tag", "add", "good", "current", cwd=checkout)
        cluster.assert_equal()
        self.assertIn("commit 4", fossil("timeline", "-R", b.path, "-n", "20"))
        # What Fossil derives from its artifacts is in tables without a primary key, too: they are
        # made anew, in a copy, since Fossil drops at that all tables that it does not know.
        copy = cluster.directory / "copy.fossil"
        b.query("VACUUM INTO ?", str(copy))
        fossil("rebuild", copy)
        self.assertEqual(fossil("cat", "-R", copy, "file.txt", "-r", "good"), (checkout / "file.txt").read_text())
        fossil("test-integrity", "-R", copy)
        self.assertEqual(b.query("PRAGMA integrity_check"), [("ok",)])
