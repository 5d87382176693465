#!/usr/bin/env bash
# Installs what building and running Colony needs on Debian 12 or 13, and says
# nothing when all of it is there already.
#
#   deploy/install.sh          to build and run
#   deploy/install.sh --test   what the tests need besides
set -euo pipefail

fail() {
  echo "install.sh: $*" >&2
  exit 2
}

packages=(
  build-essential cmake ninja-build pkg-config
  libsqlite3-dev libnats-dev libboost-dev libspdlog-dev libcli11-dev
  libzstd-dev libxxhash-dev libgtest-dev libssl-dev nlohmann-json3-dev
  libcurl4-openssl-dev libpugixml-dev
  ca-certificates nats-server python3 sqlite3
)
case ${1:-} in
  '') ;;
  --test) packages+=(clang clang-format git iproute2 libclang-rt-dev openssh-client openssh-server openssl procps) ;;
  *) fail "unknown option '$1'; the only one is --test" ;;
esac

system=$(. /etc/os-release 2>/dev/null && echo "${ID:-unknown} ${VERSION_ID:-}") || system=unknown
case $system in
  'debian 12' | 'debian 13') ;;
  *) fail "this is ${system% }, and only Debian 12 and 13 are known; install by hand: ${packages[*]}" ;;
esac

installed=$(dpkg-query -W -f '${db:Status-Status} ${Package}\n' "${packages[@]}" 2>/dev/null || true)
missing=()
for package in "${packages[@]}"; do
  grep -qx "installed $package" <<<"$installed" || missing+=("$package")
done
((${#missing[@]})) || exit 0

as_root=()
if ((EUID != 0)); then
  command -v sudo >/dev/null || fail "run it as root, or install sudo; missing: ${missing[*]}"
  as_root=(sudo)
  [[ -t 0 ]] || as_root+=(-n)
  "${as_root[@]}" true || fail "sudo was refused; missing: ${missing[*]}"
fi

log=$(mktemp)
trap 'rm -f "$log"' EXIT
apt() {
  "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive \
    apt-get -qq -o DPkg::Lock::Timeout=120 -o Acquire::Retries=3 "$@" </dev/null >>"$log" 2>&1 || {
    tail -n 20 "$log" >&2
    fail "'apt-get $1' failed (its last words are above); missing: ${missing[*]}"
  }
}

echo "install.sh: installing ${missing[*]}" >&2
apt update
apt install --no-install-recommends "${missing[@]}" -y

# Debian starts the server of a fresh nats-server package, open on port 4222.
# Colony starts its own.
if [[ " ${missing[*]} " == *' nats-server '* && -d /run/systemd/system ]]; then
  "${as_root[@]}" systemctl disable --now --quiet nats-server ||
    echo "install.sh: could not stop Debian's nats-server service, which listens on port 4222" >&2
fi
