# SPDX-License-Identifier: MIT
"""server/FAILURES.md: fifty failures, each with tests that exist."""

import pathlib
import re

from e2e.harness import check, check_equal, test

TOP = pathlib.Path(__file__).resolve().parents[2]
LIST = TOP / "server" / "FAILURES.md"
# A test is a function with this name, or a name that is put together from a mode's.
NAMED = re.compile(r"`([a-z0-9]+(?:_[a-z0-9]+){2,})`")


def existing_tests():
    names = set()
    for path in TOP.glob("tests/unit/**/test_*.c"):
        names.update(re.findall(r"^static void (\w+)\(void \*\*state\)",
                                path.read_text(encoding="utf-8"), re.M))
    for path in TOP.glob("tests/e2e/test_*.py"):
        text = path.read_text(encoding="utf-8")
        names.update(re.findall(r"^@test\ndef (\w+)\(", text, re.M))
        for made in re.findall(r'__name__ = f"([\w{}]+)"', text):
            names.update(re.sub(r"\{\w+\}", mode, made) for mode in
                         ("naive", "pretouch", "throttle", "arena", "threads", "shared"))
    return names


def rows(text):
    """(number, whole row) of each numbered failure."""
    return [(int(n), row) for row, n in re.findall(r"^(\| (\d+) \|.*)$", text, re.M)]


def faults(text, tests):
    """What is wrong with a list, as sentences."""
    found = [f"there is no test {name}" for name in NAMED.findall(text) if name not in tests]
    numbers = [number for number, _ in rows(text)]
    found += [f"failure {n} is listed {numbers.count(n)} times"
              for n in range(1, 51) if numbers.count(n) != 1]
    found += [f"failure {number} has neither a test nor a reason" for number, row in rows(text)
              if not NAMED.search(row) and "Not applicable:" not in row]
    return found


@test
def each_of_fifty_failures_names_tests_that_exist():
    text = LIST.read_text(encoding="utf-8")
    found = faults(text, existing_tests())
    check(not found, "; ".join(found))
    check(len(NAMED.findall(text)) > 80, "hardly any test is named")


@test
def a_list_with_a_fault_is_found_out():
    text, tests = LIST.read_text(encoding="utf-8"), existing_tests()
    some = NAMED.search(text).group(1)
    without = re.sub(r"^\| 30 \|.*\n", "", text, flags=re.M)
    bare = re.sub(r"^(\| 30 \|)[^`]*`.*$", r"\1 x | y | |", text, flags=re.M)
    check_equal(faults(text.replace(f"`{some}`", "`no_such_test_anywhere`"), tests)[0],
                "there is no test no_such_test_anywhere", "a test that is not there")
    check_equal(faults(without, tests), ["failure 30 is listed 0 times"], "a row that lacks")
    check_equal(faults(bare, tests), ["failure 30 has neither a test nor a reason"], "a bare row")
