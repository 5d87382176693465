#!/usr/bin/env bash
# The crash matrix: real processes are killed at every named step, and start again.
#
#   tests/crash/run.sh                    all steps (two to three minutes on two cores)
#   tests/crash/run.sh applier            those with this in their name
#   tests/crash/run.sh --table            with a line for each step
#   tests/crash/run.sh --list             which there are; --help: more
#
# Environment: BUILD, the build directory (default build/release), with the targets
# colony, colony_ext, colony_steps and colony_ext_steps; NATS_SERVER, the nats-server
# to test with (default: the one in PATH). The last line is `N passed, N failed`.
set -euo pipefail
cd "$(dirname "$0")/../.."

export COLONY_NORMAL_BUILD=${BUILD:-build/release}
export BUILD=$COLONY_NORMAL_BUILD/steps
export NATS_SERVER=${NATS_SERVER:-$(PATH=$PATH:/usr/sbin:/sbin command -v nats-server || true)}
for file in "$COLONY_NORMAL_BUILD/bin/colony" "$BUILD/bin/colony" "$BUILD/bin/colony.so" "${NATS_SERVER:-nats-server}"; do
  [[ -f $file ]] || {
    echo "run.sh: $file is missing: build first, and install with deploy/install.sh --test" >&2
    exit 2
  }
done
exec "${PYTHON:-/usr/bin/python3}" -B tests/crash/matrix.py "$@"
