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
# users.conf anew: name all nodes, then `nats-server --signal reload`.
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
    --out) out=${2:?} ;;
    --servers) servers=${2:?} ;;
    --help) sed -n '2,/^set/{/^set/!s/^# \{0,1\}//p}' "${BASH_SOURCE[0]}" && exit ;;
    *) fail "unknown option '$1' (see --help)" ;;
  esac
  shift 2
done
(($# >= 2)) || fail "name the colony and its nodes (see --help)"
name='^[A-Za-z0-9_-]{1,32}$'
cluster=$1
shift
[[ $cluster =~ $name ]] || fail "'$cluster' is no name of a colony"

# Nothing here is for other eyes; what is to be read by others is made so at the end.
umask 077
mkdir -p "$out"
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

IFS=, read -ra all <<<"$servers"
routes=
for server in "${all[@]}"; do routes+="${routes:+, }\"nats://$server:6222\""; done
for server in "${all[@]}"; do
  certificate "$server"
  parts=("$here/server.conf")
  ((${#all[@]} == 1)) || parts+=("$here/cluster.conf")
  cat "${parts[@]}" | sed "s|@SERVER@|$server|g; s|@ROUTES@|$routes|; s|/etc/nats|$out|g" >"$out/$server.conf"
done

users=
declare -A seen=()
for node in "$@"; do
  key=
  [[ $node != *=* ]] || { key=${node#*=} && node=${node%%=*}; }
  [[ $node =~ $name ]] || fail "'$node' is no name of a node"
  [[ -z ${seen[$node]:-} ]] || fail "node $node is named twice"
  [[ $node != operator ]] || fail "'operator' is the name of whoever runs colony recover: no node can have it here"
  seen[$node]=1
  if [[ -z $key ]]; then
    [[ -e $out/$node.nkey ]] || "$colony" keygen --nkey "$out/$node.nkey" >"$out/$node.nkey.public"
    key=$(<"$out/$node.nkey.public")
  fi
  [[ $key =~ ^U[A-Z2-7]{55}$ ]] || fail "'$key' is no public key of a user (U...)"
  users+=$(sed "s|@NKEY@|$key|; s|@CLUSTER@|$cluster|g; s|@NODE@|$node|g" "$here/user.conf")$'\n'
done
# The operator's, always made here.
[[ -e $out/operator.nkey ]] || "$colony" keygen --nkey "$out/operator.nkey" >"$out/operator.nkey.public"
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
mv "$out/users.conf.new" "$out/users.conf"
chmod 644 "$out/ca.pem"

echo "$out: $(ls "$out" | tr '\n' ' ')"
echo "start:  nats-server -c $out/${all[0]}.conf"
echo "nodes:  colony run DB --nats tls://${all[0]}:4222 --tls-ca ca.pem --nkey NODE.nkey"
