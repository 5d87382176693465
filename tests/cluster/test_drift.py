"""Rows that differ are noticed by the nodes themselves, soon, and without being asked."""

import json

from colony_cluster import ColonyTest, behind_its_back, colony
from processes import until

SCHEMA = "CREATE TABLE items(id TEXT PRIMARY KEY, name TEXT); CREATE TABLE other(id INTEGER PRIMARY KEY, n INT);"
PASS = ("--check-every", "2s")


class Drift(ColonyTest):
    def checked(self, nodes):
        cluster = self.cluster(SCHEMA, nodes=nodes)
        cluster.broker.start()
        for node in cluster.nodes:
            node.launch_sidecar(more=PASS)
        for node in cluster.nodes:
            node.await_state("running")
        cluster.nodes[0].sql("INSERT INTO items SELECT 'i' || value, 'x' FROM generate_series(1, 300);"
                             "INSERT INTO other SELECT value, value FROM generate_series(1, 300)")
        cluster.settle()
        return cluster

    def test_drift_is_noticed_and_told_by_who_differs(self):
        cluster = self.checked("abc")
        a, b, c = cluster.nodes
        behind_its_back(c, "UPDATE items SET name = 'other' WHERE id = 'i77'")
        status = c.await_status(state="differs", well=False)
        self.assertEqual([(drift["table"], drift["nodes"], drift["others"]) for drift in status["differs"]],
                         [("items", ["c"], ["a", "b"])])
        done = colony("status", c.path)
        self.assertEqual(done.returncode, 1)
        for words in ("differs (process", "table items: c has other rows than a, b", "colony verify", "colony repair"):
            self.assertIn(words, done.stdout)
        until(lambda: any("c has other rows" in warning for warning in a.status()["warnings"]), "a says so too")
        self.assertTrue(a.status()["well"])

        def told():
            nodes = {node["node"]: node for node in json.loads(colony("nodes", b.path, "--json").stdout)["nodes"]}
            return nodes["c"]["state"] == "differs" and "table items" in nodes["c"]["error"]
        until(told, "colony nodes tells it")
        behind_its_back(c, "UPDATE items SET name = 'x' WHERE id = 'i77'")
        c.await_status(state="running", well=True, differs=[])
        cluster.assert_equal()

    def test_drift_of_two_nodes_and_verify(self):
        cluster = self.running(SCHEMA, nodes="ab")
        a, b = cluster.nodes
        a.sql("INSERT INTO other VALUES(1, 1)")
        cluster.assert_equal()
        behind_its_back(b, "DELETE FROM other")
        self.assertEqual(cluster.verify().returncode, 1)
        for node in cluster.nodes:
            node.await_status(state="differs")
            self.assertIn("it cannot be told which are right", colony("status", node.path).stdout)
        behind_its_back(b, "INSERT INTO other VALUES(1, 1)")
        self.assertEqual(cluster.verify().returncode, 0)
        for node in cluster.nodes:
            node.await_status(state="running", well=True)

    def test_check_every_is_a_time_or_never(self):
        a = self.cluster(SCHEMA, nodes="a").nodes[0]
        for wrong in ("soon", "-1s", "5 parsecs"):
            done = colony("run", a.path, "--check-every", wrong)
            self.assertEqual(done.returncode, 2, wrong)
            self.assertIn("--check-every", done.stderr)

