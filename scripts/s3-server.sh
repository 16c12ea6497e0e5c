#!/bin/bash
# A real S3 service for tests: Ceph's gateway with one monitor, and one storage daemon that keeps the objects in memory.
#
#   scripts/s3-server.sh DIRECTORY [ADDRESS]
#
# DIRECTORY must not exist: it is made for the state and removed at the end. Prints `http://ADDRESS:PORT` when it serves (10 to 15 s),
# then runs until its standard input ends, so it never outlives who started it. Loopback only, unless another address of this machine
# is given; on ports of its own: several may run at once. Both keys are `kelpie-test`; there is no bucket yet.
#
# Needs the Debian packages radosgw, ceph-mon, ceph-osd and ceph-common (`scripts/bootstrap.sh --tests`).
set -euo pipefail

state=${1:?usage: scripts/s3-server.sh DIRECTORY [ADDRESS]}
address=${2:-127.0.0.1}
mkdir "$state"
state=$(cd "$state" && pwd)
export CEPH_CONF=$state/ceph.conf
mkdir -p "$state"/{mon/a,osd/0,rgw,run,log}
daemons=()

stop() {
  trap - EXIT TERM INT
  if [ ${#daemons[@]} -gt 0 ]; then
    # One that has ended by itself is no failure of stopping it.
    kill -9 "${daemons[@]}" 2>/dev/null || echo 's3-server: a daemon had ended before' >&2
    wait "${daemons[@]}" 2>/dev/null || echo 's3-server: stopped' >&2
  fi
  rm -rf "$state"
}
trap stop EXIT
trap 'exit 143' TERM INT

fail() {
  echo "s3-server: $*" >&2
  tail -n 20 "$state"/log/*.log >&2
  exit 1
}

# By lot below the ports that the system itself gives out, so that two servers that start at once rarely want the same.
free_port() {
  local port
  while :; do
    port=$((RANDOM % 16000 + 16000))
    if ! (exec 3<>"/dev/tcp/$1/$port") 2>/dev/null; then
      echo "$port"
      return
    fi
  done
}

fsid=$(cat /proc/sys/kernel/random/uuid)
monitor="[v2:127.0.0.1:$(free_port 127.0.0.1)/0]"
port=$(free_port "$address")

# tcp_nodelay: without it each request takes 43 ms.
cat >"$CEPH_CONF" <<CONF
[global]
fsid = $fsid
mon host = $monitor
public addr = 127.0.0.1
cluster addr = 127.0.0.1
auth cluster required = cephx
auth service required = cephx
auth client required = cephx
auth allow insecure global id reclaim = true
osd pool default size = 1
osd pool default min size = 1
osd pool default pg num = 4
osd pool default pgp num = 4
osd pool default pg autoscale mode = off
mon allow pool size one = true
mon data avail warn = 1
mon data avail crit = 1
osd crush chooseleaf type = 0
run dir = $state/run
log file = $state/log/\$name.log
admin socket = $state/run/\$name.asok
mon data = $state/mon/a
osd data = $state/osd/0
keyring = $state/keyring
pid file = $state/run/\$name.pid
osd objectstore = memstore
memstore device bytes = 4294967296
osd memory target = 939524096
mgr initial modules =
mon pg warn min per osd = 0
[client.rgw]
rgw frontends = beast endpoint=$address:$port tcp_nodelay=1
rgw data = $state/rgw
rgw enable usage log = false
rgw enable ops log = false
CONF

# What a setup step says is of interest when it fails.
quietly() { "$@" >>"$state/log/setup.log" 2>&1 || fail "failed: $*"; }

start() {
  "$@" >>"$state/log/output.log" 2>&1 </dev/null &
  daemons+=($!)
}

quietly monmaptool --create --fsid "$fsid" --addv a "$monitor" "$state/monmap"
quietly ceph-authtool --create-keyring "$state/keyring" --gen-key -n mon. --cap mon 'allow *'
for name in client.admin client.rgw osd.0; do
  quietly ceph-authtool "$state/keyring" --gen-key -n "$name" --cap mon 'allow *' --cap osd 'allow *'
done
quietly ceph-mon -i a --mkfs --monmap "$state/monmap" --keyring "$state/keyring"
start ceph-mon -i a -f
osd=$(cat /proc/sys/kernel/random/uuid)
quietly timeout 60 ceph osd new "$osd"
quietly ceph-osd -i 0 --mkfs --osd-uuid "$osd"
start ceph-osd -i 0 -f
start radosgw -n client.rgw -f
quietly timeout 60 radosgw-admin user create --uid=test --display-name=test --access-key=kelpie-test --secret-key=kelpie-test
until (exec 3<>"/dev/tcp/$address/$port") 2>/dev/null; do
  kill -0 "${daemons[@]}" 2>/dev/null || fail 'a daemon ended while it started'
  [ "$SECONDS" -lt 90 ] || fail 'the gateway does not serve'
  sleep 0.1
done
echo "http://$address:$port"
# Until nobody holds the other end any more.
cat >/dev/null
