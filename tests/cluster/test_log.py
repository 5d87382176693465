"""What the log may do to a colony: strangers' messages, gaps, purges, a past that changed."""

import os
import shutil
import signal
import struct

from colony_cluster import ColonyTest, Node
from poison import sealed
from processes import until

SCHEMA = "CREATE TABLE items(id TEXT PRIMARY KEY, n INTEGER);"
STREAM = "COLONY_c"


class Log(ColonyTest):
    def write(self, node, *ids):
        for key in ids:
            node.sql(f"INSERT INTO items VALUES('{key}', 1)")

    def last_of(self, client, node):
        """Sequence and bytes of the node's latest entry."""
        subject = f"colony.c.log.{node}"
        found = client.api(f"STREAM.MSG.GET.{STREAM}", last_by_subj=subject)["message"]["seq"]
        return found, client.message(STREAM, found)[1]

    def test_garbage_in_the_log_is_ignored_by_all(self):
        cluster = self.running(SCHEMA)
        a, b, c, d = cluster.nodes
        self.write(a, "one")
        cluster.settle()
        with cluster.broker.client() as client:
            entry = self.last_of(client, "a")[1]
            garbage = [("a", b""), ("a", b"garbage"), ("a", os.urandom(5000)), ("stranger", b"hello"),
                       ("a", b"CLNY"), ("a", entry[:-1]), ("a", entry + b"x"), ("a", entry[:len(entry) // 2]),
                       ("a", entry[:20] + bytes([entry[20] ^ 1]) + entry[21:]),
                       ("b", entry), ("stranger", entry),  # of another than its subject says
                       ("a", sealed(entry[:-8][:30])), ("a", sealed(entry[:-8] + b"more")),
                       ("a", sealed(b"CLNY\1\0\0\1a" + bytes(12))),
                       ("a", sealed(b"CLNY\1\1\1\1a" + entry[9:17] + struct.pack("<I", 1 << 31) + os.urandom(50)))]
            for n, (node, message) in enumerate(garbage):
                client.publish(f"colony.c.log.{node}", message)
                self.write(cluster.nodes[n % 4], f"between {n}")
            # Intact, and yet not to be taken: what was taken already, what is out of turn,
            # and what speaks of another incarnation.
            header, body = entry[:17], entry[17:-8]
            forged = [entry, sealed(header + body[:4] + struct.pack("<Q", 10**6) + body[12:]),
                      sealed(header[:9] + bytes(8) + body)]
            for message in forged:
                client.publish("colony.c.log.a", message)
            self.write(d, "after")
        rows = cluster.assert_equal()
        self.assertEqual(len(rows["items"]), 1 + len(garbage) + 1)
        self.assertEqual(rows["(conflicts)"], [])
        for node in cluster.nodes:
            status = node.await_status(state="running", passed_over=len(garbage))
            self.assertTrue(any(f"{len(garbage)} messages" in warning for warning in status["warnings"]), status)

    def test_entry_of_a_newer_format_halts_and_an_upgrade_is_asked_for(self):
        cluster = self.running(SCHEMA)
        with cluster.broker.client() as client:
            self.write(cluster.nodes[0], "one")
            cluster.settle()
            entry = self.last_of(client, "a")[1]
            client.publish("colony.c.log.a", sealed(entry[:4] + b"\3" + entry[5:-8]))
        for node in cluster.nodes:
            self.assertIn("upgrade Colony", node.halted())
            self.assertEqual(node.one("SELECT count(*) FROM items"), 1)
            self.write(node, f"by {node.name}")  # the app goes on

    def test_message_deleted_while_a_node_was_away(self):
        cluster = self.running(SCHEMA)
        a, b, c, d = cluster.nodes
        self.write(a, "one")
        cluster.settle()
        d.stop()
        self.write(a, "two")
        a.wait()
        with cluster.broker.client() as client:
            deleted = self.last_of(client, "a")[0]
            self.write(b, "three")
            b.wait()
            client.api(f"STREAM.MSG.DELETE.{STREAM}", seq=deleted)
        d.launch_sidecar(more=["--snapshots", "none"])  # or it would go on from the colony's first one
        self.halt_and_say([d], "gap", f"after {deleted - 1} comes {deleted + 1}")
        self.assertEqual(d.query("SELECT id FROM items"), [("one",)])
        # Those that have it go on; and d, with a copy of one of theirs.
        self.write(c, "four")
        d.kill()
        done = cluster.verify(timeout=1)
        self.assertEqual(done.returncode, 2, done.stderr)
        cluster.nodes.remove(d)
        fresh = Node(cluster, "e")
        self.addCleanup(fresh.kill)
        a.shell(f".backup {fresh.path}\n", extension=False)
        fresh.init()
        fresh.start()
        cluster.nodes.append(fresh)
        cluster.settle()
        self.assertEqual(fresh.dump(), a.dump())

    def test_stream_purged(self):
        cluster = self.running(SCHEMA)
        a, b, c, d = cluster.nodes
        self.write(a, "one")
        cluster.settle()
        d.stop()
        self.write(a, "two", "three")
        self.write(b, "four")
        for node in (a, b, c):
            node.wait()
        for node in (a, b, c):
            node.wait()
        behind = d.status()["position"]
        with cluster.broker.client() as client:
            client.api(f"STREAM.PURGE.{STREAM}")
            last = client.state(STREAM)["last_seq"]
        d.launch_sidecar(more=["--snapshots", "none"])
        self.halt_and_say([d], f"no longer has entries {behind + 1} to {last}")
        # Those that had absorbed all of it miss nothing, and go on.
        self.write(a, "five")
        for node in (a, b, c):
            node.wait()
            node.restart()
            node.wait()
        self.assertEqual(a.dump(), c.dump())

    def test_stream_purged_while_a_node_lags(self):
        """Entries that go away while the sidecar runs and cannot absorb them."""
        cluster = self.running(SCHEMA, nodes="ab")
        a, b = cluster.nodes
        os.kill(b.pid, signal.SIGSTOP)
        self.write(a, "one", "two")
        a.wait()
        with cluster.broker.client() as client:
            position = client.state(STREAM)["last_seq"]
            client.api(f"STREAM.PURGE.{STREAM}")
        self.write(a, "three")
        a.wait()
        os.kill(b.pid, signal.SIGCONT)
        # It was sent them before, or it halts; it never goes on without them.
        def outcome():
            status = b.status()
            return "halted" if status["state"] == "halted" else status["position"] > position and "has all"
        rows = {"halted": 0, "has all": 3}[until(outcome, "b halts or has all")]
        self.assertEqual(b.one("SELECT count(*) FROM items"), rows)

    def test_stream_deleted_and_made_anew(self):
        cluster = self.running(SCHEMA)
        a, b, c, d = cluster.nodes
        self.write(a, "one")
        cluster.settle()
        d.stop()
        with cluster.broker.client() as client:
            client.api(f"STREAM.DELETE.{STREAM}")
        self.write(b, "two")
        d.launch_sidecar()
        # None of those that have met the old one makes a new one in its place.
        self.halt_and_say(cluster.nodes, "is gone", STREAM)
        stranger = Node(cluster, "e")
        self.addCleanup(stranger.kill)
        shutil.copy(cluster.directory / "seed.db", stranger.path)
        stranger.init()
        stranger.start()
        for node in cluster.nodes:
            node.halted("epoch")
        self.assertEqual(b.status()["pending"], 1)
        self.assertEqual(a.one("SELECT count(*) FROM items"), 1)

    def test_broker_that_lost_its_store(self):
        cluster = self.running(SCHEMA)
        a, b, c, d = cluster.nodes
        self.write(a, "one")
        cluster.settle()
        cluster.broker.stop()
        kept = cluster.directory / "kept"
        os.rename(cluster.broker.store, kept)
        cluster.broker.start()
        self.halt_and_say(cluster.nodes, "is gone", STREAM)
        self.write(b, "two")
        cluster.broker.stop()
        shutil.rmtree(cluster.broker.store)
        os.rename(kept, cluster.broker.store)
        cluster.broker.start()
        for node in cluster.nodes:
            node.await_state("running")  # by itself
        self.assertEqual(len(cluster.assert_equal()["items"]), 2)

    def rewound(self):
        """A colony whose broker has been put back to an earlier copy of its store:
        a and b had absorbed more, c and d had not. Nothing runs."""
        cluster = self.running(SCHEMA)
        a, b, c, d = cluster.nodes
        self.write(a, "one")
        cluster.settle()
        for node in cluster.nodes:
            node.stop()
        cluster.broker.stop()
        earlier = cluster.directory / "earlier"
        shutil.copytree(cluster.broker.store, earlier)
        cluster.broker.start()
        for node in (a, b):
            node.start()
        self.write(a, "lost 1", "lost 2")
        for node in (a, b):
            node.wait()
            node.stop()
        cluster.broker.stop()
        shutil.rmtree(cluster.broker.store)
        shutil.copytree(earlier, cluster.broker.store)
        cluster.broker.start()
        return cluster

    def test_log_rewound(self):
        cluster = self.rewound()
        a, b, c, d = cluster.nodes
        for node in (a, b):
            node.launch_sidecar()
        self.halt_and_say([a, b], "lost its end")
        self.write(a, "kept for later")
        self.assertEqual(a.status()["pending"], 1)

    def test_log_rewound_and_written_to_again(self):
        """The sequence numbers of the lost entries now belong to others."""
        cluster = self.rewound()
        a, b, c, d = cluster.nodes
        for node in (c, d):
            node.start()
        for n in range(10):
            self.write(c, f"other {n}")
        for node in (c, d):
            node.wait()
        self.assertGreater(c.status()["position"], a.status()["position"])
        for node in (a, b):
            node.launch_sidecar()
        self.halt_and_say([a, b], "changed its past")
        self.assertEqual(a.query("SELECT id FROM items ORDER BY id"), [("lost 1",), ("lost 2",), ("one",)])
        self.assertEqual(c.dump(), d.dump())

    def test_log_rewound_under_running_sidecars(self):
        cluster = self.running(SCHEMA, nodes="ab")
        a, b = cluster.nodes
        self.write(a, "one")
        cluster.settle()
        cluster.broker.stop()
        earlier = cluster.directory / "earlier"
        shutil.copytree(cluster.broker.store, earlier)
        cluster.broker.start()
        for node in (a, b):
            node.await_state("running")
        self.write(a, "two", "three")
        cluster.settle()
        cluster.broker.kill()
        shutil.rmtree(cluster.broker.store)
        shutil.copytree(earlier, cluster.broker.store)
        cluster.broker.start()
        self.halt_and_say([a, b], "lost its end")

    def test_stream_of_somebody_else(self):
        for description, subjects, word in ((None, ["colony.c.log.*"], "not made by Colony"),
                                            ("Colony log of other, epoch " + "0" * 32, ["colony.c.log.*"],
                                             "not made by Colony"),
                                            ("Colony log of c, epoch " + "0" * 32, ["colony.c.>"], "subjects")):
            with self.subTest(description=description, subjects=subjects):
                cluster = self.cluster(SCHEMA, nodes="a")
                cluster.broker.start()
                with cluster.broker.client() as client:
                    client.api(f"STREAM.CREATE.{STREAM}", name=STREAM, subjects=subjects, storage="file",
                               discard="new", **({"description": description} if description else {}))
                a = cluster.nodes[0]
                a.launch_sidecar()
                self.halt_and_say([a], word, STREAM)
                a.kill()

    def test_stream_that_takes_the_subjects(self):
        cluster = self.cluster(SCHEMA, nodes="a")
        cluster.broker.start()
        with cluster.broker.client() as client:
            client.api("STREAM.CREATE.TAKES_ALL", name="TAKES_ALL", subjects=["colony.>"])
        a = cluster.nodes[0]
        a.launch_sidecar()
        self.halt_and_say([a], "another stream already takes subjects", "TAKES_ALL")
        with cluster.broker.client() as client:
            client.api("STREAM.DELETE.TAKES_ALL")
        a.await_state("running")  # by itself

    def test_stream_that_would_lose_entries(self):
        cluster = self.running(SCHEMA, nodes="a")
        a = cluster.nodes[0]
        self.write(a, "one")
        a.wait()
        with cluster.broker.client() as client:
            config = client.api(f"STREAM.INFO.{STREAM}")["config"]
            client.api(f"STREAM.UPDATE.{STREAM}", **dict(config, max_age=3600 * 10**9))
            a.restart()
            self.halt_and_say([a], "max_age", "nats stream edit")
            client.api(f"STREAM.UPDATE.{STREAM}", **config)
        self.write(a, "two")
        a.await_state("running")
        a.wait()
