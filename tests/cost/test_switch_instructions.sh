#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# A packet of 60 bytes through the switch, from the sender's slot to the receiver's release, costs no more
# instructions than allowed. Counted by callgrind in the loop and all that it calls: the same number
# every time.
#
#	test_switch_instructions.sh SWITCH_LOOP
set -eu
loop=$1
rounds=40
limit=80

command -v valgrind >/dev/null || {
	echo 'SKIP: valgrind is not installed'
	exit 77
}
packets=$("$loop" "$rounds") || exit 1

# Instructions that one function spent, with all that it called.
count() { # FUNCTION
	log=$(valgrind --tool=callgrind --toggle-collect="$1" --callgrind-out-file=/dev/null \
		"$loop" "$rounds" 2>&1) || {
		echo "$log"
		return 1
	}
	number=$(echo "$log" | sed -n 's/.*Collected *: *\([0-9]*\).*/\1/p')
	[ "${number:-0}" -gt 0 ] || {
		echo "$log"
		echo "callgrind counted nothing in $1"
		return 1
	}
}

per_packet() { # INSTRUCTIONS
	echo "$(($1 / packets)).$(($1 * 10 / packets % 10))"
}

count switch_round
ours=$number
count hand_round
echo "instructions per packet: $(per_packet "$ours"); by hand: $(per_packet "$number")"
[ "$ours" -le $((limit * packets)) ] || {
	echo "more than $limit instructions per packet"
	exit 1
}
