#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# The responder on a pipe, asked by responder_peer; every question must be accounted for.
#
#   run_peer.sh DIRECTORY-OF-EXAMPLES PINGS (a multiple of 12, the kinds of faulty questions)
set -eu
examples=$1 pings=$2
log=$(mktemp)
trap 'kill "$responder" 2>/dev/null || :; rm -f "$log"' EXIT

"$examples/responder" --seconds 30 'pipe{lan}' >"$log" &
responder=$!
"$examples/responder_peer" --count "$pings" 'pipe{lan}'
kill -TERM "$responder"
wait "$responder"
cat "$log"

each=$((pings / 12)) # and one question for an address that nobody has
grep -q "^$((2 * pings + 2)) packets, $((pings + 1)) answered: arp 1, echo $pings;" "$log"
grep -q "ignored: other-protocol $((3 * each)), other-address $((each + 1)), malformed $((4 * each)), ip-fragment $((2 * each)), bad-checksum $((2 * each)), several-slots 0$" "$log"
