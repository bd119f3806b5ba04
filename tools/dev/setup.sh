# SPDX-License-Identifier: BSD-2-Clause
# shellcheck shell=sh
# Finds out which tools are missing, and installs them (apt) or says which line to type.
#
# A need is one word. Whether it is met is decided by looking for the thing itself, never for a
# package, so any distribution will do; packages are named for Debian and Ubuntu only.

# shellcheck disable=SC2034 # used by the script that reads this one
{
	setup_base='cc meson ninja pkg-config python3'
	setup_run="$setup_base ip ping"
	setup_test="$setup_run cxx cmocka libbpf libuv liburing libxdp isal pcap strace valgrind"
	setup_clang='clang clang-rt'
	setup_lint="$setup_base cmocka libbpf libuv liburing libxdp isal pcap clang-format clang-tidy cppcheck shellcheck mandoc spin git npm ca-certificates"
}

# Where it lives in sbin, an ordinary user's PATH lacks it.
PATH=$PATH:/usr/sbin:/sbin

have() {
	command -v "$1" >/dev/null 2>&1
}

# The compiler of build/: $CC, or gcc, or what there is.
setup_cc() {
	for cc in "${CC-}" gcc cc clang; do
		[ -n "$cc" ] && have "${cc%% *}" && printf '%s\n' "$cc" && return
	done
	echo cc
}

# Compiles and links standard input; finds a compiler without headers or sanitizer runtime.
setup_links() { # LANGUAGE COMPILER OPTION...
	language=$1
	shift
	have "${1%% *}" || return 1
	probe=$(mktemp) || return 1
	code=0
	# shellcheck disable=SC2068 # CC may hold options
	$@ -x "$language" - -o "$probe" >/dev/null 2>&1 || code=1
	rm -f "$probe"
	return "$code"
}

setup_c='#include <stdio.h>
int main(void) { return puts("") < 0; }'
setup_cxx='#include <cstdio>
int main() { return std::puts("") < 0; }'
setup_fuzzer='#include <stddef.h>
int LLVMFuzzerTestOneInput(const void *p, size_t n) { return !p && n; }'

setup_met() { # NEED
	case $1 in
	cc) echo "$setup_c" | setup_links c "$(setup_cc)" ;;
	gcc | clang) echo "$setup_c" | setup_links c "$1" ;;
	cxx) echo "$setup_cxx" | setup_links c++ c++ ;;
	clang-rt) echo "$setup_fuzzer" | setup_links c clang -fsanitize=fuzzer,address ;;
	libbpf) echo '#include <bpf/bpf.h>' | $(setup_cc) -E - >/dev/null 2>&1 ;;
	cmocka) echo '#include <cmocka.h>' | $(setup_cc) -E - >/dev/null 2>&1 ;;
	pcap) echo '#include <pcap/pcap.h>' | $(setup_cc) -E - >/dev/null 2>&1 ;;
	meson) case $(meson --version 2>/dev/null) in '' | 0.[0-9] | 0.[0-9].* | 0.[1-5][0-9].* | 0.60.*) false ;; esac ;;
	isal) echo '#include <isa-l.h>' | $(setup_cc) -E - >/dev/null 2>&1 ;;
	liburing) echo '#include <liburing.h>' | $(setup_cc) -E - >/dev/null 2>&1 ;;
	libuv) echo '#include <uv.h>' | $(setup_cc) -E - >/dev/null 2>&1 ;;
	libxdp) pkg-config --exists libxdp libbpf ;;
	ninja) have ninja || have ninja-build || have samu ;;
	pkg-config) have pkg-config || have pkgconf ;;
	clang-format) have clang-format-14 || have clang-format ;;
	ca-certificates) [ -e /etc/ssl/certs/ca-certificates.crt ] || [ -e /etc/ssl/cert.pem ] ||
		[ -e /etc/pki/tls/certs/ca-bundle.crt ] ;;
	*) have "$1" ;;
	esac
}

# The first of the named packages that apt knows; the last one if it knows none.
setup_known() {
	for package in "$@"; do
		apt-cache show "$package" 2>/dev/null | grep -q . && break
	done
	echo "$package"
}

setup_packages() { # NEED
	case $1 in
	cc | gcc) echo gcc libc6-dev ;;
	cxx) echo g++ ;;
	clang-rt)
		version=$(clang -dumpversion 2>/dev/null || apt-cache depends clang 2>/dev/null |
			sed -n 's/.*Depends: clang-//p')
		version=${version%%.*}
		setup_known "libclang-rt-$version-dev" "libclang-common-$version-dev"
		;;
	clang-format) setup_known clang-format-14 clang-format ;;
	cmocka) echo libcmocka-dev ;;
	pcap) echo libpcap-dev ;;
	libbpf) echo libbpf-dev ;;
	gnuplot) echo gnuplot-nox ;;
	ip) echo iproute2 ;;
	isal) echo libisal-dev ;;
	liburing) echo liburing-dev ;;
	libuv) echo libuv1-dev ;;
	libxdp) echo libxdp-dev libbpf-dev ;;
	ninja) echo ninja-build ;;
	ping) echo iputils-ping ;;
	*) echo "$1" ;;
	esac
}

setup_missing() {
	for need in "$@"; do
		setup_met "$need" || printf '%s ' "$need"
	done
}

setup_all_packages() {
	for need in "$@"; do
		setup_packages "$need"
	done | tr ' ' '\n' | sort -u | tr '\n' ' '
}

# The command prefix that gives root's rights, or failure.
setup_root() {
	[ "$(id -u)" = 0 ] && return
	have sudo && sudo -n true 2>/dev/null && echo 'sudo -n'
}

setup_install() { # ROOT PACKAGE...
	root=$1
	shift
	# shellcheck disable=SC2086 # two words
	$root env DEBIAN_FRONTEND=noninteractive apt-get -y -q \
		-o DPkg::Lock::Timeout=300 -o Acquire::Retries=3 --no-install-recommends install "$@"
}

# An unreachable extra source must not stop anything: the install tells whether it mattered.
setup_update() { # ROOT
	# shellcheck disable=SC2086 # two words
	$1 env DEBIAN_FRONTEND=noninteractive apt-get -q -o DPkg::Lock::Timeout=300 \
		-o Acquire::Retries=3 update || echo 'apt-get update failed; going on with the lists at hand'
}

# Makes sure that every need is met, or exits 1 saying what to do.
setup_ensure() { # NEED...
	missing=$(setup_missing "$@")
	[ -n "$missing" ] || return 0
	have apt-get || die "missing here: ${missing% }. Install these tools and try again."
	# shellcheck disable=SC2086 # words
	if ! root=$(setup_root); then
		have sudo && sudo='sudo ' who='' || sudo='' who=', as root'
		packages=$(setup_all_packages $missing)
		die "missing here: ${missing% }. Type this$who, and try again:
${sudo}apt-get update && ${sudo}apt-get install --no-install-recommends ${packages% }"
	fi
	ui_head "set-up: ${missing% }"
	ui_run 'apt-get update' build/dev-logs/apt-update.log setup_update "$root"
	# shellcheck disable=SC2086 # words
	packages=$(setup_all_packages $missing)
	# shellcheck disable=SC2086 # words
	ui_run "apt-get install ${packages% }" build/dev-logs/apt-install.log \
		setup_install "$root" $packages || die 'the packages above could not be installed'
	# shellcheck disable=SC2086 # words
	missing=$(setup_missing $missing)
	[ -z "$missing" ] || die "still missing, or too old (meson: 0.61), after the installation: ${missing% }"
}
