#!/usr/bin/env bash
# An app made of Bash and the sqlite3 shell. Arguments, journal and end: see app.py.
set -euo pipefail
database=$1 extension=$2 record=$3 operations=$4 journal=$5 name=$6 RANDOM=$((16#$(cksum <<<"$7" | cut -c1-7) % 32768)) per_second=$8

stopped=
trap 'stopped=1' TERM

declare -a choices=()
while IFS='|' read -r weight statement; do
  [[ $weight != --* ]] || continue
  for ((i = 0; i < weight; ++i)); do choices+=("$statement"); done
done <"$operations"

n=0
if [[ -s $journal ]]; then
  echo >>"$journal" # what a death has torn is to stay a line of its own
  n=$(grep -oE '^\{"try":[0-9]+' "$journal" | tail -n 1 | cut -d: -f2 || true)
fi

shell() {
  coproc SQL { exec sqlite3 -init /dev/null -batch -bail -noheader "$database" 2>&1; }
  printf '%s\n' '.timeout 30000' ".load $extension" 'PRAGMA recursive_triggers = ON;' ".read '$record'" >&"${SQL[1]}"
}

transaction() {
  local statement i
  echo 'BEGIN IMMEDIATE;'
  echo "INSERT INTO made VALUES('$name', $n);"
  echo "INSERT INTO counters VALUES('$name', 1) ON CONFLICT(app) DO UPDATE SET value = value + 1;"
  for ((i = RANDOM % 4; i >= 0; --i)); do
    statement=${choices[(RANDOM * 32768 + RANDOM) % ${#choices[@]}]}
    statement=${statement//:app/\'$name\'}
    statement=${statement//:n/$n}
    echo "${statement//:r/$((RANDOM * 65536 + RANDOM * 2 + RANDOM % 2))};"
  done
  echo ".once '|cat >>\"$journal\"'"
  echo "SELECT '{\"try\":$n,\"changes\":' || changes || '}' FROM recorded;"
  echo 'DELETE FROM record;'
  echo 'COMMIT;'
  echo "SELECT 'committed $n';"
}

shell
while [[ ! $stopped ]]; do
  n=$((n + 1))
  transaction >&"${SQL[1]}" 2>/dev/null || true
  answer=
  # A signal may come between: read is begun again.
  until read -r -u "${SQL[0]}" answer || (($? < 128)); do :; done
  case $answer in
    "committed $n")
      echo "{\"ok\":$n}" >>"$journal"
      sync -d "$journal"
      ;;
    *locked* | *busy*) # with -bail the shell has ended, and rolled back
      echo "{\"no\":$n}" >>"$journal"
      wait "$SQL_PID" 2>/dev/null || true
      shell
      ;;
    *)
      echo "app.sh: sqlite3 says: $answer" >&2
      exit 1
      ;;
  esac
  sleep "0.$(printf %05d $((RANDOM * 6 / per_second % 100000)))" # up to 2 / per_second
done
kill "$SQL_PID" 2>/dev/null || true
