#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# The responder on one end of a veth pair, in a network namespace of its own, and the kernel's
# ping on the other end: first gently, then flooding. Not one answer may be missing.
#
#   run_responder.sh BUILD-DIRECTORY [PINGS [FLOOD [RESULT-FILE]]]
#
# RESULT-FILE gets lines "KEY VALUE" for whoever wants to report. Exit status 77: no namespace or
# no ping to be had here.
set -eu
port=netmap:loom1
near=loom0 own=10.9.0.1 other=10.9.0.2

# shellcheck source=examples/network.sh
. "$(dirname "$0")/network.sh"

respond() {
	"$build/examples/responder" --ip "$other" --seconds 120 "$port" >"$log" &
	responder=$!
	until_says "$log" '^answering' "$responder"
	cat "$log"
}

# Prints ping's own summary, and adds its numbers up; each request must have got its answer.
ask() { # PING-ARGUMENT...
	code=0
	# A signal ends a wait at once, but would have to wait for a program in the foreground.
	ping -q -n -W 5 -w 40 "$@" "$other" >"$log.ping" 2>&1 &
	pinger=$!
	wait "$pinger" || code=$?
	pinger=''
	sed -n '/transmitted/p; /min\/avg/p; /rror/p' "$log.ping"
	line=$(grep transmitted "$log.ping") || line=''
	asked=$(echo "$line" | sed -n 's/^\([0-9]*\) packets transmitted.*/\1/p')
	answered=$(echo "$line" | sed -n 's/.* \([0-9]*\) received.*/\1/p')
	ms=$(echo "$line" | sed -n 's/.*time \([0-9]*\)ms.*/\1/p')
	sent=$((sent + ${asked:-0}))
	received=$((received + ${answered:-0}))
	[ "$code" = 0 ] && [ "${asked:-0}" -gt 0 ] && [ "$asked" = "$answered" ] || held=no
	[ "${ms:-0}" -gt 0 ] || ms=1
	rate=$((${answered:-0} * 1000 / ms))
}

result() {
	printf '%s\n' "port $port" "sent $sent" "received $received" "rate $rate pings/s"
	"$build/tools/pktloom" info "$port"
}

enter ping "$@"
build=$1 pings=${2:-20} flood=${3:-2000} file=${4:-/dev/null}
sent=0 received=0 rate=0 held=yes responder='' pinger=''
log=$(mktemp)
trap 'kill $pinger $responder 2>/dev/null || :; rm -f "$log" "$log.ping"' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

cable "$near" "${port#*:}"
ip addr add "$own/24" dev "$near"
respond
echo "ping, $pings times"
ask -c "$pings" -i 0.02
echo "ping -f, $flood times"
ask -f -c "$flood"
kill -TERM "$responder"
wait "$responder" || held=no
responder=''
result >"$file" # now that the port is free, and is opened as the responder opened it
tail -n 2 "$log"
[ "$held" = yes ]
