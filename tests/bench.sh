#!/usr/bin/env bash
# How fast Colony is: what capture costs an app, how fast a node absorbs what others
# commit, how soon a commit is seen on the other nodes, what an idle sidecar uses, what
# one commit of 1,000,000 rows takes, how a node catches up that was away for long, for
# how long the write lock is refused, and how cost grows with transactions, tables,
# backlogs and nodes, and all of that which differs where capture is from the write-ahead
# log. Prints a table with the target beside each figure. Variants take
# turns in short rounds, so that ratios can be trusted on a machine that is not quiet;
# rates and milliseconds can not (a machine at 100 % of its cores makes the latter those
# of its queue).
#
#   tests/bench.sh                  all of it (about half an hour)
#   tests/bench.sh --json           one JSON document on stdout instead
#   tests/bench.sh --quick          to see that it works, not to be quoted (about a minute)
#   tests/bench.sh --report FILE    a page of HTML with plots, too
#   tests/bench.sh --only THEMES    of capture,apply,visible,flush,large,offline,locks,growth,wal
#
# Environment: NATS_SERVER, the nats-server to use (default: the one in PATH);
# BUILD, a directory whose bin/ has what is to be measured (default: build/release,
# which is then brought up to date); TMPDIR, where the files that are written and
# read stand: on a disk, if the figures are to mean something.
set -euo pipefail
cd "$(dirname "$0")/.."

usage() {
  sed -n '2,/^set -/{/^set -/!s/^# \{0,1\}//p}' "$0"
}
arguments=()
report=
while (($#)); do
  case $1 in
    --json | --quick) arguments+=("$1") ;;
    --only)
      (($# > 1)) || { echo 'bench.sh: --only needs a list of capture,apply,visible,flush,large,offline,locks,growth,wal' >&2; exit 2; }
      arguments+=("$1" "$2")
      shift
      ;;
    --report)
      (($# > 1)) || { echo 'bench.sh: --report needs a file name' >&2; exit 2; }
      report=$(realpath -m "$2")
      shift
      ;;
    --help | -h) usage; exit 0 ;;
    *)
      echo "bench.sh: unknown option '$1' (see --help)" >&2
      exit 2
      ;;
  esac
  shift
done

work=
child=
finish() {
  trap - EXIT INT TERM HUP
  # What the benchmark has started dies with it.
  [[ -z $child ]] || { kill "$child" && wait "$child"; } 2>/dev/null || true
  [[ -z $work ]] || rm -rf "$work" "$work.json"
}
trap finish EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

if [[ -z ${BUILD:-} ]]; then
  BUILD=build/release
  deploy/install.sh
  [[ ! -t 2 ]] || printf 'building ...' >&2
  work=$(mktemp -d "${TMPDIR:-/tmp}/colony-bench.XXXXXX")
  if ! { cmake --preset release && cmake --build --preset release --target bench colony colony_ext; } >"$work/log" 2>&1; then
    tail -n 40 "$work/log" >&2
    echo 'bench.sh: the build failed (its last words are above)' >&2
    exit 2
  fi
  rm "$work/log"
  [[ ! -t 2 ]] || printf '\r\033[K' >&2
else
  work=$(mktemp -d "${TMPDIR:-/tmp}/colony-bench.XXXXXX")
fi

NATS_SERVER=${NATS_SERVER:-$(PATH=$PATH:/usr/sbin:/sbin command -v nats-server || true)}
[[ -n $NATS_SERVER ]] || { echo 'bench.sh: no nats-server: run deploy/install.sh, or set NATS_SERVER' >&2; exit 2; }
export NATS_SERVER

[[ -z $report ]] || arguments+=(--save "$work.json")
code=0
"$BUILD/bin/bench" "$work" "${arguments[@]}" &
child=$!
wait "$child" || code=$?
child=
if [[ $report && $code == 0 ]]; then
  /usr/bin/python3 tests/bench/report_page.py "$work.json" "$report"
  echo "report: $report" >&2
fi
exit "$code"
