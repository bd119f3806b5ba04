# SPDX-License-Identifier: BSD-2-Clause
# shellcheck shell=sh
# `./dev lint`: each check is a function that prints what is wrong and returns non-zero
# (77: it could not be made, "SKIP: reason" says why).

lint_checks='format tidy cppcheck shellcheck manual models words licence length real_header'

# CI clones as one user and runs as another, which git refuses without being told.
lint_git() {
	git -c "safe.directory=$PWD" "$@"
}

# What git tracks or would track; outside a repository, what a source archive holds.
lint_files() { # PATTERN...
	if lint_git rev-parse --git-dir >/dev/null 2>&1; then
		lint_git ls-files --cached --others --exclude-standard -- "$@"
	else
		for pattern in "$@"; do
			find . -path './build*' -prune -o -path './.git' -prune -o -type f \
				-name "${pattern##*/}" -print
		done
	fi | while IFS= read -r file; do
		[ ! -f "$file" ] || printf '%s\n' "$file"
	done
}

lint_jobs() {
	getconf _NPROCESSORS_ONLN 2>/dev/null || echo 2
}

# Another version of clang-format would lay the code out differently.
lint_format() {
	for tool in clang-format-14 clang-format; do
		have "$tool" || continue
		case $("$tool" --version) in
		*'version 14.'*) lint_files '*.c' '*.h' | xargs -r "$tool" --dry-run -Werror && return ;;
		*) continue ;;
		esac
		return 1
	done
	echo 'SKIP: clang-format 14 is needed, and this is another version'
	return 77
}

lint_tidy() {
	found=$(python3 tools/dev/sources.py build | xargs -r -P "$(lint_jobs)" -n 1 \
		clang-tidy --quiet -p build --extra-arg=-Wno-unknown-warning-option 2>&1) && return
	printf '%s\n' "$found" | grep -v 'warnings\{0,1\} generated\.$'
	return 1
}

lint_cppcheck() {
	mkdir -p build/cppcheck
	cppcheck --quiet --project=build/compile_commands.json --cppcheck-build-dir=build/cppcheck \
		-j "$(lint_jobs)" --enable=warning,performance,portability --inline-suppr \
		--suppress=missingIncludeSystem '--suppress=*:*/conformance/probe.c' --error-exitcode=1
}

lint_shellcheck() {
	{
		lint_files '*.sh'
		lint_files '*' | xargs -r grep -lE -m 1 '^#! ?/(usr/)?bin/(env )?(ba)?sh' || :
	} | sort -u | xargs -r shellcheck -x
}

# Style is left out: it asks for pages of other programs that this machine may not have.
lint_manual() {
	lint_files 'docs/man/*.[1-9]' | xargs -r mandoc -T lint -W warning
}

lint_models() {
	sh tests/spin/check.sh build/models
}

# Fails when there is anything on standard input, and shows it.
lint_nothing() {
	! grep . || return 1
}

# Paths of somebody's machine, addresses of somebody's mirror, and notes to oneself.
lint_words() {
	lint_files '*' | xargs -r grep -nIE \
		'(^|[^A-Za-z0-9_.-])/([w]ork|[r]oot|[U]sers|home/[a-z]+)/|[r]egistry\.[a-z.-]+\.(com|io|net|org)|\<(TO[D]O|FIX[M]E|X[X]X)\>' |
		lint_nothing
}

lint_licence() {
	lint_files '*.c' '*.h' '*.sh' '*.py' '*.def' '*.pml' '*.inc' '*meson.build' dev .ci/run |
		while IFS= read -r file; do
			head -n 3 "$file" | grep -q 'SPDX-License-Identifier: BSD-2-Clause' ||
				echo "$file: no licence line"
		done | lint_nothing
}

# Functions are measured by clang-tidy (readability-function-size), files here. The classic
# headers are two single files by contract.
lint_length() {
	lint_files '*.c' '*.h' '*.sh' '*.py' | grep -v '/compat/net/' | xargs -r wc -l |
		awk '$2 != "total" && $1 > 650 { print $2 ": " $1 " lines; split it" }' | lint_nothing
}

lint_real_header() {
	sh tests/abi/real_header.sh build/real-header
}

lint_all() {
	passed=0 failed=0 skipped=0
	for check in $lint_checks; do
		lint_one "$check"
	done
	ui_say "$passed passed, $failed failed, $skipped skipped"
	[ "$failed" = 0 ]
}

lint_one() { # CHECK
	log=build/dev-logs/lint-$1.log
	code=0
	ui_run "$1" "$log" "lint_$1" || code=$?
	case $code in
	0) passed=$((passed + 1)) ;;
	77) skipped=$((skipped + 1)) ;;
	*) failed=$((failed + 1)) ;;
	esac
}
