#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Reads what meson knows and has logged about tests.

    testlog.py select DIR NAME...              the tests that the names (or suites, or patterns) mean
    testlog.py report BUDGET LABEL=DIR:CODE... the summary of one or more runs, and the verdict

A cmocka program counts as its test cases, any other program as one test. A program that
skips exits with 77 and says why in a line "SKIP: reason"; a case that skips does so too.
"""

import fnmatch
import json
import pathlib
import re
import signal
import sys

CASE = re.compile(r"\[\s+(RUN|OK|FAILED|SKIPPED)\s+\] (.*?)\s*$")
REASON = re.compile(r"SKIP: (.*?)\s*$")
NO_REASON = "gave no reason"
PASSES = ("OK", "EXPECTEDFAIL")


class Counts:
    """What one suite of one run came to."""

    def __init__(self):
        self.passed = 0
        self.failed = []
        self.skipped = []

    def add(self, other):
        self.passed += other.passed
        self.failed += other.failed
        self.skipped += other.skipped


def cases(stdout):
    """The (outcome, case, reason) of a cmocka program's output, in order.

    A case that began and never ended took the program down with it: it failed.
    """
    found = []
    running = None
    reason = NO_REASON
    for line in stdout.splitlines():
        case = CASE.search(line)
        skip = REASON.search(line)
        if skip:
            reason = skip.group(1)
        elif case and case.group(1) == "RUN":
            if running:
                found.append(("FAILED", running, ""))
            running = case.group(2)
            reason = NO_REASON
        elif case and running == case.group(2):
            found.append((case.group(1), running, reason))
            running = None
    if running:
        found.append(("FAILED", running, ""))
    return found


def reason_lines(text):
    return [match.group(1) for match in map(REASON.search, text.splitlines()) if match]


def ending(code):
    return f"exit status {code}" if code >= 0 else signal.Signals(-code).name


def count_program(entry):
    """The counts of one entry of meson's test log."""
    name = entry["name"]
    output = entry.get("stdout", "")
    counts = Counts()
    found = cases(output)
    for outcome, case, reason in found:
        label = f"{name}: {case}"
        if outcome == "OK":
            counts.passed += 1
        elif outcome == "SKIPPED":
            counts.skipped.append((label, reason))
        else:
            counts.failed.append((label, ""))
    result = entry["result"]
    if result == "SKIP":
        reasons = reason_lines(output + entry.get("stderr", ""))
        counts.skipped.append((name, reasons[0] if reasons else NO_REASON))
    elif result not in PASSES and not counts.failed:
        counts.failed.append((name, f"{result.lower()}, {ending(entry['returncode'])}"))
    elif result in PASSES and not found:
        counts.passed += 1
    return counts


def known_tests(directory):
    """The (name, suites) of every test of a build folder."""
    with open(pathlib.Path(directory, "meson-info", "intro-tests.json"), encoding="utf-8") as known:
        return [(t["name"], [s.split(":")[-1] for s in t["suite"]]) for t in json.load(known)]


def read_run(directory, code):
    """The counts of one run, suite by suite."""
    log = pathlib.Path(directory, "meson-logs", "testlog.json")
    suites = {}
    if log.exists():
        suite_of = dict(known_tests(directory))
        for line in log.read_text(encoding="utf-8", errors="replace").splitlines():
            entry = json.loads(line)
            entry["name"] = entry["name"].split(" / ", 1)[-1]
            suite = " ".join(suite_of.get(entry["name"], ["-"]))
            suites.setdefault(suite, Counts()).add(count_program(entry))
    if not suites:
        suites["build"] = Counts()
        suites["build"].failed.append(("no test ran", f"see {directory}/dev-logs"))
    elif code != "0" and not any(counts.failed for counts in suites.values()):
        suites["meson"] = Counts()
        suites["meson"].failed.append(("meson test", f"exit status {code}"))
    return suites


def list_outcomes(title, runs, kind):
    lines = [
        f"  {label} {suite}: {name}" + (f" ({why})" if why else "")
        for label, suites in runs
        for suite, counts in suites.items()
        for name, why in getattr(counts, kind)
    ]
    if lines:
        print(title, *lines, sep="\n", end="\n\n")


def report(budget, arguments):
    runs = []
    for argument in arguments:
        label, rest = argument.split("=", 1)
        directory, code = rest.rsplit(":", 1)
        runs.append((label, read_run(directory, code)))
    print(f"{'run':<12}{'suite':<12}{'passed':>8}{'failed':>8}{'skipped':>8}")
    total = Counts()
    held = True
    for label, suites in runs:
        of_run = Counts()
        for suite, counts in suites.items():
            of_run.add(counts)
            numbers = (counts.passed, len(counts.failed), len(counts.skipped))
            print(f"{label:<12}{suite:<12}" + "".join(f"{n:>8}" for n in numbers))
        total.add(of_run)
        held &= len(of_run.skipped) <= budget
    print()
    list_outcomes("failed:", runs, "failed")
    list_outcomes("skipped:", runs, "skipped")
    if total.skipped:
        print(f"a run may skip {budget} (tests/skip-budget)" + ("" if held else ": EXCEEDED"))
    silent = [name for name, why in total.skipped if why == NO_REASON]
    if silent:
        print("a skipped test must say why, as \"SKIP: reason\":", ", ".join(silent))
    print(f"{total.passed} passed, {len(total.failed)} failed, {len(total.skipped)} skipped")
    return 0 if held and not total.failed and not silent and total.passed else 1


def select(directory, names):
    tests = known_tests(directory)
    chosen = set()
    for name in names:
        hits = {t for t, suites in tests if fnmatch.fnmatchcase(t, name) or name in suites}
        if not hits:
            known = " ".join(sorted({t for t, _ in tests}))
            print(f"dev: no test or suite is called {name}; there are: {known}", file=sys.stderr)
            return 1
        chosen |= hits
    print("\n".join(sorted(chosen)))
    return 0


if __name__ == "__main__":
    if sys.argv[1] == "select":
        sys.exit(select(sys.argv[2], sys.argv[3:]))
    sys.exit(report(int(sys.argv[2]), sys.argv[3:]))
