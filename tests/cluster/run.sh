#!/usr/bin/env bash
# The cluster tests: real brokers, sidecars, sqlite3 shells and Python programs.
#
#   tests/cluster/run.sh                  all of them (about 5 minutes on two cores)
#   tests/cluster/run.sh crossed-writes   one, by its name or a part of it
#   tests/cluster/run.sh --capture wal    those that do not depend on session mode, all nodes in
#                                         wal mode; --capture mixed: every second node
#   tests/cluster/run.sh --list           what there is; --help: more
#
# Environment: BUILD, the build directory (default build/release); NATS_SERVER,
# the nats-server to test with (default: the one in PATH).
# The last line is `N passed, N failed`.
set -euo pipefail
cd "$(dirname "$0")/../.."

export BUILD=${BUILD:-build/release}
export NATS_SERVER=${NATS_SERVER:-$(PATH=$PATH:/usr/sbin:/sbin command -v nats-server || true)}
for program in "$BUILD/bin/colony" "$BUILD/bin/colony.so" "${NATS_SERVER:-nats-server}" /usr/bin/sqlite3; do
  [[ -x $program || $program == *.so && -f $program ]] || {
    echo "run.sh: $program is missing: build first, and install with deploy/install.sh --test" >&2
    exit 2
  }
done
exec "${PYTHON:-/usr/bin/python3}" tests/cluster/run_tests.py "$@"
