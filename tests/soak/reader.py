"""An app that only reads, without the extension: is every transaction whole, always?

    reader.py DB REPORT

Writes to REPORT how often it has looked; ends with 1 and a line that says what it has
seen when two halves of a pair differ, or when the legs of a transaction do not add up.
"""

import signal
import sqlite3
import sys
import time

PAIRS = "SELECT id, count(*), min(value), max(value) FROM pairs GROUP BY id HAVING count(*) <> 2 OR min(value) <> max(value)"
LEGS = "SELECT app, n, count(*), sum(amount) FROM legs GROUP BY app, n HAVING sum(amount) <> 0"
COUNTERS = ("SELECT app, value, (SELECT count(*) FROM made WHERE made.app = counters.app) AS made FROM counters "
            "WHERE value <> made")
stopped = False


def on_term(*_):
    global stopped
    stopped = True


def main():
    database, report = sys.argv[1:]
    signal.signal(signal.SIGTERM, on_term)
    db = sqlite3.connect(f"file:{database}?mode=ro", uri=True, timeout=30, isolation_level=None)
    looked = 0
    while not stopped:
        # The last two cost more with every transaction.
        for query in [PAIRS] + ([LEGS, COUNTERS] if looked % 50 == 0 else []):
            seen = db.execute(query).fetchall()
            if seen:
                sys.exit(f"reader.py: not a whole transaction in {database}: {seen[:3]} by {query}")
        looked += 1
        time.sleep(0.1)
    with open(report, "a") as file:
        file.write(f"{looked}\n")


main()
