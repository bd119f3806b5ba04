# SPDX-License-Identifier: BSD-2-Clause
# Instructions counted by callgrind, the same number every time; sourced by the tests.
# shellcheck shell=sh

command -v valgrind >/dev/null || {
	echo 'SKIP: valgrind is not installed'
	exit 77
}

# Print what one function spent in a run, with all that it called.
count() { # FUNCTION COMMAND…
	function=$1
	shift
	log=$(valgrind --tool=callgrind --toggle-collect="$function" \
		--callgrind-out-file=/dev/null "$@" 2>&1) || {
		echo "$log" >&2
		return 1
	}
	number=$(echo "$log" | sed -n 's/.*Collected *: *\([0-9]*\).*/\1/p')
	[ "${number:-0}" -gt 0 ] || {
		echo "$log" >&2
		echo "callgrind counted nothing in $function" >&2
		return 1
	}
	echo "$number"
}

# Print them for each packet, with one decimal.
per_packet() { # INSTRUCTIONS PACKETS
	echo "$(($1 / $2)).$(($1 * 10 / $2 % 10))"
}
