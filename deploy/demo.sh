#!/usr/bin/env bash
# Shows Colony at work on this machine: builds it, runs a NATS server and four
# nodes, writes on all of them at once, makes two of them collide, kills a sidecar
# and the server under way, and proves that all four files hold the same rows.
#
#   deploy/demo.sh                shows it, removes every trace, exits with 0
#   deploy/demo.sh --capture wal  the same with programs that load no extension: what
#                                 they commit is captured from the write-ahead log
#   deploy/demo.sh --keep         leaves the colony running, and says how to play with it
#   deploy/demo.sh --stop DIR     stops and removes a colony that was kept
#
# Needs Debian 12 or 13; installs what is missing (as root, or by sudo). Everything
# that it makes is in a new directory under ${TMPDIR:-/tmp}, and everything that it
# starts listens on 127.0.0.1 only, on a free port: several can run side by side.
# Exit code: 0, or 1 after one line that says which step failed.
set -euo pipefail
top=$(cd "$(dirname "$0")/.." && pwd)
export LC_ALL=C.UTF-8
unset "${!COLONY_@}" # flags and defaults decide here

nodes=(a b c d)
colony=$top/build/release/bin/colony
extension=$top/build/release/bin/colony.so
wait_max_s=60

# ---------------------------------------------------------------- what runs

dir=
declare -A sidecars=() # pid by node
broker=                # pid
writers=()             # pids
child=                 # pid of what is waited for just now

# Waits for a command in such a way that a signal is heard at once.
run() {
  local code=0
  "$@" &
  child=$!
  wait "$child" || code=$?
  child=
  return "$code"
}

# eventually SECONDS WHAT COMMAND...: until the command succeeds.
eventually() {
  local end=$((SECONDS + $1)) what=$2
  shift 2
  until "$@"; do
    ((SECONDS <= end)) || fail "$what"
    sleep 0.02
  done
}

end_with() { # SIGNAL PID: of a child; without the shell's word on how it died
  { kill -s "$1" "$2" && wait "$2" || true; } 2>/dev/null
}

# For processes that may hang, or be nobody's children.
stop_pid() { # SIGNAL PID
  local i
  kill -s "$1" "$2" 2>/dev/null || return 0
  for ((i = 0; i < 500; ++i)); do
    kill -0 "$2" 2>/dev/null || return 0
    sleep 0.02
  done
  kill -s KILL "$2" 2>/dev/null || true
}

# Ends all that runs, in the order in which nothing complains.
stop_all() {
  local pid
  touch "$dir/enough"
  [[ -z $child ]] || kill "$child" 2>/dev/null || true
  for pid in "${writers[@]}"; do wait "$pid" 2>/dev/null || true; done
  for pid in "${sidecars[@]}"; do kill -s TERM "$pid" 2>/dev/null || true; done
  for pid in "${sidecars[@]}"; do stop_pid TERM "$pid"; done
  [[ -z $broker ]] || stop_pid INT "$broker"
  wait 2>/dev/null || true
}

finish() {
  local code=$?
  trap - EXIT
  trap '' INT TERM HUP PIPE
  ((code == 0)) || [[ $failed ]] || echo "demo.sh: step $step, $title: ended before it was done" >&"$stderr"
  { stop_all; } 2>/dev/null
  rm -rf "$dir"
  exit "$code"
}

exec {stderr}>&2 # a signal may come where this is redirected
failed=
fail() {
  local log
  failed=1
  for log in "$dir"/*.log; do
    [[ ! -s $log ]] || { echo "--- ${log##*/}" && tail -n 15 "$log"; } >&2
  done
  echo "demo.sh: step $step, $title: $*" >&"$stderr"
  exit 1
}

step=0 title='getting ready'
say() {
  step=$((step + 1)) title=$1
  printf '%s%2d  %s%s\n' "$bold" "$step" "$1" "$plain"
}
tell() { printf '    %s\n' "$*"; }
indented() { sed 's/^/    /'; }

bold='' plain=''
[[ ! -t 1 ]] || bold=$'\e[1m' plain=$'\e[0m'

# ---------------------------------------------------------------- the colony

database() { echo "$dir/$1.db"; }

# A plain SQLite shell, without the extension: it reads like any program.
query() { # NODE OPTIONS... SQL
  local file
  file=$(database "$1")
  shift
  sqlite3 -batch -init /dev/null -cmd '.timeout 10000' "$file" "$@"
}

# What a program that writes does first.
prologue() { # NODE
  echo '.bail on'
  [[ $capture == wal ]] || echo ".load '$extension'"
  printf '%s\n' '.timeout 10000' 'PRAGMA foreign_keys = ON;' '.parameter init' \
    ".parameter set :node \"'$1'\""
}

# The shell that writes: SQL on stdin. In wal mode a plain one, too.
write_on() { # NODE
  { prologue "$1" && cat; } | sqlite3 -batch -init /dev/null "$(database "$1")" >>"$dir/$1-shell.log" 2>&1
}

status_of() { # NODE KEY
  "$colony" status --json "$(database "$1")" 2>/dev/null | sed -nE "s/.*\"$2\":\"?([^\",]*).*/\1/p"
}
state_is() { [[ $(status_of "$1" state) == "$2" ]]; }
tell_states() {
  local node
  for node in "${nodes[@]}"; do
    tell "$node: $(status_of "$node" state), $(status_of "$node" pending) transactions wait to be sent"
  done
}
writes_beyond() { # NODE ROUND
  local round
  read -r round <"$dir/$1.rounds" && ((round >= $2)) # it may be being written just now
}
pending_reaches() { (($(status_of "$1" pending) >= $2)); }

start_broker() { # PORT, or -1 for a free one
  (cd "$dir" && exec setsid nats-server --jetstream --store_dir "$dir/nats" --addr 127.0.0.1 --port "$1" \
    --ports_file_dir "$dir" --log "$dir/nats.log" </dev/null >/dev/null 2>&1 {stderr}>&-) &
  broker=$!
  eventually 20 'the NATS server does not start' broker_answers
}
broker_answers() {
  kill -0 "$broker" 2>/dev/null || fail 'the NATS server has ended'
  url=$(grep -o 'nats://[^"]*' "$dir/nats-server_$broker.ports" 2>/dev/null)
}

start_sidecar() { # NODE
  (cd "$dir" && exec setsid "$colony" run "$(database "$1")" --cluster demo --node "$1" --capture "$capture" --nats "$url" \
    </dev/null >>"$dir/$1-sidecar.log" 2>&1 {stderr}>&-) &
  sidecars[$1]=$!
}
stop_sidecar() { # SIGNAL NODE
  end_with "$1" "${sidecars[$2]}"
  unset "sidecars[$2]"
}

await() { # NODE...: in step with the log
  local node
  for node in "$@"; do
    eventually 20 "the sidecar of $node does not run" state_is "$node" running
    run "$colony" wait "$(database "$node")" --timeout "$wait_max_s" --nats "$url" || fail "node $node is not in step"
  done
}

# Each node's own commits first; then nobody has anything that another one lacks.
await_all() { await "${nodes[@]}" && await "${nodes[@]}"; }

# import NODE, then ROUNDS rounds of work as fast as they go.
import_on() { # NODE ROUNDS
  local round
  {
    echo ".read '$top/deploy/demo/import.sql'"
    for ((round = 1; round <= $2; ++round)); do
      printf '.parameter set :round %d\n.read '"'%s'"'\n' "$round" "$top/deploy/demo/round.sql"
    done
  } | write_on "$1"
}

# Rounds of work, a few each second, until there are enough.
work_on() { # NODE FIRST_ROUND
  local round=$2
  while [[ ! -e $dir/enough ]]; do
    printf '.parameter set :round %d\n.read '"'%s'"'\n' "$round" "$top/deploy/demo/round.sql"
    echo "$round" >"$dir/$1.rounds"
    round=$((round + 1))
    sleep 0.05 # the app's own pace
  done | write_on "$1"
}

writers_succeed() {
  local pid
  for pid in "${writers[@]}"; do wait "$pid" || fail 'a writer has failed'; done
  writers=()
}

# ---------------------------------------------------------------- --stop

stop_kept() { # DIR
  local pid kept
  kept=$(cd "$1" 2>/dev/null && pwd -P) || { echo "demo.sh: there is no directory $1" >&2 && exit 1; }
  [[ -f $kept/pids ]] || { echo "demo.sh: $kept is no colony that the demo has kept" >&2 && exit 1; }
  # Sidecars first, the server last. A number that is another process now has another directory.
  while read -r signal pid; do
    [[ $(readlink "/proc/$pid/cwd" 2>/dev/null) != "$kept" ]] || stop_pid "$signal" "$pid"
  done <"$kept/pids"
  rm -rf "$kept"
  echo "stopped and removed $kept"
}

keep= capture=session
while (($#)); do
  case $1 in
    --keep) keep=1 ;;
    --capture)
      [[ ${2:-} == session || ${2:-} == wal ]] || { echo 'demo.sh: --capture wants session or wal' >&2 && exit 1; }
      capture=$2
      shift
      ;;
    --stop)
      (($# == 2)) || { echo 'demo.sh: --stop wants the directory that --keep has told' >&2 && exit 1; }
      stop_kept "$2"
      exit
      ;;
    -h | --help)
      sed -n '2,/^set /s/^# \{0,1\}//p' "$0"
      exit
      ;;
    *)
      echo "demo.sh: unknown option '$1' (see --help)" >&2
      exit 1
      ;;
  esac
  shift
done

# ---------------------------------------------------------------- the show

dir=$(mktemp -d "${TMPDIR:-/tmp}/colony-demo.XXXXXX")
dir=$(cd "$dir" && pwd -P)
trap finish EXIT
trap 'exit 130' INT
trap 'exit 141' PIPE
trap 'exit 143' TERM HUP

say 'Installing what is missing, and building'
begin=$SECONDS
"$top/deploy/install.sh" || fail 'see above'
PATH=$PATH:/usr/sbin:/sbin # Debian's nats-server is there
[[ -x $colony ]] || tell 'the first build takes a minute or two'
build() {
  cd "$top" && mkdir -p build || return
  exec {lock}>build/.demo-lock && flock "$lock" || return # two demos do not build at once
  [[ -f build/release/build.ninja ]] || cmake --preset release || return
  cmake --build --preset release --target colony colony_ext
}
(build) >"$dir/build.log" 2>&1 || fail 'the build failed'
rm "$dir/build.log"
tell "$("$colony" --version) is ready ($((SECONDS - begin)) s)"

begin=$SECONDS
say 'Starting one NATS server and four nodes: a with a database, the others with nothing'
start_broker -1
port=${url##*:}
sqlite3 -batch -init /dev/null "$(database a)" <"$top/deploy/demo/schema.sql" || fail 'the schema cannot be made'
"$colony" init "$(database a)" --cluster demo --node a --capture "$capture" >"$dir/init.log" || fail 'colony init of a'
for node in "${nodes[@]}"; do start_sidecar "$node"; done
tell "$(grep '^replicated: ' "$dir/init.log"), by $url"
await "${nodes[@]}"
tell "b, c and d have joined from a snapshot that a has made"

say 'Writing on all four at the same time, each through its own sqlite3 shell'
[[ $capture == session ]] || tell 'a plain one: it loads nothing, and its commits are captured from the write-ahead log'
for node in "${nodes[@]}"; do
  import_on "$node" 20 &
  writers+=($!)
done
writers_succeed
await_all
query d -box "SELECT node, count(*) AS copies, sum(state = 'ready') AS ready, min(object) AS first,
  max(object) AS last FROM placements GROUP BY node" | indented

say 'Making a and b change the same row, and claim the same URL, while neither hears of the other'
plan="'plan.md'" url_of_plan="'s3://store/plan'"
write_on a <<<"INSERT INTO objects VALUES($plan, 1000, 'e3b0c442', 'nobody', '2025-01-01T00:00:00Z');" ||
  fail 'a cannot write'
await_all
stop_sidecar TERM a
stop_sidecar TERM b
write_on a <<<"BEGIN IMMEDIATE;
  UPDATE objects SET owner = 'ada', modified = '2025-06-01T12:00:00Z' WHERE key = $plan;
  INSERT INTO placements VALUES($plan, 'a', $url_of_plan, 'ready');
  COMMIT;" || fail 'a cannot write'
write_on b <<<"BEGIN IMMEDIATE;
  UPDATE objects SET owner = 'grace', size = 4096 WHERE key = $plan;
  INSERT INTO placements VALUES($plan, 'b', $url_of_plan, 'ready');
  COMMIT;" || fail 'b cannot write'
for node in a b; do
  tell "$node, alone:   $(query "$node" "SELECT key, size, owner, modified FROM objects WHERE key = $plan")"
done
start_sidecar a
await a
start_sidecar b
await b
await_all
for node in "${nodes[@]}"; do
  tell "$node, in step: $(query "$node" "SELECT key, size, owner, modified FROM objects WHERE key = $plan")"
done

tell 'a column that one of them changed stays; of one that both changed, the later in the log does'

say 'Killing the sidecar of c with -9, while all four go on writing'
for node in "${nodes[@]}"; do
  work_on "$node" 21 &
  writers+=($!)
done
eventually 20 'nobody writes' test -s "$dir/d.rounds"
stop_sidecar KILL c
if [[ $capture == wal ]]; then
  eventually 20 'c cannot write without its sidecar' writes_beyond c 35
  tell "c: $(status_of c state), its app goes on, and what it commits is found later"
else
  eventually 20 'c cannot write without its sidecar' pending_reaches c 50
  tell "c: $(status_of c state), $(status_of c pending) transactions wait in its file, and its app goes on"
fi
start_sidecar c
eventually 20 'the sidecar of c does not run' state_is c running
tell "c: $(status_of c state) again"

say 'Killing the NATS server with -9, while all four go on writing'
end_with KILL "$broker"
for node in "${nodes[@]}"; do
  eventually 30 "$node has not noticed" state_is "$node" waiting_for_broker
  eventually 20 "$node cannot write without the broker" pending_reaches "$node" 50
done
tell_states
start_broker "$port"
for node in "${nodes[@]}"; do eventually 30 "$node does not come back" state_is "$node" running; done
touch "$dir/enough"
writers_succeed
await_all
tell_states

say 'Asking each of the four files, by plain SQL and without Colony'
tell 'file   objects        bytes  placements    kv  rounds of work'
for node in "${nodes[@]}"; do
  IFS='|' read -r objects bytes placements kv rounds < <(query "$node" "SELECT
    (SELECT count(*) FROM objects), (SELECT sum(size) FROM objects), (SELECT count(*) FROM placements),
    (SELECT count(*) FROM kv), (SELECT group_concat(key || ' ' || value, ', ') FROM kv WHERE namespace = 'rounds')")
  tell "$(printf '%-5s %8d %12d %11d %5d  %s' "$node.db" "$objects" "$bytes" "$placements" "$kv" "$rounds")"
done
for node in "${nodes[@]}"; do
  query "$node" -quote 'SELECT * FROM objects ORDER BY key; SELECT * FROM placements ORDER BY object, node;
    SELECT * FROM kv ORDER BY namespace, key' >"$dir/$node.rows"
  cmp "$dir/a.rows" "$dir/$node.rows" || fail "the rows of $node are not those of a"
  [[ $(query a "SELECT value FROM kv WHERE namespace = 'rounds' AND key = '$node'") == "$(<"$dir/$node.rounds")" ]] ||
    fail "node $node wrote $(<"$dir/$node.rounds") rounds, and not all of them are there"
done
tell "$(wc -l <"$dir/a.rows") rows, the same in all four, byte for byte; nothing that was committed is missing"

say 'What lost in the conflicts is kept, on every node'
for node in "${nodes[@]}"; do
  "$colony" conflicts "$(database "$node")" >"$dir/$node.conflicts" || fail "colony conflicts of $node"
  cmp "$dir/a.conflicts" "$dir/$node.conflicts" || fail "the journal of $node is not that of a"
done
grep -q update_differs "$dir/a.conflicts" && grep -q displaced "$dir/a.conflicts" || fail 'it is not'
indented <"$dir/c.conflicts"

say 'All four prove it to each other'
run "$colony" verify "$(database b)" --timeout "$wait_max_s" --nats "$url" >"$dir/proof" || fail 'colony verify says no'
indented <"$dir/proof"

if [[ $keep ]]; then
  for node in "${nodes[@]}"; do echo "TERM ${sidecars[$node]}"; done >"$dir/pids"
  echo "INT $broker" >>"$dir/pids"
  rm -f "$dir"/{enough,proof,init.log} "$dir"/*.{rounds,rows,conflicts}
  trap - EXIT
  cat <<END

The colony goes on in $dir. Write on one node, and read on another:

  sqlite3 $dir/a.db$([[ $capture == wal ]] || printf '\n      .load %s' "$extension")
      .timeout 10000
      INSERT INTO kv VALUES('play', 'hello', 'from a', NULL);
  $colony wait $dir/a.db && $colony wait $dir/d.db
  sqlite3 $dir/d.db "SELECT * FROM kv WHERE namespace = 'play'"

How a node is doing, and the end of all this:

  $colony status $dir/d.db
  $0 --stop $dir
END
  exit 0
fi
say 'Stopping everything'
{ stop_all; } 2>/dev/null
rm -rf "$dir"
trap - EXIT
tell "done in $((SECONDS - begin)) s; nothing is left behind"
