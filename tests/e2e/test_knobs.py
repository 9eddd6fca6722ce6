# SPDX-License-Identifier: MIT
"""Every knob at every value, alone and in pairs: it works, or -t says why it cannot."""

import itertools
import re
import subprocess

from e2e.harness import (BINARY, PATIENCE, WAIT_S, Server, check, check_equal, test,
                         wait_until)

KNOBS = {
    "slots_as": ("processes", "threads"),
    "heap": ("private", "shared"),
    "after_fork": ("inherit", "arena"),
    "pretouch": ("off", "parent", "child", "map"),
    "gc.marks": ("header", "side"),
    "gc.reuse": ("any", "page", "none"),
    "gc.schedule": ("stw", "incremental", "snapshot"),
    "gc.thp": ("default", "never", "always"),
    "cache.recency": ("inline", "side"),
    "cache.index": ("table", "hamt"),
    "fork.fallback": ("none", "threads"),
    "gc.percent": ("1", "400"),
    "gc.max_pause": ("100us", "10ms"),
    "gc.decay": ("0", "50ms"),
    "fork.rate": ("0", "20"),
    "fork.burst": ("1", "4"),
    "fork.max_unready": ("0", "1"),
    "fork.min_available": ("0", "1m"),
    "recycle.requests": ("0", "40"),
    "recycle.private": ("0", "256m"),
    "recycle.age": ("0", "1s"),
}
SETTINGS = [(name, value) for name, values in KNOBS.items() for value in values]
ORIGIN = {"origin": "synthetic", "synthetic.objects": "300", "synthetic.median": "4k",
          "cache_bytes": "1m", "synthetic.preload": "on"}


def refusal(mode, settings):
    """None when -t accepts, otherwise what it says."""
    words = [str(BINARY), "-t", "-m", mode]
    for name, value in settings:
        words += ["-o", f"{name}={value}"]
    got = subprocess.run(words, capture_output=True, text=True, timeout=WAIT_S * PATIENCE,
                         check=False)
    if got.returncode == 0:
        return None
    check_equal(got.returncode, 1, f"the exit code of {' '.join(words)}")
    return got.stderr


def serves_collects_and_reforks(mode, settings):
    with Server(options=ORIGIN | dict(settings), mode=mode, slots=2) as server:
        for number in range(0, 300, 5):
            check_equal(server.get(f"/o/{number}").status, 200, f"/o/{number} with {settings}")
        check_equal(server.admin_get("/ctl/gc", method="POST").status, 200, f"gc with {settings}")
        old = server.status()["generation"]
        check_equal(server.admin_get("/ctl/refork", method="POST").status, 200, "refork")
        wait_until(lambda: all(s["state"] == "ready" and s["generation"] > old
                               for s in server.status()["slots"]),
                   f"a new generation with {settings}")
        check_equal(server.get("/o/7").status, 200, f"/o/7 with {settings}")


@test
def each_knob_alone_works_or_is_refused_with_the_reason():
    served = refused = 0
    for mode, (name, value) in itertools.product(("naive", "shared"), SETTINGS):
        words = refusal(mode, [(name, value)])
        if words is None:
            serves_collects_and_reforks(mode, [(name, value)])
            served += 1
        else:
            check(name in words, f"{mode}, {name}={value}: the reason does not name it: {words}")
            refused += 1
    print(f"{served} settings served, collected and reforked; {refused} refused")
    check(served >= 40 and refused >= 4, f"{served} served, {refused} refused")


@test
def each_pair_of_knobs_is_accepted_or_refused_by_name():
    accepted, reasons = 0, set()
    pairs = [p for p in itertools.combinations(SETTINGS, 2) if p[0][0] != p[1][0]]
    if PATIENCE > 1:
        pairs = pairs[::12]
        print(f"{len(pairs)} pairs only: a sanitizer makes each start slow")
    for mode, pair in itertools.product(("naive", "arena", "shared"), pairs):
        words = refusal(mode, pair)
        if words is None:
            accepted += 1
            continue
        found = re.search(r"cowshed: (\S+) = (\S+) .*does not go with (\S+) = (\S+) .*: \S", words)
        check(found, f"{mode}, {pair}: the reason names no two settings: {words}")
        reasons.add((found.group(1, 2), found.group(3, 4)))
    print(f"{accepted} pairs accepted; refused for {len(reasons)} reasons")
    for left, right in sorted(reasons):
        print(f"  {' = '.join(left)} with {' = '.join(right)}")
    check(accepted > len(pairs) and len(reasons) >= 4, f"{accepted} accepted, {len(reasons)} reasons")


@test
def a_heap_with_snapshots_is_marked_by_children_of_its_owner():
    origin = ORIGIN | {"gc.schedule": "snapshot", "synthetic.objects": "5000",
                       "synthetic.median": "32k", "cache_bytes": "8m"}
    for mode, settings in (("arena", {}), ("naive", {"gc.marks": "side"})):
        with Server(options=origin | settings, mode=mode, slots=2) as server:
            numbers = itertools.cycle(range(5000))

            def every_owner_has_made_some(server=server, numbers=numbers):
                for number in itertools.islice(numbers, 100):
                    check_equal(server.get(f"/o/{number}").status, 200, f"/o/{number}")
                status = server.status()
                return all(gc["snapshots"] >= 3
                           for gc in (status["gc"], *(s["gc"] for s in status["slots"])))

            wait_until(every_owner_has_made_some, f"{mode}: snapshots of master and slots", 30)
            status = server.status()
            for who, gc in (("master", status["gc"]), *((s["pid"], s["gc"]) for s in status["slots"])):
                print(f"{mode}, {who}: {gc}")
                check(gc["cycles"] >= gc["snapshots"] - 1, f"{mode}, {who}: cycles end: {gc}")
                check_equal(gc["snapshot_failures"], 0, f"{mode}, {who}: snapshots that failed")
            metrics = server.admin_get("/metrics").body.decode()
            check(re.search(r"^cowshed_gc_snapshots_total [1-9]", metrics, re.M), metrics)
