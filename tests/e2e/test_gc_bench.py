# SPDX-License-Identifier: MIT
"""The programs of `make gc-bench`, small: they run, and what they say can be trusted."""

import contextlib
import importlib.util
import io
import json
import pathlib
import subprocess

from e2e.harness import BUILD, PATIENCE, Skip, check, check_equal, test

BENCH = pathlib.Path(__file__).resolve().parents[1] / "bench" / "gc_bench.py"
MODES = ("incremental", "tight", "stw", "inherit")


def run(program, mode, percent=5):
    done = subprocess.run([BUILD / "tests/bench/gc_bench-cowgc", program, mode, str(percent)],
                          capture_output=True, text=True, timeout=60 * PATIENCE, check=False)
    check_equal(done.returncode, 0, f"{program} {mode}: exit code ({done.stderr.strip()})")
    return json.loads(done.stdout)


def load_bench():
    spec = importlib.util.spec_from_file_location("gc_bench", BENCH)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def verdicts(bench, **changed):
    """What is said of two made-up rounds in which `changed` fields of ours differ."""
    base = {"alloc_ps": 20000, "total_ns": 10**9, "operations": 10**6, "collect_ns": 10**7,
            "live_objects": 10**6, "pause_max_ns": 10**6, "pause_total_ns": 10**7,
            "tick_max_ns": 10**6, "tick_p9999_ns": 10**5, "collections": 9, "peak_rss": 2**28,
            "pss": 2**28, "heap_peak": 2**28, "metadata_bytes": 2**22, "fork_ns": 10**6,
            "fork_pages": 10**4, "idle_copied": 10, "copied": 13, "added": 5, "pair_pss": 2**28}
    theirs = dict(base, total_ns=2 * 10**9, pause_max_ns=10**8, tick_max_ns=10**8, copied=5000)
    results = bench.Results()
    for program in ("alloc", "trees", "hamt", "cache"):
        results.add(program, bench.OURS, dict(base, **changed))
        results.add(program, bench.THEIRS, theirs)
    text = io.StringIO()
    with contextlib.redirect_stdout(text):
        bench.show(results)
        held = bench.judge(results)
    return held, [line for line in text.getvalue().splitlines() if line.startswith("FAILS")]


def add_program_test(program):
    def runs():
        if program == "hamt" and "thread" in BUILD.name:
            raise Skip("ThreadSanitizer: it keeps a byte for each page that is mapped, and the "
                       "shadow memory is a hundred terabytes of them")
        for mode in MODES:
            got = run(program, mode)
            for field in ("operations", "total_ns", "pauses", "peak_rss", "heap_peak"):
                check(got[field] > 0, f"{program} {mode}: {field} is 0")
            check_equal((got["program"], got["mode"]), (program, mode), "what it says it was")

    runs.__name__ = f"the_program_{program}_of_the_gc_benchmark_runs_in_each_mode"
    test(runs)


for each_program in ("alloc", "trees", "hamt", "cache"):
    add_program_test(each_program)


@test
def the_gc_benchmark_sees_the_pages_that_a_collecting_child_copies():
    if "-" in BUILD.name:
        raise Skip("the shadow memory of a sanitizer is private too, and copied")
    arena, inherit = run("hamt", "stw", 10), run("hamt", "inherit", 10)
    for got in (arena, inherit):
        check(got["fork_pages"] > 1000, f"the parent had {got['fork_pages']} pages")
        check(got["fork_ns"] > 0, "no time for a fork")
    check(arena["copied"] - arena["idle_copied"] < 20,
          f"frozen: {arena['copied']} pages copied, {arena['idle_copied']} by an idle child")
    check(inherit["copied"] > arena["copied"] + 20,
          f"a child that collects what it inherited copied {inherit['copied']} pages only")


@test
def the_gc_benchmark_names_each_target_that_does_not_hold():
    bench = load_bench()
    check_equal(verdicts(bench), (True, []), "all targets hold")
    for field, value, word in (("pause_max_ns", 10**7 + 1, "longest pause"),
                               ("tick_max_ns", 10**7 + 1, "longest op"),
                               ("total_ns", 1401 * 10**6, "total time"),
                               ("copied", 10 + 50, "pages copied"),
                               ("alloc_ps", 25001, "allocation"),
                               ("metadata_bytes", 2**23 + 2**20, "metadata")):
        held, failed = verdicts(bench, **{field: value})
        check(not held, f"{field} = {value}: the targets hold")
        check_equal(len(failed), 1, f"{field} = {value}: {failed}")
        check(word in failed[0], f"{field} = {value}: {failed[0]}")


@test
def a_mode_that_the_gc_benchmark_does_not_know_is_refused():
    for words, want in ((["hamt", "stow"], "cowgc has no mode stow"), (["hamt"], "usage:"),
                        (["hum", "stw"], "programs: alloc trees hamt cache"),
                        (["hamt", "stw", "0"], "usage:")):
        done = subprocess.run([BUILD / "tests/bench/gc_bench-cowgc", *words], capture_output=True,
                              text=True, timeout=60, check=False)
        check_equal(done.returncode, 1, f"{words}: exit code")
        check(want in done.stderr, f"{words}: {done.stderr}")
