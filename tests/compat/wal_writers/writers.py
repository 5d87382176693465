"""Programs with a SQLite of their own, as tests/compat/wal_writers.sh has prepared them: each runs
the lines of a file as statements and prints its SQLite's version. As a script: says the versions."""

import contextlib
import os
import pathlib
import sqlite3
import subprocess
import tempfile

BUILT = pathlib.Path(os.environ["WAL_WRITERS"])
SOURCES = pathlib.Path(__file__).resolve().parent / "programs"

WRITERS = {
    "apsw": [BUILT / "python/bin/python", SOURCES / "writer.py"],
    "better_sqlite3": ["node", BUILT / "node/writer.js"],
    "go_mattn": [BUILT / "writer_mattn"],
    "go_modernc": [BUILT / "writer_modernc"],
    "rusqlite": [BUILT / "rust/release/wal_writer"],
    "sqlite_jdbc": ["java", "-XX:TieredStopAtLevel=1", "-cp", f"{BUILT}/java:{BUILT}/java/*", "Writer"],
    "fossil": [SOURCES / "fossil.sh"],
}


def command(writer, database, lines):
    return [str(word) for word in [*WRITERS[writer], database, lines]]


def versions():
    with tempfile.TemporaryDirectory() as directory:
        database, lines = pathlib.Path(directory) / "x.db", pathlib.Path(directory) / "lines.sql"
        lines.write_text("SELECT 1;\n")
        with contextlib.closing(sqlite3.connect(database)) as db:
            db.execute("PRAGMA journal_mode = WAL")
        for writer in WRITERS:
            done = subprocess.run(command(writer, database, lines), capture_output=True, text=True, timeout=60)
            if done.returncode != 0:
                raise SystemExit(f"{writer}: {done.stdout}{done.stderr}")
            print(f"{writer:15} SQLite {done.stdout.split()[-1]}")


if __name__ == "__main__":
    versions()
