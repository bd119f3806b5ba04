#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# Both ends of a pipe busy: not one system call in the steady state.
#
#	test_busy.sh BUSY_PAIR
set -eu
pair=$1

command -v strace >/dev/null || {
	echo 'SKIP: strace is not installed'
	exit 77
}
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
mkdir -m 700 "$dir/shared"

strace -o /dev/null true 2>"$dir/refused" || {
	echo "SKIP: strace may not trace here: $(tail -n 1 "$dir/refused")"
	exit 77
}
# One file for each process: in a common one, calls of both may be torn apart.
PKTLOOM_DIR="$dir/shared" strace -ff -o "$dir/trace" "$pair" || {
	echo 'the pair failed'
	exit 1
}

# What each process did between its own two lines. The clock is read without a system call, except
# on machines whose clock needs one: that is theirs.
awk '
	/^write\(2, "steady/ { steady = 1; next }
	/^write\(2, "done/ { whole += steady; steady = 0; next }
	/^--- / { next } # a signal, not a call
	steady && !/^clock_gettime\(/ { print; calls++ }
	END {
		if (whole != 2) {
			print "the traces have " whole + 0 " steady states, expected 2"
			exit 1
		}
		print calls + 0 " system calls in two steady states"
		exit calls > 0
	}' "$dir"/trace.*
