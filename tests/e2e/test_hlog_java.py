# SPDX-License-Identifier: MIT
"""Interval logs read by the reference implementation of the format, the Java library."""

import collections
import json
import pathlib
import shutil
import subprocess

from e2e.harness import PATIENCE, Skip, check, check_equal, test
from e2e.load import MEASURED, cowload, folder, stand_in

JAR = pathlib.Path("/usr/share/java/hdrhistogram.jar")
DUMP = pathlib.Path(__file__).with_name("HlogDump.java")


def java(*args, stdin=""):
    """The lines that the dump prints."""
    if not JAR.exists():
        raise Skip("libhdrhistogram-java is not installed")
    if shutil.which("javac") is None:
        raise Skip("there is no Java compiler")
    done = subprocess.run(["java", "-cp", JAR, DUMP, *map(str, args)], input=stdin, text=True,
                          capture_output=True, timeout=60 * PATIENCE, check=False)
    check(done.returncode == 0, done.stderr)
    return [line.split() for line in done.stdout.splitlines()]


def counts_of(words):
    """{value: count} of the end of a line, whose total it checks."""
    counts = collections.Counter()
    for word in words:
        key, sign, value = word.partition(":")
        if sign:
            counts[int(key)] += int(value)
    check_equal(f"total={sum(counts.values())}", words[-1], "the total")
    return counts


def read_log(path):
    """{tag: (counts of all intervals, [(start, end) in ms])}"""
    series = {}
    for tag, start, end, _, *words in java(path):
        counts, times = series.setdefault(tag, (collections.Counter(), []))
        counts.update(counts_of(words))
        times.append((int(start), int(end)))
    return series


@test
def the_java_library_finds_every_value_that_was_recorded():
    with stand_in() as (address, _), folder() as out:
        cowload("-R", 300, "-d", "2500ms", "-c", 4, "--timeout", "60s", "--json", out / "json", "--hlog",
                out / "log", f"http://{address}/x", codes=MEASURED)
        result = json.loads((out / "json").read_text())
        series = read_log(out / "log")
    wanted = {"-": "all", "SERVICE": "service", "LAG": "lag"}
    check(set(series) >= set(wanted), f"tags {set(series)}")
    for tag, key in wanted.items():
        want = result["latency"][key]
        counts, times = series[tag]
        (_, *words), = java("--word", stdin=want["hdr"])
        check_equal(counts, counts_of(words), f"every slot of {key}: log and JSON agree")
        check_equal(sum(counts.values()), want["samples"], f"samples of {key}")
        check(all(end > start for start, end in times), f"intervals of {key}: {times}")
        check(all(a[1] <= b[0] + 1 for a, b in zip(times, times[1:])), f"they do not overlap: {times}")
        began = result["start_unix_s"]
        check(abs(times[0][0] / 1000 - began) < 2, f"the wall clock: {times[0]}")


@test
def the_java_library_reads_what_was_merged():
    with stand_in() as (address, _), folder() as out:
        for name in ("one", "two"):
            cowload("-R", 200, "-d", "1500ms", "-c", 4, "--timeout", "60s", "--hlog", out / name,
                    f"http://{address}/x", codes=MEASURED)
        cowload("merge", "-o", out / "both", out / "one", out / "two")
        one, two, both = (read_log(out / name) for name in ("one", "two", "both"))
    for tag in ("-", "SERVICE", "LAG"):
        check_equal(both[tag][0], one[tag][0] + two[tag][0], f"all values of {tag}")
    check_equal(both["-"][1][0][0], one["-"][1][0][0], "the start of the earlier one")
