"""Everything at once: four apps that write what they please, and processes that are
killed and frozen at random. $COLONY_SEED repeats a run's choices (not its timing),
$COLONY_CHAOS_S makes it longer."""

import contextlib
import os
import random
import signal
import sqlite3
import time

from colony_cluster import ColonyTest, connect
from processes import app, until

SCHEMA = """
CREATE TABLE users(id INTEGER PRIMARY KEY, name TEXT UNIQUE, mail TEXT, age INTEGER CHECK(age < 100000), bio BLOB);
CREATE UNIQUE INDEX by_mail ON users(lower(mail)) WHERE age > 10;
CREATE TABLE groups(a TEXT, b INTEGER, title TEXT COLLATE NOCASE UNIQUE, n REAL, PRIMARY KEY(a, b)) WITHOUT ROWID;
CREATE TABLE members(id TEXT PRIMARY KEY, user INTEGER REFERENCES users(id) ON DELETE CASCADE ON UPDATE CASCADE,
  a TEXT, b INTEGER, since, label TEXT AS (a || b) STORED,
  FOREIGN KEY(a, b) REFERENCES groups(a, b) ON DELETE SET NULL);
CREATE TABLE audit(id TEXT PRIMARY KEY DEFAULT(hex(randomblob(12))), what TEXT) WITHOUT ROWID;
CREATE TABLE own(node TEXT, n INTEGER, PRIMARY KEY(node, n));
CREATE TRIGGER users_audit AFTER UPDATE ON users BEGIN INSERT INTO audit(what) VALUES('user ' || new.id); END;
CREATE TRIGGER groups_audit AFTER DELETE ON groups BEGIN INSERT INTO audit(what) VALUES('group ' || old.a); END;
"""


def statement(dice):
    user, other = dice.randrange(40), dice.randrange(40)
    a, b = dice.choice("xyz"), dice.randrange(5)
    name, mail = f"name {dice.randrange(30)}", f"{dice.choice('mM')}{dice.randrange(20)}@x"
    verb = dice.choice(["INSERT", "INSERT OR REPLACE", "INSERT OR IGNORE", "INSERT OR FAIL", "REPLACE"])
    return dice.choice([
        f"{verb} INTO users VALUES({user}, '{name}', '{mail}', {dice.randrange(30)}, randomblob({dice.randrange(50)}))",
        f"UPDATE users SET age = age + 1 WHERE id = {user}",
        f"UPDATE users SET bio = randomblob(10) WHERE id = {user}",
        f"UPDATE OR REPLACE users SET name = '{name}' WHERE id = {user}",
        f"UPDATE OR IGNORE users SET mail = '{mail}', age = 11 WHERE id = {user}",
        f"UPDATE OR REPLACE users SET id = {other} WHERE id = {user}",
        f"DELETE FROM users WHERE id = {user}",
        f"DELETE FROM users WHERE id % 7 = {user % 7}",
        f"INSERT INTO users(id, name) VALUES({user}, '{name}') ON CONFLICT(id) DO UPDATE SET name = NULL",
        f"{verb} INTO groups VALUES('{a}', {b}, '{dice.choice('TtUu')}{dice.randrange(9)}', {dice.random()})",
        f"UPDATE OR REPLACE groups SET b = {b} WHERE a = '{a}' AND b = {dice.randrange(5)}",
        f"UPDATE groups SET n = n * -1.5 WHERE a = '{a}'",
        f"DELETE FROM groups WHERE a = '{a}' AND b = {b}",
        f"{verb} INTO members(id, user, a, b, since) SELECT '{user}', id, '{a}', {b}, 1 FROM users WHERE id = {other}",
        f"UPDATE members SET since = {dice.choice(['NULL', '1', '1.0', '0.1', repr(name)])} WHERE user < {user}",
        "DELETE FROM members WHERE since IS NULL",
        f"DELETE FROM {dice.choice(['members', 'groups'])}" if dice.random() < 0.05 else "SELECT 1",
    ])


def write(path, node, seed, stop_file):
    dice = random.Random(f"{seed} {node}")
    db = None
    number = None
    while not stop_file.exists():
        if db is None or dice.random() < 0.01:
            db = connect(path, timeout=30)
            db.execute(f"PRAGMA foreign_keys = {dice.choice(['ON', 'OFF'])}")
            db.execute("PRAGMA synchronous = NORMAL")
            number = db.execute("SELECT coalesce(max(n), 0) FROM own WHERE node = ?", (node,)).fetchone()[0]
        kind = dice.random()
        try:
            if kind < 0.5:
                db.execute(statement(dice))
            elif kind < 0.95:
                db.execute("BEGIN IMMEDIATE")
                db.execute("INSERT INTO own VALUES(?, ?)", (node, number + 1))
                for _ in range(dice.randrange(8)):
                    if dice.random() < 0.2:
                        db.execute("SAVEPOINT s")
                    with contextlib.suppress(sqlite3.IntegrityError):
                        db.execute(statement(dice))
                    if dice.random() < 0.1:
                        with contextlib.suppress(sqlite3.OperationalError):
                            db.execute("ROLLBACK TO s")
                if dice.random() < 0.8:
                    db.execute("COMMIT")
                    number += 1
                else:
                    db.execute("ROLLBACK")
            elif kind < 0.97:
                big = dice.randrange(50, 400)
                db.execute("UPDATE users SET bio = randomblob(?) WHERE id % 3 = ?", (big * 100, big % 3))
            else:
                time.sleep(dice.random() * 0.05)
        except sqlite3.IntegrityError:
            if db.in_transaction:
                db.execute("ROLLBACK")
        except sqlite3.OperationalError as error:
            if "locked" not in str(error):
                raise
            if db.in_transaction:
                db.execute("ROLLBACK")
        time.sleep(dice.random() * 0.004)


class Chaos(ColonyTest):
    def test_chaos(self):
        seed = os.environ.get("COLONY_SEED") or str(random.SystemRandom().randrange(10**6))
        seconds = float(os.environ.get("COLONY_CHAOS_S", "12"))
        print(f"NOTE COLONY_SEED={seed}")
        dice = random.Random(seed)
        cluster = self.running(SCHEMA, broker_config=dice.choice(["", "max_payload: 64KB\n"]))
        stop = cluster.directory / "stop"

        def start(node):
            return app(write, node.path, node.name, f"{seed} {dice.random()}", stop)
        apps = {node: start(node) for node in cluster.nodes}
        end = time.monotonic() + seconds
        done = dict.fromkeys(("sidecar", "app", "away", "frozen", "broker", "hung"), 0)
        while time.monotonic() < end:
            what, node = dice.choice(list(done)), dice.choice(cluster.nodes)
            done[what] += 1
            pause = dice.random() * 0.6
            if what == "sidecar":
                node.restart()
            elif what == "app":
                self.assertIsNone(apps[node].exitcode, f"the app on {node.name}")
                apps[node].kill()
                apps[node].join()
                apps[node] = start(node)
            elif what == "away":
                node.kill()
                time.sleep(pause * 2)
                node.launch_sidecar()
            elif what == "broker":
                cluster.broker.kill()
                time.sleep(pause)
                cluster.broker.start()
            else:
                victim = node if what == "frozen" else cluster.broker
                os.kill(victim.pid, signal.SIGSTOP)
                time.sleep(pause)
                os.kill(victim.pid, signal.SIGCONT)
            time.sleep(dice.random() * 0.3)
        stop.touch()
        for node, process in apps.items():
            process.join(60)
            self.assertEqual(process.exitcode, 0, f"the app on {node.name}")
        for node in cluster.nodes:
            until(lambda: node.runs() and node.status()["state"] == "running", lambda: f"{node.name}: {node.status()}")
        rows = cluster.assert_equal(timeout=60)
        for node in cluster.nodes:
            self.assertEqual(node.query("PRAGMA integrity_check"), [("ok",)])
            numbers = [n for (n,) in node.query("SELECT n FROM own WHERE node = ? ORDER BY n", node.name)]
            self.assertEqual(numbers, list(range(1, len(numbers) + 1)), f"of {node.name}: nothing lost, nothing twice")
        print(f"NOTE {done}; log of {cluster.nodes[0].status()['position']} entries, "
              f"{len(rows['own'])} own rows, {len(rows['(conflicts)'])} conflicts")
