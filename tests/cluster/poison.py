"""Entries of the log as docs/formats.md describes them, for tests that forge them."""

import ctypes
import struct

_xxhash = ctypes.CDLL("libxxhash.so.0")
_xxhash.XXH3_64bits.restype = ctypes.c_uint64
_xxhash.XXH3_64bits.argtypes = [ctypes.c_char_p, ctypes.c_size_t]
_MASK = (1 << 64) - 1

TRANSACTIONS, HELLO, BARRIER, PROOF, LEAVE = range(1, 6)


def sealed(content):
    """An entry's bytes with the checksum that they should have."""
    return content + struct.pack("<Q", _xxhash.XXH3_64bits(content, len(content)))


def entry(origin, incarnation, kind, body, flags=0, size=None):
    name = origin.encode()
    return sealed(b"CLNY" + bytes([1, kind, flags, len(name)]) + name
                  + struct.pack("<QI", incarnation, len(body) if size is None else size) + body)


def text(value):
    return struct.pack("<H", len(value)) + value


def piece(changeset, shape, last=1, size=None):
    return struct.pack("<BQI", last, shape, len(changeset) if size is None else size) + changeset


def transactions(first, *pieces, count=None):
    return struct.pack("<QI", first, len(pieces) if count is None else count) + b"".join(pieces)


def shape_of(*tables):
    """Of a transaction that changes tables with these column names, in order."""
    combined = 0
    for columns in tables:
        shape = 0xCBF29CE484222325
        for byte in b"".join(name.encode() + b"\0" for name in columns):
            shape = ((shape ^ byte) * 0x100000001B3) & _MASK
        combined = ((combined ^ shape) * 0x100000001B3) & _MASK
    return combined


def table(name, key):
    return b"T" + bytes([len(key)]) + bytes(key) + name + b"\0"


def value(what):
    if what is ...:
        return b"\0"
    if what is None:
        return b"\5"
    if isinstance(what, int):
        return b"\1" + struct.pack(">q", what)
    if isinstance(what, float):
        return b"\2" + struct.pack(">d", what)
    assert len(what) < 128
    return bytes([3 if isinstance(what, str) else 4, len(what)]) + (what.encode() if isinstance(what, str) else what)


def insert(*values):
    return bytes([18, 0]) + b"".join(map(value, values))


def update(before, after):
    return bytes([23, 0]) + b"".join(map(value, before + after))
