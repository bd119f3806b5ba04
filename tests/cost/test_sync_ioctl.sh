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

here=$(dirname "$0")
# shellcheck source=tests/cost/count.sh
. "$here/count.sh"
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
mkdir -m 700 "$dir/shared"

preloaded() { # FUNCTION ROUNDS alone|threads
	PKTLOOM_DIR=$dir/shared LD_PRELOAD=$library
	export PKTLOOM_DIR LD_PRELOAD
	count "$1" "$program" null: "$2" "$3"
}

# For one call: what does not grow with the rounds is the opening's.
each() { # FUNCTION alone|threads
	few=$(preloaded "$1" 100 "$2")
	many=$(preloaded "$1" 1100 "$2")
	each=$(((many - few) / 1000))
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
