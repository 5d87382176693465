#!/usr/bin/env bash
# Migration tools as Debian has them, on colonies of two nodes: Django, Alembic, Rails'
# ActiveRecord and sqlite-utils, over real brokers and sidecars.
#
#   tests/compat/run.sh                 all of them
#   tests/compat/run.sh --quick         those that say most in least time (about a minute on two cores)
#   tests/compat/run.sh django          some, by a part of their names
#   tests/compat/run.sh --list          what there is; --help: more
#
# Installs the tools where they are missing, which takes root. Environment: as of
# tests/cluster/run.sh. The last line is `N passed, N failed`.
set -euo pipefail
cd "$(dirname "$0")/../.."

kTools=(python3-django python3-alembic python3-sqlalchemy sqlite-utils ruby-activerecord ruby-sqlite3)
missing=()
for tool in "${kTools[@]}"; do
  [[ $(dpkg-query -W -f '${Status}' "$tool" 2>/dev/null) == "install ok installed" ]] || missing+=("$tool")
done
if (( ${#missing[@]} )); then
  echo "installing ${missing[*]}"
  install=(apt-get install -y -q --no-install-recommends "${missing[@]}")
  log=$(mktemp)
  DEBIAN_FRONTEND=noninteractive "${install[@]}" >"$log" 2>&1 ||
    { apt-get update -q && DEBIAN_FRONTEND=noninteractive "${install[@]}"; } >"$log" 2>&1 ||
    { tail -5 "$log" >&2; echo "run.sh: cannot install ${missing[*]}: install them as root" >&2; exit 2; }
  rm -f "$log"
fi

words=()
for word in "$@"; do
  if [[ $word == --quick ]]; then
    words+=(one_after_another django_at_once django_from_nothing_at_once sqlite_utils)
  else
    words+=("$word")
  fi
done
PYTHON=/usr/bin/python3 exec tests/cluster/run.sh --directory tests/compat "${words[@]}"
