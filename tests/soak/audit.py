"""The audit: is everything accounted for that an app was told is committed?

It knows the apps' journals, the log and the rows before it, and nothing of what the
nodes think. Each transaction of a journal must be in the log once, in its app's order and
with exactly the changes that the app has recorded by triggers of its own; the fold of
the log gives the rows and the conflicts that every node must have.
"""

import collections
import contextlib
import hashlib
import json
import sqlite3

from entries import DELETE, INSERT, NOT_SPOKEN_OF, UPDATE, Reader
from fold import Fold, same


def literal(text):
    """The value of an SQL literal as quote() makes it."""
    if text == "NULL":
        return None
    if text[0] == "'":
        return text[1:-1].replace("''", "'")
    if text[0] == "X":
        return bytes.fromhex(text[2:-1])
    return float(text) if set(text) & set(".eEIn") else int(text)


def digest(changes):
    """Of (table, key, operation, values) in any order."""
    return hashlib.sha256("\n".join(sorted(map(repr, changes))).encode()).digest()


class Journal:
    """What one app says, read on from where the last look ended."""

    def __init__(self, path, origin, app):
        self.path, self.origin, self.app = path, origin, app
        self.at = 0
        self.tried = {}  # n -> digest of its changes
        self.refused, self.committed = set(), set()
        self.milliseconds = []

    def read_on(self, tables):
        with open(self.path, "rb") as file:
            file.seek(self.at)
            for line in file:
                if not line.endswith(b"\n"):
                    break
                self.at += len(line)
                with contextlib.suppress(json.JSONDecodeError):  # torn by the app's death
                    self._take(json.loads(line), tables)

    def _take(self, line, tables):
        if "try" in line:
            self.tried[line["try"]] = digest(net_changes(line["changes"], tables))
        elif "ok" in line:
            self.committed.add(line["ok"])
            if "ms" in line:
                self.milliseconds.append(line["ms"])
        elif "no" in line:
            self.refused.add(line["no"])


def net_changes(recorded, tables):
    """What the rows of a transaction were and became, by table and key."""
    first, last = {}, {}
    for name, before, after in recorded:
        table = tables[name]
        for row, other in ((before, after), (after, before)):
            if row is None:
                continue
            values = [literal(text) for text in row]
            key = (name, table.key_of(values))
            moved = other is None or table.key_of([literal(text) for text in other]) != key[1]
            if row is before:
                first.setdefault(key, values)
                if moved:
                    last[key] = None
            else:
                first.setdefault(key, None)
                last[key] = values
    return [change for key, was in first.items() if (change := net_change(*key, was, last.get(key)))]


def net_change(name, key, was, became):
    if was is None or became is None:
        return None if was is became else (name, key, INSERT if was is None else DELETE, tuple(was or became))
    changed = tuple((i, old, new) for i, (old, new) in enumerate(zip(was, became)) if not same(old, new))
    return (name, key, UPDATE, changed) if changed else None


def logged_changes(transaction, tables):
    for name, operation, before, after in transaction.changes:
        key = tables[name].key_of(after if operation == INSERT else before)
        if operation == UPDATE:
            yield name, key, operation, tuple((i, before[i], value) for i, value in enumerate(after)
                                              if value is not NOT_SPOKEN_OF)
        else:
            yield name, key, operation, tuple(after if operation == INSERT else before)


class Finding:
    """Something that must not be: its kind, the transaction (app, n) if one is concerned, words."""

    def __init__(self, kind, transaction, text):
        self.kind, self.transaction, self.text = kind, transaction, text

    def __str__(self):
        who = f" transaction {self.transaction[1]} of {self.transaction[0]}:" if self.transaction else ""
        return f"{self.kind}:{who} {self.text}"


class Audit:
    def __init__(self, seed_database, journals):
        with contextlib.closing(sqlite3.connect(seed_database)) as db:
            self.fold = Fold(db)
        self.journals = {journal.app: journal for journal in journals}
        self.reader = Reader()
        self.seen = {}  # (app, n) -> sequence
        self.latest = collections.Counter()  # app -> n
        self.findings = []
        self.transactions = 0

    def read_journals(self):
        for journal in self.journals.values():
            journal.read_on(self.fold.tables)

    def read_log(self, messages):
        """The journals of what these messages carry must have been read."""
        for message in messages:
            for transaction in self.reader.read(*message):
                self._meet(transaction)

    def _meet(self, transaction):
        self.transactions += 1
        who = [(after[0], after[1]) for name, operation, _, after in transaction.changes
               if name == "made" and operation == INSERT]
        name = who[0] if len(who) == 1 else None
        self._match(transaction, name)
        self.fold.apply(transaction, name or ("?", transaction.sequence))

    def _match(self, transaction, name):
        def wrong(kind, text):
            self.findings.append(Finding(kind, name, f"{text} (entry {transaction.sequence})"))
        journal = name and self.journals.get(name[0])
        if journal is None or journal.origin != transaction.origin:
            wrong("stranger", f"of node {transaction.origin} is in the log, and no app of it has made it")
            return
        n = name[1]
        if name in self.seen:
            wrong("repeated", f"is in the log twice, first in entry {self.seen[name]}")
        elif n not in journal.tried:
            wrong("stranger", "is in the log, and its app has not made it")
        elif n in journal.refused:
            wrong("refused", "is in the log, and its app was told that it failed")
        elif journal.tried[n] != digest(logged_changes(transaction, self.fold.tables)):
            wrong("torn", "is in the log with other changes than its app has made")
        if n < self.latest[name[0]]:
            wrong("out of order", f"comes after transaction {self.latest[name[0]]} of its app")
        self.latest[name[0]] = max(n, self.latest[name[0]])
        self.seen.setdefault(name, transaction.sequence)

    def missing(self):
        """Committed, by what the app was told, and not in the log."""
        for journal in self.journals.values():
            for n in sorted(journal.committed):
                if (journal.app, n) not in self.seen:
                    yield Finding("missing", (journal.app, n), "was committed, and is not in the log")

    def compare(self, node, dump):
        """Findings: where rows or conflicts of a node are not what the log makes them."""
        for table in self.fold.tables.values():
            if identical(table.in_order(), dump[table.name]):
                continue
            here = {table.key_of(row): row for row in dump[table.name]}
            for key in table.rows.keys() | here.keys():
                must, is_ = table.rows.get(key), here.get(key)
                if must is not None and is_ is not None and repr(must) == repr(list(is_)):
                    continue
                writer = next((writer for writer in table.writers.get(key, []) if writer), None)
                yield Finding("row differs", writer, f"{table.name} {key} on node {node} is {is_}, and must be {must}")
        must = [conflict[:6] + (as_json(conflict[6]), as_json(conflict[7])) for conflict in sorted(
            self.fold.conflicts, key=lambda conflict: conflict[:4])]
        here = [row[:6] + (json.loads(row[6]), json.loads(row[7])) for row in dump["(conflicts)"]]
        if must != here:
            differing = [f"{m} against {h}" for m, h in zip(must, here) if m != h][:1]
            yield Finding("conflicts differ", None, f"node {node} has {len(here)} conflicts, and must have "
                                                    f"{len(must)}: {''.join(differing)}")

    def accounts(self):
        journals = self.journals.values()
        committed = sum(len(journal.committed) for journal in journals)
        unknown = sum(len(journal.tried.keys() - journal.committed - journal.refused) for journal in journals)
        fold = self.fold
        return {"committed": committed, "outcome_unknown": unknown,
                "refused": sum(len(journal.refused) for journal in journals),
                "in_log": self.transactions, "entries": self.reader.entries, "passed_over": self.reader.passed_over,
                "values_written": fold.written, "values_present": fold.present(),
                "values_overwritten_later": fold.overwritten, "values_deleted_later": fold.deleted,
                "conflicts": dict(sorted(fold.kinds.items())), "conflicts_total": sum(fold.kinds.values())}


def identical(left, right):
    """Two lists of rows with the same values of the same types."""
    return left == right and all(map(same_types, left, right))


def same_types(left, right):
    return list(map(type, left)) == list(map(type, right))


def as_json(row):
    return {name: {"hex": value.hex()} if isinstance(value, bytes) else value for name, value in row.items()}


def lost(findings):
    """Transactions that an app was told are committed and that cannot be accounted for."""
    return {finding.transaction for finding in findings
            if finding.transaction and finding.kind in ("missing", "torn", "row differs")}
