"""The wall clock is set back, or forward, under a running sidecar: nothing depends on it."""

import os
import signal
import struct

from colony_cluster import ColonyTest
from processes import BIN, until

SCHEMA = "CREATE TABLE t(id INTEGER PRIMARY KEY, x);"
DAY_S = 86400


class Clock(ColonyTest):
    def running_with_a_clock(self):
        library = BIN / "soak_clock.so"
        self.assertTrue(library.exists(), "build the target soak_clock")
        cluster = self.cluster(SCHEMA, nodes="ab")
        self.clock = cluster.directory / "clock"
        self.clock.write_bytes(bytes(8))
        cluster.broker.start()
        a, b = cluster.nodes
        a.launch_sidecar()
        b.launch_sidecar("env", f"LD_PRELOAD={library}", f"SOAK_CLOCK={self.clock}")
        for node in cluster.nodes:
            node.await_state("running")
        return cluster

    def turn(self, seconds):
        with open(self.clock, "r+b") as file:
            file.write(struct.pack("<q", seconds * 10**9))

    def shipped_both_ways(self, cluster, number):
        a, b = cluster.nodes
        a.sql(f"INSERT INTO t VALUES({2 * number}, 'a')")
        b.sql(f"INSERT INTO t VALUES({2 * number + 1}, 'b')")
        for node in cluster.nodes:
            until(lambda: node.one("SELECT count(*) FROM t") == 2 * number + 2,
                  lambda: f"{node.name} has all rows: {node.status()}")

    def test_clock_set_back_and_forward(self):
        cluster = self.running_with_a_clock()
        for number, seconds in enumerate([0, -DAY_S, -30 * DAY_S, 300 * DAY_S, 0]):
            self.turn(seconds)
            self.shipped_both_ways(cluster, number)
        cluster.assert_equal()

    def test_clock_set_back_while_the_broker_is_away(self):
        cluster = self.running_with_a_clock()
        cluster.broker.kill()
        cluster.nodes[1].await_state("waiting_for_broker")
        self.turn(-DAY_S)
        cluster.broker.start()
        for node in cluster.nodes:
            node.await_state("running")
        self.shipped_both_ways(cluster, 0)

    def test_clock_set_back_while_the_broker_is_frozen(self):
        """What waits for an answer must give up, however far the clock went."""
        cluster = self.running_with_a_clock()
        os.kill(cluster.broker.pid, signal.SIGSTOP)
        self.addCleanup(os.kill, cluster.broker.pid, signal.SIGCONT)
        cluster.nodes[1].sql("INSERT INTO t VALUES(100, 'asked')")
        self.turn(-DAY_S)
        cluster.nodes[1].await_state("waiting_for_broker")
        os.kill(cluster.broker.pid, signal.SIGCONT)
        for node in cluster.nodes:
            node.await_state("running")
        cluster.assert_equal()
