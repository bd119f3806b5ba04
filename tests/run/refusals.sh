#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# What `pktloom run` does not start, and what it says then.
#
#   refusals.sh PKTLOOM PROGRAM PATCH
set -eu
pktloom=$1 program=$2 patch=$3
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
out=$scratch/out

refuses() { # STATUS PATTERN ARGUMENT...
	wanted=$1 pattern=$2 code=0
	shift 2
	"$pktloom" run "$@" >"$out" 2>&1 || code=$?
	if [ "$code" != "$wanted" ] || ! grep -q "$pattern" "$out"; then
		echo "pktloom run $*: exit status $code, expected $wanted and \"$pattern\":"
		cat "$out"
		exit 1
	fi
}

patched() { # CHANGE
	python3 "$patch" "$program" "$1" "$scratch/$1"
}

script() { # NAME FIRST-LINE
	printf '%s\n' "$2" >"$scratch/$1"
	chmod +x "$scratch/$1"
}

echo 'wrong usage'
refuses 2 'PROGRAM is missing'
refuses 2 'PROGRAM is missing' --
refuses 2 'no option --nonsense' --nonsense true
refuses 2 'needs a value' -d

echo 'what is not there, or no program'
refuses 127 'no program no-such-program in the directories of PATH' no-such-program
refuses 127 "$scratch/none: No such file" "$scratch/none"
: >"$scratch/plain"
refuses 126 'not executable' -- "$scratch/plain"
PATH=$scratch:$PATH refuses 126 'plain is not executable' plain
refuses 126 'is not a program' "$scratch"
patched short
refuses 126 'short is a broken ELF file' "$scratch/short"
patched object
refuses 126 'object is an ELF file, but no program' "$scratch/object"

echo 'static programs'
for kind in static static-pie; do
	patched "$kind"
	refuses 126 "$kind is statically linked.*Link it dynamically" -- "$scratch/$kind"
done
echo 'int main(void) { return 0; }' >"$scratch/true.c"
if ${CC:-cc} -static -o "$scratch/true" "$scratch/true.c" 2>"$out"; then
	refuses 126 'true is statically linked' -- "$scratch/true"
else
	echo '(no static C library here: made by hand only)'
fi

echo 'programs for another machine'
for kind in machine class order; do
	patched "$kind"
	refuses 126 "$kind is .*bit.*, but the preload library is .*PKTLOOM_PRELOAD" "$scratch/$kind"
done

echo 'programs of another C library'
patched loader
refuses 127 'loader needs the loader /.*/no/such/loader, which is not here' "$scratch/loader"
patched other-loader
refuses 126 'other-loader uses another C library: its loader is /.*/bin/sh,' "$scratch/other-loader"

echo 'scripts of such programs'
script missing '#!/no/such/interpreter -x'
refuses 127 'missing wants to be run by /no/such/interpreter' "$scratch/missing"
script first "#! $scratch/static -x"
refuses 126 "^pktloom: $scratch/static is statically linked" "$scratch/first"
script second "#!$scratch/first"
refuses 126 "^pktloom: $scratch/static is statically linked" "$scratch/second"
script circle "#!$scratch/circle"
refuses 126 'circle: Too many levels' "$scratch/circle"

echo 'the preload library is not there, or something else'
export PKTLOOM_PRELOAD="$scratch/none.so"
refuses 125 "preload library $scratch/none.so.*No such file" true
PKTLOOM_PRELOAD=$scratch/missing
refuses 125 'missing is not a shared library' true
PKTLOOM_PRELOAD=$scratch/static
refuses 125 'static is not a shared library' true
mkdir "$scratch/a b"
cp "$scratch/static-pie" "$scratch/a b/lib.so"
PKTLOOM_PRELOAD="$scratch/a b/lib.so"
refuses 125 'a colon or a blank' true
PKTLOOM_PRELOAD=$scratch/machine
refuses 126 "$program is .* but the preload library is .*machine" "$program"
