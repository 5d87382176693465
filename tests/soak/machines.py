"""The machines of a soak: servers, and nodes with a sidecar, apps, a reader and a clock."""

import contextlib
import json
import os
import pathlib
import shutil
import signal
import sqlite3
import struct
import sys

import entries
from processes import BIN, COLONY, EXTENSION, NATS_SERVER, Child, run, until

HERE = pathlib.Path(__file__).resolve().parent
CLUSTER = "soak"
STREAM = f"COLONY_{CLUSTER}"
APPS = (("shell", "python"), ("python", "cpp"), ("cpp", "shell"), ("python", "shell"))


class Server(Child):
    def __init__(self, directory, name, host, network):
        self.name, self.host = name, host
        self.directory = directory / name
        self.directory.mkdir()
        super().__init__(self.directory / "server.log")
        self.port, self.route_port = network.port(4222), network.port(6222)

    @property
    def url(self):
        return f"nats://{self.host.address}:{self.port}"

    def configure(self, servers):
        routes = ", ".join(f"nats://{server.host.address}:{server.route_port}" for server in servers)
        (self.directory / "server.conf").write_text(f"""
            server_name: {self.name}
            listen: "{self.host.address}:{self.port}"
            jetstream {{ store_dir: "{self.directory}/store" }}
            cluster {{ name: soak, listen: "{self.host.address}:{self.route_port}", routes: [{routes}] }}
            """)

    def start(self):
        self.launch([*self.host.prefix, NATS_SERVER, "-c", self.directory / "server.conf"])

    def client(self, timeout=2):
        return entries.LogClient(self.port, timeout, self.host.address)


class Clock:
    """What tests/soak/clock.cpp adds to the machine's clock for the programs that have it."""

    def __init__(self, path):
        self.path = path
        path.write_bytes(bytes(8))
        library = BIN / "soak_clock.so"
        self.environment = {"LD_PRELOAD": str(library), "SOAK_CLOCK": str(path)} if library.exists() else {}

    def turn(self, seconds):
        """Forward, or back if it is negative."""
        with open(self.path, "r+b") as file:
            offset = struct.unpack("<q", file.read())[0]
            file.seek(0)
            file.write(struct.pack("<q", offset + int(seconds * 10**9)))


class App(Child):
    """One app on one node; `kind` says in which language."""

    def __init__(self, node, number, kind, seed, per_second):
        self.node, self.kind, self.name = node, kind, f"{node.name}{number}"
        super().__init__(node.directory / f"app {self.name}.log")
        self.journal = node.directory / f"journal {self.name}"
        self.journal.touch()
        self.seed, self.per_second, self.starts = seed, per_second, 0

    def start(self):
        self.starts += 1
        program = {"shell": [HERE / "app.sh"], "python": [sys.executable, HERE / "app.py"], "cpp": [BIN / "soak_app"]}
        self.launch([*self.node.host.prefix, *program[self.kind], self.node.path, EXTENSION, self.node.record,
                     HERE / "operations.sql", self.journal, self.name, f"{self.seed} {self.name} {self.starts}",
                     self.per_second], env=dict(os.environ, **self.node.clock.environment), start_new_session=True)

    def signal_all(self, number):
        """To the app and to what it has started, as to one program."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.pid, number)

    def kill_all(self):
        if self.process is not None:
            self.signal_all(signal.SIGKILL)
            self.process.wait(20)


class Reader(Child):
    def __init__(self, node):
        self.node = node
        super().__init__(node.directory / "reader.log")
        self.report = node.directory / "reads"

    def start(self):
        self.launch([*self.node.host.prefix, sys.executable, HERE / "reader.py", self.node.path, self.report])

    def looked(self):
        return sum(map(int, self.report.read_text().split())) if self.report.exists() else 0


class Node(Child):
    def __init__(self, directory, name, host, seed_database):
        self.name, self.host = name, host
        self.directory = directory / name
        self.directory.mkdir()
        super().__init__(self.directory / "sidecar.log")
        self.path, self.record = self.directory / "app.db", directory / "record.sql"
        self.clock = Clock(self.directory / "clock")
        shutil.copy(seed_database, self.path)
        done = self.colony("init", "--cluster", CLUSTER, "--node", name)
        if done.returncode != 0:
            raise AssertionError(f"init of {name}: {done.stderr}")

    def colony(self, command, *more, timeout=60):
        return run(*self.host.prefix, COLONY, command, self.path, *more, timeout=timeout)

    def start(self):
        self.launch([*self.host.prefix, COLONY, "run", self.path, "--nats", self.urls, "--replicas", "3"],
                    env=dict(os.environ, **self.clock.environment))

    def status(self):
        done = self.colony("status", "--json")
        return json.loads(done.stdout) if done.returncode in (0, 1) else {"state": "?", "error": done.stderr.strip()}

    @staticmethod
    def _in_order(db, table):
        key = [f'"{name}"' for name, in db.execute(
            "SELECT name FROM pragma_table_info(?) WHERE pk > 0 ORDER BY pk", (table,))]
        return db.execute(f'SELECT * FROM "{table}" ORDER BY {", ".join(key)}').fetchall()

    def dump(self):
        """Table -> rows, by their key; `(conflicts)` -> the settled lines of the journal."""
        with contextlib.closing(sqlite3.connect(self.path, timeout=30)) as db:
            db.create_function("this_connection_must_load_colony_so", 0, lambda: 0, deterministic=True)
            db.execute("BEGIN")
            tables = [name for name, in db.execute("SELECT name FROM __colony_tables ORDER BY name")]
            dump = {table: self._in_order(db, table) for table in tables}
            dump["(conflicts)"] = db.execute(
                "SELECT sequence, origin, piece, n, kind, table_name, key, lost FROM __colony_conflicts "
                "WHERE sequence > 0 ORDER BY sequence, origin, piece, n").fetchall()
            dump["(integrity)"] = db.execute("PRAGMA integrity_check").fetchall()
            return dump


def write_recorder(database, path):
    """SQL by which an app records in a temporary table what its transaction changes."""
    lines = ["CREATE TEMP TABLE record(change TEXT);",
             "CREATE TEMP VIEW recorded AS SELECT json_group_array(json(change)) AS changes FROM record;"]
    with contextlib.closing(sqlite3.connect(database)) as db:
        for table, in db.execute("SELECT name FROM sqlite_schema WHERE type = 'table'"):
            columns = [name for name, in db.execute("SELECT name FROM pragma_table_info(?) ORDER BY cid", (table,))]
            rows = {row: f"json_array({', '.join(f'quote({row}.{column})' for column in columns)})"
                    for row in ("old", "new")}
            for event in ("INSERT", "UPDATE", "DELETE"):
                old = "NULL" if event == "INSERT" else rows["old"]
                new = "NULL" if event == "DELETE" else rows["new"]
                lines.append(f"CREATE TEMP TRIGGER record_{event}_{table} AFTER {event} ON main.{table} BEGIN INSERT "
                             f"INTO record VALUES(json_array('{table}', {old}, {new})); END;")
    path.write_text("\n".join(lines) + "\n")


class Colony:
    """All machines of a run, under one directory."""

    def __init__(self, directory, network, names, seed, per_second):
        self.directory = directory
        self.servers = [Server(directory, name, network.host(name), network) for name in ("s1", "s2", "s3")]
        for server in self.servers:
            server.configure(self.servers)
        self.seed_database = directory / "seed.db"
        with contextlib.closing(sqlite3.connect(self.seed_database)) as db:
            db.executescript((HERE / "schema.sql").read_text())
        write_recorder(self.seed_database, directory / "record.sql")
        self.nodes = [Node(directory, name, network.host(name), self.seed_database) for name in names]
        urls = [server.url for server in self.servers]
        for n, node in enumerate(self.nodes):
            # Each begins with another server, as nodes beside different servers do.
            node.urls = ",".join(urls[n % 3:] + urls[:n % 3])
        self.apps = [App(node, number, kind, seed, per_second) for n, node in enumerate(self.nodes)
                     for number, kind in enumerate(APPS[n % len(APPS)], 1)]
        self.readers = [Reader(node) for node in self.nodes]

    def start(self):
        for server in self.servers:
            server.start()
        until(lambda: self.ask("INFO"), "the servers agree on a leader")
        for node in self.nodes:
            node.start()
        for node in self.nodes:
            until(lambda: node.status()["state"] == "running", lambda: f"{node.name} runs: {node.status()}", every=0.1)

    def close(self):
        for child in self.readers + self.nodes + self.servers:
            if child.runs():
                child.kill()
        for app in self.apps:
            app.kill_all()

    def ask(self, what, **question):
        """The first server's answer, or None."""
        for server in self.servers:
            if server.runs():
                with contextlib.suppress(OSError, LookupError, ValueError):
                    with server.client(timeout=1) as client:
                        return client.api(what, **question)
        return None

    def ailing(self):
        """Why the log's servers are not all well; empty if they are."""
        info = self.ask(f"STREAM.INFO.{STREAM}")
        if info is None:
            return "no server answers"
        cluster = info["cluster"]
        if not cluster.get("leader"):
            return "the log has no leader"
        replicas = cluster.get("replicas") or []
        behind = [peer["name"] for peer in replicas if not peer.get("current") or peer.get("offline")]
        return f"behind: {', '.join(behind)}" if behind or len(replicas) != 2 else ""

    def log_end(self):
        return until(lambda: self.ask(f"STREAM.INFO.{STREAM}"), "a server answers", every=0.2)["state"]["last_seq"]

    def messages(self, first, last):
        """The log's, from whichever server answers; goes on with another where one fails."""
        for attempt in range(10):
            server = self.servers[attempt % 3]
            try:
                with server.client(timeout=20) as client:
                    for message in client.messages(STREAM, first, last):
                        yield message
                        first = message[0] + 1
                return
            except (OSError, LookupError, ValueError) as error:
                latest = error
        raise AssertionError(f"the log cannot be read: {latest}")
