"""What is loaded: brokers, sidecars and services on this machine, in a directory of their own.

Every process is a child that the kernel ends when this one ends, however that comes
about; each is ended by its pid.
"""

import contextlib
import ctypes
import os
import pathlib
import re
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import tempfile

TOP = pathlib.Path(__file__).resolve().parents[2]
sys.path[:0] = [str(TOP / "tests"), str(TOP / "tests/cluster")]

from colony_cluster import Broker, Cluster, Node, colony  # noqa: E402
from processes import BIN, EXTENSION, Child, until  # noqa: E402

METAD = str(BIN / "metad")
COLONY_LOAD = str(BIN / "colony-load")
SCHEMA = (TOP / "deploy/demo/schema.sql").read_text()


_libc = ctypes.CDLL(None)


def die_with_parent():
    _libc.prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG


class Service(Child):
    """metad on one file."""

    def __init__(self, path, options, extension=EXTENSION, number=1):
        self.tag = "metad" if number == 1 else f"metad {number}"
        super().__init__(f"{path}.{self.tag}.log")
        self.path, self.options, self.extension, self.port = path, options, extension, 0

    def start(self):
        self.log.unlink(missing_ok=True)
        words = [METAD, self.path, "--listen", f"127.0.0.1:{self.port}", *self.options]
        self.launch(words + (["--extension", self.extension] if self.extension else []))
        self.port = int(until(self._listening, lambda: "metad listens: " + self.said())[1])
        note_pid(self, f"{self.path}.{self.tag}.pid")
        return self

    def _listening(self):
        if not self.runs():
            raise AssertionError("metad ended at once: " + self.said())
        return re.search(r"http://127\.0\.0\.1:(\d+)\n", self.said())

    def stop(self):
        return self.end(signal.SIGTERM, timeout=60)


def note_pid(child, path):
    pathlib.Path(path).write_text(f"{child.pid}\n")


def prepared(path, options):
    """A plain file with the demo's tables and the rows that users ask for."""
    with contextlib.closing(sqlite3.connect(path)) as db:
        db.executescript(SCHEMA)
    subprocess.run([COLONY_LOAD, "--prepare", path, *dataset_words(options)], check=True)
    return path


def dataset_words(options):
    return ["--values", str(options.values), "--objects", str(options.objects)]


def free_ports(count):
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in sockets]


class Stage(Cluster):
    """Brokers, and on each node a file, a sidecar and a service."""

    def __init__(self, options, nodes):  # pylint: disable=super-init-not-called
        self.options = options
        self.directory = pathlib.Path(tempfile.mkdtemp(prefix="colony-load."))
        self.name = "load"
        self.nodes, self.services, self.brokers = [], [], []
        try:
            self._make(nodes)
        except BaseException:  # whoever asked has no stage that could remove it
            shutil.rmtree(self.directory, ignore_errors=True)
            raise

    def _make(self, nodes):
        options = self.options
        self._make_brokers()
        seed = prepared(self.directory / "seed.db", options)
        for number in range(nodes):
            name = chr(ord("a") + number) if nodes <= 26 else f"n{number}"
            node = Node(self, name)
            shutil.copy(seed, node.path)
            node.init("--capture", options.capture)
            self.nodes.append(node)
            self.services += [Service(node.path, service_words(options), extension_of(options), number)
                              for number in range(1, options.processes + 1)]
        seed.unlink()

    def _make_brokers(self):
        count = self.options.brokers
        if count == 1:
            self.brokers = [Broker(self.directory / "broker")]
        else:
            ports = free_ports(count)
            routes = ", ".join(f"nats://127.0.0.1:{port}" for port in ports)
            for number, port in enumerate(ports):
                config = (f"server_name: s{number}\n"
                          f'cluster {{ name: load, listen: "127.0.0.1:{port}", routes: [{routes}] }}\n')
                self.brokers.append(Broker(self.directory / f"broker {number}", config))
        self.broker = self.brokers[0]

    @property
    def url(self):
        return ",".join(broker.url for broker in self.brokers)

    def start(self):
        for broker in self.brokers:
            broker.start()
        for number, broker in enumerate(self.brokers):
            note_pid(broker, self.directory / f"broker {number}.pid")
        for node in self.nodes:
            self.start_sidecar(node)
        for node in self.nodes:
            node.await_state("running", timeout=120)
        for service in self.services:
            service.start()
        return self

    def start_sidecar(self, node):
        more = ["--replicas", "3"] if len(self.brokers) == 3 else []
        node.launch_sidecar(url=self.url, more=more)
        note_pid(node, f"{node.path}.sidecar.pid")

    def mend(self):
        """Starts what a phase that failed has left dead."""
        for node in self.nodes:
            if not node.runs():
                self.start_sidecar(node)
                node.await_state("running", timeout=120)
        for service in self.services:
            if not service.runs():
                service.start()

    def services_of(self, node):
        return [service for service in self.services if service.path == node.path]

    def processes(self):
        """What colony-load is to watch: name=pidfile."""
        words = []
        for number in range(len(self.brokers)):
            name = "broker" if len(self.brokers) == 1 else f"broker {number + 1}"
            words += ["--process", f"{name}={self.directory}/broker {number}.pid"]
        for node in self.nodes:
            words += ["--process", f"sidecar {node.name}={node.path}.sidecar.pid"]
        for node in self.nodes:
            for service in self.services_of(node):
                words += ["--process", f"{service.tag} {node.name}={node.path}.{service.tag}.pid"]
        return words

    def targets(self):
        ports = ["+".join(str(service.port) for service in self.services_of(node)) for node in self.nodes]
        return [word for port in ports for word in ("--node", f"127.0.0.1:{port}")]

    def files(self):
        return ",".join(str(node.path) for node in self.nodes)

    def proof(self):
        """What colony verify says when everything has arrived."""
        self.settle(timeout=300)
        done = colony("verify", self.nodes[0].path, "--timeout", 120, timeout=150)
        return {"exit_code": done.returncode, "said": (done.stdout + done.stderr).strip()}

    def conflicts(self):
        """Lines of the journal: what lost where two nodes had changed the same."""
        return self.nodes[0].one("SELECT count(*) FROM __colony_conflicts")

    def close(self):
        for service in self.services:
            with contextlib.suppress(subprocess.TimeoutExpired):
                service.stop()
            service.kill()
        for node in self.nodes:
            node.kill()
        for broker in self.brokers:
            broker.kill()

    def remove(self):
        self.close()
        if self.options.keep:
            print(f"left in {self.directory}", file=sys.stderr)
        else:
            shutil.rmtree(self.directory, ignore_errors=True)

    def last_words(self):
        """The ends of the logs, for a report of what went wrong."""
        lines = []
        for log in sorted(self.directory.glob("**/*.log")):
            tail = log.read_text(errors="replace").splitlines()[-5:]
            if tail:
                lines += [f"--- {log.relative_to(self.directory)}", *(line[:300] for line in tail)]
        return "\n".join(lines)


def extension_of(options):
    """What programs load: nothing where capture is from the write-ahead log."""
    return EXTENSION if options.capture == "session" else None


def extension_words(options):
    return ["--extension", EXTENSION] if options.capture == "session" else []


def service_words(options):
    return ["--threads", str(options.threads), "--group-ms", str(options.group_ms),
            "--clients", str(2 * options.users + 1000), "--idle-timeout", "3600"]


def machine():
    """What the figures were measured on."""
    def first_match(path, pattern):
        with contextlib.suppress(OSError):
            found = re.search(pattern, pathlib.Path(path).read_text(), re.M)
            return found[1].strip() if found else ""
        return ""

    def said(*words):
        with contextlib.suppress(OSError, subprocess.SubprocessError):
            return subprocess.run(words, capture_output=True, text=True, timeout=20).stdout.strip()
        return ""

    return {
        "processor": first_match("/proc/cpuinfo", r"^model name\s*:(.*)$"),
        "cores": len(os.sched_getaffinity(0)),
        "memory_gib": round(int(first_match("/proc/meminfo", r"^MemTotal:\s*(\d+)") or 0) / 2**20, 1),
        "kernel": os.uname().release,
        "system": first_match("/etc/os-release", r'^PRETTY_NAME="(.*)"'),
        "sqlite": sqlite3.sqlite_version,
        "broker": said(os.environ["NATS_SERVER"], "--version"),
        "colony": said(str(BIN / "colony"), "--version"),
        "commit": said("git", "-C", str(TOP), "rev-parse", "--short", "HEAD"),
        "load_before": round(os.getloadavg()[0], 2),
    }
