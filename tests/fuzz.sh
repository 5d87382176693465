#!/usr/bin/env bash
# Searches for inputs that break what reads bytes of strangers: changesets, the fold,
# entries of the log, snapshots, names and URLs; and what reads SQLite's write-ahead log and
# pages. Needs clang with its libFuzzer (deploy/install.sh --test installs both). The last line
# is `N passed, N failed`.
#
#   tests/fuzz.sh                    every fuzzer for 60 s
#   tests/fuzz.sh --seconds S        for S seconds each
#   tests/fuzz.sh --only TARGET      one of them: changeset, damage, entry, fold, history, http,
#                                    page, record, snapshot, text
#   tests/fuzz.sh --keep             adds what reached new code to tests/fuzz/corpus
#
# An input that breaks something is left in build/found/, and is tried again by
#   build/asan/bin/fuzz_TARGET FILE
# Once it is mended, the input belongs into tests/fuzz/corpus/TARGET.
set -euo pipefail
cd "$(dirname "$0")/.."

fail() {
  echo "fuzz.sh: $*" >&2
  exit 2
}

seconds=60 only='' keep=''
while (($#)); do
  case $1 in
    --seconds | --only)
      (($# > 1)) || fail "$1 needs a value"
      if [[ $1 == --only ]]; then only=$2; else seconds=$2; fi
      shift 2
      ;;
    --keep) keep=1; shift ;;
    --help) sed -n '2,/^set/{/^set/d;s/^# \{0,1\}//;p}' "$0"; exit 0 ;;
    *) fail "unknown option '$1' (--help lists them)" ;;
  esac
done
[[ $seconds =~ ^[1-9][0-9]{0,5}$ ]] || fail "--seconds takes a whole number from 1, not '$seconds'"

targets=()
for source in tests/fuzz/*_fuzz.cpp; do
  target=$(basename "$source" _fuzz.cpp)
  [[ -n $only && $only != "$target" ]] || targets+=("$target")
done
((${#targets[@]})) || fail "there is no fuzzer '$only'"

deploy/install.sh --test
work=$(mktemp -d "${TMPDIR:-/tmp}/colony-fuzz.XXXXXX")
child=
finish() {
  trap - EXIT INT TERM HUP
  [[ -z $child ]] || { kill "$child" && wait "$child"; } 2>/dev/null || true
  rm -rf "$work"
}
trap finish EXIT
trap 'exit 130' INT TERM HUP

if ! { cmake --preset asan && cmake --build --preset asan --parallel "${JOBS:-2}" --target fuzzers; } >"$work/build.log" 2>&1; then
  tail -n 40 "$work/build.log" >&2
  fail "the fuzzers cannot be built (above)"
fi
build/asan/bin/fuzz_seeds "$work/seeds"

# The search is ended by libFuzzer itself; the corpus of the run is thrown away
# unless it is to be kept.
passed=0 failed=0
mkdir -p build/found
for target in "${targets[@]}"; do
  corpus=tests/fuzz/corpus/$target found=$work/new/$target
  mkdir -p "$corpus" "$found" "$work/seeds/$target"
  code=0
  build/asan/bin/fuzz_"$target" -max_total_time="$seconds" -max_len=4096 -timeout=10 -rss_limit_mb=2048 \
    -artifact_prefix="build/found/$target-" -print_final_stats=1 \
    "$found" "$corpus" "$work/seeds/$target" </dev/null >"$work/$target.log" 2>&1 &
  child=$!
  wait "$child" || code=$?
  child=
  runs=$(sed -n 's/^stat::number_of_executed_units: *//p' "$work/$target.log")
  if ((code == 0)); then
    passed=$((passed + 1))
    printf '%-10s %10s inputs in %s s, nothing found\n' "$target" "${runs:-?}" "$seconds"
  else
    failed=$((failed + 1))
    tail -n 40 "$work/$target.log" >&2
    printf '%-10s broken: see above, and build/found/\n' "$target"
  fi
  if [[ $keep ]]; then
    build/asan/bin/fuzz_"$target" -set_cover_merge=1 -max_len=4096 "$corpus" "$found" >"$work/merge.log" 2>&1 ||
      fail "the corpus of $target could not be merged: $(tail -n 1 "$work/merge.log")"
  fi
done
echo "$passed passed, $failed failed"
((failed == 0))
