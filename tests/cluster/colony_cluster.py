"""A colony of real processes: one broker, and nodes that are a file and a sidecar each.

Everything lives in a directory of its own under $TMPDIR and on a port that the kernel
chose, so that runs side by side do not meet.

$COLONY_TEST_CAPTURE says how the nodes' programs are captured: session, wal, or mixed, where it
is wal for every second node. Programs on nodes in wal mode have nothing of Colony's.
"""

import contextlib
import ctypes
import json
import os
import pathlib
import re
import shutil
import signal
import sqlite3
import tempfile
import unittest

import jetstream
from processes import COLONY, EXTENSION, NATS_SERVER, PATIENCE_S, SQLITE, Child, run, until


CAPTURE = os.environ.get("COLONY_TEST_CAPTURE", "session")


def session_only(why):
    """Of a test, or all of a class: what it is about is not there in wal mode."""
    def mark(test):
        test.session_only = why
        return test
    return mark


def capture_of_node(name):
    return CAPTURE if CAPTURE != "mixed" else "wal" if ord(name[0]) % 2 == 0 else "session"


def is_in_wal_mode(path):
    with contextlib.closing(sqlite3.connect(path, timeout=20)) as db:
        try:
            return db.execute("SELECT 1 FROM __colony_meta WHERE key = 'capture' AND value = 'wal'").fetchone() is not None
        except sqlite3.OperationalError:
            return False


def colony(*words, **more):
    return run(COLONY, *words, **more)


def connect(path, timeout=20, **more):
    """An app's connection: Python's own sqlite3 module, with the extension loaded in session mode."""
    wal = is_in_wal_mode(path)
    db = sqlite3.connect(path, timeout=timeout, isolation_level=None, **more)
    if wal:
        return db
    db.enable_load_extension(True)
    db.load_extension(EXTENSION)
    db.enable_load_extension(False)
    return db


class Broker(Child):
    def __init__(self, directory, config=""):
        self.directory = pathlib.Path(directory)
        self.directory.mkdir()
        super().__init__(self.directory / "broker.log")
        self.store = self.directory / "store"
        self.config = self.directory / "broker.conf"
        self.config.write_text(config)
        self.port = -1

    @property
    def url(self):
        return f"nats://127.0.0.1:{self.port}"

    def start(self):
        def listening():
            for file in self.directory.glob(f"*_{self.pid}.ports"):
                with contextlib.suppress(ValueError, KeyError, IndexError):
                    self.port = int(json.loads(file.read_text())["nats"][0].rpartition(":")[2])
                    return True
            if not self.runs():
                raise AssertionError("nats-server ended at once: " + self.said())
            return False
        self.launch([NATS_SERVER, "-c", self.config, "-a", "127.0.0.1", "-p", self.port, "-js", "-sd", self.store,
                     "--ports_file_dir", self.directory])
        until(listening, "the broker listens")

    def stop(self):
        self.end(signal.SIGINT)

    def client(self, timeout=10):
        return jetstream.Client(self.port, timeout)


class Node(Child):
    def __init__(self, cluster, name, file=None):
        self.cluster, self.name = cluster, name
        self.directory = cluster.directory / name
        self.directory.mkdir()
        super().__init__(self.directory / "sidecar.log")
        self.path = self.directory / "app.db" if file is None else pathlib.Path(file)
        self.capture = capture_of_node(name)

    # The sidecar.
    def with_capture(self, more):
        return more if "--capture" in more or self.capture == "session" else [*more, "--capture", self.capture]

    def init(self, *more):
        more = self.with_capture(more)
        done = colony("init", self.path, "--cluster", self.cluster.name, "--node", self.name, *more)
        if done.returncode != 0:
            raise AssertionError(f"init of {self.name}: {done.stderr}")
        return done.stdout

    def launch_sidecar(self, *prefix, url=None, more=()):
        self.launched_with = {"url": url, "more": more}
        more = self.with_capture(more) if "--cluster" in more else more
        self.launch([*prefix, COLONY, "run", self.path, "--nats", url or self.cluster.broker.url, *more])

    def start(self):
        self.launch_sidecar()
        self.await_state("running")

    def stop(self):
        code = self.end(signal.SIGTERM)
        if code != 0:
            raise AssertionError(f"sidecar of {self.name} ended with {code}: {self.said()[-2000:]}")

    def restart(self):
        self.kill()
        self.launch_sidecar()

    # The commands.
    def status(self):
        done = colony("status", self.path, "--json")
        if done.returncode not in (0, 1):
            raise AssertionError(f"status of {self.name}: {done.stderr}")
        status = json.loads(done.stdout)
        if status["well"] != (done.returncode == 0):
            raise AssertionError(f"status of {self.name} gives {done.returncode}: {done.stdout}")
        return status

    def await_state(self, state, timeout=PATIENCE_S):
        latest = {}

        def reached():
            latest.update(self.status())
            return latest["state"] == state and latest
        return until(reached, lambda: f"{self.name} is {state}: {latest}", timeout, every=0.02)

    def halted(self, *words, timeout=PATIENCE_S):
        """Waits until it has halted for a reason in which all of `words` stand; gives the line
        that says it. A node that has halted looks again every few seconds."""
        latest = {}

        def says_so():
            latest.update(self.status())
            return latest["state"] == "halted" and all(word in latest["error"] for word in words) and latest["error"]
        return until(says_so, lambda: f"{self.name} has halted and says {words}: {latest}", timeout, every=0.02)

    def await_said(self, *words, timeout=PATIENCE_S):
        """Until its log has all of `words`: it tells the status first, and then the log."""
        until(lambda: all(word in self.said() for word in words),
              lambda: f"{self.name} says {words}: {self.said()[-2000:]}", timeout, every=0.02)

    def await_status(self, timeout=PATIENCE_S, **wanted):
        """Until its status has these values: what it counts and tells comes after what it commits."""
        latest = {}

        def reached():
            latest.update(self.status())
            return all(latest[key] == value for key, value in wanted.items()) and latest
        return until(reached, lambda: f"{self.name} tells {wanted}: {latest}", timeout, every=0.02)

    def wait(self, timeout=PATIENCE_S):
        done = colony("wait", self.path, "--timeout", timeout, timeout=timeout + 20)
        if done.returncode != 0:
            raise AssertionError(f"wait of {self.name} gives {done.returncode}: {done.stderr}")

    def conflicts(self):
        return json.loads(colony("conflicts", self.path, "--json").stdout)

    # The app.
    def shell(self, sql, *more, extension=True):
        words = [SQLITE, "-init", "/dev/null", "-batch", "-bail", "-cmd", ".timeout 20000"]
        words += ["-cmd", f".load {EXTENSION}"] if extension and not is_in_wal_mode(self.path) else []
        return run(*words, *more, self.path, input=sql)

    def sql(self, sql):
        """Runs SQL in a shell with what the node's mode needs; fails if that fails. Gives the output."""
        done = self.shell(sql)
        if done.returncode != 0 or done.stderr:
            raise AssertionError(f"sqlite3 on {self.name}: {done.stderr}\n{sql[:500]}")
        return done.stdout.strip()

    def migrate(self, sql):
        """The same, of changes of the schema that the extension would refuse."""
        return self.sql(("" if is_in_wal_mode(self.path) else "SELECT colony_allow_schema_changes(); ") + sql)

    def connect(self, **more):
        return connect(self.path, **more)

    def query(self, sql, *values):
        """Reads without the extension, as any program may; checks of integrity need its function."""
        with contextlib.closing(sqlite3.connect(self.path, timeout=20)) as db:
            allow_guarded(db)
            return db.execute(sql, values).fetchall()

    def one(self, sql, *values):
        return self.query(sql, *values)[0][0]

    def dump(self):
        """Every replicated table's rows, and the journal of conflicts, as bytes."""
        with contextlib.closing(sqlite3.connect(self.path, timeout=20)) as db:
            db.execute("BEGIN")
            tables = [row[0] for row in db.execute("SELECT name FROM __colony_tables ORDER BY name")]
            db.text_factory = lambda text: b"text:" + text
            dump = {}
            for table in tables:
                quoted = '"' + table.replace('"', '""') + '"'
                dump[table] = sorted(map(repr, db.execute(f"SELECT * FROM {quoted}")))
            dump["(conflicts)"] = list(map(repr, db.execute(
                "SELECT * FROM __colony_conflicts WHERE sequence > 0 ORDER BY sequence, origin, piece, n")))
            return dump


def allow_guarded(db):
    """What PRAGMA integrity_check and VACUUM need on a connection without the extension."""
    db.create_function("this_connection_must_load_colony_so", 0, lambda: 0, deterministic=True)


def behind_its_back(node, *statements):
    """Writes without capture: in session mode while no sidecar watches, in wal mode like a transaction of
    another process of Colony's."""
    if is_in_wal_mode(node.path):
        past_the_guards(node, *statements)
        return
    runs = node.runs()
    if runs:
        node.stop()
    past_the_guards(node, *statements)
    if runs:
        node.launch_sidecar(**node.launched_with)


def past_the_guards(node, *statements):
    """Writes without capture: the guards are taken away for the time of it."""
    wal = is_in_wal_mode(node.path)
    with contextlib.closing(sqlite3.connect(node.path, timeout=20, isolation_level=None)) as db:
        db.execute("BEGIN IMMEDIATE")
        guards = db.execute("SELECT type, name, sql FROM sqlite_schema WHERE type IN ('trigger', 'index') AND "
                            "name LIKE '!_!_colony!_%' ESCAPE '!' AND sql IS NOT NULL").fetchall()
        for kind, name, sql in guards:
            if kind == "trigger":
                db.execute(f'DROP TRIGGER "{name}"')
            for function in re.findall(r"(\w+)\(\)", sql) if kind == "index" else []:
                db.create_function(function, 0, lambda: 0, deterministic=True)
        for statement in statements:
            db.execute(statement)
        for kind, _, sql in guards:
            if kind == "trigger":
                db.execute(sql)
        if wal:
            mark = db.execute("SELECT value FROM __colony_meta WHERE key = 'wal_mark'").fetchone()[0].decode().split()
            mark = [f"{int(mark[0], 16) + 1000:x}", *mark[1:]]
            db.execute("UPDATE __colony_meta SET value = ? WHERE key = 'wal_mark'", (" ".join(mark).encode(),))
        db.execute("COMMIT")


def differences(left, right, limit=12):
    """Lines that say in which rows two dumps differ."""
    lines = []
    for table in sorted(set(left.content) | set(right.content)):
        for here, there in ((left, right), (right, left)):
            others = set(there.content.get(table, []))
            lines += [f"  {table}: only on {here.name}: {row[:300]}"
                      for row in here.content.get(table, []) if row not in others]
    return "\n".join(lines[:limit] + ([f"  and {len(lines) - limit} more"] if len(lines) > limit else []))


class Cluster:
    """A broker and nodes whose files all began with the same schema and rows."""

    def __init__(self, schema, nodes="abcd", name="c", broker_config="", init=()):
        self.directory = pathlib.Path(tempfile.mkdtemp(prefix="colony-"))
        self.name = name
        self.broker = Broker(self.directory / "broker", broker_config)
        seed = self.directory / "seed.db"
        with contextlib.closing(sqlite3.connect(seed)) as db:
            db.executescript(schema)
        self.nodes = [self.add(node, seed, *init) for node in nodes]

    def add(self, name, seed, *init):
        node = Node(self, name)
        shutil.copy(seed, node.path)
        node.init(*init)
        return node

    def start(self):
        self.broker.start()
        for node in self.nodes:
            node.launch_sidecar()
        for node in self.nodes:
            node.await_state("running")
        return self

    def close(self):
        for node in self.nodes:
            node.kill()
        self.broker.kill()

    def settle(self, timeout=PATIENCE_S):
        """Until all that was committed has reached every node. Writers have ended."""
        for _ in range(2):  # the log is complete after the first round, and read after the second
            for node in self.nodes:
                node.wait(timeout)

    def unaware(self, *writes):
        """Each (node, sql) is committed before its node has seen any of the others', and
        they come into the log in this order: a sidecar that is stopped ships later."""
        self.settle()
        nodes = {node.name: node for node in self.nodes}
        writers = [nodes[name] for name in dict(writes)]
        for node in writers:
            node.stop()
        for name, sql in writes:
            nodes[name].sql(sql)
        for node in writers:
            node.start()
            node.wait()
        return self.assert_equal()

    def conflict_kinds(self):
        return [(conflict["kind"], conflict["table"], conflict["lost"]) for conflict in self.nodes[0].conflicts()]

    def verify(self, *more, timeout=30):
        return colony("verify", self.nodes[0].path, "--timeout", timeout, *more)

    def assert_equal(self, timeout=PATIENCE_S):
        """All nodes have the same rows, which `colony verify` finds too. Gives them."""
        self.settle(timeout)
        for node in self.nodes:
            node.content = node.dump()
        for node in self.nodes[1:]:
            if node.content != self.nodes[0].content:
                raise AssertionError(f"{self.nodes[0].name} and {node.name} differ:\n"
                                     + differences(self.nodes[0], node))
        done = self.verify()
        if done.returncode != 0:
            raise AssertionError(f"verify gives {done.returncode}: {done.stdout}{done.stderr}")
        return self.nodes[0].content


class ColonyTest(unittest.TestCase):
    maxDiff = 4000

    def cluster(self, schema, **more):
        """Not yet started. Its end is the test's; the runner removes what it leaves."""
        cluster = Cluster(schema, **more)
        if "COLONY_TEST_RUNNER" not in os.environ:
            self.addCleanup(shutil.rmtree, cluster.directory, ignore_errors=True)
        self.addCleanup(cluster.close)
        return cluster

    def running(self, schema, **more):
        return self.cluster(schema, **more).start()

    def cannot_run_here(self, why):
        print(f"SKIP {why}")
        self.skipTest(why)

    def in_a_mount_namespace(self):
        """What this process mounts from here on ends with it, and nobody else sees it."""
        if os.getuid() != 0 or ctypes.CDLL(None).unshare(0x20000) != 0:  # CLONE_NEWNS
            self.cannot_run_here("it takes the right to mount")
        if run("mount", "--make-rprivate", "/").returncode != 0:
            self.cannot_run_here("what is mounted here might show elsewhere")

    def halt_and_say(self, nodes, *words):
        """All halt and say why; their apps go on, and nothing of theirs is shipped."""
        for node in nodes:
            why = node.halted(*words)
            self.assertEqual(len(why.splitlines()), 1)

    def refused(self, done, *words):
        """Exit code 2 and exactly one line on stderr, in which all of `words` stand."""
        self.assertEqual(done.returncode, 2, done.stdout + done.stderr)
        self.assertEqual(len(done.stderr.splitlines()), 1, done.stderr)
        for word in words:
            self.assertIn(word, done.stderr)
