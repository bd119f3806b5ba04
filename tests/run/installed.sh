#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# An installed `pktloom run` starts a program that was built with the installed classic headers; also
# when all of it was moved.
#
#   installed.sh BUILD_DIR SOURCE PREFIX [TEST_OF_KEEPER]
set -eu
build=$1 source=$2 prefix=$3 keeper=${4:-}
root=$(mktemp -d)
trap 'rm -rf "$root"' EXIT
export PKTLOOM_DIR="$root/shared"

DESTDIR="$root/as-packaged" meson install --no-rebuild --quiet -C "$build"
# Not the prefix that it was built for: only the way from one file to the other stays.
mv "$root/as-packaged$prefix" "$root/moved"
headers=$(dirname "$(dirname "$(find "$root/moved" -path '*/compat/net/netmap.h')")")
"${CC:-cc}" -Wall -Wextra -Werror -I"$headers" "$source" -o "$root/classic"
LD_LIBRARY_PATH=$(dirname "$(find "$root/moved" -name libpktloom.so)")
export LD_LIBRARY_PATH

"$root/moved/bin/pktloom" run -v -- "$root/classic" 2>"$root/err"
grep "LD_PRELOAD=$root/moved/.*/libpktloom-preload\.so\$" "$root/err"

# It finds the keeper's program. (77: there can be no interface here, as it said.)
[ -z "$keeper" ] || "$root/moved/bin/pktloom" run -- "$keeper" || [ $? = 77 ]

for page in man1/pktloom.1 man7/libpktloom-preload.7 man7/pktloom-names.7; do
	find "$root/moved" -path "*/man/$page*" | grep . || {
		echo "$page is not installed"
		exit 1
	}
done

rm "$(find "$root/moved" -name libpktloom-preload.so)"
[ -e "$prefix/bin/pktloom" ] || {
	code=0
	"$root/moved/bin/pktloom" run "$root/classic" 2>"$root/err" || code=$?
	[ "$code" = 125 ]
	grep 'libpktloom-preload.so is neither .*PKTLOOM_PRELOAD' "$root/err"
}
