"""What every cell of the crash matrix is made of: a colony on a shared broker, apps that
write crossing updates and keep account of them, and the question whether all is there.

Every transaction of an app has a row in `ledger`, and raises its node's counter by one.
The app notes it in a file of its own as soon as it was told that it is committed.
"""

import contextlib
import os
import random
import signal
import sqlite3
import time

import jetstream
from colony_cluster import Cluster, Node, allow_guarded, connect, differences
from processes import COLONY, app, run, until

SCHEMA = """
CREATE TABLE ledger(node TEXT, n INTEGER, PRIMARY KEY(node, n)) WITHOUT ROWID;
CREATE TABLE counters(node TEXT PRIMARY KEY, value INTEGER NOT NULL);
CREATE TABLE shared(id INTEGER PRIMARY KEY, x TEXT, y TEXT, code INTEGER UNIQUE);
CREATE TABLE large(id INTEGER PRIMARY KEY, body BLOB);
INSERT INTO counters VALUES('a', 0), ('b', 0), ('c', 0), ('d', 0), ('e', 0);
INSERT INTO shared(id, code) VALUES(1, 1), (2, 2), (3, 3), (4, 4);
WITH RECURSIVE n(i) AS (VALUES(1) UNION ALL SELECT i + 1 FROM n WHERE i < 700)
INSERT INTO large SELECT i, zeroblob(3000) FROM n;
"""
PATIENCE_S = 40
DIED = -signal.SIGKILL


class SharedBroker:
    """Of whoever runs the matrix: it is not this cell's to start or end."""

    def __init__(self, port):
        self.port = port
        self.url = f"nats://127.0.0.1:{port}"

    def client(self, timeout=10):
        return jetstream.Client(self.port, timeout)

    def kill(self):
        pass


def crash_at(step, passing):
    return {**os.environ, "COLONY_CRASH_STEP": f"{step}:{passing}"}


def one_transaction(db, name, number, dice, is_large):
    """The app's, with all that capture has to follow; an attempt that is rolled back first."""
    one, other = dice.sample((1, 2, 3, 4), 2)
    db.execute("BEGIN IMMEDIATE")
    db.execute("UPDATE shared SET y = 'taken back' WHERE id = ?", (one,))
    db.execute("ROLLBACK")
    db.execute("BEGIN IMMEDIATE")
    db.execute("INSERT INTO ledger VALUES(?, ?)", (name, number))
    db.execute("UPDATE counters SET value = value + 1 WHERE node = ?", (name,))
    db.execute("SAVEPOINT outer_one")
    db.execute(f"UPDATE shared SET {dice.choice('xy')} = ? WHERE id = ?", (f"{name} {number}", one))
    db.execute("SAVEPOINT inner_one")
    db.execute("DELETE FROM shared WHERE id = ?", (other,))
    db.execute("ROLLBACK TO inner_one")
    db.execute("RELEASE outer_one")
    if number % 3 == 0:
        db.execute("INSERT OR REPLACE INTO shared(id, x, code) VALUES(?, ?, ?)", (other, name, dice.randrange(4)))
    if is_large:
        db.execute("UPDATE large SET body = randomblob(3000)")
    db.execute("COMMIT")


def write(path, name, told, stop, crash="", is_large=False):
    """An app: until the file `stop` is there, or it is killed at the step `crash`."""
    if crash:
        os.environ["COLONY_CRASH_STEP"] = crash
    dice = random.Random(f"{name} {crash}")
    with contextlib.closing(connect(path, timeout=30)) as db, open(told, "a") as account:
        number = db.execute("SELECT coalesce(max(n), 0) FROM ledger WHERE node = ?", (name,)).fetchone()[0]
        while not stop.exists():
            number += 1
            tell_of(db, account, name, number, dice, is_large)


def write_plainly(path, name, told, stop, checkpoints):
    """The same with an SQLite that has nothing of Colony's, for a file in wal mode. Without `checkpoints` it makes
    none."""
    dice = random.Random(name)
    with contextlib.closing(connect_plainly(path)) as db, open(told, "a") as account:
        number = db.execute("SELECT coalesce(max(n), 0) FROM ledger WHERE node = ?", (name,)).fetchone()[0]
        if not checkpoints:
            db.execute("PRAGMA wal_autocheckpoint = 0")
        while not stop.exists():
            number += 1
            tell_of(db, account, name, number, dice, is_large=False)
            if checkpoints and number % 8 == 0:
                db.execute(f"PRAGMA wal_checkpoint({dice.choice(checkpoints)})").fetchall()


def tell_of(db, account, name, number, dice, is_large):
    one_transaction(db, name, number, dice, is_large)
    account.write(f"{number}\n")
    account.flush()
    time.sleep(0.004)


def connect_plainly(path):
    return sqlite3.connect(path, timeout=30, isolation_level=None)


class CrashColony:
    """A colony whose name is the cell's. Sidecars get the flags `flags`."""

    def __init__(self, port, cell, nodes="abcd", flags=()):
        self.cluster = Cluster(SCHEMA, nodes=nodes, name=cell)
        self.cluster.broker = SharedBroker(port)
        self.directory = self.cluster.directory
        self.flags = list(flags)
        self.stop_file = self.directory / "stop"
        self.apps = {}
        self.app_kills = 0  # of one app
        self.checkpoints = {}  # of the apps of files in wal mode, by node: which ones they do

    @property
    def nodes(self):
        return self.cluster.nodes

    def launch(self, node, step=None, passing=1, flags=None):
        """The sidecar; it dies at the step, if one is given."""
        prefix = ("env", f"COLONY_CRASH_STEP={step}:{passing}") if step else ()
        node.launch_sidecar(*prefix, more=self.flags if flags is None else flags)

    def start(self):
        for node in self.nodes:
            self.launch(node)
        for node in self.nodes:
            node.await_state("running")
        return self

    def capture_from_log(self, node, *checkpoints):
        """Before its first start: the file is in wal mode, and its app makes such checkpoints."""
        self.done("init", node.path, "--cluster", self.cluster.name, "--node", node.name, "--capture", "wal")
        self.checkpoints[node.name] = checkpoints

    def add(self, name):
        node = Node(self.cluster, name)
        self.nodes.append(node)
        return node

    def told(self, node):
        return self.directory / f"told.{node.name}"

    def start_app(self, node, crash="", is_large=False):
        where = (node.path, node.name, self.told(node), self.stop_file)
        if node.name in self.checkpoints:
            self.apps[node.name] = app(write_plainly, *where, self.checkpoints[node.name])
        else:
            self.apps[node.name] = app(write, *where, crash, is_large)
        return self.apps[node.name]

    def start_apps(self):
        for node in self.nodes:
            self.start_app(node)

    def stop_apps(self):
        self.stop_file.touch()
        for name, process in self.apps.items():
            process.join(PATIENCE_S)
            assert process.exitcode == 0, f"the app on {name} ended with {process.exitcode}"
        self.apps.clear()

    def await_death(self, node):
        until(lambda: not node.runs(), lambda: f"the step is reached: {node.status()} {node.said()[-600:]}", PATIENCE_S)
        assert node.process.returncode == DIED, f"{node.name} ended with {node.process.returncode}: {node.said()[-600:]}"

    def await_backlog(self, node, count=4):
        """Until its app has written and the others have, while its sidecar is away."""
        is_plain = node.name in self.checkpoints  # then what it writes waits in the log
        others = [other for other in self.nodes if is_plain or other is not node]

        def written():
            return [other.one("SELECT count(*) FROM ledger WHERE node = ?", other.name) for other in others]
        before = written()
        until(lambda: (is_plain or node.one("SELECT count(*) FROM __colony_outbox") >= count)
              and all(now >= then + count for then, now in zip(before, written())), "apps have written", PATIENCE_S)

    def command(self, *words, step=None, passing=1):
        """A command of Colony's that dies at the step, or one that does not."""
        if step is None:
            return run(COLONY, *words)
        done = run(COLONY, *words, env=crash_at(step, passing))
        assert done.returncode == DIED, f"not reached: {words} ended with {done.returncode}: {done.stdout}{done.stderr}"
        return done

    def done(self, *words):
        done = self.command(*words)
        assert done.returncode == 0, f"{words} gives {done.returncode}: {done.stderr}"
        return done.stdout

    def whole(self, path):
        with contextlib.closing(sqlite3.connect(path, timeout=20)) as db:
            allow_guarded(db)
            found = db.execute("PRAGMA integrity_check").fetchall()
        assert found == [("ok",)], f"{path}: {found}"

    def check(self):
        """All that was committed is on every node, once; files are whole; nothing is left lying about."""
        for node in self.nodes:
            until(lambda: node.runs() and node.status()["state"] == "running",
                  lambda: f"{node.name} runs: {node.status()} {node.said()[-600:]}", PATIENCE_S)
        self.cluster.settle(PATIENCE_S)
        for node in self.nodes:
            node.content = node.dump()
            self.whole(node.path)
            left = [path.name for path in node.directory.iterdir() if path.name.startswith(".colony-")]
            assert not left, f"{node.name} has left {left}"
        first = self.nodes[0]
        for node in self.nodes[1:]:
            assert node.content == first.content, f"{first.name} and {node.name} differ:\n" + differences(first, node)
        self.check_account(first)
        return first.content

    def check_account(self, node):
        for told in sorted(self.directory.glob("told.*")):
            name = told.name.partition(".")[2]
            committed = [int(line) for line in told.read_text().split()]
            numbers = [n for (n,) in node.query("SELECT n FROM ledger WHERE node = ? ORDER BY n", name)]
            assert numbers == list(range(1, len(numbers) + 1)), f"the ledger of {name} has gaps: {numbers}"
            assert set(committed) <= set(numbers), f"of {name}, told and lost: {set(committed) - set(numbers)}"
            # Killed between the commit and the word of it; once for each time that the app was killed.
            untold = len(numbers) - len(committed)
            assert untold <= self.app_kills, f"of {name}, {untold} nobody was told of"
            counter = node.one("SELECT value FROM counters WHERE node = ?", name)
            assert counter == len(numbers), f"the counter of {name} is {counter}, its ledger has {len(numbers)}"

    def close(self):
        for process in self.apps.values():
            process.kill()
        self.cluster.close()


def plain_rows(path):
    """Of a file that must have nothing of Colony's."""
    with contextlib.closing(sqlite3.connect(path)) as db:
        left = db.execute("SELECT name FROM sqlite_schema WHERE name LIKE '\\_\\_colony%' ESCAPE '\\'").fetchall()
        assert not left, f"{path} has {left}"
        assert db.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        return [db.execute(f"SELECT * FROM {table} ORDER BY 1, 2").fetchall() for table in ("ledger", "counters", "shared")]
