#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# multi_thread_rings over a pipe with two rings; both it and thread_per_ring over a veth pair with two
# queues. `pktloom send` is at the other end.
#
#   run_rings.sh BUILD-DIRECTORY PACKETS [KIND] (packet, or another kind of port on interfaces)
#
# Interfaces lose packets when their receivers wait too long: there, more are sent until the program has its number.
set -eu
# shellcheck source=examples/network.sh
. "$(dirname "$0")/network.sh"

enter '' "$@"
build=$1 packets=$2 kind=${3:-packet}
log=$(mktemp)
program=''
trap 'kill $program 2>/dev/null || :; rm -f "$log"' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

start() { # EXAMPLE ARGUMENT...
	example=$1
	shift
	"$build/examples/$example" --count "$packets" --seconds 30 "$@" >"$log" &
	program=$!
	until_says "$log" 'ring pair' "$program"
}

finish() {
	code=0
	wait "$program" || code=$?
	program=''
	cat "$log"
	[ "$code" = 0 ]
}

emit() { # PORT
	"$build/tools/pktloom" send --count "$packets" --rate 20000 "$1"
}

emit_until_done() { # PORT
	times=0
	while [ "$times" -lt 20 ] && kill -0 "$program" 2>/dev/null; do
		emit "$1"
		sleep 0.2
		times=$((times + 1))
	done
}

echo '== multi_thread_rings, a pipe: all on ring 1'
start multi_thread_rings 'pipe{more}@conf:rings=2'
emit 'pipe{more}-1'
finish
grep -q "^ring 0, CPU [0-9]*: 0 packets" "$log"
grep -q "^ring 1, CPU [0-9]*: $packets packets" "$log"

cable loom0 loom1 2
echo "== thread_per_ring, $kind"
start thread_per_ring "$kind:loom1@conf:rings=1"
emit_until_done "$kind:loom0/T"
finish
grep -q "^$packets packets returned" "$log"
# They have come back to loom0, all and no more.
grep -q "^ *loom0: *[0-9]* *$packets " /proc/net/dev

echo "== multi_thread_rings, $kind"
start multi_thread_rings "$kind:loom1@conf:rings=2"
emit_until_done "$kind:loom0"
finish
grep -q "^2 ring pairs, a thread each$" "$log"
grep -Eq '^[0-9]+ packets in all$' "$log"
