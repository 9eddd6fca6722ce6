# SPDX-License-Identifier: MIT
"""Runs the functions marked @test in tests/e2e/test_*.py, one after the other."""

import importlib
import os
import pathlib
import signal
import sys
import time
import traceback

TEST_TIMEOUT_S = 300


class TooLong(BaseException):
    """Not an Exception, so that no handler of a test can swallow it."""


def on_alarm(_signal, _frame):
    raise TooLong()


def run_one(name, function, totals, limit_s):
    begin = time.monotonic()
    signal.signal(signal.SIGALRM, on_alarm)
    signal.alarm(limit_s)
    from e2e import harness
    try:
        function()
        word, why = "ok  ", None
    except harness.Skip as skip:
        word, why = "skip", str(skip)
    except TooLong:
        word, why = "FAIL", f"still running after {limit_s} s"
        traceback.print_exc()
    except Exception as error:
        word, why = "FAIL", f"{error}" or repr(error)
        traceback.print_exc()
    finally:
        signal.alarm(0)
    print(f"{word} {name} ({time.monotonic() - begin:.1f} s){f': {why}' if why else ''}",
          flush=True)
    if word == "ok  ":
        totals.passed += 1
    elif word == "skip":
        totals.skip(name, why)
    else:
        totals.fail(name, why)


def run(build, only, totals, env):
    os.environ.update(env)
    os.environ["COWSHED_BUILD"] = str(build)
    from e2e import harness
    harness.adopt_orphans()
    limit_s = int(TEST_TIMEOUT_S * harness.PATIENCE)
    for path in sorted(pathlib.Path(__file__).parent.glob("test_*.py")):
        try:
            importlib.import_module(f"e2e.{path.stem}")
        except Exception:
            traceback.print_exc()
            totals.fail(f"e2e/{path.stem}", "could not be loaded")
            continue
        for function in harness.take_tests():
            name = f"e2e/{path.stem}: {function.__name__}"
            if only in name:
                sys.stdout.flush()
                run_one(name, function, totals, limit_s)
