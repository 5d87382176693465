#!/usr/bin/env bash
# Makes the configuration of a colony's broker: TLS, and for each node a user that may
# publish on this node's own subject only.
#
#   deploy/nats/make.sh [--out DIR] [--servers NAME[,NAME,NAME]] CLUSTER NODE[=KEY]...
#
#   --out      where the files go (default /etc/nats)
#   --servers  the server's name, or those of three, as the nodes write them in
#              --nats; an address will do (default localhost)
#   NODE=KEY   a node, and the public key that `colony keygen --nkey FILE` printed on
#              its machine. Without =KEY the key is made here, in DIR/NODE.nkey: bring
#              it there, and remove it here.
#
# Writes SERVER.conf, SERVER.pem and SERVER.key for each server, users.conf, operator.nkey
# (the login of whoever runs `colony recover`, which takes more rights than a node has),
# and ca.pem (for the nodes, too) with ca.key (for nobody: keep it off the network). Run again, it
# keeps the authority, the certificates and the keys that are there, and writes
# users.conf anew: name all nodes, then `nats-server --signal reload`. A folder is one
# colony's.
#
# All is for the user alone who runs this, but ca.pem. Debian's nats-server runs as user
# nats, which must be let in on its machine, and keep its data:
#
#   chgrp nats DIR DIR/SERVER.* DIR/users.conf
#   chmod g+rX DIR DIR/SERVER.* DIR/users.conf
#   install -d -o nats -g nats /var/lib/nats
#
# ca.key and *.nkey it does not need. Run again, this leaves groups and modes as they are.
# Environment: COLONY, the program (default: colony in PATH).
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
colony=${COLONY:-colony}
out=/etc/nats
servers=localhost
days=3650

fail() {
  echo "make.sh: $*" >&2
  exit 2
}

while [[ ${1:-} == --* ]]; do
  case $1 in
    --out) [[ -n ${2:-} ]] || fail "--out needs a folder" && out=$2 ;;
    --servers) [[ -n ${2:-} ]] || fail "--servers needs a name, or three with commas between" && servers=$2 ;;
    --help) sed -n '2,/^set/{/^set/!s/^# \{0,1\}//p}' "${BASH_SOURCE[0]}" && exit ;;
    *) fail "unknown option '$1' (see --help)" ;;
  esac
  shift 2
done
(($# >= 2)) || fail "name the colony and its nodes: make.sh [--out DIR] [--servers ...] CLUSTER NODE... (see --help)"
name='^[A-Za-z0-9_-]{1,32}$'
cluster=$1
shift
[[ $cluster != *=* ]] || fail "'$cluster' is a node, and the colony's name comes first: make.sh CLUSTER NODE..."
[[ $cluster =~ $name ]] || fail "'$cluster' is no name of a colony: write 1 to 32 letters, digits, _ and -"

# All that can be refused is, before anything is written.
IFS=, read -ra all <<<"$servers"
[[ $servers != *, ]] || fail "--servers '$servers' ends in a comma: leave it out"
((${#all[@]} == 1 || ${#all[@]} == 3)) || fail "--servers names ${#all[@]} servers: name one, or three that keep the log together"
declare -A is_server=()
for server in "${all[@]}"; do
  [[ $server =~ ^[A-Za-z0-9]([A-Za-z0-9.-]{0,61}[A-Za-z0-9])?$ || $server =~ ^[0-9A-Fa-f:]*:[0-9A-Fa-f:.]*$ ]] ||
    fail "'$server' is no name or address of a server: write it as it stands in --nats, without tls:// and port"
  [[ -z ${is_server[$server]:-} ]] || fail "server $server is named twice: each of the three has a name of its own"
  is_server[$server]=1
done
declare -A key_of=()
nodes=()
for word in "$@"; do
  node=${word%%=*} key=
  [[ $word != *=* ]] || key=${word#*=}
  [[ $node =~ $name ]] || fail "'$node' is no name of a node: write 1 to 32 letters, digits, _ and -"
  [[ -z ${key_of[$node]+given} ]] || fail "node $node is named twice: name it once"
  [[ $node != operator ]] || fail "'operator' is the name of whoever runs colony recover: give the node another one"
  [[ $word != *=* || $key =~ ^U[A-Z2-7]{55}$ ]] ||
    fail "'$key' is no public key of a user: give what colony keygen --nkey has printed for node $node (U...)"
  for other in "${nodes[@]}"; do
    [[ -z $key || ${key_of[$other]} != "$key" ]] || fail "nodes $other and $node have the same key: make one for each"
  done
  key_of[$node]=$key
  nodes+=("$node")
done
former=$(sed -n 's/^# Made by deploy\/nats\/make.sh for colony \([A-Za-z0-9_-]*\)\..*/\1/p' "$out/users.conf" 2>/dev/null || true)
[[ -z $former || $former == "$cluster" ]] ||
  fail "$out has the users of colony $former already: give colony $cluster a folder of its own with --out"
command -v "$colony" >/dev/null || fail "there is no program '$colony': install Colony, or give its path in COLONY"
command -v openssl >/dev/null || fail "there is no program 'openssl': install it (apt-get install openssl)"

# Nothing here is for other eyes; what is to be read by others is made so at the end.
umask 077
mkdir -p "$out" 2>/dev/null && [[ -w $out ]] || fail "$out cannot be written: run this as its owner, or give another --out"
out=$(cd "$out" && pwd)

certificate() {
  local server=$1 alternative="DNS:$1"
  [[ $server =~ ^[0-9.]+$|: ]] && alternative+=",IP:$server"
  [[ -e $out/$server.pem ]] && return
  openssl req -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -subj "/CN=$server" \
    -keyout "$out/$server.key" -out "$out/$server.csr" 2>/dev/null
  openssl x509 -req -in "$out/$server.csr" -CA "$out/ca.pem" -CAkey "$out/ca.key" -CAcreateserial -days "$days" \
    -extfile <(echo "subjectAltName=$alternative") -out "$out/$server.pem" 2>/dev/null
  rm "$out/$server.csr"
}

if [[ ! -e $out/ca.pem ]]; then
  openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -subj "/CN=broker of colony $cluster" \
    -keyout "$out/ca.key" -out "$out/ca.pem" -days "$days" 2>/dev/null
fi

routes=
for server in "${all[@]}"; do routes+="${routes:+, }\"nats://$server:6222\""; done
for server in "${all[@]}"; do
  certificate "$server"
  parts=("$here/server.conf")
  ((${#all[@]} == 1)) || parts+=("$here/cluster.conf")
  cat "${parts[@]}" | sed "s|@SERVER@|$server|g; s|@ROUTES@|$routes|; s|/etc/nats|$out|g" >"$out/$server.conf"
done

users=
for node in "${nodes[@]}"; do
  key=${key_of[$node]}
  if [[ -z $key ]]; then
    [[ -s $out/$node.nkey.public ]] || "$colony" keygen --nkey "$out/$node.nkey" >"$out/$node.nkey.public"
    key=$(<"$out/$node.nkey.public")
  fi
  users+=$(sed "s|@NKEY@|$key|; s|@CLUSTER@|$cluster|g; s|@NODE@|$node|g" "$here/user.conf")$'\n'
done
# The operator's, always made here.
[[ -s $out/operator.nkey.public ]] || "$colony" keygen --nkey "$out/operator.nkey" >"$out/operator.nkey.public"
users+=$(sed "s|@NKEY@|$(<"$out/operator.nkey.public")|; s|@CLUSTER@|$cluster|g" "$here/operator.conf")$'\n'
cat >"$out/users.conf.new" <<END
# Made by deploy/nats/make.sh for colony $cluster. A user is one node: it may publish
# on that node's own subject of the log, and do what all nodes must. The last one is the
# operator's.
authorization {
  users: [
$users  ]
}
END
# A reload is by the broker's user.
[[ ! -e $out/users.conf ]] || { chmod --reference="$out/users.conf" "$out/users.conf.new" &&
  { chown --reference="$out/users.conf" "$out/users.conf.new" 2>/dev/null || true; }; }
mv "$out/users.conf.new" "$out/users.conf"
chmod 644 "$out/ca.pem"

echo "$out: $(ls "$out" | tr '\n' ' ')"
echo "start:  nats-server -c $out/${all[0]}.conf"
echo "nodes:  colony run DB --nats tls://${all[0]}:4222 --tls-ca ca.pem --nkey NODE.nkey"
