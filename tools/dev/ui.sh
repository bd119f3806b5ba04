# SPDX-License-Identifier: BSD-2-Clause
# shellcheck shell=sh
# What `dev` says while it works: colours on terminals only, one line for each long job.

ui_live=''
[ ! -t 1 ] || [ "${TERM-dumb}" = dumb ] || ui_live=yes

ui_bold='' ui_red='' ui_green='' ui_dim='' ui_plain=''
if [ -n "$ui_live" ] && [ -z "${NO_COLOR-}" ]; then
	ui_bold=$(printf '\033[1m')
	ui_red=$(printf '\033[31m')
	ui_green=$(printf '\033[32m')
	ui_dim=$(printf '\033[2m')
	ui_plain=$(printf '\033[0m')
fi

ui_head() {
	printf '%s== %s%s\n' "$ui_bold" "$*" "$ui_plain"
}

ui_say() {
	printf '%s\n' "$@"
}

die() { # MESSAGE
	printf '%sdev: %s%s\n' "$ui_red" "$*" "$ui_plain" >&2
	exit 1
}

ui_seconds() {
	date +%s
}

# A terminal sees the job's last line of output every second; a log file, a line every half minute.
ui_tick() { # LABEL LOG START
	[ -n "$ui_live" ] && pause=1 || pause=30
	while sleep "$pause" >/dev/null 2>&1; do
		spent=$(($(ui_seconds) - $3))
		last=$(tail -n 1 "$2" 2>/dev/null | tr -d '\r' | cut -c 1-60)
		if [ -n "$ui_live" ]; then
			printf '\r\033[K   %s … %s s  %s%s%s' "$1" "$spent" "$ui_dim" "$last" "$ui_plain"
		else
			printf '   %s … %s s  %s\n' "$1" "$spent" "$last"
		fi
	done
}

# Runs a long job with its output in LOG, which is shown only when the job fails (77: it could
# not be done, and its output says why in a line "SKIP: reason").
# A subshell, so that the traps and the names stay here.
ui_run() ( # LABEL LOG COMMAND...
	label=$1 log=$2
	shift 2
	mkdir -p "$(dirname "$log")"
	: >"$log"
	start=$(ui_seconds)
	ui_tick "$label" "$log" "$start" &
	ticker=$!
	trap 'kill "$ticker" 2>/dev/null || :' EXIT
	trap 'exit 130' INT
	trap 'exit 143' TERM
	code=0
	"$@" </dev/null >"$log" 2>&1 || code=$?
	kill "$ticker" 2>/dev/null || :
	wait "$ticker" 2>/dev/null || :
	[ -z "$ui_live" ] || printf '\r\033[K'
	spent=$(($(ui_seconds) - start))
	case $code in
	0) printf '   %sok%s   %s (%s s)\n' "$ui_green" "$ui_plain" "$label" "$spent" ;;
	77) printf '   skip %s: %s\n' "$label" "$(sed -n 's/.*SKIP: //p' "$log" | tail -n 1)" ;;
	*)
		printf '   %sFAIL%s %s (%s s); the end of %s:\n' "$ui_red" "$ui_plain" "$label" "$spent" "$log"
		tail -n 100 "$log"
		;;
	esac
	exit "$code"
)
