#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# What `pktloom run` starts gets /dev/netmap, and otherwise what it would get without.
#
#   starts.sh PKTLOOM PROGRAM
set -eu
pktloom=$(realpath "$1") program=$(realpath "$2")
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
export PKTLOOM_DIR="$scratch/shared"
out=$scratch/out

gives() { # STATUS PATTERN COMMAND...
	wanted=$1 pattern=$2 code=0
	shift 2
	"$@" >"$out" 2>&1 || code=$?
	if [ "$code" != "$wanted" ] || ! grep -q "$pattern" "$out"; then
		echo "$*: exit status $code, expected $wanted and \"$pattern\":"
		cat "$out"
		exit 1
	fi
}

echo 'the program, and its status'
[ -e /dev/netmap ] || gives 99 'netmap:classic{1' "$program"
gives 0 "^$program: the packet has arrived" "$pktloom" run "$program"
gives 7 'has arrived' "$pktloom" run -- "$program" 7
gives 143 going "$pktloom" run sh -c 'echo going; kill -TERM $$'

echo 'its name and its arguments'
gives 0 '^<-v><--><--help><>$' "$pktloom" run sh -c 'printf "<%s>" "$@"' sh -v -- --help ''
ln -s "$program" "$scratch/called"
PATH=$scratch:$PATH gives 0 '^called: ' "$pktloom" run called
cd "$scratch"
PATH=:$PATH gives 0 '^called: ' "$pktloom" run called
gives 0 '^./called: ' "$pktloom" run ./called

echo 'scripts'
printf '#!%s\n' "$program" >script
printf '%s 5\n' "$program" >lines
chmod +x script lines
gives 0 "^$program: " "$pktloom" run ./script
gives 5 "^$program: " "$pktloom" run ./lines

echo 'who looks before he opens'
gives 0 yes "$pktloom" run sh -c \
	'test -c /dev/netmap && test -r /dev/netmap && test -w /dev/netmap && echo yes'

echo 'the directory of shared objects'
gives 0 "^$scratch/shared\$" "$pktloom" run printenv PKTLOOM_DIR
gives 0 "^$scratch/other\$" "$pktloom" run -d "$scratch/other" printenv PKTLOOM_DIR
for option in -d --dir; do
	gives 0 "^$(pwd)/other\$" "$pktloom" run "$option" other printenv PKTLOOM_DIR
done
gives 0 'has arrived' "$pktloom" run -d other "$program"
test -d other

echo 'what is preloaded'
gives 0 '^/[^:]*/libpktloom-preload\.so$' "$pktloom" run printenv LD_PRELOAD
library=$(cat "$out")
LD_PRELOAD=libm.so.6 gives 0 "^$library:libm.so.6\$" "$pktloom" run printenv LD_PRELOAD
gives 0 "^pktloom: LD_PRELOAD=$library\$" "$pktloom" run -v "$program"
grep -q "^pktloom: starting $program\$" "$out"
ln -s "$library" named.so
PKTLOOM_PRELOAD=named.so gives 0 "^$scratch/named.so\$" "$pktloom" run printenv LD_PRELOAD
PKTLOOM_PRELOAD='' gives 0 "^$library\$" "$pktloom" run printenv LD_PRELOAD
gives 0 'has arrived' "$pktloom" run "$pktloom" run "$program"
