#!/usr/bin/env bash
# Lets a colony of four nodes and three NATS servers (R3) run for a while under faults
# of every kind while apps write on all nodes, and accounts for every transaction that an
# app was told is committed. The last line is `lost: N`.
#
#   tests/soak.sh                         ten minutes, a seed of its own
#   tests/soak.sh --minutes 30 --seed 7   so long, with these faults
#   tests/soak.sh --plan --seed 7         print the faults of a seed, and end
#   tests/soak.sh --self-test             damage a colony on purpose; is it noticed?
#
#   --minutes M       how long faults are injected (default 10; 0.5 is possible)
#   --seed S          any word: draws the faults, their targets, times and lengths, and what
#                     the apps choose to do (default: drawn, and printed). The machine's
#                     timing is not repeated by it
#   --nodes N         nodes, 2 to 26 (default 4); each has two apps and a reader
#   --rate R          transactions per second that each app makes (default 12)
#   --network KIND    namespaces: each machine has a network of its own, which can be cut;
#                     loopback: all on one, only processes are hurt;
#                     auto (the default): namespaces where they are allowed
#   --all-faults      cut off and freeze servers of nats-server 2.9, too. They then come to
#                     disagree about the log, and nodes halt: docs/reliability.md
#   --json FILE       write the report's figures there, too
#   --keep            leave databases, journals and logs (after a failure they stay anyway)
#
# What is injected: servers, sidecars and apps are killed (-9), frozen and restarted; nodes
# and servers are cut off, lose what passes in one direction, become slow; clocks of nodes
# go back and forth by up to 30 days. One server at a time: a majority stays.
# The apps are the sqlite3 shell, Python and C++; each journals what it was told.
#
# After each minute of it is a quiet point: the apps end, all nodes come to rest, and
#   - `colony verify` must find them equal;
#   - an own reader of the log must find every committed transaction in it, once, whole, in
#     its app's order, with the very values that the app has recorded;
#   - an own fold of the log must give the rows and conflicts of every node, bit by bit.
#
# It needs root or user namespaces for networks of its own (iproute2), and reaches nothing
# outside. A progress line on a terminal, elsewhere one every ten seconds, on stderr; the
# report is on stdout.
# Exit codes: 0 nothing lost, nothing wrong; 1 something was; 2 it could not be done.
#
# Environment: NATS_SERVER, the nats-server to use (default: the one in PATH); BUILD, a
# directory whose bin/ has what is to be soaked (default: build/release, which is then
# brought up to date); TMPDIR, where everything stands.
set -euo pipefail
cd "$(dirname "$0")/.."

for argument in "$@"; do
  case $argument in
    --help | -h)
      sed -n '2,/^set -/{/^set -/!s/^# \{0,1\}//p}' "$0"
      exit 0
      ;;
  esac
done

if [[ -z ${BUILD:-} ]]; then
  BUILD=build/release
  deploy/install.sh --test
  log=$(mktemp)
  [[ ! -t 2 ]] || printf 'building ...' >&2
  if ! { cmake --preset release && cmake --build --preset release --target colony colony_ext soak_app soak_clock; } >"$log" 2>&1; then
    tail -n 40 "$log" >&2
    rm "$log"
    echo 'soak.sh: the build failed (its last words are above)' >&2
    exit 2
  fi
  rm "$log"
  [[ ! -t 2 ]] || printf '\r\033[K' >&2
fi
export BUILD
export NATS_SERVER=${NATS_SERVER:-$(PATH=$PATH:/usr/sbin:/sbin command -v nats-server || true)}
[[ -n $NATS_SERVER ]] || { echo 'soak.sh: no nats-server: run deploy/install.sh, or set NATS_SERVER' >&2; exit 2; }
export PATH=$PATH:/usr/sbin:/sbin
PYTHONDONTWRITEBYTECODE=1 exec "${PYTHON:-/usr/bin/python3}" tests/soak/main.py "$@"
