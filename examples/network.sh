# SPDX-License-Identifier: BSD-2-Clause
# shellcheck shell=sh
# For the scripts beside it: a private network, cables in it, and programs to wait for.

skip() {
	echo "SKIP: $*"
	exit 77
}

# Starts the script again where nobody else's interfaces are; goes on at once if that has been done.
enter() { # "TOOLS THAT IT NEEDS" ARGUMENT...
	tools=$1
	shift
	if [ -n "${NETWORK_INSIDE-}" ]; then
		unset NETWORK_INSIDE
		return
	fi
	for tool in $tools ip unshare; do
		command -v "$tool" >/dev/null || skip "$tool is needed"
	done
	for how in --net '--user --map-root-user --net'; do
		# shellcheck disable=SC2086 # words
		if unshare $how true 2>/dev/null; then
			NETWORK_INSIDE=yes exec unshare $how sh "$0" "$@"
		fi
	done
	skip 'this system allows neither root nor a user namespace a private network'
}

# A veth pair, up at both ends.
cable() { # NAME OTHER-NAME [QUEUES]
	ip link add "$1" numrxqueues "${3:-1}" numtxqueues "${3:-1}" type veth \
		peer name "$2" numrxqueues "${3:-1}" numtxqueues "${3:-1}"
	for interface in "$1" "$2"; do
		# Only for a quiet wire: the kernel's own neighbour discovery is no part of this.
		echo 1 >"/proc/sys/net/ipv6/conf/$interface/disable_ipv6" 2>/dev/null || :
		ip link set "$interface" up
	done
}

# Until a program's output has a line, for ten seconds at most, and no longer than it lives.
until_says() { # FILE PATTERN PID
	tries=0
	until grep -q "$2" "$1"; do
		tries=$((tries + 1))
		if [ "$tries" -gt 100 ] || ! kill -0 "$3" 2>/dev/null; then
			cat "$1"
			echo "the program does not say '$2'"
			exit 1
		fi
		sleep 0.1
	done
}
