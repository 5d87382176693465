"""A broker that forgets: every way in which its log is lost, and how the colony goes on."""

import contextlib
import os
import shutil
import signal
import time

from colony_cluster import ColonyTest, Node, colony, connect
from processes import COLONY, Child, app, finished, until

SCHEMA = "CREATE TABLE items(id TEXT PRIMARY KEY, n INTEGER);"
STREAM = "COLONY_c"


def write_until(path, node, stop_file):
    db = connect(path, timeout=60)
    n = 0
    while not stop_file.exists():
        db.execute("INSERT INTO items VALUES(?, ?)", (f"{node} while {n}", n))
        n += 1
        time.sleep(0.02)  # an app that is not all alone on its machine
    db.close()


class Recover(ColonyTest):
    def write(self, node, *ids):
        for key in ids:
            node.sql(f"INSERT INTO items VALUES('{key}', 1)")

    def ids(self, node):
        return {row[0] for row in node.query("SELECT id FROM items")}

    def keep_store(self, cluster):
        """A copy of the broker's store as it is now."""
        cluster.broker.stop()
        shutil.copytree(cluster.broker.store, cluster.directory / "earlier")
        cluster.broker.start()

    def put_back_store(self, cluster):
        cluster.broker.kill()
        shutil.rmtree(cluster.broker.store)
        shutil.copytree(cluster.directory / "earlier", cluster.broker.store)
        cluster.broker.start()

    def delete_stream(self, cluster, *more):
        with cluster.broker.client() as client:
            for stream in (STREAM, *more):
                client.api(f"STREAM.DELETE.{stream}")

    def recover(self, cluster, node, *more, code=0):
        done = colony("recover", node.path, "--nats", cluster.broker.url, *more, timeout=150)
        self.assertEqual(done.returncode, code, done.stdout + done.stderr)
        return done.stdout + done.stderr

    def all_run(self, cluster, nodes=None):
        for node in nodes or cluster.nodes:
            node.await_state("running", timeout=90)

    def forgotten(self, *lost):
        """A running colony whose broker has an older store: a wrote `lost` since."""
        cluster = self.running(SCHEMA)
        self.write(cluster.nodes[0], "one")
        cluster.settle()
        self.keep_store(cluster)
        self.all_run(cluster)
        self.write(cluster.nodes[0], *lost)
        cluster.settle()
        return cluster

    def all_say(self, nodes, *words):
        """Each comes to be halted for a reason in which all of `words` stand."""
        for node in nodes:
            node.halted(*words)

    def test_recover_after_an_old_store_was_put_back(self):
        cluster = self.forgotten("lost 1", "lost 2")
        stop = cluster.directory / "stop"
        apps = [app(write_until, node.path, node.name, stop) for node in cluster.nodes]
        self.put_back_store(cluster)
        for node in cluster.nodes:
            self.write(node, f"pending of {node.name}")
        self.all_say(cluster.nodes, "colony recover")
        # Nobody knows beforehand whose file has the most.
        chosen = None
        for node in cluster.nodes:
            done = colony("recover", node.path, "--nats", cluster.broker.url, timeout=150)
            if done.returncode == 0:
                chosen = node
                break
            self.assertEqual(done.returncode, 1, done.stdout + done.stderr)
            self.assertIn("is the most advanced: run colony recover there", done.stderr)
        self.assertIsNotNone(chosen)
        self.all_run(cluster)
        stop.touch()
        finished(apps)
        rows = cluster.assert_equal(timeout=90)
        self.assertTrue({"one", "lost 1", "lost 2"} | {f"pending of {n.name}" for n in cluster.nodes}
                        <= self.ids(cluster.nodes[0]))
        for node in cluster.nodes:
            own = [key for key in self.ids(node) if key.startswith(f"{node.name} while")]
            self.assertEqual(len(own), len({int(key.split()[-1]) for key in own}))
            self.assertEqual(max(int(key.split()[-1]) for key in own) + 1, len(own), "none is missing")
        self.assertEqual(rows["(conflicts)"], [])
        self.assertIn("nothing to recover", self.recover(cluster, cluster.nodes[1], code=1))

    def test_recover_after_the_streams_were_deleted(self):
        cluster = self.running(SCHEMA)
        a, b, c, d = cluster.nodes
        self.write(a, "one", "two")
        cluster.settle()
        d.stop()
        last = a.status()["position"]
        with cluster.broker.client() as client:
            names = client.api("STREAM.NAMES")["streams"]
        self.assertIn("KV_COLONY_c", names)
        self.delete_stream(cluster, *[name for name in names if name != STREAM])
        for node in cluster.nodes:
            self.write(node, f"pending of {node.name}")
        d.launch_sidecar()
        self.all_say(cluster.nodes, "is gone", "colony recover")
        shown = self.recover(cluster, a, "--dry-run")
        self.assertIn("the log is gone", shown)
        self.assertIn("go on from node a", shown)
        self.recover(cluster, a)
        self.all_run(cluster)
        rows = cluster.assert_equal()
        self.assertEqual(len(rows["items"]), 6)
        with cluster.broker.client() as client:
            state = client.state(STREAM)
        self.assertGreater(state["first_seq"], last, "no sequence is used twice")
        # The broker may be restarted, and again a new node joins.
        cluster.broker.kill()
        cluster.broker.start()
        e = Node(cluster, "e")
        self.addCleanup(e.kill)
        e.launch_sidecar(more=["--cluster", "c", "--node", "e"])
        until(lambda: e.path.exists(), "e has joined")
        e.await_state("running")
        self.assertEqual(len(self.ids(e)), 6)

    def test_recover_is_refused_when_the_rewound_log_was_written_to(self):
        cluster = self.running(SCHEMA)
        a, b, c, d = cluster.nodes
        self.write(a, "one")
        cluster.settle()
        self.keep_store(cluster)
        for node in (c, d):
            node.stop()
        self.all_run(cluster, (a, b))
        self.write(a, "lost")
        for node in (a, b):
            node.wait()
            node.stop()
        self.put_back_store(cluster)
        for node in (c, d):
            node.start()
        self.write(c, *[f"other {n}" for n in range(5)])
        for node in (c, d):
            node.wait()
        for node in (a, b):
            node.launch_sidecar()
        self.all_say([a, b], "colony recover")
        before = {node.name: node.dump() for node in cluster.nodes}
        why = self.recover(cluster, a, code=1)
        for word in ("node a has absorbed what node c has not", "of node a", "of node c", "--without"):
            self.assertIn(word, why)
        # The log was let go of; but two of four remember another one, so that the fork must not grow.
        self.all_say([c, d], "another log than a, b")
        self.write(c, "c goes on")
        self.assertEqual(before["a"], a.dump())
        # One side gives way: it keeps what it has, and says so.
        self.recover(cluster, a, "--without", "c", "--without", "d")
        self.all_say([c, d], "without what only this file has absorbed", "of node c")
        self.write(b, "after")
        for node in (a, b, a):
            node.wait()
        self.assertEqual(self.ids(a), {"one", "lost", "after"})
        self.assertEqual(a.dump(), b.dump())
        self.assertIn("c goes on", self.ids(c))

    def test_recover_without_a_node_that_comes_back_after_two_of_them(self):
        cluster = self.forgotten("lost")
        a, b, c, d = cluster.nodes
        d.stop()
        self.write(d, "pending of d")
        self.put_back_store(cluster)
        self.all_say([a, b, c], "colony recover")
        self.assertIn("not heard from node d", self.recover(cluster, a, "--timeout", "15", code=1))
        self.all_say([a], "lost its end")  # let go of
        self.refused(colony("recover", a.path, "--nats", cluster.broker.url, "--without", "x"), "no node x")
        self.recover(cluster, a, "--without", "d")
        self.all_run(cluster, (a, b, c))
        self.write(b, "between")
        for node in (a, b, c, a, b, c):
            node.wait()
        self.delete_stream(cluster)
        self.all_say([a, b, c], "is gone")
        self.recover(cluster, b, "--without", "d")
        self.all_run(cluster, (a, b, c))
        d.launch_sidecar()
        self.all_run(cluster)
        rows = cluster.assert_equal()
        self.assertEqual(self.ids(d), {"one", "lost", "between", "pending of d"})
        self.assertEqual(len(rows["items"]), 4)
        self.assertIn("went on with the log that colony recover has begun", d.said())

    def test_recover_killed_at_any_moment_is_run_again(self):
        cluster = self.forgotten("lost")
        a, b, c, d = cluster.nodes
        self.put_back_store(cluster)
        for node in cluster.nodes:
            self.write(node, f"pending of {node.name}")
        self.all_say(cluster.nodes, "colony recover")
        kills = 0
        for delay in (2.3, 5, 8):
            child = Child(cluster.directory / "recover.log")
            child.launch([COLONY, "recover", a.path, "--nats", cluster.broker.url])
            with contextlib.suppress(Exception):
                child.process.wait(delay)
            if not child.runs():
                break
            kills += 1
            child.kill()
            for node in cluster.nodes:
                node.halted()
        else:
            self.recover(cluster, a)
        self.assertGreater(kills, 1)
        self.all_run(cluster)
        rows = cluster.assert_equal()
        self.assertEqual(len(rows["items"]), 6)

    def test_recover_with_a_stopped_sidecar_of_its_own(self):
        cluster = self.forgotten("lost")
        a, b, c, d = cluster.nodes
        a.stop()
        self.put_back_store(cluster)
        self.write(a, "pending of a")
        self.all_say([b, c, d], "colony recover")
        self.recover(cluster, a)
        self.all_run(cluster, (b, c, d))
        a.start()
        self.assertEqual(len(cluster.assert_equal()["items"]), 3)

    def test_recover_interrupted_by_its_operator_lets_go(self):
        cluster = self.forgotten("lost")
        a, b, c, d = cluster.nodes
        d.stop()
        self.put_back_store(cluster)
        self.all_say([a, b, c], "lost its end")
        child = Child(cluster.directory / "recover.log")
        child.launch([COLONY, "recover", a.path, "--nats", cluster.broker.url])
        until(lambda: "held by colony recover" in (a.status()["error"] or ""), "the log is held")
        self.assertEqual(child.end(signal.SIGINT), 2)
        until(lambda: "lost its end" in (a.status()["error"] or ""), "the log is let go of")

    def test_recover_by_two_operators_at_once(self):
        cluster = self.forgotten("lost")
        a, b, c, d = cluster.nodes
        self.put_back_store(cluster)
        for node in cluster.nodes:
            self.write(node, f"pending of {node.name}")
        self.all_say(cluster.nodes, "colony recover")
        children = []
        for node in (a, b):
            child = Child(cluster.directory / f"recover {node.name}.log")
            self.addCleanup(child.kill)
            child.launch([COLONY, "recover", node.path, "--nats", cluster.broker.url])
            children.append(child)
        codes = sorted(child.process.wait(150) for child in children)
        said = [child.said() for child in children]
        self.assertEqual(codes, [0, 1], said)
        self.assertTrue(any("nothing to recover" in text for text in said), said)
        self.all_run(cluster)
        self.assertEqual(len(cluster.assert_equal()["items"]), 6)

    def test_recover_finds_nothing_wrong(self):
        cluster = self.running(SCHEMA, nodes="ab")
        a, b = cluster.nodes
        self.write(a, "one")
        cluster.settle()
        self.assertIn("nothing to recover", self.recover(cluster, a, code=1))
        self.assertIn("nothing to recover", self.recover(cluster, b, "--dry-run", code=1))
        self.all_run(cluster)
        fresh = Node(cluster, "f")
        shutil.copy(cluster.directory / "seed.db", fresh.path)
        fresh.init()
        self.refused(colony("recover", fresh.path, "--nats", cluster.broker.url), "has not yet met its colony")

    def running_with(self, *flags, nodes="abc"):
        cluster = self.cluster(SCHEMA, nodes=nodes)
        cluster.broker.start()
        for node in cluster.nodes:
            node.launch_sidecar(more=flags)
        self.all_run(cluster)
        self.write(cluster.nodes[0], "one")
        cluster.settle()
        return cluster

    def test_recover_stores_its_snapshot_where_the_nodes_look(self):
        place = self.cluster("", nodes="").directory / "snapshots"
        cluster = self.running_with("--snapshots", place)
        a, b, c = cluster.nodes
        self.delete_stream(cluster)
        self.all_say(cluster.nodes, "is gone")
        done = colony("recover", a.path, "--nats", cluster.broker.url, "--snapshots", "nats:")
        self.refused(done, f"looks for snapshots in {place}", "not in nats:COLONY_c")
        done = colony("recover", a.path, "--nats", cluster.broker.url,
                      env=dict(os.environ, COLONY_SNAPSHOTS="/somewhere/else"))
        self.refused(done, f"looks for snapshots in {place}", "not in /somewhere/else")
        # Without its own sidecar it asks the others.
        a.stop()
        done = colony("recover", a.path, "--nats", cluster.broker.url, "--snapshots", "nats:")
        self.refused(done, f"looks for snapshots in {place}", "no node in nats:COLONY_c")
        self.assertIn(f" in {place}", self.recover(cluster, a))
        a.launch_sidecar(more=["--snapshots", place])
        self.all_run(cluster)
        self.assertEqual(len(cluster.assert_equal()["items"]), 1)

    def test_recover_tells_of_nodes_that_look_elsewhere(self):
        cluster = self.running_with(nodes="abc")
        a, b, c = cluster.nodes
        c.stop()
        c.launch_sidecar(more=["--snapshots", cluster.directory / "elsewhere"])
        c.await_state("running")
        self.delete_stream(cluster)
        self.all_say(cluster.nodes, "is gone")
        said = self.recover(cluster, a)
        self.assertIn(f"note: node c looks for snapshots in {cluster.directory / 'elsewhere'}", said)
        self.all_run(cluster, (a, b))
        c.halted("is another one")
        c.stop()
        c.start()
        self.assertEqual(len(cluster.assert_equal()["items"]), 1)

    def test_recover_without_a_place_for_its_snapshot(self):
        cluster = self.running_with("--snapshots", "none", nodes="a")
        a = cluster.nodes[0]
        self.delete_stream(cluster)
        self.all_say([a], "is gone")
        self.refused(colony("recover", a.path), "--snapshots none", "start the sidecars again")

    def test_recover_run_again_at_once_has_nothing_to_do(self):
        cluster = self.forgotten("lost")
        a, b, c, d = cluster.nodes
        self.put_back_store(cluster)
        self.all_say(cluster.nodes, "colony recover")
        a.stop()  # so that it does not tell the board either
        self.recover(cluster, a)
        others = (b, c, d)
        for node in others:
            os.kill(node.pid, signal.SIGSTOP)  # before it has followed
        with cluster.broker.client() as client:
            begun = client.api(f"STREAM.INFO.{STREAM}")["config"]["description"]
        child = Child(cluster.directory / "recover.log")
        self.addCleanup(child.kill)
        child.launch([COLONY, "recover", b.path, "--nats", cluster.broker.url])
        until(lambda: "nodes to follow" in child.said() or "to halt and to say so" in child.said() or not child.runs(),
              "it knows what to do")
        for node in others:
            os.kill(node.pid, signal.SIGCONT)
        child.process.wait(60)
        self.assertIn("nothing to recover", child.said())
        a.launch_sidecar()
        self.assertIn("nothing to recover", self.recover(cluster, c, "--dry-run", code=1))
        with cluster.broker.client() as client:
            self.assertEqual(client.api(f"STREAM.INFO.{STREAM}")["config"]["description"], begun)
        self.all_run(cluster)
        self.assertEqual(len(cluster.assert_equal()["items"]), 2)

    def test_recover_names_all_that_it_has_not_heard(self):
        cluster = self.forgotten("lost")
        a, b, c, d = cluster.nodes
        for node in (c, d):
            node.stop()
        self.put_back_store(cluster)
        self.all_say([a, b], "colony recover")
        said = self.recover(cluster, a, "--timeout", "1", code=1)
        # That soon nobody may have been heard.
        self.assertRegex(said, r"not heard from nodes ([ab], )*c, d\. Start their sidecars.*add( --without b)? --without c "
                         r"--without d\n")
        for timeout in ("-1", "soon", "nan", "1e10"):
            self.refused(colony("recover", a.path, "--timeout", timeout),
                         f"'{timeout}' is no duration such as 5s, 10min or 1h (of at most 1000000000 seconds)")

    def test_a_log_that_others_have_begun_is_not_taken(self):
        cluster = self.running(SCHEMA, nodes="ab")
        a, b = cluster.nodes
        self.write(a, "one")
        cluster.settle()
        self.delete_stream(cluster)
        self.all_say([a, b], "is gone")
        stranger = Node(cluster, "e")
        self.addCleanup(stranger.kill)
        shutil.copy(cluster.directory / "seed.db", stranger.path)
        stranger.init()
        stranger.start()
        self.write(stranger, "strange")
        stranger.wait()
        colony("snapshot", stranger.path)
        self.all_say([a, b], "another colony's")
        why = self.recover(cluster, a, code=1)
        self.assertIn("node a has absorbed what node e has not", why)
        self.assertEqual(self.ids(a), {"one"})
        self.recover(cluster, a, "--without", "e")
        self.all_run(cluster)
        self.assertEqual(cluster.assert_equal()["items"], ["(b'text:one', 1)"])
        self.assertEqual(self.ids(stranger), {"strange"})
        stranger.halted()
