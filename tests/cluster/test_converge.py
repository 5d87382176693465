"""What a user sees first: four nodes write, and the commands tell how it went."""

import json
import os
import sqlite3
import subprocess
import time

from colony_cluster import ColonyTest, Node, behind_its_back, colony, connect, session_only
from processes import COLONY, EXTENSION, SQLITE, app, finished, run, until

SCHEMA = """
CREATE TABLE items(id TEXT PRIMARY KEY, node TEXT, n INTEGER, note);
CREATE TABLE shared(id INTEGER PRIMARY KEY, a, b, by TEXT);
"""


def write_in_python(path, node, rows):
    db = connect(path)
    for n in range(rows):
        db.execute("BEGIN IMMEDIATE")
        db.execute("INSERT INTO items VALUES(?, ?, ?, ?)", (f"{node}{n}", node, n, f"from {node}"))
        db.execute("INSERT INTO shared VALUES(?, ?, ?, ?) "
                   "ON CONFLICT(id) DO UPDATE SET a = excluded.a, by = excluded.by",
                   (n % 20, n, -n, node))
        if n % 7 == 3:
            db.execute("DELETE FROM shared WHERE id = ?", (n * 3 % 20,))
        db.execute("COMMIT")
    db.close()


def write_in_shell(path, node, rows):
    script = "".join(
        f"BEGIN IMMEDIATE; INSERT INTO items VALUES('{node}{n}', '{node}', {n}, 'from {node}');"
        f"INSERT OR REPLACE INTO shared VALUES({n % 20}, {n}, {-n}, '{node}');"
        f"UPDATE shared SET b = b + 1 WHERE id = {n * 7 % 20}; COMMIT;\n" for n in range(rows))
    subprocess.run([SQLITE, "-init", "/dev/null", "-batch", "-bail", "-cmd", ".timeout 20000", "-cmd",
                    f".load {EXTENSION}", path], input=script, text=True, check=True)


class Converge(ColonyTest):
    def test_converge(self):
        cluster = self.running(SCHEMA)
        writers = [write_in_python, write_in_shell, write_in_python, write_in_shell]
        apps = [app(writer, node.path, node.name, 400) for writer, node in zip(writers, cluster.nodes)]
        finished(apps)
        rows = cluster.assert_equal()
        self.assertEqual(len(rows["items"]), 4 * 400)

    def test_status_json(self):
        a = self.running(SCHEMA, nodes="a", name="shop").nodes[0]
        a.sql("INSERT INTO items VALUES('x', 'a', 1, NULL)")
        a.wait()
        status = a.await_status(cluster="shop", node="a", state="running", pending=0, lag=0, conflicts=0,
                                capture=a.capture, format=6, error=None)
        self.assertEqual(status["position"], status["log_head"])
        self.assertGreaterEqual(status["position"], 2)  # the hello and the row
        self.assertIn("shop", colony("status", a.path).stdout)

    @session_only("in wal mode nothing is pending before a sidecar has captured it")
    def test_status_without_sidecar_or_broker(self):
        cluster = self.cluster(SCHEMA, nodes="a")
        a = cluster.nodes[0]
        a.sql("INSERT INTO items VALUES('x', 'a', 1, NULL)")
        status = a.status()
        self.assertEqual((status["state"], status["pending"], status["position"], status["log_head"]),
                         ("stopped", 1, 0, None))
        cluster.start()
        a.wait()
        a.kill()
        cluster.broker.kill()
        status = a.status()
        self.assertEqual((status["state"], status["pending"], status["error"]), ("stopped", 0, None))
        done = colony("status", a.path)
        self.assertEqual(done.returncode, 1)
        self.assertIn("no sidecar runs: start colony run", done.stdout)

    def test_wait_tells_by_its_exit_code(self):
        cluster = self.running(SCHEMA, nodes="ab")
        a, b = cluster.nodes
        a.sql("INSERT INTO items VALUES('x', 'a', 1, NULL)")
        self.assertEqual(colony("wait", a.path).returncode, 0)
        self.assertEqual(colony("wait", b.path).returncode, 0)
        self.assertEqual(b.query("SELECT id FROM items"), [("x",)])
        a.stop()
        a.sql("INSERT INTO items VALUES('y', 'a', 1, NULL)")
        late = colony("wait", a.path, "--timeout", 0.2)
        self.assertEqual((late.returncode, len(late.stderr.splitlines())), (1, 1), late.stderr)
        self.assertIn("1 transactions are not in the log" if a.capture == "session" else "nobody has captured",
                      late.stderr)
        # Nothing of a's own is left to send, but it is behind.
        b.sql("INSERT INTO items VALUES('z', 'b', 1, NULL)")
        b.wait()
        a.start()
        a.wait()
        a.stop()
        b.sql("INSERT INTO items VALUES('zz', 'b', 1, NULL)")
        b.wait()
        late = colony("wait", a.path, "--timeout", 0.2, "--nats", cluster.broker.url)
        self.assertEqual(late.returncode, 1, late.stderr)
        self.assertIn("position", late.stderr)
        cluster.broker.kill()
        self.assertEqual(colony("wait", b.path, "--timeout", 0.3).returncode, 1)
        plain = cluster.directory / "plain.db"
        sqlite3.connect(plain).execute("CREATE TABLE t(a)").connection.close()
        self.refused(colony("wait", plain))
        self.refused(colony("wait", cluster.directory / "missing.db"))

    def test_wait_before_the_sidecar_is_up(self):
        """`colony run DB & colony wait DB`, as a script does it, with a broker that is not the default."""
        cluster = self.cluster(SCHEMA, nodes="a")
        cluster.broker.start()
        a = cluster.nodes[0]
        a.sql("INSERT INTO items VALUES('x', 'a', 1, NULL)")
        a.launch_sidecar()
        a.wait(timeout=10)
        for _ in range(5):
            a.restart()
            a.wait(timeout=10)
        self.assertEqual(a.status()["pending"], 0)

    def test_conflicts_json(self):
        cluster = self.running(SCHEMA, nodes="ab")
        a, b = cluster.nodes
        self.assertEqual(a.conflicts(), [])
        self.assertIn("no conflicts", colony("conflicts", a.path).stdout)
        a.sql("INSERT INTO items VALUES('x', 'a', 1, 'old')")
        cluster.settle()
        a.stop()
        a.sql("UPDATE items SET note = 'from a' WHERE id = 'x'")
        b.sql("UPDATE items SET note = 'from b' WHERE id = 'x'")
        b.wait()
        a.start()
        rows = cluster.assert_equal()
        self.assertIn("from a", rows["items"][0])
        conflicts = a.conflicts()
        self.assertEqual(len(conflicts), 1)
        self.assertEqual(conflicts[0]["kind"], "update_differs")
        self.assertEqual(conflicts[0]["table"], "items")
        self.assertEqual(conflicts[0]["key"], {"id": "x"})
        self.assertEqual(conflicts[0]["lost"], {"note": "from b"})
        self.assertEqual(conflicts[0]["origin"], "a")
        self.assertEqual(conflicts, b.conflicts())
        self.assertEqual(a.status()["conflicts"], 1)
        self.assertIn("update_differs", colony("conflicts", b.path).stdout)

    def test_verify_tells_by_its_exit_code(self):
        cluster = self.running(SCHEMA)
        a, b, c, d = cluster.nodes
        a.sql("INSERT INTO items VALUES('x', 'a', 1, NULL), ('y', 'a', 2, NULL)")
        cluster.settle()
        done = cluster.verify()
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn("4 of 4", done.stdout)
        as_json = json.loads(cluster.verify("--json").stdout)
        self.assertEqual((as_json["equal"], as_json["missing"], len(as_json["nodes"])), (True, [], 4))

        # Rows changed behind Colony's back.
        behind_its_back(c, "UPDATE items SET n = 3 WHERE id = 'x'")
        self.assertEqual(c.status()["pending"], 0)
        done = cluster.verify()
        self.assertEqual(done.returncode, 1, done.stdout)
        self.assertIn("items", done.stderr)
        self.assertRegex(done.stdout, r"(?m)^items .*DIFFERS on c$")
        self.assertRegex(done.stdout, r"(?m)^shared .*equal$")
        self.assertFalse(json.loads(cluster.verify("--json").stdout)["equal"])
        behind_its_back(c, "UPDATE items SET n = 1 WHERE id = 'x'")
        self.assertEqual(cluster.verify().returncode, 0)

        b.kill()
        done = cluster.verify(timeout=8)
        self.refused(done, " b:")
        self.assertIn("3 of 4", done.stdout)

    def test_verify_while_everybody_writes(self):
        """What is pending is no difference, and what is asked by several is answered to each."""
        cluster = self.running(SCHEMA)
        apps = [app(write_in_python, node.path, node.name, 1500) for node in cluster.nodes]
        rounds = 0
        while any(process.is_alive() for process in apps) or rounds < 3:
            asked = [subprocess.Popen([COLONY, "verify", node.path, "--json"], stdout=subprocess.PIPE)
                     for node in cluster.nodes[:2]]
            for process in asked:
                answer = json.loads(process.communicate(timeout=60)[0])
                self.assertEqual((process.returncode, answer["equal"], len(answer["nodes"])), (0, True, 4), answer)
                self.assertEqual(len({node["position"] for node in answer["nodes"]}), 1)
            rounds += 1
        finished(apps)
        cluster.assert_equal()
        print(f"NOTE {rounds} rounds of two questions")

    @session_only("in wal mode a copy made by hand may hold what is not captured: nodes begin with a snapshot")
    def test_join_while_everybody_writes(self):
        """A fifth node, from a copy that was taken while the first one wrote."""
        cluster = self.running(SCHEMA)
        apps = [app(write_in_python, node.path, node.name, 1000) for node in cluster.nodes]
        a = cluster.nodes[0]
        until(lambda: a.status()["pending"] > 0 and a.one("SELECT count(*) FROM items") > 500, "a writes", every=0.001)
        joining = Node(cluster, "e")
        self.addCleanup(joining.kill)
        self.assertEqual(run(SQLITE, a.path, f".backup {joining.path}").stderr, "")
        self.assertIn("a copy of node a's file", joining.init())
        apps.append(app(write_in_python, joining.path, "e", 300))
        joining.start()
        cluster.nodes.append(joining)
        finished(apps)
        rows = cluster.assert_equal()
        self.assertEqual(len(rows["items"]), 4 * 1000 + 300)
        self.assertIn("5 of 5", cluster.verify().stdout)

    @session_only("in wal mode what was written before the first start is what the colony begins with")
    def test_conflicts_are_bounded(self):
        cluster = self.cluster(SCHEMA + "WITH RECURSIVE n(i) AS "
                               "(VALUES(1) UNION ALL SELECT i + 1 FROM n WHERE i < 10500) "
                               "INSERT INTO shared SELECT i, 0, 0, '' FROM n;", nodes="abc")
        for node in cluster.nodes[:2]:
            node.sql(f"UPDATE shared SET by = '{node.name}'; UPDATE shared SET a = '{node.name}' WHERE id < 100;")
        cluster.start()
        journal = cluster.assert_equal()["(conflicts)"]
        self.assertEqual(len(journal), 10_000)

    def test_flags_beat_the_environment_which_beats_the_file(self):
        cluster = self.cluster(SCHEMA, nodes="a")
        cluster.broker.start()
        a = cluster.nodes[0]
        config = cluster.directory / "colony.toml"

        def broker_of(*flags, **environment):
            a.launch([COLONY, "run", a.path, *flags], env=dict(os.environ, **environment))
            until(lambda: a.status()["broker"], "it runs")
            broker = a.status()["broker"]
            a.stop()
            return broker
        config.write_text(f'nats = "{cluster.broker.url}"\n')
        self.assertEqual(broker_of(), "nats://127.0.0.1:4222")
        self.assertEqual(broker_of("--config", config), cluster.broker.url)
        self.assertEqual(broker_of("--config", config, COLONY_NATS="nats://127.0.0.1:2"), "nats://127.0.0.1:2")
        self.assertEqual(broker_of("--nats", "nats://127.0.0.1:3", COLONY_NATS="nats://127.0.0.1:2"),
                         "nats://127.0.0.1:3")
        self.refused(colony("run", a.path, "--config", cluster.directory / "missing.toml"), "missing.toml")
        for text, word in (("natz = 1", "natz"), ("[nats]\nurl = 1", "nats.url"), ("replicas = 9", "replicas"),
                           ("replicas = [1, 2]", "replicas"), ("this is no TOML", "colony.toml"),
                           ("help = true", "help")):
            config.write_text(text + "\n")
            self.refused(colony("run", a.path, "--config", config), "colony.toml", word)
        config.write_text("")
        self.assertEqual(broker_of("--config", config), "nats://127.0.0.1:4222")

    def test_credentials_are_not_shown(self):
        cluster = self.cluster(SCHEMA, nodes="ab",
                               broker_config='authorization { user: colony, password: "s3cret" }\n')
        cluster.broker.start()
        a, b = cluster.nodes
        url = cluster.broker.url.replace("//", "//colony:s3cret@")
        for node in cluster.nodes:
            node.launch([COLONY, "run", node.path], env=dict(os.environ, COLONY_NATS=url))
            node.await_state("running")
        a.sql("INSERT INTO items VALUES('x', 'a', 1, NULL)")
        for node in cluster.nodes:
            self.assertEqual(colony("wait", node.path, env=dict(os.environ, COLONY_NATS=url)).returncode, 0)
        self.assertEqual(colony("verify", a.path, env=dict(os.environ, COLONY_NATS=url)).returncode, 0)
        self.assertEqual(b.one("SELECT count(*) FROM items"), 1)
        # With the URL that status shows, nobody gets in; and is told so.
        denied = colony("wait", a.path, "--timeout", 3)
        self.assertEqual(denied.returncode, 1)
        self.assertRegex(denied.stderr, "(?i)authori[sz]ation")
        b.stop()
        b.launch([COLONY, "run", b.path], env=dict(os.environ, COLONY_NATS=url.replace("s3cret", "wr0ng")))
        self.assertRegex(b.await_state("waiting_for_broker")["error"], "(?i)authori[sz]ation")
        for said in (a.said(), b.said(), colony("status", a.path).stdout, colony("status", b.path, "--json").stdout,
                     denied.stderr):
            self.assertNotIn("s3cret", said)
            self.assertNotIn("wr0ng", said)

    def test_commands_refuse_what_they_do_not_know(self):
        for words in ([], ["dance"], ["run"], ["init", "x"], ["status", "x", "--color"],
                      ["wait", "x", "--timeout", "-1"]):
            self.refused(colony(*words))
        self.assertEqual(colony("--version").returncode, 0)

    def test_four_nodes_keep_up_with_a_steady_writer(self):
        """Rows arrive while they are written, and not only at the end."""
        cluster = self.running(SCHEMA)
        writer = app(write_in_python, cluster.nodes[0].path, "a", 1500)
        for node in cluster.nodes[1:]:
            until(lambda: node.one("SELECT count(*) FROM items") > 100, f"{node.name} follows")
        finished([writer])
        self.assertEqual(len(cluster.assert_equal()["items"]), 1500)

    def test_a_lone_commit_is_shipped_at_once(self):
        """Nothing polls, and nothing waits for more."""
        a, b = self.running(SCHEMA, nodes="ab").nodes
        times = []
        db = a.connect()
        for n in range(10):
            begin = time.monotonic()
            db.execute("INSERT INTO items VALUES(?, 'a', 1, NULL)", (n,))
            until(lambda: b.one("SELECT count(*) FROM items") == n + 1, "b has the row", timeout=10, every=0.001)
            times.append(time.monotonic() - begin)
        self.assertLess(sorted(times)[5], 0.5, times)
