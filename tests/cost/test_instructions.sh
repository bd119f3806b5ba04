#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# The API's inner loop costs at most 1.05 times the instructions of netmap's own loop. Counted by
# callgrind inside the loops' functions alone (the syncs are outside): the same number every time.
#
#	test_instructions.sh LOOPS [JSON]
#
# LOOPS is the program; JSON a file to write the counts to, as bench/run.sh wants them.
set -eu
loops=$1 json=${2-}
rounds=10
limit=1050 # thousandths

here=$(dirname "$0")
# shellcheck source=tests/cost/count.sh
. "$here/count.sh"
packets=$("$loops" "$rounds") || exit 1

thousandths() { # PART WHOLE
	echo $(($1 * 1000 / $2))
}

decimal() { # THOUSANDTHS
	printf '%d.%03d\n' $(($1 / 1000)) $(($1 % 1000))
}

failed=''
printf '%-46s %14s %14s %8s\n' 'instructions per packet' 'TX' 'RX' 'ratio'
row() { # LABEL PREFIX SUFFIX checked|shown
	tx=$(count "$2_tx$3" "$loops" "$rounds")
	rx=$(count "$2_rx$3" "$loops" "$rounds")
	if [ "$2" = raw ]; then
		raw_tx=$tx raw_rx=$rx
	fi
	ratio_tx=$(thousandths "$tx" "$raw_tx") ratio_rx=$(thousandths "$rx" "$raw_rx")
	ratio=$(thousandths $((tx + rx)) $((raw_tx + raw_rx)))
	printf '%-46s %6s (%s) %6s (%s) %8s\n' "$1" "$(per_packet "$tx" "$packets")" "$(decimal "$ratio_tx")" \
		"$(per_packet "$rx" "$packets")" "$(decimal "$ratio_rx")" "$(decimal "$ratio")"
	if [ "$4" = checked ]; then
		[ "$ratio_tx" -le "$limit" ] && [ "$ratio_rx" -le "$limit" ] || failed="$failed $2"
		[ -z "$json" ] || printf '{"name":"api_instructions","tx":[%s,%s],"rx":[%s,%s]}\n' \
			"$(per_packet "$tx" "$packets")" "$(per_packet "$raw_tx" "$packets")" \
			"$(per_packet "$rx" "$packets")" "$(per_packet "$raw_rx" "$packets")" >"$json"
	fi
}

row 'netmap macros, 60 bytes written and read' raw '' shown
row 'send, recv' safe '' shown
row 'reserve and commit, peek and release' array '' shown
row 'txbatch, rxbatch' batch '' checked
row 'netmap macros, payload not touched' raw _bare shown
row 'txbatch, rxbatch' batch _bare shown

[ -z "$failed" ] || {
	echo "more than $(decimal "$limit") times netmap's own loop:$failed"
	exit 1
}
