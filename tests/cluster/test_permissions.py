"""The configuration of deploy/nats: each node may publish on its own subject only."""

import os
import pathlib
import re
import shutil
import socket
import subprocess

import nkey_client
from colony_cluster import Broker, ColonyTest, Node, colony
from processes import COLONY, until

SCHEMA = "CREATE TABLE t(id INTEGER PRIMARY KEY, a);"
MAKE = pathlib.Path(__file__).resolve().parents[2] / "deploy" / "nats" / "make.sh"
STREAM = "COLONY_c"


class Permissions(ColonyTest):
    def make(self, cluster, *words):
        self.folder = cluster.directory / "nats"
        done = subprocess.run([MAKE, "--out", self.folder, *words], capture_output=True, text=True, check=False,
                              env=dict(os.environ, COLONY=COLONY))
        self.assertEqual(done.returncode, 0, done.stderr)

    def server(self, cluster, name, config):
        """As the file says, but on ports of the test's and in its folder."""
        config = re.sub(r"^listen:[^\n]*|^jetstream \{.*?^\}", "", config, flags=re.M | re.S)
        server = Broker(cluster.directory / f"server {name}", config)
        (server.directory / "users.conf").write_text((self.folder / "users.conf").read_text())
        self.addCleanup(server.kill)
        return server

    def flags(self, name):
        return ["--tls-ca", self.folder / "ca.pem", "--nkey", self.folder / f"{name}.nkey"]

    def client(self, server, name):
        return nkey_client.Client(server.port, self.folder / "ca.pem", self.folder / f"{name}.nkey",
                                  (self.folder / f"{name}.nkey.public").read_text().strip())

    def one_server(self):
        cluster = self.cluster(SCHEMA)
        self.make(cluster, "c", "a", "b", "c", "d", "e")
        cluster.broker = self.server(cluster, "one", (self.folder / "localhost.conf").read_text())
        cluster.broker.start()
        self.url = f"tls://localhost:{cluster.broker.port}"
        for node in cluster.nodes:
            node.launch_sidecar(more=self.flags(node.name), url=self.url)
            node.await_state("running")
        return cluster

    def everything_works(self, cluster, *more):
        a, b, *_ = cluster.nodes
        for node in cluster.nodes:
            node.sql(f"INSERT INTO t VALUES({ord(node.name)}, '{node.name}')")
        self.assertEqual(len(cluster.assert_equal()["t"]), 4)
        # They say how they are every few seconds.
        until(lambda: colony("nodes", a.path).stdout.count("running") == 4,
              lambda: f"all four say that they run: {colony('nodes', a.path).stdout}")
        self.assertNotIn("note:", colony("nodes", a.path).stdout)
        for words in (["snapshot", b.path], ["snapshots", b.path]):
            done = colony(*words)
            self.assertEqual(done.returncode, 0, done.stderr)
        e = Node(cluster, "e")
        self.addCleanup(e.kill)
        e.launch_sidecar(more=[*self.flags("e"), "--cluster", "c", "--node", "e", *more], url=self.url)
        until(lambda: e.path.exists() and e.status()["state"] == "running", lambda: "e has joined: " + e.said())
        cluster.nodes.append(e)
        self.assertEqual(len(cluster.assert_equal()["t"]), 4)
        out = cluster.directory / "restored.db"
        done = colony("restore", out, "--cluster", "c", "--nats", self.url, *self.flags("a"))
        self.assertEqual(done.returncode, 0, done.stderr)
        done = colony("leave", cluster.nodes[3].path)
        self.assertEqual(done.returncode, 0, done.stderr)

    def test_permissions_are_all_that_a_colony_needs(self):
        cluster = self.one_server()
        self.everything_works(cluster)
        self.assertNotIn("Violation", cluster.broker.said())

    def test_node_that_tries_anothers_subject_is_refused(self):
        cluster = self.one_server()
        cluster.settle()
        with self.client(cluster.broker, "b") as client:
            last = client.state(STREAM)["last_seq"]
            with self.assertRaisesRegex(ConnectionError, "Permissions Violation for Publish to .*colony.c.log.a"):
                client.publish("colony.c.log.a", b"forged")
        with self.client(cluster.broker, "b") as client:
            self.assertEqual(client.state(STREAM)["last_seq"], last)
            self.assertEqual(client.publish("colony.c.log.b", b"noise"), last + 1)
        for subject in ("$KV.COLONY_c.node.a", f"$JS.API.STREAM.DELETE.{STREAM}", f"$JS.API.STREAM.UPDATE.{STREAM}",
                        "$JS.API.STREAM.CREATE.other", "colony.d.log.b"):
            with self.client(cluster.broker, "b") as client:
                with self.assertRaisesRegex(ConnectionError, "Permissions Violation"):
                    client.request(subject, b"{}")
        # A sidecar with another node's login does no harm either.
        a = cluster.nodes[0]
        a.stop()
        before = len(cluster.broker.said())
        a.launch_sidecar(more=self.flags("b"), url=self.url)
        a.sql("INSERT INTO t VALUES(1, 'a')")
        until(lambda: "Publish Violation" in (said := cluster.broker.said()[before:]) and "colony.c.log.a" in said,
              "the broker refuses it")
        self.assertEqual(a.status()["pending"], 1)
        a.stop()
        a.launch_sidecar(more=self.flags("a"), url=self.url)
        a.await_state("running")
        self.assertEqual(len(cluster.assert_equal()["t"]), 1)

    def test_operator_recovers_where_no_node_may(self):
        cluster = self.one_server()
        a = cluster.nodes[0]
        a.sql("INSERT INTO t VALUES(1, 'before')")
        cluster.assert_equal()
        cluster.broker.kill()
        shutil.rmtree(cluster.broker.store)
        cluster.broker.start()
        for node in cluster.nodes:
            node.sql(f"INSERT INTO t VALUES({ord(node.name)}, 'meanwhile')")
        until(lambda: all("colony recover" in (node.status()["error"] or "") for node in cluster.nodes),
              "all halt", timeout=60)
        done = colony("recover", a.path, "--nats", self.url, *self.flags("operator"), timeout=150)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        for node in cluster.nodes:
            node.await_state("running", timeout=90)
        self.assertEqual(len(cluster.assert_equal()["t"]), 5)

    def test_three_servers(self):
        cluster = self.cluster(SCHEMA)
        self.make(cluster, "--servers", "localhost,s2,s3", "c", "a", "b", "c", "d", "e")
        ports = []
        for _ in range(3):
            with socket.socket() as one:
                one.bind(("127.0.0.1", 0))
                ports.append(one.getsockname()[1])
        routes = ", ".join(f'"nats://localhost:{port}"' for port in ports)
        servers = []
        for name, port in zip(("localhost", "s2", "s3"), ports):
            config = (self.folder / f"{name}.conf").read_text()
            config = config.replace(f"{name}.pem", "localhost.pem").replace(f"{name}.key", "localhost.key")
            config = config.replace("0.0.0.0:6222", f"127.0.0.1:{port}")
            config = re.sub(r"routes: \[.*\]", f"routes: [ {routes} ]", config)
            servers.append(self.server(cluster, name, config))
        for server in servers:
            server.start()
        self.url = ",".join(f"tls://localhost:{server.port}" for server in servers)
        for node in cluster.nodes:
            node.launch_sidecar(more=[*self.flags(node.name), "--replicas", "3"], url=self.url)
        for node in cluster.nodes:
            node.await_state("running", timeout=90)
        self.everything_works(cluster, "--replicas", "3")
        with self.client(servers[0], "b") as client:
            self.assertEqual(client.api(f"STREAM.INFO.{STREAM}")["config"]["num_replicas"], 3)
        self.assertNotIn("Violation", "".join(server.said() for server in servers))

    def test_what_make_sh_cannot_use_is_refused_before_it_writes(self):
        cluster = self.cluster(SCHEMA, nodes="")
        self.make(cluster, "c", "a")
        fresh = cluster.directory / "fresh"
        key = (self.folder / "a.nkey.public").read_text().strip()

        def refused(words, *said, out=fresh, **environment):
            done = subprocess.run([MAKE, "--out", out, *words], capture_output=True, text=True, check=False,
                                  env=dict(os.environ, COLONY=COLONY, **environment))
            self.refused(done, "make.sh: ", *said)
            self.assertFalse(fresh.exists(), words)
        for words, *said in (
                (["--servers", "s1,s2,s1", "c", "a"], "server s1 is named twice"),
                (["--servers", "s1,s2", "c", "a"], "names 2 servers", "one, or three"),
                (["--servers", "s1,,s3", "c", "a"], "no name or address of a server"),
                (["--servers", "s 1", "c", "a"], "'s 1' is no name or address"),
                (["--servers", "s*", "c", "a"], "'s*' is no name or address"),
                (["--servers", "tls://s1:4222", "c", "a"], "without tls:// and port"),
                (["--servers", "s1,s2,s3,", "c", "a"], "comma"),
                (["--servers"], "--servers needs"),
                ([], "CLUSTER NODE..."), (["c"], "CLUSTER NODE..."),
                ([f"a={key}", "b"], "the colony's name comes first"),
                (["c d", "a"], "'c d' is no name of a colony"), (["c.d", "a"], "'c.d'"), (["*", "a"], "'*'"),
                (["c", "a b"], "'a b' is no name of a node"), (["c", "a.b"], "'a.b'"), (["c", ">"], "'>'"),
                (["c", "a", "a"], "node a is named twice"), (["c", "operator"], "another one"),
                (["c", "a=UX"], "'UX' is no public key", "keygen --nkey"), (["c", "a="], "no public key"),
                (["c", f"a={key}", f"b={key}"], "nodes a and b have the same key"),
                (["--ouch", "x", "c", "a"], "unknown option")):
            with self.subTest(words):
                refused(words, *said)
        refused(["d", "a"], "users of colony c already", "--out", out=self.folder)
        done = subprocess.run([MAKE, "--out", fresh, "c", "a"], capture_output=True, text=True, check=False,
                              env=dict(os.environ, COLONY="/nowhere/colony"))
        self.refused(done, "no program '/nowhere/colony'", "COLONY")
        # What the broker's own user must be able to read.
        done = subprocess.run([MAKE, "--help"], capture_output=True, text=True, check=True)
        self.assertIn("chgrp nats", done.stdout)

    def test_key_made_elsewhere_and_a_second_run(self):
        cluster = self.cluster(SCHEMA, nodes="a")
        key = cluster.directory / "mine"
        public = colony("keygen", "--nkey", key).stdout.strip()
        self.make(cluster, "c", f"a={public}", "b")
        self.assertFalse((self.folder / "a.nkey").exists())
        before = {name: (self.folder / name).read_bytes() for name in ("ca.pem", "localhost.pem", "b.nkey")}
        (self.folder / "users.conf").chmod(0o640)  # the broker's group has been let in
        self.make(cluster, "c", f"a={public}", "b", "x")
        self.assertEqual((self.folder / "users.conf").stat().st_mode & 0o777, 0o640)
        for name, content in before.items():
            self.assertEqual((self.folder / name).read_bytes(), content)
        users = (self.folder / "users.conf").read_text()
        self.assertEqual(users.count("nkey: U"), 4, "three nodes and the operator")
        self.assertEqual(users.count((self.folder / "operator.nkey.public").read_text().strip()), 1)
        for secret in ("ca.key", "localhost.key", "b.nkey"):
            self.assertEqual((self.folder / secret).stat().st_mode & 0o077, 0)
