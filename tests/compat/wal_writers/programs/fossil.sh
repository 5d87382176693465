#!/bin/sh
# Fossil's own SQLite, through its shell: runs the lines of a file; says SQLite's version.
set -eu
{
  echo '.bail on'
  echo '.timeout 20000'
  cat "$2"
  echo 'SELECT sqlite_version();'
} | fossil sql --no-repository "$1"
