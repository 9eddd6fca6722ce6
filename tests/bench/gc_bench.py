#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The same programs on this collector and on bdwgc: one table, and build/gc-bench/results.json.

Each program runs in a process of its own, in rounds that alternate between the collectors, so
that drift of the machine meets all alike. Shown is the median of the rounds, and the spread.
`pause` is what a collector says of itself; `longest op` is what the program saw, timed from
outside: the longest time between two operations, with faults and preemption in it. `copied` are
private pages that the parent had at the fork and the child has to itself afterwards, less those of
a child that does nothing (a mark table that is wiped on fork counts as copied where it is written).
The columns are modes of gc_bench_cowgc.c and gc_bench_bdwgc.c, where each is explained.

Exit code: 0 when every target holds, 1 when one does not, 77 when bdwgc is missing
(then the table shows this collector alone).
"""
import argparse
import json
import os
import platform
import statistics
import subprocess
import sys

CHURN = ("trees", "hamt", "cache")
OURS, THEIRS = ("cowgc", "incremental"), ("bdwgc", "stw")
COLUMNS = (OURS, ("cowgc", "tight"), ("cowgc", "stw"), THEIRS, ("bdwgc", "incremental"))
HAMT_COLUMNS = COLUMNS[:3] + (("cowgc", "inherit"),) + COLUMNS[3:]


def metric(name, unit, value, programs=CHURN):
    return {"name": name, "unit": unit, "value": value, "programs": programs}


METRICS = (
    metric("allocation", "ns", lambda r: r["alloc_ps"] / 1e3, ("alloc",)),
    metric("total time", "ms", lambda r: r["total_ns"] / 1e6),
    metric("throughput", "op/us", lambda r: r["operations"] * 1e3 / r["total_ns"]),
    metric("mark and sweep, per object", "ns", lambda r: r["collect_ns"] / r["live_objects"]),
    metric("longest pause", "ms", lambda r: r["pause_max_ns"] / 1e6),
    metric("sum of pauses", "ms", lambda r: r["pause_total_ns"] / 1e6),
    metric("longest op", "ms", lambda r: r["tick_max_ns"] / 1e6),
    metric("99.99 % of ops", "us", lambda r: r["tick_p9999_ns"] / 1e3),
    metric("collections", "", lambda r: r["collections"]),
    metric("peak RSS", "MiB", lambda r: r["peak_rss"] / 2**20),
    metric("PSS at the end", "MiB", lambda r: r["pss"] / 2**20),
    metric("metadata of the heap", "%", lambda r: 100 * r["metadata_bytes"] / r["heap_peak"]
           if r["metadata_bytes"] else None),
    metric("fork", "us", lambda r: r["fork_ns"] / 1e3, ("hamt",)),
    metric("pages at the fork", "", lambda r: r["fork_pages"], ("hamt",)),
    metric("pages copied", "", lambda r: r["copied"] - r["idle_copied"], ("hamt",)),
    metric("pages added", "", lambda r: r["added"], ("hamt",)),
    metric("PSS of the pair", "MiB", lambda r: r["pair_pss"] / 2**20, ("hamt",)),
)


def number(x):
    return f"{x:.0f}" if abs(x) >= 100 else f"{x:.1f}" if abs(x) >= 10 else f"{x:.2f}"


class Results:
    """results[program][column] = one dictionary for each round"""

    def __init__(self):
        self.rounds = {}

    def add(self, program, column, result):
        self.rounds.setdefault(program, {}).setdefault(column, []).append(result)

    def values(self, program, column, value):
        got = [value(r) for r in self.rounds.get(program, {}).get(column, [])]
        return [x for x in got if x is not None]

    def median(self, program, column, value):
        got = self.values(program, column, value)
        return statistics.median(got) if got else None


def cell(values):
    if not values:
        return "-"
    middle = number(statistics.median(values))
    low, high = number(min(values)), number(max(values))
    return middle if low == high else f"{middle} ({low}..{high})"


def show(results):
    columns = [c for c in HAMT_COLUMNS if any(c in p for p in results.rounds.values())]
    rows = [["program", "", ""] + [" ".join(c) for c in columns]]
    for program in results.rounds:
        for m in METRICS:
            if program in m["programs"]:
                cells = [cell(results.values(program, c, m["value"])) for c in columns]
                rows.append([program, m["name"], m["unit"]] + cells)
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    for row in rows:
        left = [row[i].ljust(widths[i]) for i in range(3)]
        right = [row[i].rjust(widths[i]) for i in range(3, len(row))]
        print("  ".join(left + right).rstrip())


def value_named(name):
    return next(m["value"] for m in METRICS if m["name"] == name)


def ratio(results, name, programs, combine=sum):
    """Of what ours takes to what theirs takes; None when a part was not measured."""
    sides = []
    for column in (OURS, THEIRS):
        got = [results.median(p, column, value_named(name)) for p in programs]
        if None in got:
            return None
        sides.append(combine(got))
    return sides[0] / sides[1] if sides[1] else None


def worst(results, name):
    got = [ratio(results, name, (p,)) for p in CHURN if p in results.rounds]
    return None if not got or None in got else max(got)


def targets(results):
    """[(what, measured, limit)] of those that were measured."""
    churn = [p for p in CHURN if p in results.rounds]
    metadata = [results.median(p, OURS, value_named("metadata of the heap")) for p in churn]
    found = (
        ("longest pause / bdwgc's, worst program", worst(results, "longest pause"), 0.1),
        ("longest op / bdwgc's, worst program", worst(results, "longest op"), 0.1),
        ("total time of the churn programs / bdwgc's",
         ratio(results, "total time", churn) if churn else None, 0.7),
        ("pages copied in a collecting child / bdwgc's",
         ratio(results, "pages copied", ("hamt",)), 0.01),
        ("allocation of a small object, ns",
         results.median("alloc", OURS, value_named("allocation")), 25.0),
        ("metadata, % of the heap", max(metadata) if metadata else None, 3.0),
    )
    return [t for t in found if t[1] is not None]


def judge(results):
    held = True
    print()
    for what, measured, limit in targets(results):
        good = measured <= limit
        held &= good
        print(f"{'holds' if good else 'FAILS'}  {what}: {measured:.4g}, at most {limit:g}")
    return held


def run_one(binary, program, mode, percent):
    done = subprocess.run([binary, program, mode, str(percent)], capture_output=True, text=True,
                          timeout=600, check=False)
    if done.returncode != 0:
        raise RuntimeError(f"{binary} {program} {mode}: exit code {done.returncode}: "
                           f"{done.stderr.strip()}")
    return json.loads(done.stdout)


def machine():
    model = "unknown"
    with open("/proc/cpuinfo", encoding="utf-8") as f:
        for line in f:
            if line.startswith("model name"):
                model = line.split(":", 1)[1].strip()
    with open("/sys/kernel/mm/transparent_hugepage/enabled", encoding="ascii") as f:
        huge = f.read().strip()
    memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 2**30
    return {"processor": model, "processors": os.cpu_count(), "memory_gib": round(memory, 1),
            "kernel": platform.release(), "transparent_hugepage": huge}


def measure(args, binaries):
    results = Results()
    for number_of_round in range(args.rounds):
        for program in args.programs.split(","):
            columns = [c for c in (HAMT_COLUMNS if program == "hamt" else COLUMNS)
                       if c[0] in binaries]
            for column in columns if number_of_round % 2 == 0 else columns[::-1]:
                results.add(program, column,
                            run_one(binaries[column[0]], program, column[1], args.percent))
    return results


def write_json(args, facts, results):
    os.makedirs(args.out, exist_ok=True)
    runs = [{"round": i, **r} for columns in results.rounds.values()
            for rounds in columns.values() for i, r in enumerate(rounds)]
    judged = [{"target": what, "measured": measured, "limit": limit}
              for what, measured, limit in targets(results)]
    path = os.path.join(args.out, "results.json")
    with open(path, "w", encoding="utf-8") as f:
        json.dump({"machine": facts, "percent": args.percent, "targets": judged, "runs": runs}, f,
                  indent=1)
    return path


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cowgc", required=True, help="gc_bench on this collector")
    parser.add_argument("--bdwgc", default="", help="gc_bench on bdwgc")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--percent", type=int, default=100, help="of the full size")
    parser.add_argument("--programs", default="alloc,trees,hamt,cache")
    parser.add_argument("--out", default="build/gc-bench")
    args = parser.parse_args()
    binaries = {"cowgc": args.cowgc}
    if args.bdwgc and os.access(args.bdwgc, os.X_OK):
        binaries["bdwgc"] = args.bdwgc
    facts = machine()
    print(", ".join(f"{k} {v}" for k, v in facts.items()) + f", {args.rounds} rounds\n")
    results = measure(args, binaries)
    show(results)
    path = write_json(args, facts, results)
    print(f"\nall runs: {path}")
    if "bdwgc" not in binaries:
        print("skipped: the columns of bdwgc (there is no libgc-dev; make gc-bench gets it)")
        return 77
    return 0 if judge(results) else 1


if __name__ == "__main__":
    sys.exit(main())
