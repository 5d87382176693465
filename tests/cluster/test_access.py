"""Who the broker is, and who a node is to it: TLS, passwords, tokens, nkeys."""

import os
import pathlib
import subprocess

import nkeys
from colony_cluster import ColonyTest, colony
from processes import COLONY, until

SCHEMA = "CREATE TABLE t(id INTEGER PRIMARY KEY, a);"
SECRET = "Pa55wordOfTheTests"


def openssl(*words, **more):
    done = subprocess.run(["openssl", *map(str, words)], capture_output=True, text=True, check=False, **more)
    if done.returncode != 0:
        raise AssertionError(f"openssl {words}: {done.stderr}")


def authority(folder):
    """A certificate authority and what signs with it: certificate(name, subjectAltName)."""
    folder.mkdir()
    openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-subj", "/CN=test CA",
            "-keyout", folder / "ca.key", "-out", folder / "ca.pem", "-days", "2")

    def certificate(name, alternative):
        request, extensions = folder / f"{name}.csr", folder / f"{name}.ext"
        extensions.write_text(f"subjectAltName={alternative}\n")
        openssl("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-subj", f"/CN={name}",
                "-keyout", folder / f"{name}.key", "-out", request)
        openssl("x509", "-req", "-in", request, "-CA", folder / "ca.pem", "-CAkey", folder / "ca.key", "-CAcreateserial",
                "-days", "2", "-extfile", extensions, "-out", folder / f"{name}.pem")
        return folder / f"{name}.pem", folder / f"{name}.key"
    return certificate


class Access(ColonyTest):
    def secret(self, cluster, text=SECRET, name="secret", mode=0o600):
        path = cluster.directory / name
        path.write_text(text + "\n")
        path.chmod(mode)
        return path

    def works(self, cluster, *flags, url=None, **more):
        """A sidecar that is let in by these flags, and commands which learn them from it."""
        node = cluster.nodes[0]
        node.launch_sidecar(more=flags, url=url, **more)
        node.await_state("running")
        node.sql("INSERT INTO t VALUES(1, 'x')")
        node.wait()
        for command in (["verify"], ["nodes"], ["snapshot"], ["snapshots"]):
            done = colony(*command, node.path)
            self.assertEqual(done.returncode, 0, (command, done.stdout, done.stderr))
        self.board_is_read(node)
        self.assertNotIn(SECRET, node.said())
        self.assertNotIn(SECRET, colony("status", node.path, "--json").stdout)
        return node

    def board_is_read(self, node):
        """nats-server 2.9 now and then does not find the board's only entry until its successor comes."""
        def read():
            said = colony("nodes", node.path).stdout
            if "note:" in said:
                self.assertIn("Timeout", said)
            return "note:" not in said
        until(read, "the board is read")

    def one_node(self, config):
        cluster = self.cluster(SCHEMA, nodes="a", broker_config=config)
        cluster.broker.start()
        return cluster

    def test_access_by_user_and_password_file(self):
        cluster = self.one_node(f"authorization {{ user: u, password: {SECRET} }}")
        node = self.works(cluster, "--user", "u", "--password-file", self.secret(cluster))
        arguments = pathlib.Path(f"/proc/{node.pid}/cmdline").read_bytes()
        self.assertNotIn(SECRET.encode(), arguments)

    def test_access_by_a_config_that_everybody_can_read_is_refused_if_it_has_a_password(self):
        cluster = self.cluster(SCHEMA, nodes="a")
        config = cluster.directory / "colony.toml"
        config.write_text(f'nats = "nats://u:{SECRET}@127.0.0.1:1"\n')
        config.chmod(0o644)
        done = colony("run", cluster.nodes[0].path, "--config", config)
        self.assertEqual(done.returncode, 2)
        self.assertIn(f"{config} holds a secret, and everybody can read it", done.stderr)
        self.assertNotIn(SECRET, done.stderr)

    def test_access_by_token_file(self):
        cluster = self.one_node(f"authorization {{ token: {SECRET} }}")
        self.works(cluster, "--token-file", self.secret(cluster))

    def test_access_by_nkey(self):
        node_key = pathlib.Path(os.environ.get("TMPDIR", "/tmp")) / f"nkey-{os.getpid()}"
        self.addCleanup(node_key.unlink)
        public = colony("keygen", "--nkey", node_key).stdout.strip()
        cluster = self.one_node(f"authorization {{ users: [ {{ nkey: {public} }} ] }}")
        node = self.works(cluster, "--nkey", node_key)
        # All of many logins must do: some signatures are not taken by older libraries.
        for _ in range(40):
            self.board_is_read(node)

    def test_access_by_credentials_file(self):
        config, credentials, user = nkeys.server_and_credentials()
        cluster = self.one_node(config)
        file = self.secret(cluster, credentials)
        node = self.works(cluster, "--creds", file)
        self.assertNotIn(user.seed, node.said())
        for name, text, word in (("seed", user.seed, "has no token"), ("empty", "", "is empty")):
            wrong = self.secret(cluster, text, name)
            self.refused(colony("run", node.path, "--creds", wrong), str(wrong), word)
        self.refused(colony("nodes", node.path, "--creds", "/nowhere.creds"), "/nowhere.creds", "No such file")

    def test_a_wrong_password_is_said_without_it(self):
        cluster = self.one_node("authorization { user: u, password: another }")
        node = cluster.nodes[0]
        node.launch_sidecar(more=["--user", "u", "--password-file", self.secret(cluster)])
        error = node.await_state("waiting_for_broker")["error"]
        self.assertIn("does not let us in", error)
        self.assertNotIn(SECRET, error + node.said())
        url = f"nats://u:{SECRET}@127.0.0.1:{cluster.broker.port}"
        done = colony("snapshots", node.path, env=dict(os.environ, COLONY_NATS=url))
        self.refused(done, "does not let us in")
        self.assertNotIn(SECRET, done.stderr)

    def test_secrets_on_the_command_line_are_refused(self):
        cluster = self.one_node("")
        path = cluster.nodes[0].path
        for words in (["--nats", f"nats://u:{SECRET}@127.0.0.1"], [f"--nats=nats://{SECRET}@127.0.0.1"],
                      ["--nats", f"u:{SECRET}@127.0.0.1"], ["--snapshots", f"webdav://u:{SECRET}@127.0.0.1/x"]):
            done = colony("run", path, *words)
            self.refused(done, "command line", "see")
            self.assertNotIn(SECRET, done.stderr)
        url = f"nats://u:{SECRET}@127.0.0.1:{cluster.broker.port}"
        node = cluster.nodes[0]
        node.launch([COLONY, "run", path], env=dict(os.environ, COLONY_NATS=url))
        node.await_state("running")
        listed = subprocess.run(["ps", "-o", "args=", "-p", str(node.pid)], capture_output=True, text=True, check=True)
        self.assertIn(str(path), listed.stdout)
        self.assertNotIn(SECRET, listed.stdout)

    def test_a_secret_that_everybody_can_read_is_refused(self):
        cluster = self.one_node("")
        secret = self.secret(cluster, mode=0o644)
        self.refused(colony("run", cluster.nodes[0].path, "--token-file", secret), f"chmod 600 {secret}")

    def tls(self, alternative, verify_clients=False):
        cluster = self.cluster(SCHEMA, nodes="a")
        self.certificate = authority(cluster.directory / "tls")
        chain, key = self.certificate("server", alternative)
        self.ca = cluster.directory / "tls" / "ca.pem"
        more = f'ca_file: "{self.ca}", verify: true' if verify_clients else ""
        cluster.broker.config.write_text(f'tls {{ cert_file: "{chain}", key_file: "{key}", {more} }}')
        cluster.broker.start()
        return cluster

    def test_tls_with_an_authority_of_ones_own(self):
        cluster = self.tls("DNS:localhost,DNS:127.0.0.1,IP:127.0.0.1")
        self.works(cluster, "--tls-ca", self.ca, url=f"tls://localhost:{cluster.broker.port}")

    def test_tls_by_address(self):
        cluster = self.tls("DNS:127.0.0.1,IP:127.0.0.1")
        self.works(cluster, "--tls-ca", self.ca)

    def test_tls_with_a_certificate_of_the_node(self):
        cluster = self.tls("DNS:localhost", verify_clients=True)
        chain, key = self.certificate("client", "DNS:client")
        key.chmod(0o600)
        self.works(cluster, "--tls-ca", self.ca, "--tls-cert", chain, "--tls-key", key,
                   url=f"nats://localhost:{cluster.broker.port}")

    def never_let_in(self, cluster, *flags, url):
        node = cluster.nodes[0]
        node.launch_sidecar(more=flags, url=url)
        self.assertNotEqual(node.await_state("waiting_for_broker")["error"], "")

    def test_tls_refuses_a_certificate_of_another_name(self):
        cluster = self.tls("DNS:elsewhere.example")
        self.never_let_in(cluster, "--tls-ca", self.ca, url=f"tls://localhost:{cluster.broker.port}")

    def test_tls_refuses_an_authority_that_it_was_not_told(self):
        cluster = self.tls("DNS:localhost")
        self.never_let_in(cluster, url=f"tls://localhost:{cluster.broker.port}")

    def test_tls_is_never_done_without(self):
        cluster = self.one_node("")
        authority(cluster.directory / "tls")
        self.never_let_in(cluster, "--tls-ca", cluster.directory / "tls" / "ca.pem", url=cluster.broker.url)
