#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# The probe's answers under the preload library, held against those of the kernel's module: whatever
# differs must stand in the list of docs/conformance.md, and whatever stands there must differ.
#
#	PRELOAD=LIBRARY:... test_answers.sh IN_NETWORK PROBE LIST
set -eu
in_network=$1 probe=$2 list=$3
here=$(dirname "$0")

# How many lines may differ. This number only shrinks; 25 is the aim.
limit=12

export LC_ALL=C
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
mkdir -m 700 "$dir/shared"

# The library is for the probe alone, not for what a shell runs.
code=0
PKTLOOM_DIR="$dir/shared" LD_PRELOAD="$PRELOAD" "$in_network" "$probe" >"$dir/answers" || code=$?
if [ "$code" != 0 ]; then
	tail -n 3 "$dir/answers"
	[ "$code" = 77 ] || echo "the probe ended with $code after $(wc -l <"$dir/answers") answers"
	exit "$code"
fi

sed -E -f "$here/mask.sed" "$here/kernel-answers.txt" >"$dir/module"
sed -E -f "$here/mask.sed" "$dir/answers" >"$dir/device"
diff -U0 "$dir/module" "$dir/device" | tail -n +3 | grep '^[-+]' | sort >"$dir/differs" || :

# The list is the one block of docs/conformance.md that is fenced as diff; "# group" lines in it name
# headings of that document, where the reason is.
awk '/^```/ { fenced = $0 == "```diff"; next } fenced' "$list" >"$dir/block"
grep '^[-+]' "$dir/block" | sort >"$dir/listed" || :

failed=0
complain() { # WHAT LINES
	[ -s "$2" ] || return 0
	echo "$1"
	cat "$2"
	failed=1
}

comm -23 "$dir/differs" "$dir/listed" >"$dir/unlisted"
comm -13 "$dir/differs" "$dir/listed" >"$dir/stale"
grep -v '^[-+#]' "$dir/block" >"$dir/strange" || :
sed -n 's/^# //p' "$dir/block" | while IFS= read -r group; do
	# A heading, and something below it before the next one.
	awk -v heading="### $group" '
		/^#/ { here = $0 == heading; next }
		here && NF { found = 1 }
		END { exit !found }' "$list" || echo "$group"
done >"$dir/groundless"

complain 'These answers (- the module, + this device) differ and are not in the list:' "$dir/unlisted"
complain 'These are in the list, and do not differ (any more):' "$dir/stale"
complain 'These lines of the list are neither answers nor groups:' "$dir/strange"
complain 'These groups of the list have no heading and no reason:' "$dir/groundless"

differ=$(wc -l <"$dir/differs")
echo "$differ of $(wc -l <"$dir/module") lines differ, $limit may"
[ "$differ" -le "$limit" ] || failed=1
exit "$failed"
