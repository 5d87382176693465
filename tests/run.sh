#!/usr/bin/env bash
# Everything that must hold before a change goes in: installs what is missing,
# builds, checks the format, and runs the unit tests, the simulator, the tests
# against a real broker and the cluster tests, most of them under the sanitizers too. The last line is `N passed, N failed`.
#
#   tests/run.sh           all of it (35 to 40 minutes on two cores without a compiler cache)
#   tests/run.sh --quick   the release build's unit tests and a short simulation
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
child=
declare -A building=() # the process that builds a preset meanwhile
finish() {
  trap - EXIT INT TERM HUP
  # `timeout` leads a process group of its own and hands the signal on to it.
  local process
  for process in $child "${building[@]}"; do
    { kill "$process" && wait "$process"; } 2>/dev/null || true
  done
  rm -rf "$work"
}
trap finish EXIT
trap 'exit 130' INT TERM HUP
mkdir "$work/tmp"
export TMPDIR=$work/tmp

export NATS_SERVER=${NATS_SERVER:-$(PATH=$PATH:/usr/sbin:/sbin command -v nats-server || true)}
export UBSAN_OPTIONS=print_stacktrace=1
export TSAN_OPTIONS=second_deadlock_stack=1

passed=0 failed=0
declare -A built=()

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
  local name=$1 start=$2 log=${5:-}
  passed=$((passed + $3)) failed=$((failed + $4))
  printf '%-28s %5d passed, %d failed (%d s)\n' "$name" "$3" "$4" $((SECONDS - start))
  (($4 == 0)) || [[ ! -s $log ]] || tail -n 60 "$log" | sed 's/^/    /'
}

# check NAME SECONDS COMMAND...: one test, which is the exit code.
check() {
  local name=$1 log="$work/check.log" start=$SECONDS
  if run_for "$2" "$log" "${@:3}"; then report "$name" "$start" 1 0; else report "$name" "$start" 0 1 "$log"; fi
}

# gtest NAME SECONDS COMMAND...: as many tests as it says that it ran. One that
# began and never ended is a failure, and so is no test at all.
gtest() {
  local name=$1 log="$work/gtest.log" start=$SECONDS code=0 ok bad ended
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
  local name=$1 log="$work/suite.log" start=$SECONDS code=0 ok=0 bad=0
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

# begin_build PRESET JOBS TARGET...: builds while tests run, most of which wait for
# processes; what is nice to them takes the time that they leave.
begin_build() {
  local preset=$1 jobs=$2
  shift 2
  timeout --kill-after=15 2400 nice -n 19 bash -c '
    cmake --preset "$1" -DCOLONY_WERROR="$2" && cmake --build --preset "$1" --parallel "$3" --target "${@:4}"' \
    build "$preset" "${COLONY_WERROR:-OFF}" "$jobs" "$@" </dev/null >"$work/build-$preset.log" 2>&1 &
  building[$preset]=$!
}

# end_build PRESET: not a test, but a failure when it fails.
end_build() {
  local preset=$1 start=$SECONDS code=0
  { wait "${building[$preset]}" || code=$?; } 2>/dev/null
  unset "building[$preset]"
  if ((code == 0)); then
    built[$preset]=1
    printf '%-28s done (%d s)\n' "build $preset" $((SECONDS - start))
  else
    report "build $preset" "$start" 0 1 "$work/build-$preset.log"
  fi
}

# when_built PRESET KIND NAME SECONDS COMMAND...: what an older build left is not tested.
when_built() {
  if [[ ${built[$1]:-} ]]; then "${@:2}"; else report "$3 (not built)" "$SECONDS" 0 1; fi
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

begin_build release "$jobs" all
end_build release
when_built release gtest 'unit tests' 300 build/release/bin/unit_tests
when_built release gtest 'simulator tests' 300 build/release/bin/sim_tests
if [[ $quick ]]; then
  when_built release check 'simulation, 200 seeds' 300 build/release/bin/sim --seeds 200
else
  begin_build asan $(((jobs + 1) / 2)) unit_tests sim sim_tests cluster_tests load_tests colony colony_ext fuzzers
  begin_build tsan $(((jobs + 1) / 2)) unit_tests cluster_tests colony colony_ext
  when_built release check 'simulation, 1000 seeds' 600 build/release/bin/sim --seeds 1000
  when_built release gtest 'load generator and service' 120 build/release/bin/load_tests
  BUILD=build/release when_built release suite 'cluster' 1300 tests/cluster/run.sh --jobs 3
  BUILD=build/release when_built release suite 'crash matrix' 700 tests/crash/run.sh
  BUILD=build/release when_built release check 'soak, one minute' 400 tests/soak.sh --minutes 1 --seed 1
  BUILD=build/release when_built release check 'soak, does it notice' 150 tests/soak.sh --minutes 0.15 --seed 1 --self-test
  BUILD=build/release when_built release check 'load, a node killed' 150 tests/load/run.sh --users 200 --nodes 2 \
    --think 0.5 --seconds 10 --phases headline,kill --values 2000 --objects 400 --out "$work/load"

  end_build asan
  when_built asan gtest 'unit tests, asan' 400 build/asan/bin/unit_tests
  when_built asan gtest 'simulator tests, asan' 400 build/asan/bin/sim_tests
  when_built asan check 'simulation, asan, 100 seeds' 400 build/asan/bin/sim --seeds 100
  when_built asan gtest 'broker tests, asan' 400 build/asan/bin/cluster_tests
  when_built asan gtest 'load generator and service, asan' 200 build/asan/bin/load_tests
  BUILD=build/asan when_built asan suite 'chaos, asan' 300 tests/cluster/run.sh chaos
  when_built asan suite 'fuzzers' 300 tests/fuzz.sh --seconds 10

  # The thread sanitizer cannot place its shadow memory under strong address
  # randomisation; a container may not let it be turned off, nor need it.
  fixed=()
  if setarch -R true 2>/dev/null; then fixed=(setarch -R); fi
  end_build tsan
  when_built tsan gtest 'unit tests, tsan' 400 "${fixed[@]}" build/tsan/bin/unit_tests
  when_built tsan gtest 'broker tests, tsan' 400 "${fixed[@]}" build/tsan/bin/cluster_tests
  BUILD=build/tsan when_built tsan suite 'chaos, tsan' 300 "${fixed[@]}" tests/cluster/run.sh chaos
fi

echo "$passed passed, $failed failed"
((failed == 0 && passed > 0))
