#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# Runs a program with a directory for shared objects of its own, which must be empty afterwards.
#
#   run_private.sh PROGRAM [ARGUMENT...]
set -eu
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
export PKTLOOM_DIR="$scratch/shared"
"$@"
left=$(ls "$PKTLOOM_DIR" 2>/dev/null) || left=''
[ -z "$left" ] || {
	echo "left behind: $left"
	exit 1
}
