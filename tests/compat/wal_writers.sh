#!/usr/bin/env bash
# Programs that bring a SQLite of their own, which nobody can give an extension: apsw,
# better-sqlite3, the Go drivers of mattn and of modernc (SQLite as Go), rusqlite, sqlite-jdbc and
# Fossil. They write to colonies of two nodes whose capture is `wal`, over real brokers and
# sidecars, one by one and all at once, and the nodes must be alike.
#
#   tests/compat/wal_writers.sh                 all of them
#   tests/compat/wal_writers.sh apsw            some, by a part of the tests' names
#   tests/compat/wal_writers.sh --prepare       only builds the programs, and says their SQLite's versions
#   tests/compat/wal_writers.sh --list          what there is; --help: more
#
# Takes the programs from the package registries (pip, npm, go, cargo, mvn) into
# build/wal_writers, where they stay, and Fossil from Debian, which takes root. It is no part of
# CI. Environment: as of tests/cluster/run.sh. The last line is `N passed, N failed`.
set -euo pipefail
cd "$(dirname "$0")/../.."

readonly kApsw=3.54.1.0 kBetterSqlite3=12.11.1 kSqliteJdbc=3.54.1.0  # the others: in go.mod, Cargo.toml
sources=$PWD/tests/compat/wal_writers/programs
export WAL_WRITERS=$PWD/build/wal_writers
mkdir -p "$WAL_WRITERS"

fail() {
  echo "wal_writers.sh: $*" >&2
  exit 2
}

# prepare NAME TOOL COMMAND...: once for each state of its sources.
prepare() {
  local name=$1 tool=$2 stamp=$WAL_WRITERS/$1.ready state
  shift 2
  command -v "$tool" >/dev/null || fail "$name needs $tool, which is not installed"
  state=$(find "$sources" -type f -print0 | sort -z | xargs -0 cat tests/compat/wal_writers.sh | sha256sum)
  [[ $(cat "$stamp" 2>/dev/null) != "$state" ]] || return 0
  echo "preparing $name"
  ("$@") >"$WAL_WRITERS/$name.log" 2>&1 || fail "$name cannot be prepared: $(tail -n 3 "$WAL_WRITERS/$name.log")"
  echo "$state" >"$stamp"
}

apsw() {
  /usr/bin/env python3 -m venv "$WAL_WRITERS/python" &&
    "$WAL_WRITERS/python/bin/pip" install -q "apsw==$kApsw"
}
better_sqlite3() {
  mkdir -p "$WAL_WRITERS/node" && cp "$sources/writer.js" "$WAL_WRITERS/node" &&
    echo '{"private": true}' >"$WAL_WRITERS/node/package.json" &&
    npm install --prefix "$WAL_WRITERS/node" --no-audit --no-fund "better-sqlite3@$kBetterSqlite3"
}
go_drivers() {
  rm -rf "$WAL_WRITERS/go" && cp -r "$sources/go" "$WAL_WRITERS/go" && cd "$WAL_WRITERS/go" &&
    go build -o ../writer_modernc . && CGO_ENABLED=1 go build -tags mattn -o ../writer_mattn .
}
rusqlite() {
  cargo build --release --locked --manifest-path "$sources/rust/Cargo.toml" --target-dir "$WAL_WRITERS/rust"
}
sqlite_jdbc() {
  mkdir -p "$WAL_WRITERS/java" && cd "$WAL_WRITERS/java" &&
    mvn -q dependency:copy "-Dartifact=org.xerial:sqlite-jdbc:$kSqliteJdbc" -DoutputDirectory=. &&
    mvn -q dependency:copy -Dartifact=org.slf4j:slf4j-api:2.0.17 -DoutputDirectory=. &&
    javac -d . "$sources/java/Writer.java"
}
fossil() {
  command fossil version || { apt-get update -q && apt-get install -y -q --no-install-recommends fossil; }
}
prepare apsw python3 apsw
prepare better-sqlite3 npm better_sqlite3
prepare go go go_drivers
prepare rusqlite cargo rusqlite
prepare sqlite-jdbc mvn sqlite_jdbc
prepare fossil apt-get fossil

if [[ ${1:-} == --prepare ]]; then
  PYTHONDONTWRITEBYTECODE=1 exec /usr/bin/python3 tests/compat/wal_writers/writers.py
fi
exec tests/cluster/run.sh --directory tests/compat/wal_writers "$@"
