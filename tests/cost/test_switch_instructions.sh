#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# A packet of 60 bytes through the switch, from the sender's slot to the receiver's release, costs no more
# instructions than allowed.
#
#	test_switch_instructions.sh SWITCH_LOOP
set -eu
loop=$1
rounds=40
limit=80

here=$(dirname "$0")
# shellcheck source=tests/cost/count.sh
. "$here/count.sh"
packets=$("$loop" "$rounds") || exit 1

ours=$(count switch_round "$loop" "$rounds")
by_hand=$(count hand_round "$loop" "$rounds")
echo "instructions per packet: $(per_packet "$ours" "$packets");" \
	"by hand: $(per_packet "$by_hand" "$packets")"
[ "$ours" -le $((limit * packets)) ] || {
	echo "more than $limit instructions per packet"
	exit 1
}
