#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# `pktloom run` refuses a program that changes its user's rights exactly when the kernel starts it in
# secure mode, where the library would be left out. The kernel is asked: SECURE tells its mode.
#
#   rights.sh PKTLOOM PRELOAD SECURE AS_USER LIBRARY
set -eu
pktloom=$1 preload=$2 secure=$3 as_user=$4 library=$5
nobody=65534 other=65533

# Who is not root cannot make such programs, but most systems have some. One that is not in secure mode
# complains about a library that is not there.
if [ "$(id -u)" != 0 ]; then
	for name in su mount passwd chsh; do
		program=$(command -v "$name") || continue
		if [ ! -u "$program" ] || [ -O "$program" ]; then continue; fi
		LD_PRELOAD=/no/such/library "$program" --help 2>&1 | grep -q '/no/such/library' && continue
		code=0
		said=$("$pktloom" run "$program" --help 2>&1) || code=$?
		echo "$name: $code, $said"
		[ "$code" = 126 ] && [ "$said" != "${said#*changes its user*}" ]
		exit
	done
	echo 'SKIP: nothing changes rights here, and only root can make programs that do'
	exit 77
fi

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
# Where everybody can read them; the build folder may be somebody's own.
chmod 755 "$scratch"
cp "$pktloom" "$scratch/pktloom"
cp "$as_user" "$scratch/as_user"
cp "$preload" "$scratch/libpktloom-preload.so"
cp "$library" "$scratch/libpktloom.so.0"
export LD_LIBRARY_PATH="$scratch" PKTLOOM_PRELOAD="$scratch/libpktloom-preload.so"

made=0 changed=0

copy() { # NAME OWNER MODE
	cp "$secure" "$scratch/$1"
	chown "$2" "$scratch/$1"
	chmod "$3" "$scratch/$1"
}

capable() { # NAME VERSION-AND-FLAGS PERMITTED
	copy "$1" 0:0 755
	python3 -c 'import os, struct, sys
os.setxattr(sys.argv[1], "security.capability", struct.pack("<5I", int(sys.argv[2], 0), int(sys.argv[3], 0), 0, 0, 0))' \
		"$scratch/$1" "$2" "$3" || echo "(no capabilities on files here: $1 has none)"
}

agrees() { # COMMAND-BEFORE... -- NAME
	before='' code=0
	while [ "$1" != -- ]; do
		before="$before $1"
		shift
	done
	# shellcheck disable=SC2086 # words
	mode=$(LD_LIBRARY_PATH='' $before "$scratch/$2") || {
		echo "(not to be had here:$before $2)"
		return 0
	}
	made=$((made + 1))
	# shellcheck disable=SC2086 # words
	got=$($before "$scratch/pktloom" run "$scratch/$2" 2>"$scratch/err") || code=$?
	echo "$mode, $code: $before $2"
	if [ "$mode" = secure ]; then
		changed=$((changed + 1))
		[ "$code" = 126 ] && grep -q 'changes its user.s rights' "$scratch/err" && return 0
	else
		[ "$code" = 0 ] && [ "$got" = plain ] && return 0
	fi
	cat "$scratch/err"
	exit 1
}

copy plain 0:0 755
copy set-uid 0:0 4755
copy set-uid-other "$other:$other" 4755
copy set-uid-nobody "$nobody:$nobody" 4755
copy set-gid 0:0 2755
copy set-gid-other "0:$other" 2755
copy set-gid-nobody "0:$nobody" 2755
copy set-gid-no-exec "0:$other" 2745
copy unreadable "$other:$other" 4711
capable capable 0x02000001 0x2000
capable capable-permitted 0x02000000 0x2000
capable capable-nothing 0x02000000 0

for name in plain set-uid set-uid-other set-uid-nobody set-gid set-gid-other set-gid-nobody \
	set-gid-no-exec unreadable capable capable-permitted capable-nothing; do
	agrees env -- "$name"
	agrees "$scratch/as_user" "$nobody" -- "$name"
	agrees "$scratch/as_user" "$nobody" -n -- "$name"
	agrees unshare -Ur -- "$name"
	agrees setpriv --bounding-set=-all -- "$name"
done
echo "$made programs started, $changed of them in secure mode"
[ "$changed" -gt 0 ] || {
	echo 'SKIP: nothing changes rights here (no_new_privs, or a mount without set-uid)'
	exit 77
}
