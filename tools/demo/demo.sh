#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# The library on real traffic, in less than a minute: two processes over a pipe, then the kernel's
# own ping against a program on one end of a veth pair, in a network namespace of its own.
#
#   demo.sh BUILD-DIRECTORY [PACKETS [PINGS]]
#
# Exit status: 0 all held; 77 the network part cannot be shown on this system; else 1.
set -eu
build=$1 packets=${2:-10000000} pings=${3:-10000}
top=$(dirname "$0")/../..

bold='' red='' green='' plain=''
if [ -t 1 ] && [ -z "${NO_COLOR-}" ] && [ "${TERM-dumb}" != dumb ]; then
	bold=$(printf '\033[1m')
	red=$(printf '\033[31m')
	green=$(printf '\033[32m')
	plain=$(printf '\033[0m')
fi

scratch=$(mktemp -d)
child=''
trap '[ -z "$child" ] || kill "$child" 2>/dev/null || :; rm -rf "$scratch"' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM
export PKTLOOM_DIR="$scratch/shared"

headline() {
	printf '%s== %s%s\n' "$bold" "$*" "$plain"
}

indent() {
	sed 's/^/   /'
}

# What the whole exits with: a failure outweighs what could not be shown.
status=0
verdict() { # CODE TEXT
	case $1 in
	0) printf '   %sok%s   %s\n' "$green" "$plain" "$2" ;;
	77)
		printf '   skip %s\n' "$2"
		[ "$status" = 1 ] || status=77
		;;
	*)
		printf '   %sFAIL%s %s\n' "$red" "$plain" "$2"
		status=1
		;;
	esac
}

pipe_part() {
	headline "1. two processes, $packets packets of 60 bytes over pipe{demo}"
	code=0
	"$build/tools/pktloom" info 'pipe{demo}' >"$scratch/info"
	"$build/examples/pipe_receiver_process" --timeout 20 'pipe{demo}' >"$scratch/receiver" 2>&1 &
	child=$!
	"$build/examples/pipe_sender_process" --timeout 20 --count "$packets" 'pipe{demo}' \
		>"$scratch/sender" 2>&1 || code=1
	wait "$child" || code=1
	child=''
	indent <"$scratch/receiver"
	indent <"$scratch/sender"
	verdict "$code" 'all packets arrived, in order, with the right content'
	{
		echo 'port pipe{demo}'
		echo "sent $packets"
		sed -n 's/^receiver.*: \([0-9]*\) packets .* s: \(.*\), .*/received \1\nrate \2/p' \
			"$scratch/receiver"
		cat "$scratch/info"
	} >"$scratch/pipe"
}

ping_part() {
	headline '2. a network of its own: ping at one end of a veth pair, a pktloom program at the other'
	code=0
	# Shown while it runs; and its process is known, which a pipeline would hide.
	mkfifo "$scratch/lines"
	tee "$scratch/log" <"$scratch/lines" | sed '/^SKIP: /d' | indent &
	shown=$!
	sh "$top/examples/run_responder.sh" "$build" 20 "$pings" "$scratch/ping" \
		>"$scratch/lines" 2>&1 &
	child=$!
	wait "$child" || code=$?
	child=''
	wait "$shown"
	reason=$(sed -n 's/^SKIP: //p' "$scratch/log")
	verdict "$code" "${reason:-every ping of the kernel got its answer}"
}

value() { # FILE KEY
	sed -n "s/^$2  *//p" "$1" | sed -n 1p
}

# Each means that was not taken, with its reason, on a line of its own.
tried() { # FILE
	sed -n '/^tried /,/^zero-copy /p' "$1" | sed -n 's/^tried  *//p; s/^  *//p' |
		sed '2,$s/^/                         /'
}

row() { # FILE
	[ -s "$1" ] || return 0
	sent=$(value "$1" sent) received=$(value "$1" received)
	printf '   %-14s %-14s %10s %6s   %s\n' "$(value "$1" port)" \
		"$(value "$1" device)/$(value "$1" kind)" "$sent" "$((sent - ${received:-0}))" \
		"$(value "$1" rate)"
	printf '   %14s mode:  %s\n' '' "$(value "$1" mode)"
	printf '   %14s tried: %s\n' '' "$(tried "$1")"
}

table() {
	headline 'what was used, and what came of it'
	printf '   %-14s %-14s %10s %6s   %s\n' PORT DEVICE PACKETS LOST RATE
	row "$scratch/pipe"
	row "$scratch/ping"
}

pipe_part
ping_part
table
exit "$status"
