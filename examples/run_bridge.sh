#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# The bridge between two veth pairs, and the kernel at both far ends: a host here, another one in a
# network of its own. What one pings, the other answers, through the bridge only.
#
#   run_bridge.sh BUILD-DIRECTORY PINGS [KIND] (packet, or another kind of port on interfaces)
#
#   here, 10.9.1.1: loom0 ── loom1: bridge: loom2 ── loom3: there, 10.9.1.2
set -eu
# shellcheck source=examples/network.sh
. "$(dirname "$0")/network.sh"

enter 'ping nsenter' "$@"
build=$1 pings=$2 kind=${3:-packet}
log=$(mktemp)
bridge='' there='' pinger=''
trap 'kill $pinger $bridge $there 2>/dev/null || :; rm -f "$log" "$log.ping"' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

cable loom0 loom1
cable loom2 loom3
ip addr add 10.9.1.1/24 dev loom0
unshare --net sleep 120 &
there=$!
# It is there once its network is not ours any more.
for _ in 1 2 3 4 5 6 7 8 9 10; do
	[ "$(readlink /proc/$there/ns/net)" = "$(readlink /proc/self/ns/net)" ] || break
	sleep 0.1
done
ip link set loom3 netns "$there"
nsenter --target "$there" --net sh -c 'ip addr add 10.9.1.2/24 dev loom3 && ip link set loom3 up'

"$build/examples/bridge" "$kind:loom1" "$kind:loom2" >"$log" &
bridge=$!
until_says "$log" '^bridged' "$bridge"
code=0
# A signal ends a wait at once, but would have to wait for a program in the foreground.
ping -q -n -c "$pings" -i 0.01 -W 5 -w 40 10.9.1.2 >"$log.ping" 2>&1 &
pinger=$!
wait "$pinger" || code=$?
pinger=''
cat "$log.ping"
kill -TERM "$bridge"
wait "$bridge" || code=$?
bridge=''
cat "$log"
[ "$code" = 0 ]
grep -q "^$pings packets transmitted, $pings received" "$log.ping"
grep -q '^bridged, zero-copy' "$log"
