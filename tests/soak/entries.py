"""The log by its documented bytes (docs/formats.md), in code that shares none with Colony's.

read_log() gives messages; Reader turns them into transactions by the rules of who counts.
"""

import ctypes
import json
import struct
import uuid

import jetstream

_xxhash = ctypes.CDLL("libxxhash.so.0")
_xxhash.XXH3_64bits.restype = ctypes.c_uint64
_xxhash.XXH3_64bits.argtypes = [ctypes.c_char_p, ctypes.c_size_t]
_zstd = ctypes.CDLL("libzstd.so.1")
_zstd.ZSTD_decompress.restype = ctypes.c_size_t
_zstd.ZSTD_decompress.argtypes = [ctypes.c_char_p, ctypes.c_size_t, ctypes.c_char_p, ctypes.c_size_t]

TRANSACTIONS, HELLO, BARRIER, PROOF, LEAVE = range(1, 6)
DELETE, INSERT, UPDATE = 9, 18, 23


class NotSpokenOf:
    """The value of a column that a change does not mention."""

    def __repr__(self):
        return "-"


NOT_SPOKEN_OF = NotSpokenOf()


class Unreadable(Exception):
    """The log holds what its format does not allow."""


class LogClient(jetstream.Client):
    """Reads a stream by a pull consumer of its own."""

    def messages(self, stream, first, last):
        """(sequence, subject, payload) from first to last, which the stream is to have."""
        if first > last:
            return
        answer = self.api(f"CONSUMER.CREATE.{stream}", stream_name=stream, config={
            "deliver_policy": "by_start_sequence", "opt_start_seq": first, "ack_policy": "none",
            "num_replicas": 1, "mem_storage": True, "inactive_threshold": 10**11})
        consumer = answer["name"]
        inbox = f"_INBOX.{uuid.uuid4().hex}"
        self._send(f"SUB {inbox} 2\r\n".encode())
        waiting, sequence = 0, first - 1
        while sequence < last:
            if waiting <= 0:
                waiting = 256
                question = json.dumps({"batch": waiting, "expires": 5 * 10**9}).encode()
                self._send(f"PUB $JS.API.CONSUMER.MSG.NEXT.{stream}.{consumer} {inbox} {len(question)}\r\n".encode()
                           + question + b"\r\n")
            words = self.input.readline().split()
            if not words:
                raise ConnectionError("the broker closed the connection")
            if words[0] == b"PING":
                self._send(b"PONG\r\n")
            if words[0] not in (b"MSG", b"HMSG"):
                continue
            body = self.input.read(int(words[-1]) + 2)[:-2]
            headers = body[:int(words[-2])] if words[0] == b"HMSG" else b""
            reply = words[3].decode().split(".")
            if headers.startswith(b"NATS/1.0 4"):
                waiting = 0  # the request has ended, by its time or its count
            elif reply[:2] == ["$JS", "ACK"]:
                waiting -= 1
                sequence = int(reply[5 if len(reply) == 9 else 7])
                yield sequence, words[1].decode(), body[len(headers):]
        self._send(b"UNSUB 2\r\n")
        self.api(f"CONSUMER.DELETE.{stream}.{consumer}")


def _decode(subject_origin, message):
    """(kind, incarnation, body), or None for what is no entry."""
    if len(message) < 20 or message[:4] != b"CLNY":
        return None
    content, checksum = message[:-8], struct.unpack("<Q", message[-8:])[0]
    if _xxhash.XXH3_64bits(content, len(content)) != checksum:
        return None
    version, kind, flags, length = struct.unpack_from("<BBBB", content, 4)
    if version > 1 or kind > LEAVE:
        raise Unreadable(f"an entry of version {version}, kind {kind}: this reader knows 1 and up to {LEAVE}")
    origin = content[8:8 + length].decode()
    incarnation, size = struct.unpack_from("<QI", content, 8 + length)
    body = content[20 + length:]
    if origin != subject_origin:
        return None
    if flags & 1:
        out = ctypes.create_string_buffer(size)
        if _zstd.ZSTD_decompress(out, size, body, len(body)) != size:
            return None
        body = out.raw
    return (kind, incarnation, body) if len(body) == size else None


def _varint(data, at):
    value = 0
    for n in range(9):
        byte = data[at + n]
        if n == 8:
            return value << 8 | byte, at + 9
        value = value << 7 | byte & 0x7f
        if byte < 0x80:
            return value, at + n + 1


def _record(data, at, count):
    values = []
    for _ in range(count):
        kind = data[at]
        at += 1
        if kind == 0:
            values.append(NOT_SPOKEN_OF)
        elif kind == 1:
            values.append(struct.unpack_from(">q", data, at)[0])
            at += 8
        elif kind == 2:
            values.append(struct.unpack_from(">d", data, at)[0])
            at += 8
        elif kind in (3, 4):
            size, at = _varint(data, at)
            value = data[at:at + size]
            values.append(value.decode() if kind == 3 else value)
            at += size
        elif kind == 5:
            values.append(None)
        else:
            raise Unreadable(f"a value of type {kind}")
    return values, at


def changes(changeset):
    """(table, operation, before, after) of each change, in their order."""
    found, at, table, columns = [], 0, None, 0
    while at < len(changeset):
        if changeset[at] == ord("T"):
            columns, at = _varint(changeset, at + 1)
            end = changeset.index(0, at + columns)
            table, at = changeset[at + columns:end].decode(), end + 1
            continue
        operation, at = changeset[at], at + 2
        before = after = None
        if operation != INSERT:
            before, at = _record(changeset, at, columns)
        if operation != DELETE:
            after, at = _record(changeset, at, columns)
        found.append((table, operation, before, after))
    return found


class Transaction:
    def __init__(self, sequence, origin, piece, changeset):
        self.sequence, self.origin, self.piece = sequence, origin, piece
        self.changes = changes(changeset)


class Reader:
    """Who counts: a state machine over the log's messages, in their order."""

    def __init__(self):
        self.origins = {}  # name -> [incarnation, last piece]
        self.parts = {}  # name -> changeset so far
        self.left = set()
        self.sequence = 0
        self.entries = self.passed_over = 0

    def read(self, sequence, subject, message):
        """The transactions that end with this message."""
        if sequence != self.sequence + 1:
            raise Unreadable(f"the log has no {self.sequence + 1}: it goes on with {sequence}")
        self.sequence = sequence
        self.entries += 1
        origin = subject.rpartition(".")[2]
        decoded = _decode(origin, message)
        found = self._count(origin, *decoded) if decoded else None
        if found is None:
            self.passed_over += 1
            return []
        return [Transaction(sequence, origin, piece, changeset) for piece, changeset in found]

    def _count(self, origin, kind, incarnation, body):
        if kind == HELLO:
            if incarnation in self.left:
                return None
            return [] if self.origins.setdefault(origin, [incarnation, 0])[0] == incarnation else None
        state = self.origins.get(origin)
        if state is None or state[0] != incarnation:
            return None
        if kind == LEAVE:
            size = struct.unpack_from("<H", body)[0]
            name, life = body[2:2 + size].decode(), struct.unpack_from("<Q", body, 2 + size)[0]
            if self.origins.get(name, [None])[0] != life:
                return None
            del self.origins[name]
            self.parts.pop(name, None)
            self.left.add(life)
        return self._pieces(origin, state, body) if kind == TRANSACTIONS else []

    def _pieces(self, origin, state, body):
        number, count = struct.unpack_from("<QI", body)
        if number > state[1] + 1:
            return None
        found, at, any_new = [], 12, False
        for piece in range(number, number + count):
            last, _, size = struct.unpack_from("<BQI", body, at)
            changeset, at = body[at + 13:at + 13 + size], at + 13 + size
            if piece <= state[1]:
                continue
            state[1], any_new = piece, True
            self.parts[origin] = self.parts.get(origin, b"") + changeset
            if last:
                found.append((piece, self.parts.pop(origin)))
        return found if any_new else None
