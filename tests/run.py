#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Runs the tests and ends with one line: N passed, N failed[, N skipped].

Counted are test cases, not programs.  A unit test program that crashes, hangs, or
cannot be found fails with every case that it did not get to; its output is printed.
"""

import argparse
import os
import pathlib
import re
import signal
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
PROGRAM_TIMEOUT_S = 240

sys.path.insert(0, str(ROOT / "tests"))


class Totals:
    """Sums of cases; failures and skips are repeated at the end, with their reason."""

    def __init__(self):
        self.passed = 0
        self.failures = []
        self.skips = []

    def fail(self, name, why):
        self.failures.append(f"{name}: {why}")

    def skip(self, name, why):
        self.skips.append(f"{name}: {why}")

    def summary(self):
        line = f"{self.passed} passed, {len(self.failures)} failed"
        return line + (f", {len(self.skips)} skipped" if self.skips else "")


def sanitizer_environment():
    """A report must end the program, whatever process of it made the report."""
    env = dict(os.environ)
    env.setdefault("ASAN_OPTIONS", "abort_on_error=1:allocator_may_return_null=1")
    env.setdefault("UBSAN_OPTIONS", "print_stacktrace=1:abort_on_error=1")
    env.setdefault("TSAN_OPTIONS", "halt_on_error=1:abort_on_error=1:allocator_may_return_null=1")
    return env


def run_bounded(argv, timeout_s, env):
    """(output, exit code or None when it hung).  Only the group started here is ended."""
    proc = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                            stderr=subprocess.STDOUT, cwd=ROOT, env=env,
                            start_new_session=True)
    try:
        out, _ = proc.communicate(timeout=timeout_s)
        code = proc.returncode
    except subprocess.TimeoutExpired:
        os.killpg(proc.pid, signal.SIGABRT)
        try:
            out, _ = proc.communicate(timeout=10)
        except subprocess.TimeoutExpired:
            os.killpg(proc.pid, signal.SIGKILL)
            out, _ = proc.communicate()
        code = None
    return out.decode("utf-8", "replace"), code


def describe_exit(code):
    if code is None:
        return f"still running after {PROGRAM_TIMEOUT_S} s"
    if code < 0:
        return f"ended by {signal.Signals(-code).name}"
    return f"exit code {code}"


def read_cases(output):
    """From cmocka's text: (planned, {name: 'ok' | 'failed' | 'skipped' | 'unfinished'},
    {name: reason of the skip})."""
    planned = re.search(r"^\[=+\] Running (\d+) test", output, re.M)
    cases, reasons, running = {}, {}, None
    for line in output.splitlines():
        if match := re.match(r"\[ RUN      \] (\S+)", line):
            running = match.group(1)
            cases[running] = "unfinished"
        elif running and (match := re.match(r"\[( +OK|  FAILED|  SKIPPED) +\] ", line)):
            word = match.group(1).strip()
            cases[running] = {"OK": "ok", "FAILED": "failed", "SKIPPED": "skipped"}[word]
            running = None
        elif running and line.startswith("skip: "):
            reasons[running] = line[len("skip: "):]
    return int(planned.group(1)) if planned else 0, cases, reasons


def run_unit_program(name, binary, totals, env):
    if not binary.exists():
        totals.fail(name, "was not built")
        print(f"FAIL {name}: was not built", flush=True)
        return
    begin = time.monotonic()
    output, code = run_bounded([str(binary)], PROGRAM_TIMEOUT_S, env)
    planned, cases, reasons = read_cases(output)
    passed = [c for c, how in cases.items() if how == "ok"]
    failed = [c for c, how in cases.items() if how in ("failed", "unfinished")]
    skipped = [c for c, how in cases.items() if how == "skipped"]
    totals.passed += len(passed)
    for case in failed:
        how = describe_exit(code) if cases[case] == "unfinished" else "failed"
        totals.fail(f"{name}: {case}", how)
    for case in skipped:
        totals.skip(f"{name}: {case}", reasons.get(case, "no reason given"))
    for number in range(max(0, planned - len(cases))):
        totals.fail(name, f"case {len(cases) + number + 1} did not run ({describe_exit(code)})")
    if not failed and (code != 0 or not cases):
        totals.fail(name, f"{describe_exit(code)} after its {len(cases)} cases")
    good = code == 0 and not failed and cases and planned <= len(cases)
    seconds = time.monotonic() - begin
    print(f"{'ok  ' if good else 'FAIL'} {name}: {len(passed)} passed"
          f"{f', {len(skipped)} skipped' if skipped else ''} ({seconds:.1f} s)", flush=True)
    if not good or os.environ.get("V"):
        print(output, flush=True)


def unit_programs(build, only):
    for source in sorted((ROOT / "tests").rglob("test_*.c")):
        relative = source.relative_to(ROOT).with_suffix("")
        if only and only not in str(relative):
            continue
        yield str(relative.relative_to("tests")), build / relative


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--build", required=True, type=pathlib.Path)
    parser.add_argument("--only", default="", help="tests whose name contains this")
    parser.add_argument("--unit", action="store_true")
    parser.add_argument("--e2e", action="store_true")
    parser.add_argument("--lint", action="store_true", help="the counter-tests of the lints")
    args = parser.parse_args()
    build = args.build.resolve()
    env = sanitizer_environment()
    totals = Totals()

    if args.lint:
        from lint import countertest
        countertest.run(ROOT, args.only, totals)
    if args.unit:
        for name, binary in unit_programs(build, args.only):
            run_unit_program(name, binary, totals, env)
    if args.e2e:
        from e2e import runner
        runner.run(build, args.only, totals, env)

    for line in totals.skips:
        print(f"skipped: {line}")
    for line in totals.failures:
        print(f"failed: {line}")
    if totals.passed + len(totals.failures) + len(totals.skips) == 0:
        totals.fail(f"T={args.only}", "no test has such a name")
        print(f"failed: {totals.failures[0]}")
    print(totals.summary(), flush=True)
    return 1 if totals.failures else 0


if __name__ == "__main__":
    sys.exit(main())
