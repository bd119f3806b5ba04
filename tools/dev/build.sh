# SPDX-License-Identifier: BSD-2-Clause
# shellcheck shell=sh
# Configures, builds and runs the build folders: build/ and, for --all and fuzzing, build-*/.

# The C++ compiler that goes with a C compiler; some tests compile the headers with it.
build_cxx() { # COMPILER
	printf '%s\n' "$1" | sed 's/clang/clang++/; s/gcc/g++/; s/^cc$/c++/'
}

# A folder is set up anew only when the compiler changes; a folder that somebody else
# configured is used as it is.
build_configure() { # DIR COMPILER MESON-OPTION...
	dir=$1 compiler=$2
	shift 2
	stamp=$dir/dev-logs/configured
	configured=$(cat "$stamp" 2>/dev/null) || configured=''
	again=''
	if [ -f "$dir/build.ninja" ]; then
		[ -n "$configured" ] && [ "$configured" != "$compiler $*" ] || return 0
		again=--reconfigure
		case $configured in
		"$compiler "*) ;;
		*) rm -rf "$dir" && again='' ;;
		esac
	fi
	# shellcheck disable=SC2086 # a word or none
	CC=$compiler CXX=$(build_cxx "$compiler") ui_run "configure $dir/" "$dir/dev-logs/configure.log" \
		meson setup $again "$@" "$dir" || return 1
	printf '%s\n' "$compiler $*" >"$stamp"
}

build_compile() { # DIR
	ninja=$(command -v ninja || command -v ninja-build || command -v samu)
	ui_run "compile $1/" "$1/dev-logs/build.log" "$ninja" -C "$1"
}

# The everyday build, with everything in it.
build_options='-Dtests=enabled -Dbench=true'

build_main() {
	# shellcheck disable=SC2086 # words
	build_configure build "$(setup_cc)" $build_options
	build_compile build
}

# Many tests sleep most of their time: two more at once than there are processors.
test_processes() {
	echo $(($(getconf _NPROCESSORS_ONLN 2>/dev/null || echo 2) + 2))
}

# Runs the tests of one folder and notes it in $runs for the report.
test_run() { # LABEL DIR MESON-TEST-ARGUMENT...
	label=$1 dir=$2
	shift 2
	rm -f "$dir/meson-logs/testlog.json"
	code=0
	$under meson test -C "$dir" --no-rebuild --num-processes "$(test_processes)" --print-errorlogs "$@" </dev/null || code=$?
	runs="$runs $label=$dir:$code"
}

under=''

# One row of the matrix: a row that does not build fails, and the others go on.
test_row() { # LABEL DIR COMPILER MESON-TEST-ARGUMENTS MESON-OPTION...
	label=$1 dir=$2 compiler=$3 arguments=$4
	shift 4
	ui_head "$label"
	if build_configure "$dir" "$compiler" "$@" && build_compile "$dir"; then
		# shellcheck disable=SC2086 # words
		test_run "$label" "$dir" $arguments
	else
		rm -f "$dir/meson-logs/testlog.json"
		runs="$runs $label=$dir:1"
	fi
}

# The thread sanitizer's shadow memory collides with a well shuffled address space.
test_row_tsan() {
	setarch "$(uname -m)" -R true 2>/dev/null && under="setarch $(uname -m) -R"
	test_row "$@"
	under=''
}

test_matrix() {
	export ASAN_OPTIONS=abort_on_error=1:detect_stack_use_after_return=1
	export UBSAN_OPTIONS=halt_on_error=1:print_stacktrace=1
	export TSAN_OPTIONS=halt_on_error=1:second_deadlock_stack=1
	common='-Dtests=enabled -Dbench=false'
	# gcc's sanitizers make it warn of things that cannot be; the other rows judge warnings.
	lenient='-Dwerror=false'
	asan="$common -Db_sanitize=address,undefined -Db_lundef=false"
	tsan="$common -Db_sanitize=thread -Db_lundef=false"
	threaded='--suite unit --suite contract --suite examples --no-suite fork --timeout-multiplier 4'

	# shellcheck disable=SC2086 # words
	{
		test_row "$(basename "$(setup_cc)")" build "$(setup_cc)" '' $build_options
		test_row clang build-clang clang '' $common --buildtype=debug
		# Tests on interfaces take their time, and run under clang's sanitizers.
		test_row asan-gcc build-asan-gcc gcc '--timeout-multiplier 4 --no-suite e2e' $asan $lenient
		test_row asan-clang build-asan-clang clang '--timeout-multiplier 4' $asan -Dfuzz=true
		test_row_tsan tsan-gcc build-tsan-gcc gcc "$threaded" $tsan $lenient
		test_row_tsan tsan-clang build-tsan-clang clang "$threaded" $tsan
		# Optional parts switched off; then a machine where nothing optional is to be found.
		test_row core build-core gcc '' $common -Dauto_features=disabled -Dpacket=disabled
		test_row bare build-bare gcc '' -Dbench=false -Dpacket=disabled \
			--native-file tools/dev/bare.ini
	}
}

fuzz_all() { # TARGET SECONDS
	build_configure build-fuzz clang -Dfuzz=true -Dtests=enabled -Dbench=false -Db_lundef=false \
		-Db_sanitize=address,undefined --buildtype=debugoptimized
	build_compile build-fuzz
	passed=0 failed=0
	for program in build-fuzz/tests/fuzz/*; do
		name=$(basename "$program")
		if [ ! -f "$program" ] || [ ! -x "$program" ]; then continue; fi
		if [ -n "$1" ] && [ "$1" != "$name" ]; then continue; fi
		if fuzz_one "$program" "$2"; then
			passed=$((passed + 1))
		else
			failed=$((failed + 1))
		fi
	done
	[ $((passed + failed)) -gt 0 ] || die "there is no fuzz target ${1:-here}"
	ui_say "$passed passed, $failed failed, 0 skipped"
	[ "$failed" = 0 ]
}

# New inputs are kept in the build folder; the seeds, if there are any, are only read.
fuzz_one() { # PROGRAM SECONDS
	name=$(basename "$1")
	corpus=build-fuzz/corpus/$name
	seeds=tests/fuzz/corpus/${name#fuzz_}
	[ -d "$seeds" ] || seeds=''
	mkdir -p "$corpus" build-fuzz/crashes
	# shellcheck disable=SC2086 # a word or none
	ui_run "fuzz $name for $2 s" "build-fuzz/dev-logs/$name.log" "$1" "-max_total_time=$2" \
		-timeout=10 -error_exitcode=1 "-artifact_prefix=build-fuzz/crashes/$name-" "$corpus" $seeds
}
