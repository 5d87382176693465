"""Entries that are signed, and what strangers put into the log."""

import contextlib
import ctypes
import os
import struct

from colony_cluster import ColonyTest, Node, colony
from processes import until

SCHEMA = "CREATE TABLE t(id INTEGER PRIMARY KEY, a);"
STREAM = "COLONY_c"


def checksum(data):
    """Entries end in the XXH3-64 of all before."""
    library = ctypes.CDLL("libxxhash.so.0")
    library.XXH3_64bits.restype = ctypes.c_uint64
    return struct.pack("<Q", library.XXH3_64bits(data, ctypes.c_size_t(len(data))))


def body_of(entry, origin):
    """The body of a small signed entry."""
    head = 8 + len(origin) + 8 + 8
    (length,) = struct.unpack_from("<I", entry, head)
    return entry[head + 4:head + 4 + length]


def transactions(origin, incarnation, first, body, signature=b""):
    """An entry of transactions in somebody's name: version 2 if it has a signature."""
    version = 2 if signature else 1
    data = b"CLNY" + bytes([version, 1, 0, len(origin)]) + origin.encode() + struct.pack("<q", incarnation)
    data += struct.pack("<Q", 0) if signature else b""
    body = struct.pack("<Q", first) + body[8:]
    data += struct.pack("<I", len(body)) + body + signature
    return data + checksum(data)


class Signed(ColonyTest):
    def with_keys(self, nodes="abcd"):
        cluster = self.cluster(SCHEMA, nodes=nodes)
        cluster.broker.start()
        for node in cluster.nodes:
            self.give_key(node)
            self.start(node)
        return cluster

    def give_key(self, node):
        node.key = node.directory / "key"
        made = colony("keygen", node.key)
        self.assertEqual(made.returncode, 0, made.stderr)
        node.public = made.stdout.strip()

    def start(self, node):
        node.launch_sidecar(more=["--key", node.key])
        node.await_state("running")

    def trust(self, node, *words):
        done = colony("trust", node.path, *words)
        self.assertEqual(done.returncode, 0, done.stderr)
        return done.stdout

    def trusting(self, nodes="abcd"):
        cluster = self.with_keys(nodes)
        cluster.settle()
        self.trust(cluster.nodes[0], *[f"{node.name}={node.public}" for node in cluster.nodes])
        cluster.settle()
        return cluster

    def test_keygen_keeps_what_is_there_and_shows_it_to_nobody(self):
        cluster = self.cluster(SCHEMA, nodes="a")
        key = cluster.directory / "key"
        before = os.umask(0)
        try:
            public = colony("keygen", key).stdout.strip()
        finally:
            os.umask(before)
        self.assertRegex(public, "^[0-9a-f]{64}$")
        self.assertEqual(key.stat().st_mode & 0o777, 0o600)
        self.refused(colony("keygen", key), "is there already")
        self.assertEqual(colony("keygen", "--public", key).stdout.strip(), public)
        key.chmod(0o644)
        self.refused(colony("run", cluster.nodes[0].path, "--key", key), "chmod 600")

    def test_signed_colony_works_as_others_do(self):
        cluster = self.trusting()
        a, b, c, d = cluster.nodes
        for node in cluster.nodes:
            node.sql(f"INSERT INTO t VALUES({ord(node.name)}, '{node.name}')")
        self.assertEqual(len(cluster.assert_equal()["t"]), 4)
        self.assertIn(b.public, colony("trust", c.path).stdout)
        # A new node, whose key is known before it comes, begins from a snapshot.
        self.assertEqual(colony("snapshot", a.path).returncode, 0)
        e = Node(cluster, "e")
        self.addCleanup(e.kill)
        self.give_key(e)
        self.trust(b, f"e={e.public}")
        e.launch_sidecar(more=["--key", e.key, "--cluster", "c", "--node", "e"])
        until(lambda: e.path.exists() and e.status()["state"] == "running", "e has joined")
        cluster.nodes.append(e)
        e.sql("INSERT INTO t VALUES(5, 'e')")
        self.assertEqual(len(cluster.assert_equal()["t"]), 5)
        done = colony("leave", d.path)
        self.assertEqual(done.returncode, 0, done.stderr)
        cluster.nodes.remove(d)
        self.addCleanup(d.kill)
        cluster.assert_equal()
        self.assertEqual([node.status()["passed_over_unsigned"] for node in cluster.nodes], [0] * 4)

    def test_forged_entries_are_ignored_by_all_and_counted(self):
        cluster = self.trusting()
        a, b, c, d = cluster.nodes
        a.sql("INSERT INTO t VALUES(1, 'a')")
        cluster.settle()
        incarnation, piece = a.query("SELECT incarnation, piece FROM __colony_origins WHERE node = 'b'")[0]
        with cluster.broker.client() as client:
            last = client.state(STREAM)["last_seq"]
            signed = next(data for subject, data in (client.message(STREAM, n) for n in range(last, 0, -1))
                          if subject.endswith(".a") and data[5] == 1)
            body = body_of(signed, "a")
            a.sql("UPDATE t SET a = 'kept'")
            cluster.settle()
            forged = [transactions("b", incarnation, piece + 1, body),
                      transactions("b", incarnation, piece + 1, body, os.urandom(64)),
                      transactions("b", incarnation, piece + 1, body, signed[-72:-8])]
            for data in forged:
                client.publish("colony.c.log.b", data)
            client.publish("colony.c.log.b", signed)  # of another subject: no entry at all
        b.sql("INSERT INTO t VALUES(2, 'b')")
        rows = cluster.assert_equal()["t"]
        self.assertEqual(len(rows), 2)
        self.assertEqual(a.one("SELECT a FROM t WHERE id = 1"), "kept")
        for node in cluster.nodes:
            node.await_status(passed_over_unsigned=len(forged), passed_over=1)
            node.await_said("unsigned or wrongly signed")
            self.assertEqual(node.said().count("unsigned or wrongly signed"), 1, node.said())
            self.assertIn(f"{len(forged)} messages ignored", colony("status", node.path).stdout)

    def test_forgeries_count_where_nobody_is_trusted(self):
        """What the above would be without signatures: the test can fail."""
        cluster = self.with_keys("ab")
        a, b = cluster.nodes
        a.sql("INSERT INTO t VALUES(1, 'a')")
        cluster.settle()
        incarnation, piece = a.query("SELECT incarnation, piece FROM __colony_origins WHERE node = 'b'")[0]
        with cluster.broker.client() as client:
            signed = next(data for subject, data in
                          (client.message(STREAM, n) for n in range(client.state(STREAM)["last_seq"], 0, -1))
                          if subject.endswith(".a") and data[5] == 1)
            a.sql("DELETE FROM t")
            cluster.settle()
            client.publish("colony.c.log.b", transactions("b", incarnation, piece + 1, body_of(signed, "a")))
        until(lambda: a.one("SELECT count(*) FROM t") == 1, "the forged row is there")

    def test_node_without_its_key_keeps_what_it_has(self):
        cluster = self.trusting()
        d = cluster.nodes[3]
        d.stop()
        d.launch_sidecar()
        self.assertIn("--key", d.halted())
        d.sql("INSERT INTO t VALUES(4, 'd')")
        cluster.nodes[0].sql("INSERT INTO t VALUES(1, 'a')")
        until(lambda: d.one("SELECT count(*) FROM t") == 2, "d goes on reading")
        self.assertEqual(d.status()["pending"], 1)
        self.refused(colony("verify", d.path), "--key")
        d.stop()
        self.start(d)
        self.assertEqual(len(cluster.assert_equal()["t"]), 2)

    def test_untrusted_node_is_told_and_comes_back(self):
        cluster = self.trusting("abc")
        a, b, c = cluster.nodes
        self.trust(a, "--remove", "c")
        self.assertIn(f"colony trust DB c={c.public}", c.halted())
        c.sql("INSERT INTO t VALUES(3, 'c')")
        self.refused(colony("trust", c.path, f"c={c.public}"), "does not trust")
        with contextlib.closing(b.connect()) as db:
            db.execute("INSERT INTO t VALUES(2, 'b')")
        b.wait()
        self.trust(b, f"c={c.public}")
        c.await_state("running")
        self.assertEqual(len(cluster.assert_equal()["t"]), 2)

    def test_first_keys_must_be_everybodys(self):
        cluster = self.with_keys("ab")
        cluster.settle()
        a, b = cluster.nodes
        self.refused(colony("trust", a.path, f"a={a.public}"), "no key: b", "--force")
        self.refused(colony("trust", a.path, f"a={b.public}"), "another one")
        self.refused(colony("trust", a.path, "a=abc"), "NODE=PUBLIC")
        for weak in ("0" * 64, "01" + "0" * 62):
            self.refused(colony("trust", a.path, f"a={a.public}", f"b={weak}"), f"b={weak}", "anybody could sign")
        self.refused(colony("trust", a.path, f"a={a.public}", f"b={a.public}"), "nodes a and b", "same key", "keygen")
        self.refused(colony("trust", a.path, "--force", f"b={a.public}"), "nodes a and b", "same key")
        self.refused(colony("trust", a.path, f"b={b.public}", f"b={a.public}"), "node b is given two keys")
        self.assertEqual(colony("trust", a.path, "--force", f"a={a.public}").returncode, 0)
        self.assertIn("colony trust DB b=", b.halted())
