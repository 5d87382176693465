"""Three servers that keep the log together, and are killed one after the other."""

import contextlib
import os
import shutil
import socket
import time

from colony_cluster import Broker, ColonyTest, colony, connect
from processes import app, finished, until

SCHEMA = """
CREATE TABLE entries(node TEXT, n INTEGER, PRIMARY KEY(node, n)) WITHOUT ROWID;
CREATE TABLE counters(node TEXT PRIMARY KEY, value INTEGER);
CREATE TABLE shared(id INTEGER PRIMARY KEY, a, b);
INSERT INTO counters VALUES('a', 0), ('b', 0), ('c', 0), ('d', 0);
"""
STREAM = "COLONY_c"


def free_ports(count):
    """Ports that nobody has now; servers of a cluster must know each other's in advance."""
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in sockets]


def write_until(path, node, stop_file):
    db = connect(path, timeout=60)
    n = 0
    while not stop_file.exists():
        db.execute("BEGIN IMMEDIATE")
        db.execute("INSERT INTO entries VALUES(?, ?)", (node, n))
        db.execute("UPDATE counters SET value = value + 1 WHERE node = ?", (node,))
        db.execute("INSERT OR REPLACE INTO shared VALUES(?, ?, ?)", (n % 20, node, n))
        db.execute("COMMIT")
        n += 1
        time.sleep(0.01)  # an app that is not all alone on its machine
    db.close()


class BrokerCluster(ColonyTest):
    def start_servers(self, cluster):
        ports = free_ports(3)
        routes = ", ".join(f"nats://127.0.0.1:{port}" for port in ports)
        servers = []
        for n, port in enumerate(ports):
            server = Broker(cluster.directory / f"server {n}", f"""
                server_name: s{n}
                cluster {{ name: test, listen: "127.0.0.1:{port}", routes: [{routes}] }}
                """)
            self.addCleanup(server.kill)
            servers.append(server)
        for server in servers:
            server.start()
        until(lambda: self.has_leader(servers), "the servers agree on a leader")
        return servers

    def has_leader(self, servers):
        for server in servers:
            with contextlib.suppress(OSError, LookupError, ValueError):
                with server.client(timeout=1) as client:
                    client.api("INFO")
                    return True
        return False

    def leader(self, servers):
        """Which server leads the stream, as soon as one does."""
        def ask():
            for server in servers:
                with contextlib.suppress(OSError, LookupError, ValueError):
                    with server.client(timeout=1) as client:
                        name = client.api(f"STREAM.INFO.{STREAM}")["cluster"].get("leader")
                        return name and servers[int(name[1:])]
            return None
        return until(ask, "the stream has a leader", every=0.1)

    def start_nodes(self, cluster, servers):
        urls = ",".join(server.url for server in servers)
        for node in cluster.nodes:
            node.launch_sidecar(more=["--replicas", "3"], url=urls)
        for node in cluster.nodes:
            node.await_state("running")

    def recover(self, cluster):
        """On whichever node it is possible. Servers that have just elected a leader may not answer yet: again then."""
        answers = []
        for node in cluster.nodes:
            deadline = time.monotonic() + 90
            done = colony("recover", node.path, "--replicas", "3", timeout=200)
            while done.returncode == 2 and time.monotonic() < deadline:
                done = colony("recover", node.path, "--replicas", "3", timeout=200)
            answers.append(done.stdout + done.stderr)
            if done.returncode == 0:
                break
            self.assertEqual(done.returncode, 1, answers)
            self.assertIn("is the most advanced", done.stderr)
        else:
            self.fail(answers)
        for node in cluster.nodes:
            node.await_state("running", timeout=120)

    def test_broker_cluster_forgets(self):
        cluster = self.cluster(SCHEMA)
        servers = self.start_servers(cluster)
        self.start_nodes(cluster, servers)
        cluster.settle()
        for server in servers:
            server.stop()
            shutil.copytree(server.store, server.directory / "earlier")
        for server in servers:
            server.start()
        stop = cluster.directory / "stop"
        apps = [app(write_until, node.path, node.name, stop) for node in cluster.nodes]
        for node in cluster.nodes:
            node.await_state("running", timeout=120)
        position = cluster.nodes[0].status()["position"]
        until(lambda: cluster.nodes[0].status()["position"] > position + 50, "the log grows")
        for server in servers:
            server.kill()
            shutil.rmtree(server.store)
            os.rename(server.directory / "earlier", server.store)
        for server in servers:
            server.start()
        for node in cluster.nodes:
            until(lambda: "colony recover" in (node.status()["error"] or ""), lambda: f"{node.status()}", timeout=120)
        self.recover(cluster)
        with servers[0].client() as client:
            client.api(f"STREAM.DELETE.{STREAM}")
        for node in cluster.nodes:
            until(lambda: "is gone" in (node.status()["error"] or ""), lambda: f"{node.status()}", timeout=120)
        self.recover(cluster)
        self.leader(servers).kill()
        stop.touch()
        finished(apps)
        cluster.assert_equal(timeout=120)
        counts = dict(cluster.nodes[0].query("SELECT node, count(*) FROM entries GROUP BY node"))
        self.assertEqual(dict(cluster.nodes[0].query("SELECT * FROM counters")), counts)
        print(f"NOTE {sum(counts.values())} transactions, {cluster.nodes[0].status()['position']} entries")

    def test_broker_cluster_loses_its_leader(self):
        cluster = self.cluster(SCHEMA)
        servers = self.start_servers(cluster)
        self.start_nodes(cluster, servers)
        stop = cluster.directory / "stop"
        apps = [app(write_until, node.path, node.name, stop) for node in cluster.nodes]
        for _ in range(2):
            leader = self.leader(servers)
            position = cluster.nodes[0].status()["position"]
            leader.kill()
            # Two of three are enough.
            until(lambda: cluster.nodes[0].status()["position"] > position + 50, "the log grows without its leader")
            leader.start()
        stop.touch()
        finished(apps)
        rows = cluster.assert_equal(timeout=90)
        counts = dict(cluster.nodes[0].query("SELECT node, count(*) FROM entries GROUP BY node"))
        self.assertEqual(dict(cluster.nodes[0].query("SELECT * FROM counters")), counts)
        self.assertFalse([row for row in rows["(conflicts)"] if "text:shared" not in row])
        print(f"NOTE {sum(counts.values())} transactions, {cluster.nodes[0].status()['position']} entries")
