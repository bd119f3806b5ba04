#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# What the preload library puts between a program's ioctl(NIOCTXSYNC) and the device's sync: so many
# instructions, counted by callgrind, the same number every time.
#
#	test_sync_ioctl.sh PROGRAM LIBRARY
set -eu
program=$1 library=$2
limit_alone=80    # in a process that never had a second thread
limit_threads=170 # cancellation is held off meanwhile, and others are kept out

command -v valgrind >/dev/null || {
	echo 'SKIP: valgrind is not installed'
	exit 77
}
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
mkdir -m 700 "$dir/shared"

# Instructions inside one function and what it calls, in all.
count() { # FUNCTION ROUNDS alone|threads
	log=$(PKTLOOM_DIR="$dir/shared" LD_PRELOAD="$library" valgrind --tool=callgrind \
		--toggle-collect="$1" --callgrind-out-file=/dev/null "$program" null: "$2" "$3" 2>&1) || {
		echo "$log"
		exit 1
	}
	number=$(echo "$log" | sed -n 's/.*Collected *: *\([0-9]*\).*/\1/p')
	[ "${number:-0}" -gt 0 ] || {
		echo "$log"
		echo "callgrind counted nothing in $1"
		exit 1
	}
}

# For one call: what does not grow with the rounds is the opening's.
each() { # FUNCTION alone|threads
	count "$1" 100 "$2"
	few=$number
	count "$1" 1100 "$2"
	each=$(((number - few) / 1000))
}

failed=''
row() { # alone|threads LIMIT
	each ioctl "$1"
	all=$each
	each soft_sync "$1"
	printf '%-8s %4d instructions for a sync, %4d of these on the way to it (at most %d)\n' \
		"$1" "$all" $((all - each)) "$2"
	[ $((all - each)) -le "$2" ] && [ "$each" -gt 0 ] || failed=yes
}

row alone "$limit_alone"
row threads "$limit_threads"
[ -z "$failed" ]
