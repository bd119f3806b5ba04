#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# Runs fec, and checks that it ends as expected and that its figures agree with each other.
#
#   run_fec.sh PROGRAM STATUS FAULTS [ARGUMENT...]
set -eu
program=$1 status=$2 faults=$3
shift 3

wrong() {
	echo "$out" | tail -n 20
	echo "wrong: $1"
	exit 1
}

figure() { # BEFORE AFTER: the number between them; a line begins with a bar
	echo "$out" | sed -n "s/^/|/; s/.*$1\([0-9][0-9]*\)$2.*/\1/p"
}

code=0
out=$("$program" --faults "$faults" "$@") || code=$?
[ "$code" = "$status" ] || wrong "status $code, expected $status"

failed=$(figure '; ' ' blocks of [0-9]* failed')
told=$(echo "$out" | grep -c '^block [0-9]*: [0-9]* of [0-9]* packets lost, [0-9]* can be recovered$') || :
[ "$failed" = "$told" ] || wrong "$failed blocks failed, $told were told of"

all=$(figure 'payloads of ' ' delivered')
delivered=$(figure '|' ' payloads of')
if [ "$status" = 0 ]; then
	[ "$failed" = 0 ] || wrong "$failed blocks failed, and the status is 0"
	[ "$delivered" = "$all" ] || wrong "$delivered payloads of $all"
else
	[ "$failed" != 0 ] || wrong "no block failed, and the status is $status"
	[ "$delivered" -lt "$all" ] || wrong "nothing is missing"
fi

# Only a packet that comes out of its turn may have been recovered before, and count as lost for that.
case $faults in
*reorder*) ;;
*)
	lost=$(figure 'sent: ' ' lost')
	done=$(($(figure 'loss ' ' corrupt') + $(figure ' corrupt ' ' dup')))
	[ "$lost" = "$done" ] || wrong "$lost packets are said to be lost; it was done to $done"
	;;
esac
for fault in corrupt dup reorder delay; do
	case $faults in
	*"$fault"=*) [ "$(figure " $fault " '')" != 0 ] || wrong "no $fault was done" ;;
	esac
done
echo "$out" | tail -n 3
