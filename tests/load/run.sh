#!/usr/bin/env bash
# Loads a colony on this machine with users: brokers, sidecars, a service (metad) per
# node and the users (colony-load), each in processes of their own; then looks whether
# everything that was acknowledged is on all nodes. Writes report.html and report.json.
#
#   tests/load/run.sh                                       100,000 users, 4 nodes, 120 s: all phases
#   tests/load/run.sh --users 1000 --seconds 20 --phases headline,kill
#   tests/load/run.sh --capture wal                         the service knows nothing of Colony
#   tests/load/run.sh --help                                all options
#
# Where a process may not open as many files as there are users, several processes share
# the users' connections, and a node's service; it says so.
#
# Environment: BUILD, a directory whose bin/ has what is to be loaded (default:
# build/release, which is then brought up to date); NATS_SERVER, the nats-server to use
# (default: the one in PATH); TMPDIR, where the databases stand. A relative BUILD is one of
# the repository; --out is relative to where you are.
# Exit code: 0; 1 if there were errors or something was lost; 2 if it could not be done.
# An interrupted run ends with 128 and the number of the signal, and its report says so.
set -euo pipefail
top=$(cd "$(dirname "$0")/../.." && pwd)

for argument in "$@"; do
  if [[ $argument == --help || $argument == -h ]]; then
    exec "${PYTHON:-/usr/bin/python3}" "$top/tests/load/run_load.py" --help
  fi
done
if [[ -n ${TMPDIR:-} && ! (-d $TMPDIR && -w $TMPDIR) ]]; then
  echo "run.sh: TMPDIR is $TMPDIR, which is no directory to write to: make it, or unset TMPDIR" >&2
  exit 2
fi
if [[ -z ${BUILD:-} ]]; then
  BUILD=build/release
  "$top/deploy/install.sh"
  log=$(mktemp)
  if ! (cd "$top" && cmake --preset release &&
    cmake --build --preset release --target colony colony_ext metad colony-load) >"$log" 2>&1; then
    tail -n 40 "$log" >&2
    rm -f "$log"
    echo 'run.sh: the build failed (its last words are above)' >&2
    exit 2
  fi
  rm -f "$log"
fi
[[ $BUILD == /* ]] || BUILD=$top/$BUILD
export BUILD
export NATS_SERVER=${NATS_SERVER:-$(PATH=$PATH:/usr/sbin:/sbin command -v nats-server || true)}
for program in "$BUILD/bin/colony" "$BUILD/bin/metad" "$BUILD/bin/colony-load" "${NATS_SERVER:-nats-server}"; do
  [[ -x $program ]] || {
    echo "run.sh: $program is missing: build first, and install with deploy/install.sh" >&2
    exit 2
  }
done
exec "${PYTHON:-/usr/bin/python3}" "$top/tests/load/run_load.py" "$@"
