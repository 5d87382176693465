#!/usr/bin/env bash
# Everything that must hold before a change goes in: installs what is missing, checks the
# format and the layers, builds, and runs the unit tests, the simulator, the tests against
# real brokers, the cluster tests, the crash matrix, a soak and the load generator; under
# the sanitizers too what depends on memory and threads. A line for each stage as it ends;
# the last line is `N passed, N failed`.
#
#   tests/run.sh           all of it (about 25 minutes on two cores without a compiler cache)
#   tests/run.sh --quick   format, layers, the release build's unit and simulator tests and a
#                          short simulation (under 5 minutes; after an edit, one or two)
#
# Stages that wait for processes run one after the other; the sanitizers' builds and what
# needs nothing but the processor run beside them, at the lowest priority.
#
# Environment: NATS_SERVER, the nats-server to test with (default: the one in
# PATH); COLONY_WERROR=ON, compiler warnings are errors; JOBS (default 2).
# A stage that cannot run counts as a failure: nothing is skipped in silence.
set -euo pipefail
cd "$(dirname "$0")/.."

quick=
case ${1:-} in
  '') ;;
  --quick) quick=1 ;;
  *)
    echo "run.sh: unknown option '$1'; the only one is --quick" >&2
    exit 2
    ;;
esac
jobs=${JOBS:-2}

work=$(mktemp -d "${TMPDIR:-/tmp}/colony-tests.XXXXXX")
lane=main           # names the logs; each lane is a process of its own
child=              # what the lane runs now
declare -A lanes=() # the processes of the other lanes, by name
finish() {
  trap - EXIT INT TERM HUP
  # `timeout` leads a process group of its own and hands the signal on to it.
  local process
  for process in $child "${lanes[@]}"; do
    { kill "$process" && wait "$process"; } 2>/dev/null || true
  done
  [[ $lane != main ]] || rm -rf "$work"
}
trap finish EXIT
trap 'exit 130' INT TERM HUP
mkdir "$work/tmp"
export TMPDIR=$work/tmp

export NATS_SERVER=${NATS_SERVER:-$(PATH=$PATH:/usr/sbin:/sbin command -v nats-server || true)}
export UBSAN_OPTIONS=print_stacktrace=1
export TSAN_OPTIONS=second_deadlock_stack=1

# What has been counted, `PASSED FAILED` a line.
touch "$work/counts"

# run_for SECONDS LOG COMMAND...: no stdin, both outputs to LOG, and an end.
run_for() {
  local seconds=$1 log=$2 code=0
  shift 2
  timeout --kill-after=15 "$seconds" "$@" </dev/null >"$log" 2>&1 &
  child=$!
  { wait "$child" || code=$?; } 2>/dev/null
  child=
  ((code != 124)) || echo "run.sh: stopped after $seconds s" >>"$log"
  return "$code"
}

# report NAME START PASSED FAILED [LOG]: one line a stage, and the log's tail when it failed.
report() {
  local name=$1 start=$2 log=${5:-} text
  echo "$3 $4" >>"$work/counts"
  printf -v text '%-31s %5d passed, %d failed (%d s)' "$name" "$3" "$4" $((SECONDS - start))
  (($4 == 0)) || [[ ! -s $log ]] || text+=$'\n'$(tail -n 60 "$log" | sed 's/^/    /')
  printf '%s\n' "$text"  # at once: lanes do not mix their lines
}

# check NAME SECONDS COMMAND...: one test, which is the exit code.
check() {
  local name=$1 log="$work/$lane-check.log" start=$SECONDS
  if run_for "$2" "$log" "${@:3}"; then report "$name" "$start" 1 0; else report "$name" "$start" 0 1 "$log"; fi
}

# gtest NAME SECONDS COMMAND...: as many tests as it says that it ran. One that
# began and never ended is a failure, and so is no test at all.
gtest() {
  local name=$1 log="$work/$lane-gtest.log" start=$SECONDS code=0 ok bad ended
  run_for "$2" "$log" "${@:3}" --gtest_color=no || code=$?
  ok=$(grep -c '^\[       OK \]' "$log" || true)
  ended=$(grep -cE '^\[(       OK |  FAILED  |  SKIPPED )\] .* ms\)$' "$log" || true)
  bad=$(($(grep -c '^\[ RUN      \]' "$log" || true) - ended +
    $(grep -c '^\[  FAILED  \] .* ms)$' "$log" || true)))
  if ((bad == 0 && (code != 0 || ok == 0))); then bad=1; fi
  echo "run.sh: exit code $code" >>"$log"
  # Only what the failed and the unfinished tests said.
  awk '/^\[ RUN / { said = "" } { said = said $0 "\n" }
       /^\[  FAILED  \].* ms\)$/ { printf "%s", said }
       /^\[( *OK|  FAILED  |  SKIPPED) \].* ms\)$/ { said = "" }
       END { printf "%s", said }' "$log" >"$log.failed"
  report "$name" "$start" "$ok" "$bad" "$log.failed"
  grep '^\[  SKIPPED \] .* ms)$' "$log" | sed 's/^/    /' || true
}

# suite NAME SECONDS COMMAND...: a script whose last line is `N passed, N failed`.
suite() {
  local name=$1 log="$work/$lane-suite.log" start=$SECONDS code=0 ok=0 bad=0
  run_for "$2" "$log" "${@:3}" || code=$?
  if [[ $(tail -n 1 "$log") =~ ^([0-9]+)\ passed,\ ([0-9]+)\ failed$ ]]; then
    ok=${BASH_REMATCH[1]} bad=${BASH_REMATCH[2]}
  fi
  if ((bad == 0 && (code != 0 || ok == 0))); then
    bad=1
    echo "run.sh: exit code $code" >>"$log"
  fi
  # Whatever came after what failed, its name and its last words are shown.
  grep -A 40 '^FAIL' "$log" >"$log.failed" || tail -n 40 "$log" >"$log.failed"
  report "$name" "$start" "$ok" "$bad" "$log.failed"
}

# build PRESET JOBS TARGET...: not a test, but a failure when it fails.
build() {
  local preset=$1 jobs=$2 log="$work/build-$1.log" start=$SECONDS
  shift 2
  # shellcheck disable=SC2016
  if run_for 2400 "$log" bash -c '
    cmake --preset "$1" -DCOLONY_WERROR="$2" && cmake --build --preset "$1" --parallel "$3" --target "${@:4}"' \
    build "$preset" "${COLONY_WERROR:-OFF}" "$jobs" "$@"; then
    touch "$work/built-$preset"
    printf '%-31s done (%d s)\n' "build $preset" $((SECONDS - start))
  else
    report "build $preset" "$start" 0 1 "$log"
  fi
}

# begin_lane NAME FUNCTION: runs the stages of a function beside others, with what time
# those leave. None of them may depend on how fast it is.
begin_lane() {
  (
    lane=$1 child='' lanes=()
    trap finish EXIT
    trap 'exit 130' INT TERM HUP
    renice -n 19 "$BASHPID" >/dev/null
    "$2"
  ) &
  lanes[$1]=$!
}

# end_lane NAME: waits for it. Its stages have counted themselves.
end_lane() {
  local code=0
  { wait "${lanes[$1]}" || code=$?; } 2>/dev/null
  unset "lanes[$1]"
  ((code == 0)) || report "lane $1 (exit code $code)" "$SECONDS" 0 1
}

# when_built PRESET KIND NAME SECONDS COMMAND...: what an older build left is not tested.
when_built() {
  if [[ -e $work/built-$1 ]]; then "${@:2}"; else report "$3 (not built)" "$SECONDS" 0 1; fi
}

# Debian 12 and 13 have versions that disagree: 12's decides.
check_format() {
  local version files
  version=$(clang-format --version | grep -oE 'version [0-9]+' | head -n 1)
  if [[ $version != 'version 14' ]]; then
    echo "format: not checked, clang-format ${version:-is missing} here and 14 decides"
    return
  fi
  mapfile -t files < <(git ls-files '*.cpp' '*.h')
  check 'format' 120 clang-format --dry-run -Werror "${files[@]}"
}

deploy/install.sh --test
check_format
check 'layers' 60 python3 -B tests/layers.py
check 'layers, does it notice' 60 python3 -B tests/layers.py --self-test

# The thread sanitizer cannot place its shadow memory under strong address randomisation; a
# container may not let it be turned off, nor need it.
fixed=()
if setarch -R true 2>/dev/null; then fixed=(setarch -R); fi

simulation_lane() {
  when_built release check 'simulation, 1000 seeds' 1200 build/release/bin/sim --seeds 1000
  when_built release check 'simulation, mixed, 400 seeds' 1200 build/release/bin/sim --seeds 400 --capture mixed
  when_built release check 'simulation, wal, 200 seeds' 1200 build/release/bin/sim --seeds 200 --capture wal
}

asan_lane() {
  build asan $(((jobs + 1) / 2)) unit_tests sim sim_tests cluster_tests load_tests colony colony_ext fuzzers
  when_built asan gtest 'unit tests, asan' 1200 build/asan/bin/unit_tests
  when_built asan gtest 'simulator tests, asan' 1200 build/asan/bin/sim_tests
  when_built asan check 'simulation, asan, 100 seeds' 1200 build/asan/bin/sim --seeds 100
}

# Long histories on one thread have no races to be found, and take ten to forty times as long here.
one_thread='-*Property*:*ManyTables*:*random_histories*:*of_random_triggers*:TableStatements.as_many_*'
one_thread+=':CaptureColumns.what_the_hook_*:WalModeCapture.each_commit_*:PageChangesTest.of_rows_of_every_*'

tsan_lane() {
  build tsan $(((jobs + 1) / 2)) unit_tests cluster_tests colony colony_ext
  when_built tsan gtest 'unit tests, tsan' 1200 "${fixed[@]}" build/tsan/bin/unit_tests --gtest_filter="$one_thread"
}

if [[ $quick ]]; then
  build release "$jobs" unit_tests sim sim_tests colony_ext
  when_built release gtest 'unit tests' 300 build/release/bin/unit_tests
  when_built release gtest 'simulator tests' 300 build/release/bin/sim_tests
  when_built release check 'simulation, 200 seeds' 300 build/release/bin/sim --seeds 200
else
  build release "$jobs" all
  begin_lane asan asan_lane
  begin_lane tsan tsan_lane
  when_built release gtest 'unit tests' 300 build/release/bin/unit_tests
  when_built release gtest 'simulator tests' 300 build/release/bin/sim_tests
  begin_lane simulation simulation_lane
  when_built release gtest 'load generator and service' 120 build/release/bin/load_tests
  BUILD=build/release when_built release suite 'cluster' 1300 tests/cluster/run.sh --jobs 3
  BUILD=build/release when_built release suite 'cluster, all in wal mode' 400 tests/cluster/run.sh --jobs 3 --capture wal \
    chaos large_transaction long_offline test_capture. test_members test_values test_rows
  BUILD=build/release when_built release suite 'crash matrix' 700 tests/crash/run.sh
  BUILD=build/release when_built release check 'soak, one minute' 400 tests/soak.sh --minutes 1 --seed 1
  BUILD=build/release when_built release check 'soak, does it notice' 150 tests/soak.sh --minutes 0.15 --seed 1 --self-test
  BUILD=build/release when_built release check 'load, a node killed' 150 tests/load/run.sh --users 200 --nodes 2 \
    --think 0.5 --seconds 10 --phases headline,kill --values 2000 --objects 400 --out "$work/load"
  BUILD=build/release when_built release check 'load, in wal mode' 90 tests/load/run.sh --users 100 --nodes 2 --capture wal \
    --think 0.5 --seconds 5 --phases headline --values 1000 --objects 200 --out "$work/load in wal mode"

  # What is left of the lanes has the machine to itself but for one of these at a time.
  end_lane asan
  when_built asan gtest 'broker tests, asan' 400 build/asan/bin/cluster_tests
  when_built asan gtest 'load generator and service, asan' 200 build/asan/bin/load_tests
  BUILD=build/asan when_built asan suite 'chaos, asan' 300 tests/cluster/run.sh chaos
  when_built asan suite 'fuzzers' 300 tests/fuzz.sh --seconds 10
  end_lane tsan
  when_built tsan gtest 'broker tests, tsan' 400 "${fixed[@]}" build/tsan/bin/cluster_tests
  BUILD=build/tsan when_built tsan suite 'chaos, tsan' 300 "${fixed[@]}" tests/cluster/run.sh chaos
  end_lane simulation
fi

read -r passed failed < <(awk '{ passed += $1; failed += $2 } END { print passed + 0, failed + 0 }' "$work/counts")
echo "$passed passed, $failed failed"
((failed == 0 && passed > 0))
