"""An app in Python: writes to one node's file, and journals what it was told.

    app.py DB EXTENSION RECORD OPERATIONS JOURNAL NAME SEED PER_SECOND

The journal's lines are JSON: {"try": n, "changes": [[table, old row, new row], ...]}
before each COMMIT, then {"ok": n} once it has succeeded, or {"no": n} if it has not; a
`try` with neither was cut short by the app's death. Ends after a transaction on SIGTERM.
"""

import json
import os
import random
import re
import signal
import sqlite3
import sys
import time

stopped = False


def on_term(*_):
    global stopped
    stopped = True


class Journal:
    def __init__(self, path):
        self.file = open(path, "a+b")

    def last_try(self):
        self.file.seek(0)
        tried = re.findall(rb'^\{"try":(\d+)', self.file.read(), re.M)
        if not tried:
            return 0
        # What the app's death has torn is to stay a line of its own.
        self.file.write(b"\n")
        return int(tried[-1])

    def add(self, line, durable=False):
        self.file.write(line.encode() + b"\n")
        self.file.flush()
        if durable:
            os.fsync(self.file.fileno())


def operations(path):
    with open(path) as file:
        for line in file:
            if not line.startswith("--"):
                weight, _, statements = line.partition("|")
                yield int(weight), statements.strip()


def connect(database, extension, record):
    db = sqlite3.connect(database, timeout=30, isolation_level=None)
    db.enable_load_extension(True)
    db.load_extension(extension)
    db.execute("PRAGMA recursive_triggers = ON")
    with open(record) as file:
        db.executescript(file.read())
    return db


def transact(db, journal, name, n, dice, chosen):
    db.execute("BEGIN IMMEDIATE")
    values = {"app": name, "n": n}
    db.execute("INSERT INTO made VALUES(:app, :n)", values)
    db.execute("INSERT INTO counters VALUES(:app, 1) ON CONFLICT(app) DO UPDATE SET value = value + 1", values)
    for statement in chosen:
        db.execute(statement, dict(values, r=dice.randrange(2**31)))
    changes = db.execute("SELECT changes FROM recorded").fetchone()[0]
    db.execute("DELETE FROM record")
    journal.add(f'{{"try":{n},"changes":{changes}}}')
    begin = time.monotonic()
    db.execute("COMMIT")
    return round((time.monotonic() - begin) * 1000, 2)


def main():
    database, extension, record, operations_file, journal_file, name, seed, per_second = sys.argv[1:]
    signal.signal(signal.SIGTERM, on_term)
    dice = random.Random(seed)
    weights, choices = zip(*operations(operations_file))
    journal = Journal(journal_file)
    n = journal.last_try()
    db = connect(database, extension, record)
    while not stopped:
        n += 1
        try:
            took = transact(db, journal, name, n, dice, dice.choices(choices, weights, k=dice.randrange(1, 5)))
            journal.add(json.dumps({"ok": n, "ms": took}, separators=(",", ":")), durable=True)
        except sqlite3.OperationalError as error:
            if "locked" not in str(error) and "busy" not in str(error):
                raise
            if db.in_transaction:
                db.execute("ROLLBACK")
            journal.add(f'{{"no":{n}}}')
        time.sleep(dice.random() * 2 / float(per_second))


main()
