#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# What the `pktloom` command promises, command by command.
#
#   check.sh PKTLOOM
set -eu
pktloom=$1
scratch=$(mktemp -d)
receiver=''
trap '[ -z "$receiver" ] || kill "$receiver" 2>/dev/null || :; rm -rf "$scratch"' EXIT
export PKTLOOM_DIR="$scratch/shared"
out=$scratch/out

fails() { # STATUS COMMAND...
	wanted=$1 code=0
	shift
	"$@" >"$out" 2>&1 || code=$?
	[ "$code" = "$wanted" ] || {
		echo "$*: exit status $code, expected $wanted"
		exit 1
	}
}

has() { # PATTERN
	grep -q "$1" "$out" || {
		echo "expected $1 in:"
		cat "$out"
		exit 1
	}
}

run() { # COMMAND...
	fails 0 "$@"
}

echo help
for command in info list send recv run version help; do
	run "$pktloom" "$command" --help
	has "^usage: pktloom $command "
	run "$pktloom" help
	has "^  $command "
done
fails 2 "$pktloom"
fails 2 "$pktloom" nonsense
has 'no command "nonsense"'
fails 2 "$pktloom" send --len 5 null:
has 'len is 5, expected 22 or more'
fails 2 "$pktloom" info
has 'NAME is missing'
fails 1 "$pktloom" info -- --json
has 'port name "--json"'

echo list, version
run "$pktloom" list
for kind in null loop pipe; do
	has "^${kind}  *${kind}[:{].*[a-z]"
done
run "$pktloom" version
has '^pktloom [0-9.]*, netmap API 14$'

echo info
run "$pktloom" info 'pipe{a}'
has '^kind  *pipe$'
has '^device  *soft$'
has '^tried  *nothing'
"$pktloom" info --json loop: >"$scratch/json"
run python3 -c 'import json, sys
info = json.load(open(sys.argv[1]))
assert info["kind"] == "loop" and info["zero_copy"] is True and info["tx_slots"] == 1024, info' "$scratch/json"
fails 1 "$pktloom" info 'loop:^^'
has 'character'
fails 1 "$pktloom" info netmap:loom-none

echo send, recv
run "$pktloom" send null: --count 5000 --len 1500
has '^sent 5000 packets, 7500000 bytes '
has 'bad-index 0'
run "$pktloom" send null: --count 50 --rate 200
has ' s: [12]\{0,1\}[0-9]\{1,2\} packets/s' # 200 and a start-up bonus, or fewer
fails 1 "$pktloom" send 'pipe{a}' --count 7
has '^7 slots .* not taken'
fails 1 "$pktloom" recv 'pipe{a}' --count 1 --seconds 1
has '^received 0 packets'
"$pktloom" recv 'pipe{a}' --count 3000 --seconds 20 -x >"$scratch/received" &
receiver=$!
run "$pktloom" send 'pipe{a}' --count 3000 --len 3000 --seconds 20
wait "$receiver"
receiver=''
cp "$scratch/received" "$out"
has '^packet 0, ring 0, 2048 bytes, more follow$'
has '^packet 2999, ring 0, 952 bytes$'
has '^0000  02 00 00 00 00 01 02 00 00 00 00 02 88 b5 00 00  \.*$'
has '^0010  00 00 00 00 0b b7 '
has '^received 3000 packets, 9000000 bytes '
