"""apsw: runs each line of a file as a statement; says SQLite's version."""

import sys

import apsw

db = apsw.Connection(sys.argv[1])
db.set_busy_timeout(20000)
with open(sys.argv[2], encoding="utf-8") as lines:
    for line in lines:
        if line.strip():
            db.execute(line)
print(apsw.sqlite_lib_version())
db.close()
