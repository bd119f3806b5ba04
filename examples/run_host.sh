#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# host_receive and host_transmit on one end of a veth pair in a network of their own.
#
#   run_host.sh BUILD-DIRECTORY PACKETS [KIND] (packet, or another kind of port on interfaces)
set -eu
# shellcheck source=examples/network.sh
. "$(dirname "$0")/network.sh"

enter 'ping' "$@"
build=$1 packets=$2 kind=${3:-packet}
log=$(mktemp)
program='' pinger=''
trap 'kill $pinger $program 2>/dev/null || :; rm -f "$log"' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

# Packets that have come out at the pair's other end.
on_the_wire() {
	sed -n 's/^ *loom1: *[0-9]* *\([0-9]*\) .*/\1/p' /proc/net/dev
}

# Nobody answers: it is the asking that counts.
ask() { # TIMES
	ping -q -n -c "$1" -i 0.01 -W 1 10.9.2.2 >/dev/null 2>&1 &
	pinger=$!
	wait "$pinger" || :
	pinger=''
}

cable loom0 loom1
ip addr add 10.9.2.1/24 dev loom0
# So that each packet is a ping, and none is a question for the address.
ip neigh add 10.9.2.2 lladdr 02:00:00:00:00:02 dev loom0

echo '== host_receive'
"$build/examples/host_receive" --count "$packets" --seconds 20 "$kind:loom0" >"$log" &
program=$!
until_says "$log" '^taking' "$program"
before=$(on_the_wire)
ask "$packets"
code=0
wait "$program" || code=$?
program=''
cat "$log"
[ "$code" = 0 ]
[ "$(grep -c 'type 0800' "$log")" = "$packets" ]
[ "$(on_the_wire)" = "$before" ] || {
	echo 'what was taken has left, too'
	exit 1
}
ask 3
[ "$(on_the_wire)" = $((before + 3)) ] || {
	echo 'the host does not send as before'
	exit 1
}

echo '== host_transmit'
"$build/examples/host_transmit" --count "$packets" --ip 10.9.2.1 --from 10.9.2.2 "$kind:loom0"
