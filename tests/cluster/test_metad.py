"""metad, the service of tests/load, as its clients meet it: over HTTP, on nodes of a colony."""

import contextlib
import http.client
import json
import pathlib
import re
import signal
import socket
import sqlite3
import time
import unittest

from colony_cluster import ColonyTest
from processes import BIN, COLONY, EXTENSION, Child, app, finished, run, until

METAD = str(BIN / "metad")
COLONY_LOAD = str(BIN / "colony-load")
SCHEMA = (pathlib.Path(__file__).resolve().parents[2] / "deploy/demo/schema.sql").read_text()


class Metad(Child):
    def __init__(self, path, *more, extension=EXTENSION):
        super().__init__(f"{path}.metad.log")
        words = [METAD, path, *more, *(["--extension", extension] if extension else [])]
        self.launch(words)
        self.port = int(until(self.listening, lambda: "metad listens: " + self.said())[1])

    def listening(self):
        if not self.runs():
            raise AssertionError("metad ended at once: " + self.said())
        return re.search(r"http://127\.0\.0\.1:(\d+)\n", self.said())

    def ask(self, method, target, body=None, **headers):
        """Status, body and headers of one request, over a connection of its own."""
        with contextlib.closing(http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)) as client:
            client.request(method, target, body, {name.replace("_", "-"): value for name, value in headers.items()})
            answer = client.getresponse()
            return answer.status, answer.read(), answer.headers

    def json(self, method, target, body=None, status=200, **headers):
        got, content, _ = self.ask(method, target, None if body is None else json.dumps(body), **headers)
        if got != status:
            raise AssertionError(f"{method} {target} gives {got}, not {status}: {content}")
        return json.loads(content)

    def raw(self, content, timeout=20):
        """What a client that sends these bytes is sent until the connection ends or answers stop."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=timeout) as client:
            client.sendall(content)
            client.shutdown(socket.SHUT_WR)
            received = b""
            with contextlib.suppress(ConnectionResetError):
                while part := client.recv(65536):
                    received += part
            return received

    def stop(self):
        code = self.end(signal.SIGTERM)
        if code != 0 or self.said().count("\n") != 1:
            raise AssertionError(f"metad ended with {code}: {self.said()}")


def count_up(port, key, times):
    """Adds to a number by compare-and-set until it has succeeded so many times."""
    client = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    while times > 0:
        client.request("GET", key)
        answer = client.getresponse()
        number, tag = int(answer.read()), answer.headers["ETag"]
        client.request("PUT", key, str(number + 1), {"If-Match": tag})
        answer = client.getresponse()
        answer.read()
        if answer.status not in (200, 412):
            raise AssertionError(answer.status)
        times -= answer.status == 200
    client.close()


class Service(ColonyTest):
    def plain(self, *more):
        cluster = self.cluster(SCHEMA, nodes="")
        path = cluster.directory / "seed.db"
        with contextlib.closing(sqlite3.connect(path)) as db:
            db.execute("PRAGMA journal_mode = WAL")
        service = Metad(path, *more, extension=None)
        self.addCleanup(service.kill)
        return service

    def test_metad_values(self):
        service = self.plain()
        content = bytes(range(256))
        status, _, headers = service.ask("PUT", "/kv/space/a%2Fb/%C3%A9", content)
        self.assertEqual((status, headers["Metad-Committed-Ns"] is not None), (200, True))
        status, body, got = service.ask("GET", "/kv/space/a/b/%C3%A9")
        self.assertEqual((status, body, got["ETag"]), (200, content, headers["ETag"]))
        for n in range(5):
            service.ask("PUT", f"/kv/space/list/{n}", f"value {n}")
        page = service.json("GET", "/kv/space?prefix=list/&limit=3")
        self.assertEqual([row["value"] for row in page["values"]], ["value 0", "value 1", "value 2"])
        page = service.json("GET", f"/kv/space?prefix=list/&limit=3&after={page['next']}")
        self.assertEqual([row["key"] for row in page["values"]], ["list/3", "list/4"])
        self.assertNotIn("next", page)
        self.assertEqual(service.json("GET", "/kv/space?limit=1")["values"][0]["value_hex"], content.hex())
        service.json("DELETE", "/kv/space/list/0")
        service.json("DELETE", "/kv/space/list/0", status=404)
        service.json("GET", "/kv/space/list/0", status=404)
        service.stop()

    def test_metad_compare_and_set(self):
        service = self.plain()
        status, _, headers = service.ask("PUT", "/kv/s/k", "0", If_None_Match="*")
        self.assertEqual(status, 200)
        self.assertEqual(service.ask("PUT", "/kv/s/k", "0", If_None_Match="*")[0], 412)
        self.assertEqual(service.ask("PUT", "/kv/s/absent", "0", If_Match='"00"')[0], 412)
        self.assertEqual(service.ask("DELETE", "/kv/s/k", If_Match='"00"')[0], 412)
        finished([app(count_up, service.port, "/kv/s/k", 50) for _ in range(4)])
        self.assertEqual(service.ask("GET", "/kv/s/k")[1], b"200")
        service.stop()

    def test_metad_expiry(self):
        service = self.plain("--expire-every", 1, "--expire-grace", 0)
        service.json("PUT", "/kv/s/stays?ttl=1000", 1)
        service.json("PUT", "/kv/s/goes?ttl=1", 1)
        until(lambda: service.ask("GET", "/kv/s/goes")[0] == 404, "it expires")
        until(lambda: service.json("GET", "/stats")["expired_deleted"] == 1, "its row is deleted")
        self.assertEqual([row["key"] for row in service.json("GET", "/kv/s")["values"]], ["stays"])
        service.stop()

    def test_metad_objects_and_holders(self):
        service = self.plain()
        for n, state in enumerate(("ready", "copying")):
            service.json("PUT", f"/objects/photos/{n}.jpg", {
                "size": n, "sha256": "ab" * 32, "owner": "ada",
                "placements": [{"node": "a", "url": f"https://a/{n}", "state": state}]})
        service.json("PUT", "/placements/b/photos/1.jpg", {"url": "https://b/1"})
        self.assertEqual([p["node"] for p in service.json("GET", "/objects/photos/1.jpg")["placements"]], ["a", "b"])
        listed = service.json("GET", "/objects?prefix=photos/")["objects"]
        self.assertEqual([(o["key"], len(o["placements"])) for o in listed],
                         [("photos/0.jpg", 1), ("photos/1.jpg", 2)])
        self.assertEqual([h["url"] for h in service.json("GET", "/holders?sha256=" + "ab" * 32)["holders"]],
                         ["https://a/0", "https://b/1"])
        self.assertEqual([h["node"] for h in service.json("GET", "/holders?object=photos/1.jpg")["holders"]], ["b"])
        self.assertEqual(len(service.json("GET", "/placements/a?prefix=photos/")["placements"]), 2)
        # One URL is one copy's; the write that says otherwise leaves others of its commit alone.
        service.json("PUT", "/placements/c/photos/0.jpg", {"url": "https://a/0"}, status=409)
        service.json("PUT", "/placements/c/nothing", {"url": "https://c/0"}, status=409)
        service.json("DELETE", "/placements/b/photos/1.jpg")
        service.json("DELETE", "/objects/photos/0.jpg")
        self.assertEqual(service.json("GET", "/placements/a")["placements"][0]["object"], "photos/1.jpg")
        service.stop()

    def test_metad_bad_input(self):
        service = self.plain()
        for target, method, body, status in (
                ("/nothing", "GET", None, 404), ("/kv/s/k", "POST", "", 405), ("/objects", "DELETE", None, 405),
                ("/kv/s/%ff", "GET", None, 400), ("/kv/s/%0", "GET", None, 400), ("/kv/s/%00", "GET", None, 400),
                ("/kv/s/" + "k" * 600, "GET", None, 414), ("/kv/s/" + "k" * 9000, "GET", None, 431),
                ("/kv/s/", "PUT", "v", 400), ("/kv/s/k", "PUT", "v" * 70_000, 413), ("/kv/s/k?ttl=x", "PUT", "v", 400),
                ("/kv/s?limit=0", "GET", None, 400), ("/kv/s?colour=red", "GET", None, 400),
                ("/objects/o", "PUT", "{", 400), ("/objects/o", "PUT", '{"size":-1,"sha256":"","owner":""}', 400),
                ("/objects/o", "PUT", '{"size":1,"sha256":"\xff","owner":""}', 400), ("/holders", "GET", None, 400)):
            got, content, headers = service.ask(method, target, body if body is None else body.encode("latin-1"))
            self.assertEqual(got, status, target)
            self.assertEqual(sorted(json.loads(content)), ["do", "error"], target)
            self.assertEqual("Allow" in headers, status == 405)
        for content, status in ((b"nonsense\r\n\r\n", b"400"), (b"GET / HTTP/9.9\r\n\r\n", b"400"),
                                (b"GET /healthz HTTP/1.1\r\nContent-Length: x\r\n\r\n", b"400"), (b"\0" * 9000, b"400"),
                                (b"PUT /kv/s/k HTTP/1.1\r\nContent-Length: 99999999999\r\n\r\n", b"413")):
            self.assertEqual(service.raw(content)[:12], b"HTTP/1.1 " + status)
        self.assertEqual(service.raw(b"GET /hea"), b"")
        # Byte by byte, and several in one go: answered in order.
        with socket.create_connection(("127.0.0.1", service.port), timeout=20) as client:
            client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            for byte in b"PUT /kv/s/k HTTP/1.1\r\nContent-Length: 3\r\n\r\nabc":
                client.send(bytes([byte]))
            self.assertIn(b'{"done":true}', client.recv(65536))
            client.sendall(b"PUT /kv/s/k HTTP/1.1\r\nContent-Length: 3\r\n\r\nxyzGET /kv/s/k HTTP/1.1\r\n\r\n"
                           b"GET /healthz HTTP/1.1\r\nConnection: close\r\n\r\n")
            received = b""
            while part := client.recv(65536):
                received += part
            self.assertRegex(received, rb'(?s)"done":true.*\r\n\r\nxyzHTTP/1.1 200.*"status":"ok"}$')
        service.stop()

    def test_metad_slow_clients(self):
        service = self.plain("--request-timeout", 1, "--idle-timeout", 3)
        begin = time.monotonic()
        with socket.create_connection(("127.0.0.1", service.port), timeout=20) as slow, \
                socket.create_connection(("127.0.0.1", service.port), timeout=20) as idle:
            slow.sendall(b"GET /healthz HTT")
            self.assertEqual(slow.recv(1), b"")
            self.assertLess(time.monotonic() - begin, 2.9)
            self.assertEqual(idle.recv(1), b"")
            self.assertGreater(time.monotonic() - begin, 1.9)
        # One that does not read what it asks for keeps nobody from being answered.
        service.json("PUT", "/kv/s/k", "v" * 60_000)
        with socket.create_connection(("127.0.0.1", service.port), timeout=20) as deaf:
            deaf.setblocking(False)
            with contextlib.suppress(BlockingIOError):
                while True:
                    deaf.send(b"GET /kv/s/k HTTP/1.1\r\n\r\n" * 100)
            self.assertEqual(service.json("GET", "/healthz"), {"status": "ok"})
        service.stop()

    def test_metad_ends_beside_clients_that_do_not_read(self):
        service = self.plain("--request-timeout", 1000)
        service.json("PUT", "/kv/s/k", "v" * 60_000)
        with socket.create_connection(("127.0.0.1", service.port), timeout=20) as deaf:
            deaf.sendall(b"GET /kv/s/k HTTP/1.1\r\n\r\n" * 500)
            until(lambda: service.json("GET", "/stats")["requests"] > 500, "all are answered")
            service.stop()

    def test_metad_head_and_continue(self):
        service = self.plain()
        service.json("PUT", "/kv/s/k", "v")
        with contextlib.closing(http.client.HTTPConnection("127.0.0.1", service.port, timeout=20)) as client:
            for _ in range(2):  # a body where none must be would be taken for the next answer
                client.request("HEAD", "/kv/s/k")
                answer = client.getresponse()
                self.assertEqual((answer.status, answer.headers["Content-Length"], answer.read()), (200, "3", b""))
        with socket.create_connection(("127.0.0.1", service.port), timeout=20) as client:
            client.sendall(b"PUT /kv/s/k HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\n")
            self.assertEqual(client.recv(65536), b"HTTP/1.1 100 Continue\r\n\r\n")
            client.sendall(b"abc")
            self.assertIn(b'{"done":true}', client.recv(65536))
        service.stop()

    def test_metad_is_not_well_while_writes_fail(self):
        service = self.plain()
        path = str(service.log).removesuffix(".metad.log")
        with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as db:
            db.execute("ALTER TABLE placements RENAME TO gone")
            service.json("PUT", "/placements/a/o", {"url": "u"}, status=503)
            self.assertIn("placements", service.json("GET", "/healthz", status=503)["error"])
            db.execute("ALTER TABLE gone RENAME TO placements")
        service.json("PUT", "/kv/s/k", "v")
        self.assertEqual(service.json("GET", "/healthz"), {"status": "ok"})
        # A file that becomes a colony's asks for the extension, which only a restart brings.
        self.assertEqual(run(COLONY, "init", path, "--cluster", "c", "--node", "a", "--yes").returncode, 0)
        for method, target, body in (("PUT", "/kv/s/k", "v"), ("GET", "/healthz", None)):
            answer = service.json(method, target, body, status=503)
            self.assertIn("must_load_colony_so", answer["error"])
            self.assertIn("--extension colony.so", answer["do"])
        self.assertEqual(service.end(signal.SIGTERM), 0)

    def test_metad_started_wrongly(self):
        directory = self.cluster("", nodes="").directory
        plain, empty, other, text, absent = (directory / f"{name}.db" for name in (
            "plain", "empty", "other", "text", "absent"))
        empty.touch()
        text.write_text("This is no database, and long enough for its header. " * 20)
        for path, schema in ((plain, SCHEMA), (other, SCHEMA.replace("expires", "until"))):
            with contextlib.closing(sqlite3.connect(path)) as db:
                db.executescript("PRAGMA journal_mode = WAL;" + schema)
        busy = socket.create_server(("127.0.0.1", 0))
        self.addCleanup(busy.close)
        taken = f"127.0.0.1:{busy.getsockname()[1]}"
        for words, *said in (
                ([], "DB"), ([absent], str(absent), "No such file"), ([empty], str(empty), "deploy/demo/schema.sql"),
                ([other], str(other), "expires", "deploy/demo/schema.sql"), ([text], str(text), "not a database"),
                ([plain, "--listen", "x:y"], "ADDRESS:PORT"),
                ([plain, "--listen", "nowhere:80"], "'nowhere'", "IP address"),
                ([plain, "--listen", taken], taken, "in use", "--listen"),
                ([plain, "--extension", "/absent.so"], "/absent.so", "No such file", "--extension"),
                ([plain, "--extension", text], str(text), "--extension"),
                ([plain, "--extension", EXTENSION], str(plain), "colony init"),
                ([plain, "--expire-grace", -1], "--expire-grace"), ([plain, "--expire-every", -1], "--expire-every"),
                ([plain, "--expire-every", 10 ** 12], "--expire-every"),
                ([plain, "--expire-grace", "x"], "--expire-grace"),
                ([plain, "--clients", -5], "--clients"), ([plain, "--clients", 0], "--clients")):
            done = run(METAD, *words)
            self.assertEqual(done.stdout, "")
            self.refused(done, "metad: ", *said)
            self.assertNotIn(".so.so", done.stderr)
        with contextlib.closing(sqlite3.connect(plain, isolation_level=None)) as db:
            db.execute("DROP INDEX IF EXISTS objects_by_sha256")  # which it makes when it starts
            db.execute("BEGIN IMMEDIATE")
            self.refused(run(METAD, plain), str(plain), "lock")
        self.assertIn("--group-ms", run(METAD, "--help").stdout)

    def test_colony_load_notices_what_is_not_everywhere(self):
        directory = self.cluster("", nodes="").directory
        words, dataset = [], ["--values", 500, "--objects", 100]
        for name in "ab":
            path = directory / f"{name}.db"
            with contextlib.closing(sqlite3.connect(path)) as db:
                db.executescript(SCHEMA)
            self.assertEqual(run(COLONY_LOAD, "--prepare", path, *dataset).returncode, 0)
            service = Metad(path, extension=None)
            self.addCleanup(service.kill)
            words += ["--node", f"127.0.0.1:{service.port}"]
        words += [*dataset, "--users", 20, "--rate", 400, "--ramp", 0.2, "--warm-up", 0, "--seconds", 1, "--settle", 1]
        done = run(COLONY_LOAD, *words)
        report = json.loads(done.stdout)
        self.assertEqual((done.returncode, report["totals"]["error_count"]), (1, 0), done.stderr)
        self.assertGreater(report["verdict"]["lost"], 0)
        self.assertGreater(report["verdict"]["differing"], 0)
        self.assertGreaterEqual(report["verdict"]["acknowledged"], report["verdict"]["lost"])
        # A service that is gone is no success either.
        service.kill()
        done = run(COLONY_LOAD, *words)
        self.assertEqual(done.returncode, 1, done.stderr)
        self.assertIn("cannot connect", done.stderr)

    def test_colony_load_with_more_users_than_open_files(self):
        service = self.plain()
        dataset = ["--values", 500, "--objects", 100]
        self.assertEqual(run(COLONY_LOAD, "--prepare", f"{service.log}".removesuffix(".metad.log"), *dataset).returncode, 0)
        done = run("prlimit", "--nofile=1000:1000", COLONY_LOAD, "--node", f"127.0.0.1:{service.port}", *dataset,
                   "--users", 1500, "--rate", 800, "--ramp", 0.5, "--warm-up", 0, "--seconds", 2, "--session", 3)
        self.assertEqual(done.returncode, 0, done.stderr)
        report = json.loads(done.stdout)
        self.assertEqual((report["arrived"], report["verdict"]["lost"]), (1500, 0))
        self.assertGreater(report["totals"]["answers"], 1000)
        service.stop()

    def test_metad_on_two_nodes(self):
        cluster = self.cluster(SCHEMA, nodes="ab").start()
        a, b = (Metad(node.path) for node in cluster.nodes)
        for service in (a, b):
            self.addCleanup(service.kill)
        tag = a.ask("PUT", "/kv/s/k?ttl=1000", "from a")[2]["ETag"]
        until(lambda: b.ask("GET", "/kv/s/k")[0] == 200, "b has it")
        # The same row, and so the same tag.
        self.assertEqual(b.ask("PUT", "/kv/s/k", "from b", If_Match=tag)[0], 200)
        until(lambda: a.ask("GET", "/kv/s/k")[1] == b"from b", "a has it")
        self.assertEqual(a.ask("PUT", "/kv/s/k", "too late", If_Match=tag)[0], 412)
        b.json("PUT", "/objects/o", {"size": 1, "sha256": "00", "owner": "x",
                                     "placements": [{"node": "b", "url": "https://b/o"}]})
        until(lambda: a.ask("GET", "/holders?sha256=00")[0] == 200, "a knows who holds it")
        cluster.assert_equal()
        self.refused(run(METAD, cluster.nodes[0].path), "--extension")
        for service in (a, b):
            service.stop()


if __name__ == "__main__":
    unittest.main()
