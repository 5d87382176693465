"""What nodes have of a schema, and what is compared of it."""

import contextlib
import sqlite3


def objects(path):
    """Type, name and statement of all that a file has but Colony's own."""
    with contextlib.closing(sqlite3.connect(path, timeout=20)) as db:
        return db.execute("SELECT type, name, sql FROM sqlite_schema WHERE sql NOTNULL "
                          "AND substr(name, 1, 9) <> '__colony_' AND substr(tbl_name, 1, 9) <> '__colony_' "
                          "ORDER BY type, name").fetchall()


def names(node, kind):
    return [name for type_of, name, _ in objects(node.path) if type_of == kind]


def columns(node, table):
    return [name for name, in node.query("SELECT name FROM pragma_table_info(?) ORDER BY cid", table)]
