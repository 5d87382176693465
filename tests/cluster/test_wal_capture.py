"""Nodes in wal mode: programs have nothing of Colony's and do what SQLite can do, and the other nodes, of
which one is in session mode, come to the same rows and the same schema."""

import contextlib
import random
import sqlite3
import struct
import time

from colony_cluster import Cluster, ColonyTest, Node, colony
from processes import SQLITE, app, finished, run, until
from schemas import objects

SCHEMA = """
    CREATE TABLE items(id INTEGER PRIMARY KEY, name TEXT, n INTEGER);
    CREATE TABLE places(a TEXT COLLATE NOCASE, b REAL, c, PRIMARY KEY(a, b)) WITHOUT ROWID;
    CREATE TABLE blobs(id INTEGER PRIMARY KEY, body BLOB);
    CREATE TABLE audit(id INTEGER PRIMARY KEY, item INTEGER);
    CREATE TRIGGER audited AFTER INSERT ON items BEGIN INSERT INTO audit(item) VALUES(new.id); END;
    INSERT INTO items WITH RECURSIVE i(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM i LIMIT 200)
        SELECT i, 'item', i FROM i;
    DELETE FROM audit;
    INSERT INTO blobs VALUES(1, zeroblob(100000)), (2, zeroblob(300));
"""
# No rows that two nodes number alike.
APART = SCHEMA + "DROP TRIGGER audited; DROP TABLE audit;"
SCHEMA_STEPS = (
    "ALTER TABLE items ADD COLUMN price REAL DEFAULT 1.5; UPDATE items SET price = n WHERE id < 10",
    "ALTER TABLE items RENAME COLUMN name TO title; UPDATE items SET title = 'x' WHERE id = 3",
    "ALTER TABLE places RENAME TO sites; INSERT INTO sites VALUES('x', 1, 2)",
    "ALTER TABLE items DROP COLUMN n",
    "CREATE INDEX by_title ON items(title); CREATE VIEW titles AS SELECT title FROM items",
    "CREATE TRIGGER gone AFTER DELETE ON items BEGIN DELETE FROM audit WHERE item = old.id; END; "
    "DELETE FROM items WHERE id BETWEEN 20 AND 30",
    "CREATE TABLE made AS SELECT id, title FROM items WHERE id < 50",
    "CREATE TABLE wide(k INTEGER PRIMARY KEY, v); INSERT INTO wide SELECT id, title FROM items; "
    "DELETE FROM wide WHERE k % 2",
    "CREATE TABLE new_wide(k INTEGER PRIMARY KEY, v TEXT NOT NULL, w DEFAULT 7); "
    "INSERT INTO new_wide(k, v) SELECT k, v FROM wide; DROP TABLE wide; ALTER TABLE new_wide RENAME TO wide",
    "INSERT INTO wide VALUES(1, 'one', 1); DROP TABLE audit; DROP TRIGGER audited; DROP TRIGGER gone",
    "DROP VIEW titles; DROP INDEX by_title",
)
ALONE = ("VACUUM", "ANALYZE", "REINDEX", "PRAGMA incremental_vacuum")
CHECKPOINTS = ("PASSIVE", "FULL", "RESTART", "TRUNCATE")


def plain(path, **more):
    """As any program opens a database."""
    return contextlib.closing(sqlite3.connect(path, timeout=60, isolation_level=None, **more))


def schema_of(node):
    """SQLite itself quotes a name or not, by the statement that brought it about."""
    return [(kind, name, sql.replace('"', "")) for kind, name, sql in objects(node.path)
            if not name.startswith("sqlite_")]


def anonymous_mib(pid):
    for line in open(f"/proc/{pid}/status"):
        if line.startswith("RssAnon:"):
            return int(line.split()[1]) / 1024
    return 0


def write_and_checkpoint(path, low, seed, model, stop):
    """Transactions on ids from `low` on, with checkpoints of all kinds, on connections that come and go, until
    `stop` is there. Leaves in `model` what its rows must be."""
    rng, rows = random.Random(seed), {}
    while not stop.exists():
        with plain(path) as db:
            for _ in range(rng.randrange(1, 60)):
                db.execute("BEGIN IMMEDIATE")
                changed = dict(rows)
                for _ in range(rng.choice((1, 1, 2, 30))):
                    key = low + rng.randrange(500)
                    if key in changed and rng.random() < 0.4:
                        db.execute("DELETE FROM items WHERE id = ?", (key,))
                        del changed[key]
                    else:
                        value = rng.randrange(10**9)
                        db.execute("INSERT OR REPLACE INTO items VALUES(?, hex(zeroblob(?)), ?)",
                                   (key, rng.choice((1, 30, 3000)), value))
                        changed[key] = value
                if rng.random() < 0.1:
                    db.execute("ROLLBACK")
                    continue
                db.execute("COMMIT")
                rows = changed
                if rng.random() < 0.05:
                    db.execute(f"PRAGMA wal_checkpoint({rng.choice(CHECKPOINTS)})")
                time.sleep(rng.choice((0, 0, 0, 0.002, 0.02)))
    model.write_text(repr(sorted(rows.items())))


def write_without_a_pause(path, commits):
    with plain(path) as db:
        db.execute("PRAGMA synchronous = NORMAL")
        for n in range(commits):
            db.execute("INSERT OR REPLACE INTO items VALUES(?, hex(randomblob(6000)), ?)", (10_000 + n % 500, n))


def times_begun_anew(path):
    """The checkpoint sequence number of the log's header."""
    with open(f"{path}-wal", "rb") as log:
        return struct.unpack(">I", log.read(16)[12:])[0]


def write_rows(path, low, count):
    with plain(path) as db:
        for n in range(low, low + count):
            db.execute("INSERT INTO items VALUES(?, 'new', ?)", (n, n))
            db.execute("UPDATE items SET n = -n WHERE id = ?", (n - low,))


class WalCapture(ColonyTest):
    def colony_with(self, modes, schema=SCHEMA, **more):
        """Nodes a, b, ... with the capture modes of these names."""
        cluster = Cluster(schema, nodes="", **more)
        self.addCleanup(cluster.close)
        for name, mode in zip("abcdef", modes):
            node = cluster.add(name, cluster.directory / "seed.db", "--capture", mode)
            node.capture = mode
            cluster.nodes.append(node)
        return cluster.start()

    def same_schema(self, cluster):
        first = schema_of(cluster.nodes[0])
        for node in cluster.nodes[1:]:
            self.assertEqual(schema_of(node), first, node.name)

    def test_wal_any_program_writes(self):
        cluster = self.colony_with(("wal", "session", "wal"))
        a, b, c = cluster.nodes
        self.assertEqual(run(SQLITE, a.path, "INSERT INTO items VALUES(1000, 'shell', 1)").returncode, 0)
        # Triggers are off: what they would have written is not there, and nothing else is missed.
        done = run(SQLITE, c.path, ".dbconfig enable_trigger off", "INSERT INTO items VALUES(1001, 'no trigger', 1)")
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        with plain(a.path) as db, plain(c.path) as other:
            other.execute("INSERT OR REPLACE INTO places VALUES('Here', 1, x'00'), ('there', 2.5, NULL)")
            other.execute("UPDATE places SET b = 3 WHERE a = 'HERE'")
            with db.blobopen("blobs", "body", 1) as blob:
                blob.seek(50_000)
                blob.write(b"written in place")
            with db.blobopen("blobs", "body", 2) as blob:
                blob.write(b"and this")
            db.execute("DELETE FROM items WHERE id <= 100")
            db.execute("UPDATE items SET id = id + 5000 WHERE id BETWEEN 150 AND 160")
        b.sql("INSERT INTO items VALUES(2000, 'session', 1)")
        cluster.assert_equal()
        self.assertEqual(b.query("SELECT substr(body, 50001, 16) FROM blobs WHERE id = 1"), [(b"written in place",)])
        self.assertEqual(b.query("SELECT item FROM audit ORDER BY item"), [(1000,), (2000,)])
        self.assertEqual(b.query("SELECT a, b FROM places ORDER BY a"), [("Here", 3.0), ("there", 2.5)])

    def test_wal_schema_changes_of_programs(self):
        cluster = self.colony_with(("wal", "session", "wal"))
        a, b, c = cluster.nodes
        for number, step in enumerate(SCHEMA_STEPS):
            with plain((a, c)[number % 2].path) as db:
                db.executescript(f"BEGIN IMMEDIATE; {step}; COMMIT")
            # Until it is captured, nothing is wrong with the file.
            for node in (a, c):
                self.assertTrue(node.status()["well"], (step, node.status()))
            cluster.assert_equal()
            self.same_schema(cluster)
        for statement in ALONE:
            with plain(a.path) as db:
                db.execute("DELETE FROM blobs WHERE id = 1")
                db.execute(statement)
                db.execute("INSERT INTO blobs VALUES(1, zeroblob(20000))")
            cluster.assert_equal()
            self.same_schema(cluster)
        self.assertEqual(b.one("SELECT count(*) FROM wide WHERE w = 7"), 94)

    def test_wal_schema_changes_of_session_nodes_and_wal_nodes_at_once(self):
        cluster = self.colony_with(("wal", "session", "wal"))
        a, b, c = cluster.nodes
        run(SQLITE, a.path, "ALTER TABLE items ADD COLUMN a1; UPDATE items SET a1 = 1")
        b.sql("CREATE TABLE of_b(id INTEGER PRIMARY KEY, x); INSERT INTO of_b VALUES(1, 1);")
        run(SQLITE, c.path, "CREATE TABLE of_c(id INTEGER PRIMARY KEY, x); INSERT INTO of_c VALUES(1, 1);")
        run(SQLITE, c.path, "ALTER TABLE blobs ADD COLUMN note DEFAULT 'none'")
        cluster.assert_equal()
        self.same_schema(cluster)

    def test_wal_several_databases_attached(self):
        one, two = self.colony_with(("wal", "session")), self.colony_with(("wal", "wal"), name="two")
        aside = one.directory / "aside.db"
        with plain(one.nodes[0].path) as db:
            db.execute("ATTACH ? AS two", (str(two.nodes[0].path),))
            db.execute("ATTACH ? AS aside", (str(aside),))
            db.execute("CREATE TABLE aside.kept AS SELECT * FROM main.items")
            for n in range(50):
                db.executescript(f"""
                    BEGIN; INSERT INTO main.items VALUES({1000 + n}, 'both', {n}); DELETE FROM main.items WHERE id = {n};
                    INSERT INTO two.items VALUES({2000 + n}, 'both', {n}); UPDATE two.items SET n = 0 WHERE id = {n};
                    UPDATE aside.kept SET n = 1; COMMIT""")
        for cluster in (one, two):
            cluster.assert_equal()
        self.assertEqual(one.nodes[1].one("SELECT count(*) FROM items WHERE name = 'both'"), 50)
        self.assertEqual(two.nodes[1].one("SELECT count(*) FROM items WHERE name = 'both'"), 50)

    def test_wal_large_transaction_in_bounded_memory(self):
        cluster = self.colony_with(("wal", "session"), "CREATE TABLE t(id INTEGER PRIMARY KEY, x, y);")
        a, b = cluster.nodes
        before = anonymous_mib(a.pid)
        writer = app(self.write_million, a.path)
        peak = {}

        def arrived():
            for node in (a, b):
                peak[node.name] = max(peak.get(node.name, 0), anonymous_mib(node.pid))
            return b.one("SELECT count(*) FROM t") == 1_000_000
        until(arrived, "b has all rows", timeout=150, every=0.05)
        finished([writer])
        cluster.assert_equal(timeout=90)
        print(f"NOTE 1,000,000 rows: RssAnon {before:.0f} MiB before, {peak['a']:.0f} at most where it was captured, "
              f"{peak['b']:.0f} where it was applied")
        self.assertLess(peak["a"], 160)
        self.assertLess(peak["b"], 160)

    @staticmethod
    def write_million(path):
        with plain(path) as db:
            db.execute("INSERT INTO t WITH RECURSIVE i(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM i LIMIT 1000000) "
                       "SELECT i, hex(randomblob(20)), i * 0.5 FROM i")

    def killed_while_programs_write(self, cluster, seconds, on_round=lambda n: None):
        """Sidecars of the wal nodes are killed and started again while programs write and checkpoint. Then
        every node has exactly what the programs have written."""
        wal = [node for node in cluster.nodes if node.capture == "wal"]
        stop, writers, models = cluster.directory / "stop", [], {}
        for number, (node, part) in enumerate((node, part) for node in wal for part in range(2)):
            low = 10_000 * (number + 1)
            models[low] = cluster.directory / f"model {low}"
            writers.append(app(write_and_checkpoint, node.path, low, number, models[low], stop))
        rng, end, kills = random.Random(7), time.monotonic() + seconds, 0
        while time.monotonic() < end:
            victim = rng.choice(wal)
            victim.kill()
            kills += 1
            time.sleep(rng.choice((0, 0, 0.05, 0.3)))
            victim.launch_sidecar()
            on_round(kills)
            time.sleep(rng.choice((0.02, 0.1, 0.5, 1)))
        stop.write_text("")
        finished(writers)
        if not cluster.broker.runs():
            cluster.broker.start()
        for node in cluster.nodes:
            node.await_state("running")
        cluster.assert_equal(timeout=90)
        for node in cluster.nodes:
            for low, model in models.items():
                rows = node.query("SELECT id, n FROM items WHERE id >= ? AND id < ? ORDER BY id", low, low + 10_000)
                self.assertEqual(rows, eval(model.read_text()), f"{node.name}, rows from {low}")
            self.assertEqual(node.status()["conflicts"], 0)
        print(f"NOTE {kills} kills")

    def test_wal_sidecars_killed_while_programs_write_and_checkpoint(self):
        self.killed_while_programs_write(self.colony_with(("wal", "session", "wal"), APART), 20)

    def test_wal_sidecars_killed_while_the_broker_is_away_too(self):
        cluster = self.colony_with(("wal", "session", "wal"), APART)

        def on_round(n):
            if n % 8 == 3:
                cluster.broker.stop()
            if n % 8 == 7:
                cluster.broker.start()
        self.killed_while_programs_write(cluster, 20, on_round)

    def test_wal_program_with_an_old_read_transaction(self):
        cluster = self.colony_with(("wal", "wal"))
        a, b = cluster.nodes
        with plain(a.path) as old:
            old.execute("BEGIN")
            before = old.execute("SELECT count(*) FROM items").fetchone()
            finished([app(write_rows, a.path, 1000, 500)])
            b.sql("INSERT INTO items VALUES(9000, 'b', 1)")
            cluster.assert_equal()
            self.assertEqual(old.execute("SELECT count(*) FROM items").fetchone(), before)
            old.execute("COMMIT")
            old.execute("INSERT INTO items VALUES(9001, 'old', 1)")
        cluster.assert_equal()
        self.assertEqual(b.one("SELECT count(*) FROM items WHERE id >= 1000"), 502)

    def test_wal_checkpoints_of_programs_succeed_beside_an_idle_sidecar(self):
        cluster = self.colony_with(("wal", "wal"))
        a, b = cluster.nodes
        with plain(a.path) as db:
            for n, kind in enumerate(CHECKPOINTS * 3):
                db.execute("INSERT INTO items VALUES(?, 'new', 1)", (1000 + n,))
                a.wait()
                until(lambda: db.execute(f"PRAGMA wal_checkpoint({kind})").fetchone()[0] == 0, f"{kind} succeeds")
                a.wait()
                if kind == "TRUNCATE":
                    self.assertEqual(colony("snapshot", a.path).returncode, 0)  # the mark is in the new log
        cluster.assert_equal()

    def test_wal_log_is_begun_anew_beside_a_busy_writer(self):
        """How long it gets between depends on how many processors there are for it: see the benchmark."""
        cluster = self.colony_with(("wal", "wal"))
        a, b = cluster.nodes
        commits = 20_000
        before = times_begun_anew(a.path)
        writer = app(write_without_a_pause, a.path, commits)
        finished([writer])
        times = times_begun_anew(a.path) - before
        cluster.assert_equal()
        self.assertGreater(times, 0)

    def test_wal_copies_and_proofs_beside_busy_writers(self):
        """Each is of a state that is captured: else nodes would differ, and rows come twice."""
        cluster = self.colony_with(("wal", "session", "wal"), APART)
        a, b, c = cluster.nodes
        stop = cluster.directory / "stop"
        writers = [app(write_and_checkpoint, node.path, low, low, cluster.directory / f"model {low}", stop)
                   for low, node in ((10_000, a), (20_000, a), (30_000, c))]
        for n in range(5):
            done = cluster.verify()
            self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
            done = colony("snapshot", a.path)
            self.assertEqual(done.returncode, 0, done.stderr)
            done = colony("repair", a.path)
            self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
            migration = cluster.directory / "migration.sql"
            migration.write_text(f"CREATE TABLE added{n}(id INTEGER PRIMARY KEY, x); INSERT INTO added{n} VALUES(1, 2);"
                                 "UPDATE blobs SET body = zeroblob(10) WHERE id = 2;")
            done = colony("migrate", c.path, migration)
            self.assertEqual(done.returncode, 0, done.stderr)
        d = Node(cluster, "d")
        d.capture = "wal"
        self.addCleanup(d.kill)
        d.launch_sidecar(more=["--cluster", cluster.name, "--node", "d"])
        until(d.path.exists, lambda: f"d joins: {d.said()}")
        cluster.nodes.append(d)
        d.await_state("running")
        stop.write_text("")
        finished(writers)
        cluster.assert_equal()
        for node in cluster.nodes:
            self.assertEqual(node.status()["conflicts"], 0)
        done = colony("leave", c.path)
        self.assertEqual(done.returncode, 0, done.stderr)

    def test_wal_after_a_clean_stop_it_goes_on_at_the_mark(self):
        cluster = self.colony_with(("wal", "session"))
        a, b = cluster.nodes
        a.sql("INSERT INTO items VALUES(1000, 'a', 1)")
        b.sql("INSERT INTO items VALUES(2000, 'b', 1)")
        cluster.settle()
        a.stop()
        done = colony("snapshot", a.path, "--nats", cluster.broker.url)
        self.assertEqual(done.returncode, 0, done.stderr)
        said = len(a.said())
        a.start()
        self.assertNotIn("does not tell", a.said()[said:])
        a.stop()
        # Beside a program that stays, too.
        with plain(a.path) as db:
            db.execute("INSERT INTO items VALUES(1001, 'a', 1)")
            db.execute("DELETE FROM items WHERE id = 5")
            a.init("--capture", "session", "--yes")
        self.assertEqual(a.status()["pending"], 2)
        a.capture = "session"
        a.start()
        cluster.assert_equal()
        self.assertEqual(b.query("SELECT id FROM items WHERE id IN (5, 1001)"), [(1001,)])
