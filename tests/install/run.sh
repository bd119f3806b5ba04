#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# The installed library serves a C and a C++ program through pkg-config alone.
# usage: run.sh BUILD_DIR SOURCE [CXX [PACKAGE]]
set -eu
build=$1 source=$2 cxx=${3:-} package=${4:-pktloom}
root=$(mktemp -d)
trap 'rm -rf "$root"' EXIT

DESTDIR="$root" meson install --no-rebuild --quiet -C "$build"
pc=$(find "$root" -name "$package.pc")
PKG_CONFIG_PATH=$(dirname "$pc")
PKG_CONFIG_SYSROOT_DIR=$root
export PKG_CONFIG_PATH PKG_CONFIG_SYSROOT_DIR
library=$(dirname "$(find "$root" -name libpktloom.so)")
flags=$(pkg-config --cflags --libs "$package")

# $flags is a list of words on purpose.
# shellcheck disable=SC2086
"${CC:-cc}" -std=c11 -Wall -Wextra -Werror "$source" $flags -o "$root/c"
LD_LIBRARY_PATH=$library "$root/c"
echo "C program: ok"
[ -n "$cxx" ] || exit 0
cp "$source" "$root/installed.cpp"
# shellcheck disable=SC2086
"$cxx" -std=c++20 -Wall -Wextra -Werror "$root/installed.cpp" $flags -o "$root/cxx"
LD_LIBRARY_PATH=$library "$root/cxx"
echo "C++ program: ok"
