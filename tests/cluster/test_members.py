"""Members of a colony: who they are, who leaves, who is removed and comes back."""

import json

from colony_cluster import ColonyTest, colony
from processes import until

SCHEMA = "CREATE TABLE t(k INTEGER PRIMARY KEY, x)"


def nodes(node, *more):
    done = colony("nodes", node.path, "--json", *more)
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    report["by_name"] = {member["node"]: member for member in report["nodes"]}
    return report


class Members(ColonyTest):
    def test_nodes(self):
        cluster = self.running(SCHEMA, nodes="abc")
        a, b, c = cluster.nodes
        b.sql("INSERT INTO t VALUES(1, 'b')")
        cluster.settle()

        def all_beat():
            members = nodes(a)["by_name"]
            return len(members) == 3 and all(member["state"] == "running" and member["behind"] == 0
                                             for member in members.values()) and members
        members = until(all_beat, lambda: nodes(a))
        self.assertEqual(members["b"]["path"], str(b.path))
        self.assertEqual({member["standing"] for member in members.values()}, {"live"})
        self.assertLess(members["c"]["seen_s_ago"], 30)
        text = colony("nodes", a.path).stdout.splitlines()
        self.assertEqual(len(text), 5)
        self.assertTrue(text[2].startswith("a *"), text)
        self.assertEqual({line.index("running") for line in text[2:]}, {text[1].index("state")})

        c.stop()
        until(lambda: nodes(a)["by_name"]["c"]["state"] == "stopped", lambda: nodes(a))
        cluster.broker.stop()
        report = nodes(a)
        self.assertTrue(report["broker_error"])
        self.assertEqual(report["by_name"]["a"]["position"], a.one(
            "SELECT value FROM __colony_meta WHERE key = 'position'"))
        self.assertIsNone(report["by_name"]["b"]["position"])
        self.assertIn("note: no broker", colony("nodes", a.path).stdout)

    def test_leave(self):
        cluster = self.running(SCHEMA, nodes="abc")
        a, b, c = cluster.nodes
        c.sql("INSERT INTO t VALUES(1, 'c')")
        done = colony("leave", c.path)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn("node c has left colony c", done.stdout)
        self.assertIn("colony detach", done.stdout)
        self.assertIn("node c has left", c.halted())
        self.refused(colony("leave", c.path), "has left colony c")
        self.refused(colony("wait", c.path), "has left colony c")
        self.refused(colony("verify", c.path), "has left colony c")
        c.sql("INSERT INTO t VALUES(2, 'too late')")
        self.assertTrue(any("1 transactions are not sent" in warning for warning in c.status()["warnings"]))
        cluster.nodes = [a, b]
        content = cluster.assert_equal()  # and verify does not wait for c
        self.assertEqual(content["t"], [repr((1, b"text:c"))])
        self.assertNotIn("c", nodes(a)["by_name"])
        self.assertEqual(nodes(a, "--all")["by_name"]["c"]["standing"], "left")

        # Its file joins again, under the same name, with what it had not sent.
        c.stop()
        self.refused(colony("init", c.path, "--cluster", "c", "--node", "c"), "--keep-pending")
        c.init("--keep-pending")
        c.start()
        cluster.nodes = [a, b, c]
        self.assertEqual(len(cluster.assert_equal()["t"]), 2)
        until(lambda: nodes(a)["by_name"]["c"]["standing"] == "live", lambda: nodes(a))

    def test_leave_and_detach(self):
        cluster = self.running(SCHEMA, nodes="ab")
        a, b = cluster.nodes
        self.assertEqual(colony("leave", b.path).returncode, 0)
        b.stop()
        self.assertNotIn("has not left", colony("detach", b.path).stdout)
        a.stop()
        self.assertIn("has not left colony c", colony("detach", a.path).stdout)
        cluster.nodes = []

    def test_leave_refuses(self):
        cluster = self.running(SCHEMA, nodes="ab")
        a, b = cluster.nodes
        until(lambda: nodes(a)["by_name"]["b"]["standing"] == "live", lambda: nodes(a))
        self.refused(colony("leave", a.path, "--node", "nobody"), "no node nobody", "a, b")
        self.refused(colony("leave", a.path, "--node", "a"), "without --node")
        self.refused(colony("leave", a.path, "--node", "b"), "was seen", "--force")
        a.stop()
        self.refused(colony("leave", a.path), "no sidecar runs")
        a.start()
        cluster.assert_equal()

    def test_leave_times_out_without_a_broker(self):
        cluster = self.running(SCHEMA, nodes="ab")
        a = cluster.nodes[0]
        cluster.broker.stop()
        a.sql("INSERT INTO t VALUES(1, 'a')")
        done = colony("leave", a.path, "--timeout", 1)
        self.assertEqual(done.returncode, 1, done.stdout)
        self.assertIn("1 transactions are not in the log", done.stderr)

    def test_remove(self):
        cluster = self.running(SCHEMA, nodes="abc")
        a, b, c = cluster.nodes
        c.sql("INSERT INTO t VALUES(1, 'sent')")
        cluster.settle()
        c.kill()
        c.sql("INSERT INTO t VALUES(2, 'not sent'); UPDATE t SET x = 'changed' WHERE k = 1")
        done = colony("leave", a.path, "--node", "c", "--force")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn("node c was removed from colony c", done.stdout)
        self.refused(colony("leave", a.path, "--node", "c"), "has left colony c already")
        b.sql("INSERT INTO t VALUES(3, 'b')")
        cluster.nodes = [a, b]
        self.assertEqual(len(cluster.assert_equal()["t"]), 2)
        self.assertEqual(nodes(b, "--all")["by_name"]["c"]["removed_by"], "a")

        c.launch_sidecar()
        why = c.halted()
        self.assertIn("was removed from colony c by node a", why)
        self.assertIn("--keep-pending", why)
        c.stop()
        c.name = "d"
        self.assertIn("which was node c until that left, is now node d", c.init("--keep-pending"))
        c.start()
        cluster.nodes = [a, b, c]
        rows = cluster.assert_equal()["t"]
        self.assertEqual(rows, [repr((1, b"text:changed")), repr((2, b"text:not sent")), repr((3, b"text:b"))])

    def test_file_of_format_1_is_upgraded(self):
        cluster = self.cluster(SCHEMA, nodes="ab")
        a, b = cluster.nodes
        a.migrate("DROP TABLE __colony_left; DROP TABLE __colony_trust; DROP TABLE __colony_layouts; "
                  "UPDATE __colony_meta SET value = 1 WHERE key = 'format'")
        self.assertEqual(a.status()["state"], "stopped")
        self.assertEqual(nodes(a, "--all")["nodes"], [])
        cluster.start()
        self.assertEqual(a.one("SELECT value FROM __colony_meta WHERE key = 'format'"), 6)
        self.assertEqual(colony("leave", b.path).returncode, 0)
        until(lambda: a.one("SELECT count(*) FROM __colony_left") == 1, "a has absorbed the leave")
