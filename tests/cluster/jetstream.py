"""A client of NATS in its own words, for what Colony's client would never do.

https://docs.nats.io/reference/reference-protocols/nats-protocol: lines over TCP.
"""

import base64
import json
import socket


class Client:
    def __init__(self, port, timeout=10, host="127.0.0.1"):
        self.socket = socket.create_connection((host, port), timeout)
        self.input = self.socket.makefile("rb")
        self.info = json.loads(self.input.readline().split(b" ", 1)[1])
        self.inbox = "_INBOX.test"
        self._send(b'CONNECT {"verbose":false,"pedantic":false,"headers":true,"no_responders":true}\r\n')
        self._send(f"SUB {self.inbox} 1\r\n".encode())

    def close(self):
        self.input.close()
        self.socket.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def _send(self, data):
        self.socket.sendall(data)

    def request(self, subject, payload=b""):
        """Publishes, and gives the JSON that comes back."""
        self._send(f"PUB {subject} {self.inbox} {len(payload)}\r\n".encode() + payload + b"\r\n")
        while True:
            words = self.input.readline().split()
            if not words:
                raise ConnectionError("the broker closed the connection")
            if words[0] == b"PING":
                self._send(b"PONG\r\n")
            elif words[0] == b"-ERR":
                raise ConnectionError(b" ".join(words).decode())
            elif words[0] in (b"MSG", b"HMSG"):
                body = self.input.read(int(words[-1]) + 2)[:-2]
                if words[0] == b"HMSG":
                    raise ConnectionError(f"nobody answers {subject}: {body!r}")
                return json.loads(body)

    def api(self, what, **question):
        """A request of JetStream's API; fails on an error answer."""
        answer = self.request("$JS.API." + what, json.dumps(question).encode() if question else b"")
        if "error" in answer:
            raise LookupError(f"{what}: {answer['error']}")
        return answer

    def publish(self, subject, payload):
        """Returns once the stream has it: its sequence."""
        answer = self.request(subject, payload)
        if "error" in answer:
            raise LookupError(f"{subject}: {answer['error']}")
        return answer["seq"]

    def message(self, stream, sequence):
        """The subject and the bytes of one message."""
        message = self.api(f"STREAM.MSG.GET.{stream}", seq=sequence)["message"]
        return message["subject"], base64.b64decode(message.get("data", ""))

    def state(self, stream):
        return self.api(f"STREAM.INFO.{stream}")["state"]
