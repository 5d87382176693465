"""Entries that are intact and yet no good, put into the log by hand: all nodes come to the
same verdict, nothing crashes or spins, and an operator is told what it is."""

import os
import struct
import time

from colony_cluster import ColonyTest, colony
from poison import (BARRIER, HELLO, LEAVE, PROOF, TRANSACTIONS, entry, insert, piece, shape_of, table, text,
                    transactions, update)
from processes import SQLITE, run, until

SCHEMA = "CREATE TABLE items(id INTEGER PRIMARY KEY, n INTEGER NOT NULL, body TEXT); CREATE TABLE notes(x);"
SHAPE = shape_of(["id", "n", "body"])
ITEMS = table(b"items", [1, 0, 0])
GOOD = ITEMS + insert(100, 1, "forged")

# What the changeset is, and what every node then says. Each halts all of them.
HALTING = {
    "cut off in a value": (GOOD[:-3], "ends in the middle of a value"),
    "an unknown operation": (ITEMS + b"\x4d\0" + GOOD[-10:], "unknown operation"),
    "no table": (insert(1, 1, "x"), "does not begin with a table"),
    "a table without columns": (b"T\0items\0" + insert(1), "impossible number of columns"),
    "a value that claims gigabytes": (ITEMS + b"\x12\0" + b"\3\x87\xff\xff\xff\x7f", "ends in the middle of a value"),
    "an update of nothing": (ITEMS + update([1, ..., ...], [..., ..., ...]), "update of nothing"),
    "NULL in the key": (ITEMS + insert(None, 1, "x"), "NULL in a key"),
    "a text for an integer key": (ITEMS + insert("7", 1, "x"), "is no integer"),
    "NULL where none may be": (ITEMS + insert(7, None, "x"), "NOT NULL"),
    "too many columns": (table(b"items", [1, 0, 0, 0]) + insert(1, 1, "x", "y"), "with 4 columns, and here it has 3"),
    "another key": (table(b"items", [0, 1, 0]) + insert(1, 1, "x"), "another primary key"),
    "a table that is left out": (table(b"notes", [1]) + insert(1), "does not replicate"),
    "SQLite's own table": (table(b"sqlite_master", [1, 0, 0, 0, 0]) + insert(1, 2, 3, 4, 5), "not the app's"),
    "Colony's own table": (table(b"__colony_meta", [1, 0]) + insert("position", 9), "not the app's"),
    "a name that is no name": (table(b"a\"b'\n;DROP TABLE items", [1]) + insert(1), "changes table a\"b'?;DROP"),
}


def cpu_s(pid):
    fields = open(f"/proc/{pid}/stat").read().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


class Poison(ColonyTest):
    def colony_of(self, nodes):
        cluster = self.running(SCHEMA, nodes=nodes)
        cluster.nodes[0].sql("INSERT INTO items VALUES(1, 1, 'one')")
        cluster.settle()
        return cluster

    def identity(self, node):
        """Its incarnation, and the number of its next piece."""
        meta = dict(node.query("SELECT key, value FROM __colony_meta"))
        return meta["incarnation"], meta.get("absorbed", 0) + 1

    def publish(self, cluster, origin, message):
        with cluster.broker.client() as client:
            return client.publish(f"colony.c.log.{origin}", message)

    def test_intact_entries_that_cannot_be_applied_halt_all_nodes_alike(self):
        for what, (changeset, why) in HALTING.items():
            with self.subTest(what):
                cluster = self.colony_of("ab")
                a, b = cluster.nodes
                incarnation, first = self.identity(a)
                at = self.publish(cluster, "a", entry("a", incarnation, TRANSACTIONS,
                                                      transactions(first, piece(changeset, SHAPE))))
                said = [node.halted().replace(str(node.directory), "") for node in cluster.nodes]
                self.assertEqual(said[0], said[1])
                self.assertIn(f"entry {at} of node a ", said[0])
                self.assertIn(why, said[0])
                self.assertEqual(len(said[0].splitlines()), 1)
                for node in cluster.nodes:
                    node.await_status(state="halted", position=at - 1)
                    self.assertEqual(node.query("SELECT * FROM items"), [(1, 1, "one")])
                    node.await_said("state=halted")
                    self.assertEqual(node.said().count("state=halted"), 1, node.said())
                    node.sql("INSERT INTO items VALUES(abs(random()), 2, 'the app goes on')")
                    self.assertTrue(node.runs())
                cluster.close()

    def test_halted_sidecars_do_not_spin(self):
        cluster = self.colony_of("abcd")
        incarnation, first = self.identity(cluster.nodes[0])
        self.publish(cluster, "a", entry("a", incarnation, TRANSACTIONS,
                                         transactions(first, piece(HALTING["an unknown operation"][0], SHAPE))))
        for node in cluster.nodes:
            node.halted()
            for n in range(50):
                node.sql(f"INSERT INTO items VALUES({n} * 10 + unicode('{node.name}') * 1000, 1, 'pending')")
        before = [cpu_s(node.pid) for node in cluster.nodes]
        end = time.monotonic() + 7  # two tries in it, at least
        until(lambda: time.monotonic() >= end, "7 s are over", every=0.2)
        used = [cpu_s(node.pid) - start for node, start in zip(cluster.nodes, before)]
        print(f"NOTE halted for 7 s: {max(used):.2f} s of CPU at most")
        self.assertLess(max(used), 0.7)

    def test_table_that_does_not_exist_is_waited_for(self):
        """The way out of an entry for a table that is not there: make it, on every node."""
        cluster = self.colony_of("abc")
        incarnation, first = self.identity(cluster.nodes[0])
        changeset = table(b"orders", [1, 0]) + insert(5, "from the log")
        self.publish(cluster, "a", entry("a", incarnation, TRANSACTIONS,
                                         transactions(first, piece(changeset, shape_of(["id", "what"])))))
        for node in cluster.nodes:
            self.assertIn("changes table orders, which this file does not replicate", node.halted())
            self.assertIn("make the same schema change here", node.halted())
        for node in cluster.nodes:
            # Not by a program with colony.so, whose change would travel.
            run(SQLITE, node.path, "CREATE TABLE orders(id INTEGER PRIMARY KEY, what TEXT)")
            node.init()
        for node in cluster.nodes:
            node.await_state("running")
            until(lambda node=node: node.query("SELECT * FROM orders") == [(5, "from the log")], "the row is there")

    def test_forgeries_that_count_or_do_not_count_alike(self):
        cluster = self.colony_of("abcd")
        a, b, c, d = cluster.nodes
        incarnation, first = self.identity(b)
        other, _ = self.identity(c)
        long = b"h" * 65535

        def of_b(body, kind=TRANSACTIONS, **more):
            return "b", entry("b", incarnation, kind, body, **more)
        good = piece(GOOD, SHAPE)
        passed_over = [
            # No entries: intact outside, broken inside.
            of_b(b""), of_b(b"\0" * 11), of_b(transactions(0, good)), of_b(transactions(first, count=0)),
            of_b(transactions(first, good, count=2)), of_b(transactions(first, good, count=2**32 - 1)),
            of_b(transactions(first, piece(GOOD, SHAPE, size=2**32 - 1))), of_b(transactions(first, good) + b"more"),
            of_b(transactions(first, good), size=10), of_b(transactions(first, good), size=2**32 - 1),
            of_b(transactions(first, good), flags=1), of_b(b"\x28\xb5\x2f\xfd" + b"\xff" * 60, flags=1, size=64 << 20),
            of_b(zstd_of_zeros(64 << 20), flags=1, size=64 << 20), of_b(b"\xff\xff" + long, HELLO),
            of_b(text(b"h") * 2, HELLO), of_b(b"1234567", BARRIER),
            of_b(struct.pack("<QQQI", 1, 1, 1, 2**32 - 1), PROOF), of_b(b"\xff\xff", LEAVE),
            ("b", entry("b", incarnation, 0, b"")), ("c", entry("b", incarnation, TRANSACTIONS, b"x" * 12)),
        ]
        not_counting = [
            # Entries, but of another life, out of turn, replayed, or about somebody unknown.
            ("b", entry("b", other, TRANSACTIONS, transactions(first, good))),
            ("b", entry("b", 0, TRANSACTIONS, transactions(first, good))),
            of_b(transactions(first + 5, good)), of_b(transactions(2**64 - 1, good)),
            ("b", entry("b", other, HELLO, text(b"h") * 3)),
            ("ghost", entry("ghost", 7, TRANSACTIONS, transactions(1, good))),
            ("ghost", entry("ghost", 7, LEAVE, text(b"a") + struct.pack("<Q", 7))),
            of_b(text(b"nobody") + struct.pack("<Q", 1), LEAVE), of_b(text(b"c") + struct.pack("<Q", 1), LEAVE),
            of_b(struct.pack("<QQQI", 9, 2**64 - 1, 0, 0), PROOF),
            of_b(struct.pack("<QQQI", 9, 1, 0, 1) + text(b"no\0table\n") + struct.pack("<QQ", 1, 1), PROOF),
            of_b(struct.pack("<Q", 0), BARRIER),
        ]
        for n, (subject, message) in enumerate(passed_over + not_counting):
            self.publish(cluster, subject, message)
            if n % 4 == 0:
                d.sql(f"INSERT INTO items VALUES({1000 + n}, 1, 'between')")
        between = [(1000 + n,) for n in range(0, len(passed_over + not_counting), 4)]
        for node in cluster.nodes:  # a reads nothing behind the hello that follows
            until(lambda node=node: node.query("SELECT id FROM items WHERE body = 'between' ORDER BY id") == between,
                  "what d wrote between is everywhere")
        # And what counts, as b's key would let it: a row in b's name, in its turn. A larger
        # entry than Colony makes, and a hello with lengths that nobody has.
        self.publish(cluster, "b", entry("b", incarnation, TRANSACTIONS, transactions(
            first, piece(ITEMS + b"".join(insert(n, 1, "x" * 100) for n in range(5000, 9000)), SHAPE))))
        self.publish(cluster, "a", entry("a", self.identity(a)[0], HELLO, text(long) * 3))
        for node in cluster.nodes:
            until(lambda node=node: node.query("SELECT count(*) FROM items WHERE body = ?", "x" * 100) == [(4000,)],
                  "it is all read")
        rows = [node.query("SELECT id, n, body FROM items ORDER BY id") for node in cluster.nodes]
        for node, found in zip(cluster.nodes, rows):
            self.assertEqual(found, rows[0], node.name)
            self.assertTrue(node.runs(), node.name)
            node.await_status(passed_over=len(passed_over))
        self.assertEqual(sum(body == "x" * 100 for _, _, body in rows[0]), 4000)
        # Only a is told that somebody speaks as a from elsewhere.
        for node in (b, c, d):
            node.await_state("running")
        self.assertEqual(len(a.halted("a copy of this file speaks as node a").splitlines()), 1)
        self.assertLess(max(len(node.status()["error"] or "") for node in cluster.nodes), 1100)
        self.assertEqual(colony("nodes", b.path).returncode, 0)


def zstd_of_zeros(size):
    """A frame of so many zero bytes, of a few kilobytes: blocks of 128 KiB, each one byte repeated."""
    block = 128 << 10
    frame = b"\x28\xb5\x2f\xfd" + bytes([0xA0]) + struct.pack("<I", size)  # single segment, 4 bytes of size
    count = size // block
    for n in range(count):
        frame += struct.pack("<I", (n == count - 1) | 1 << 1 | block << 3)[:3] + b"\0"
    return frame
