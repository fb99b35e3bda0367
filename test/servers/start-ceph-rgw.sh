#!/usr/bin/env bash
# A Ceph cluster of one monitor, one OSD in memory and an S3 gateway, on loopback and free ports, to be
# thrown away after a test. Needs Debian's ceph-mon, ceph-osd, radosgw and ceph-common; any user may run it.
#
#   start-ceph-rgw.sh serve DIR      starts it in DIR, which must be empty or missing; prints
#                                    `endpoint=… access=… secret=…`, and when standard input ends stops it
#                                    and removes DIR
#   start-ceph-rgw.sh gateway DIR    starts one more gateway; prints `endpoint=… pid=…`
#   start-ceph-rgw.sh kill-osd DIR   kills the OSD as a power cut would: nothing in memory is left
#
# DIR must be short: Ceph puts sockets there, whose paths may have 107 bytes.
set -euo pipefail
PATH=$PATH:/usr/sbin:/sbin
OSD_BYTES=4294967296
access=everfull-test
secret=everfull-test-secret

fail() {
  printf 'start-ceph-rgw: %s\n' "$*" >&2
  exit 1
}

# Below the ports that the kernel gives to outgoing connections.
free_port() {
  local port
  for _ in $(seq 100); do
    port=$((10000 + RANDOM % 20000))
    (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null || {
      echo "$port"
      return
    }
  done
  fail 'cannot find a free port'
}

write_configuration() {
  local mon_port=$1 mon_port_v1=$2
  cat >"$dir/ceph.conf" <<CONF
[global]
fsid = $(cat /proc/sys/kernel/random/uuid)
mon host = [v2:127.0.0.1:$mon_port,v1:127.0.0.1:$mon_port_v1]
public addr = 127.0.0.1
cluster addr = 127.0.0.1
ms bind ipv6 = false
keyring = $dir/keyring
run dir = $dir/run
pid file = $dir/run/\$name.pid
admin socket = $dir/run/\$name.asok
log file = $dir/log/\$name.log
mon cluster log file = $dir/log/cluster.log
log to stderr = false
err to stderr = false
auth allow insecure global id reclaim = false
mon allow pool size one = true
mon max pg per osd = 1000
mon data avail warn = 1
mon data avail crit = 1
osd pool default size = 1
osd pool default min size = 1
osd pool default pg num = 8
osd pool default pgp num = 8
osd pool default pg autoscale mode = off
osd crush chooseleaf type = 0
[mon.a]
mon data = $dir/mon
mon initial members = a
[osd.0]
osd data = $dir/osd
osd objectstore = memstore
memstore device bytes = $OSD_BYTES
osd op num shards = 2
osd class update on start = true
[client.rgw]
rgw data = $dir/rgw
rgw thread pool size = 32
rgw enable usage log = false
CONF
}

make_keys() {
  local keyring=$dir/keyring
  ceph-authtool --create-keyring "$keyring" --gen-key -n mon. --cap mon 'allow *'
  ceph-authtool "$keyring" --gen-key -n client.admin --cap mon 'allow *' --cap osd 'allow *' --cap mgr 'allow *'
  ceph-authtool "$keyring" --gen-key -n client.rgw --cap mon 'allow rw' --cap osd 'allow rwx'
  ceph-authtool "$keyring" --gen-key -n osd.0 --cap mon 'allow profile osd' --cap osd 'allow *'
}

start_cluster() {
  local mon_port mon_port_v1 id
  mon_port=$(free_port)
  mon_port_v1=$(free_port)
  write_configuration "$mon_port" "$mon_port_v1"
  id=$(sed -n 's/^fsid = //p' "$dir/ceph.conf")
  make_keys
  monmaptool --create --fsid "$id" --addv a "[v2:127.0.0.1:$mon_port,v1:127.0.0.1:$mon_port_v1]" "$dir/monmap"
  ceph-mon -i a --mkfs --monmap "$dir/monmap" --keyring "$dir/keyring"
  ceph-mon -i a
  id=$(cat /proc/sys/kernel/random/uuid)
  ceph osd new "$id" 0
  ceph-osd -i 0 --mkfs --osd-uuid "$id"
  ceph-osd -i 0
}

# Prints the port.
start_gateway() {
  local port
  port=$(free_port)
  radosgw -n client.rgw --pid-file="$dir/run/gateway.$port.pid" --admin-socket= \
    --log-file="$dir/log/gateway.$port.log" --rgw-frontends="beast endpoint=127.0.0.1:$port tcp_nodelay=1" >>"$dir/log/start.log" 2>&1 </dev/null
  for _ in $(seq 1200); do
    (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null && {
      echo "$port"
      return
    }
    sleep 0.1
  done
  fail "the gateway does not answer: see $dir/log"
}

stop() {
  local file
  for file in "$dir"/run/*.pid; do
    [ ! -f "$file" ] || kill -9 "$(cat "$file")" 2>/dev/null || true
  done
  rm -rf "$dir"
}

[ $# -eq 2 ] || fail 'usage: start-ceph-rgw.sh serve|gateway|kill-osd DIR'
verb=$1
mkdir -p "$2"
dir=$(cd "$2" && pwd)
export CEPH_CONF=$dir/ceph.conf
case $verb in
serve)
  [ -z "$(ls -A "$dir")" ] || fail "$dir is not empty"
  mkdir -p "$dir"/{mon,osd,rgw,run,log}
  ulimit -n 16384 2>/dev/null || true
  trap stop EXIT
  trap 'exit 143' INT TERM HUP
  start_cluster >"$dir/log/start.log" 2>&1 </dev/null || fail "the cluster did not start: $(tail -n 5 "$dir/log/start.log")"
  port=$(start_gateway)
  radosgw-admin -n client.rgw --admin-socket= user create --uid=test --display-name=test \
    --access-key="$access" --secret-key="$secret" >>"$dir/log/start.log" 2>&1 </dev/null
  echo "endpoint=http://127.0.0.1:$port access=$access secret=$secret"
  # In the background: a trap waits for what runs in the foreground.
  cat <&0 >/dev/null &
  wait $!
  ;;
gateway)
  port=$(start_gateway)
  echo "endpoint=http://127.0.0.1:$port pid=$(cat "$dir/run/gateway.$port.pid")"
  ;;
kill-osd)
  kill -9 "$(cat "$dir/run/osd.0.pid")"
  ;;
*)
  fail "there is no verb \"$verb\""
  ;;
esac
