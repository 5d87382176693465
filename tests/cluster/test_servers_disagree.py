"""A server that hands out another entry than the others do, in the same place: what
nat-servers that were cut off from each other have done. Two brokers stand for them."""

import contextlib
import shutil

from colony_cluster import Broker, ColonyTest

SCHEMA = "CREATE TABLE t(id INTEGER PRIMARY KEY, x);"
STREAM = "COLONY_c"


class ServersDisagree(ColonyTest):
    def test_servers_disagree_and_who_has_read_another_log_halts(self):
        cluster = self.running(SCHEMA)
        *others, alone = cluster.nodes
        for node in cluster.nodes:
            node.sql(f"INSERT INTO t VALUES({ord(node.name)}, 1)")
        cluster.settle()
        for node in cluster.nodes:
            node.stop()
        cluster.broker.stop()
        second = Broker(cluster.directory / "second broker")
        self.addCleanup(second.kill)
        shutil.copytree(cluster.broker.store, second.store)
        cluster.broker.start()
        second.start()
        for broker, first in ((cluster.broker, b"one"), (second, b"another")):
            with broker.client() as client:
                client.publish("colony.c.log.x", first)
                # The last entry is the same: what nodes look at when they connect.
                position = client.publish("colony.c.log.x", b"the same")
        for node in others:
            node.start()
        alone.launch_sidecar(url=second.url)
        alone.await_state("running")
        alone.wait()
        self.assertEqual(alone.status()["position"], position)
        alone.stop()
        second.stop()

        alone.launch_sidecar()
        self.assertIn("another log than a, b, c", alone.halted())
        alone.sql("INSERT INTO t VALUES(1000, 'not sent')")
        others[0].sql("INSERT INTO t VALUES(1, 'sent')")
        for node in others:
            node.wait()
            self.assertEqual(node.query("SELECT * FROM t WHERE id IN (1, 1000)"), [(1, "sent")])
            node.await_state("running")
        alone.halted("another log than a, b, c")
        with contextlib.closing(alone.connect()) as db:
            self.assertEqual(db.execute("SELECT colony_pending()").fetchone(), (1,))
