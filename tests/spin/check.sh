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

# Model, mutant and further definitions → a verifier: `safe` (deadlocks, assertions) or `live` (running for
# ever without progress).
build() { # safe|live MODEL DEFINE...
	how=$1 model=$2
	shift 2
	case $how in
	safe) options=-DSAFETY ;;
	live) options=-DNP ;;
	esac
	rm -f pan.* "$how"
	{ spin -a "$@" "$model.pml" && cc -O1 "$options" -o "$how" pan.c; } >build.log 2>&1 && return
	cat build.log
	return 1
}

errors() { # safe|live
	case $1 in
	safe) ./safe -m100000 ;;
	live) ./live -l -m100000 ;;
	esac >pan.log
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
	if build safe "$@" && [ "$(errors safe)" = 0 ] &&
		build live "$@" && [ "$(errors live)" = 0 ]; then
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
	if build "$how" "$@"; then
		found=$(errors "$how")
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
