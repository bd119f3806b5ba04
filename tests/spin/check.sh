#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# Checks the models exhaustively, and that each mutant of them fails: a model that cannot fail says nothing.
#
#	sh tests/spin/check.sh WORK_DIR
#
# Prints a line per run; fails when one does not end as it should.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
mkdir -p "$1"
work=$(cd "$1" && pwd)
cp "$here"/*.pml "$here"/*.inc "$work"
cd "$work"

# Model, mutant and further definitions → the verifiers `safe` (deadlocks, assertions) and `live` (running
# for ever without progress).
build() { # MODEL DEFINE...
	model=$1
	shift
	rm -f pan.* safe live
	{ spin -a "$@" "$model.pml" && cc -O2 -DSAFETY -o safe pan.c && cc -O2 -DNP -o live pan.c; } \
		>build.log 2>&1 && return
	cat build.log
	return 1
}

errors() { # PROGRAM ARGUMENT...
	program=$1
	shift
	"./$program" "$@" -m100000 >pan.log
	if grep -q 'max search depth too small' pan.log; then
		echo 'unfinished'
	else
		sed -n 's/.*errors: \([0-9]*\).*/\1/p' pan.log
	fi
}

failed=0
say() { # HOLDS TEXT
	if [ "$1" = yes ]; then
		echo "ok      $2"
	else
		echo "not ok  $2"
		failed=$((failed + 1))
	fi
}

holds() { # MODEL DEFINE...
	if build "$@" && [ "$(errors safe)" = 0 ] && [ "$(errors live -l)" = 0 ]; then
		say yes "$* holds"
	else
		say no "$* holds"
	fi
}

# A mutant ends with an error of the kind that it was made for.
breaks() { # safe|live MODEL DEFINE...
	how=$1
	shift
	found=''
	if build "$@"; then
		case $how in
		safe) found=$(errors safe) ;;
		live) found=$(errors live -l) ;;
		esac
	fi
	case $found in
	'' | 0 | unfinished) say no "$* is found out" ;;
	*) say yes "$* is found out" ;;
	esac
}

for user in WAIT LEVEL EDGE; do
	holds sleep -DUSER=$user
	for mutant in WEAK_MOVE WEAK_MARK WEAK_PUBLISH NO_LOOK; do
		breaks safe sleep -DUSER=$user -D$mutant
	done
	breaks live sleep -DUSER=$user -DNO_OWED -DNO_QUIET
done
for user in WAIT LEVEL; do
	breaks safe sleep -DUSER=$user -DNO_REMARK
done
for user in LEVEL EDGE; do
	breaks safe sleep -DUSER=$user -DNO_REARM
done
holds crash
breaks safe crash -DNO_NUDGE
breaks safe crash -DWRONG_TAIL
breaks live crash -DNO_QUIET
[ "$failed" = 0 ]
