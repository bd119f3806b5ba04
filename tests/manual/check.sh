#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# The manual leaves nothing out: commands and their options, variables of the environment, functions
# that the preload library puts in front of the C library's; and every page is installed.
#
#   check.sh PKTLOOM SOURCE_ROOT
set -eu
pktloom=$1 root=$2
pages=$root/docs/man
missing=0 checked=0

wants() { # WHAT PATTERN PAGE...
	what=$1 pattern=$2
	shift 2
	checked=$((checked + 1))
	grep -qE "$pattern" "$@" && return
	missing=$((missing + 1))
	echo "$what is not in $*"
}

checked_since() { # BEFORE LEAST WHAT
	[ $((checked - $1)) -ge "$2" ] || {
		echo "only $((checked - $1)) $3 were found: this test looks in the wrong place"
		exit 1
	}
}

echo commands and options
commands=$("$pktloom" help | sed -n 's/^  \([a-z]*\)  .*/\1/p')
for command in $commands; do
	wants "the command $command" "^\\.It Cm $command( |\$)|^\\.Cm $command\$" "$pages/pktloom.1"
	for option in $("$pktloom" "$command" --help | sed -n 's/^  -\([^ ]*\) .*/\1/p'); do
		wants "$command -$option" "Fl $option( |\$)" "$pages/pktloom.1"
	done
done
checked_since 0 15 'commands and options'

echo variables
before=$checked
variables=$(grep -rhoE --include='*.[ch]' '"PKTLOOM_[A-Z_]+"' "$root/src" "$root/tools" |
	tr -d '"' | sort -u)
for name in $variables; do
	wants "$name" "^\\.It Ev $name\$" "$pages"/*.[0-9]
done
checked_since "$before" 4 variables

echo functions
before=$checked
# Without what the names of fortified, large-file and long-ago functions have more.
functions=$(sed -n 's/^\t\([a-z0-9_]*\);$/\1/p' "$root/src/preload/preload.map" |
	sed -E 's/^__//; s/_(chk|2)$//; s/64$//; s/^([fl]?)xstat/\1stat/' | sort -u)
for name in $functions; do
	wants "$name()" "^\\.Fn $name( |\$)" "$pages/libpktloom-preload.7"
done
checked_since "$before" 30 functions

echo pages
before=$checked
for page in "$pages"/*.[0-9]; do
	wants "${page##*/}" "'${page##*/}'" "$pages/meson.build"
done
checked_since "$before" 3 pages

echo "$checked things looked for, $missing missing"
[ "$missing" = 0 ]
