#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# pipe_sender_process and pipe_receiver_process, in both orders; the second one starts late.
#
#   run_processes.sh DIRECTORY-OF-EXAMPLES PACKETS
set -eu
examples=$1 packets=$2
first=''
trap '[ -z "$first" ] || kill "$first" 2>/dev/null || :' EXIT

sender() {
	exec "$examples/pipe_sender_process" --count "$packets" --timeout 20 'pipe{test}'
}

receiver() {
	exec "$examples/pipe_receiver_process" --timeout 20 'pipe{test}'
}

in_order() { # FIRST SECOND
	echo "$1, then $2"
	"$1" &
	first=$!
	sleep 0.3
	("$2")
	wait "$first"
	first=''
}

in_order sender receiver
in_order receiver sender
