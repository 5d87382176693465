"""A client that logs in by TLS and nkey, to try what a node's user may do."""

import base64
import json
import socket
import ssl

import jetstream
import nkeys

class Client(jetstream.Client):
    def __init__(self, port, ca, seed_file, public, timeout=10):  # pylint: disable=super-init-not-called
        plain = socket.create_connection(("127.0.0.1", port), timeout)
        info = json.loads(self.line(plain).split(b" ", 1)[1])
        self.socket = ssl.create_default_context(cafile=str(ca)).wrap_socket(plain, server_hostname="localhost")
        self.input = self.socket.makefile("rb")
        self.inbox = "_INBOX.test"
        signature = base64.urlsafe_b64encode(nkeys.sign(nkeys.secret_of(seed_file.read_text().strip()), info["nonce"].encode()))
        self._send(b"CONNECT " + json.dumps({
            "verbose": False, "pedantic": False, "headers": True, "no_responders": True, "nkey": public,
            "sig": signature.decode().rstrip("=")}).encode() + b"\r\n")
        self._send(f"SUB {self.inbox} 1\r\n".encode())

    @staticmethod
    def line(plain):
        """Byte by byte: what comes after it is TLS."""
        data = b""
        while not data.endswith(b"\r\n"):
            data += plain.recv(1)
        return data
