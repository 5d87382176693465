"""A colony of two nodes whose programs migrate, and what must hold afterwards."""

import json
import os
import sqlite3
import subprocess

from colony_cluster import ColonyTest
from processes import EXTENSION, PATIENCE_S, Child, run, until

NOTHING_YET = "CREATE TABLE made_before(id INTEGER PRIMARY KEY, body TEXT);"


class Program(Child):
    """One that goes on by itself; what it prints is its log."""

    def __init__(self, node, name, words, **more):
        super().__init__(node.directory / f"{name}.log")
        self.launch(words, **more)

    def lines(self):
        return self.said().splitlines()

    def finish(self, timeout=PATIENCE_S):
        """Waits until it ends by itself, and well."""
        try:
            code = self.process.wait(timeout)
        except subprocess.TimeoutExpired:
            code = None
        if code != 0:
            raise AssertionError(f"{self.log.name} ended with {code} (None: it did not end): {self.said()[-3000:]}")


def environment(node, **more):
    return dict(os.environ, SITE_DB=str(node.path), COLONY_EXTENSION=EXTENSION, **more)


def tool(*words, **more):
    """Runs a tool to its end, which must be a good one. Gives what it says."""
    done = run(*words, **more)
    if done.returncode != 0:
        raise AssertionError(f"{' '.join(map(str, words))} gives {done.returncode}: {done.stdout}{done.stderr}"[-4000:])
    return done.stdout


def schema_of(node):
    """As its programs see it."""
    return node.query("SELECT type, name, tbl_name, sql FROM sqlite_schema WHERE name NOT LIKE '!_!_colony%' ESCAPE '!' "
                      "AND tbl_name NOT LIKE '!_!_colony%' ESCAPE '!' ORDER BY type, name")


def tables_of(node):
    return [row[0] for row in node.query(
        "SELECT name FROM pragma_table_list WHERE schema = 'main' AND type = 'table' AND "
        "name NOT LIKE '!_!_colony%' ESCAPE '!' AND name NOT LIKE 'sqlite!_%' ESCAPE '!' ORDER BY name")]


def columns_of(node, table):
    return [row[0] for row in node.query("SELECT name FROM pragma_table_info(?)", table)]


class CompatTest(ColonyTest):
    def two_nodes(self, schema=NOTHING_YET):
        cluster = self.running(schema, nodes="ab")
        return cluster, *cluster.nodes

    def assert_alike(self, cluster):
        """Both nodes are well, with the same schema, the same rows of all tables, and
        keys that AUTOINCREMENT will not give twice. Gives the journal of conflicts."""
        a, b = cluster.nodes
        cluster.assert_equal()
        for node in cluster.nodes:
            status = until(lambda node=node: (lambda s: s["well"] and s)(node.status()),
                           lambda node=node: f"{node.name} is well: {json.dumps(node.status())}")
            self.assertEqual((status["state"], status["warnings"], status["error"] or ""), ("running", [], ""))
        self.assertEqual(schema_of(a), schema_of(b))
        # All that have a key.
        replicated = [row[0] for row in a.query("SELECT name FROM __colony_tables ORDER BY name")]
        self.assertEqual([table for table in tables_of(a) if a.one("SELECT max(pk) FROM pragma_table_info(?)", table)],
                         replicated)
        for node in cluster.nodes:
            self.assertEqual(node.query("PRAGMA integrity_check"), [("ok",)])
            self.assertEqual(node.query("PRAGMA foreign_key_check"), [])
            self.assert_sequences(node)
        return a.conflicts()

    def assert_sequences(self, node):
        if node.one("SELECT count(*) FROM sqlite_schema WHERE name = 'sqlite_sequence'") == 0:
            return
        for table in tables_of(node):
            if "AUTOINCREMENT" not in node.one("SELECT sql FROM sqlite_schema WHERE name = ?", table).upper():
                continue
            greatest = node.one(f'SELECT coalesce(max(rowid), 0) FROM "{table}"')
            given = dict(node.query("SELECT name, seq FROM sqlite_sequence")).get(table, 0)
            self.assertGreaterEqual(given, greatest, f"sqlite_sequence of {table} on {node.name}")

    def lost(self, node, journal, but=()):
        """Of the journal what is no longer in the rows: of what two nodes have written alike,
        nothing is. `but`: columns that nobody misses."""
        gone = []
        for conflict in journal:
            key, table = conflict["key"], conflict["table"]
            try:
                where = " AND ".join(f'"{column}" IS ?' for column in key)
                rows = node.query(f'SELECT * FROM "{table}" WHERE {where}', *key.values())
                row = dict(zip(columns_of(node, table), rows[0])) if rows else {}
            except sqlite3.OperationalError:
                row = {}
            if not all(column in but or row.get(column) == value for column, value in conflict["lost"].items()):
                gone.append(conflict)
        return gone

    def kinds(self, journal):
        return sorted((conflict["kind"], conflict["table"]) for conflict in journal)
