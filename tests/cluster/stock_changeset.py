"""SQLite's own session functions, out of the machine's libsqlite3, which Python does not offer."""

import ctypes

_sqlite = ctypes.CDLL("libsqlite3.so.0")
_void, _int, _bytes = ctypes.c_void_p, ctypes.c_int, ctypes.c_char_p
_sqlite.sqlite3_value_text.restype = _void
_sqlite.sqlite3_value_blob.restype = _void
_sqlite.sqlite3_value_int64.restype = ctypes.c_int64
_sqlite.sqlite3_value_double.restype = ctypes.c_double
for _name in ("value_text", "value_blob", "value_int64", "value_double", "value_type", "value_bytes"):
    getattr(_sqlite, "sqlite3_" + _name).argtypes = [_void]
_sqlite.sqlite3changeset_next.argtypes = [_void]
_sqlite.sqlite3changeset_finalize.argtypes = [_void]
_sqlite.sqlite3_free.argtypes = [_void]
_sqlite.sqlite3changegroup_add.argtypes = [_void, _int, _bytes]
_sqlite.sqlite3changegroup_output.argtypes = [_void, _void, _void]
_sqlite.sqlite3changegroup_delete.argtypes = [_void]
_KINDS = {18: "INSERT", 23: "UPDATE", 9: "DELETE"}
_ROW, _DONE = 100, 101


def _check(code):
    if code != 0:
        raise ValueError(f"SQLite gives error {code}")


def _value(pointer):
    if not pointer:
        return ...  # undefined: not part of the change
    kind = _sqlite.sqlite3_value_type(pointer)
    if kind == 1:
        return _sqlite.sqlite3_value_int64(pointer)
    if kind == 2:
        return _sqlite.sqlite3_value_double(pointer)
    if kind == 3:
        text = _sqlite.sqlite3_value_text(pointer)
        return ctypes.string_at(text, _sqlite.sqlite3_value_bytes(pointer)).decode()
    if kind == 4:
        blob = _sqlite.sqlite3_value_blob(pointer)
        return ctypes.string_at(blob, _sqlite.sqlite3_value_bytes(pointer)) if blob else b""
    return None


def _values(get, iterator, columns):
    row = []
    for column in range(columns):
        value = _void()
        _check(get(iterator, column, ctypes.byref(value)))
        row.append(_value(value.value))
    return tuple(row)


def changes(changeset):
    """Sorted (table, kind, old, new); a value that is not part of the change is `...`."""
    iterator = _void()
    _check(_sqlite.sqlite3changeset_start(ctypes.byref(iterator), _int(len(changeset)), _bytes(changeset)))
    found = []
    try:
        while (code := _sqlite.sqlite3changeset_next(iterator)) == _ROW:
            table, columns, kind, indirect = _bytes(), _int(), _int(), _int()
            _check(_sqlite.sqlite3changeset_op(iterator, ctypes.byref(table), ctypes.byref(columns),
                                               ctypes.byref(kind), ctypes.byref(indirect)))
            kind = _KINDS[kind.value]
            old = _values(_sqlite.sqlite3changeset_old, iterator, columns.value) if kind != "INSERT" else None
            new = _values(_sqlite.sqlite3changeset_new, iterator, columns.value) if kind != "DELETE" else None
            found.append((table.value.decode(), kind, old, new))
        if code != _DONE:
            _check(code)
    finally:
        code = _sqlite.sqlite3changeset_finalize(iterator)
    _check(code)
    return sorted(found, key=repr)


def _taken(size, pointer):
    try:
        return ctypes.string_at(pointer, size.value)
    finally:
        _sqlite.sqlite3_free(pointer)


def inverted(changeset):
    size, out = _int(), _void()
    _check(_sqlite.sqlite3changeset_invert(_int(len(changeset)), _bytes(changeset), ctypes.byref(size),
                                           ctypes.byref(out)))
    return _taken(size, out)


def combined(*changesets):
    group, size, out = _void(), _int(), _void()
    _check(_sqlite.sqlite3changegroup_new(ctypes.byref(group)))
    try:
        for changeset in changesets:
            _check(_sqlite.sqlite3changegroup_add(group, len(changeset), changeset))
        _check(_sqlite.sqlite3changegroup_output(group, ctypes.byref(size), ctypes.byref(out)))
    finally:
        _sqlite.sqlite3changegroup_delete(group)
    return _taken(size, out)
