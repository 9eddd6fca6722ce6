# SPDX-License-Identifier: MIT
"""What -t says that a server comes to use at the most is not passed, and a limit holds."""

import contextlib
import pathlib
import random
import re

from e2e.harness import (BUILD, MODES, Conn, Server, Skip, check, check_equal, children,
                         run_cowshed, test, wait_until)

UNITS = {"": 1, "k": 1 << 10, "m": 1 << 20, "g": 1 << 30}
# A small cache that is filled many times over, and few connections: what is left is the heap.
OPTIONS = {"cache_bytes": "8m", "connections": 50, "miss_bytes": "1m", "cache.valid": "1h"}
FILES = 400


def need_plain_build():
    if "-" in BUILD.name:
        raise Skip("a sanitizer has memory of its own")


def worst_case(mode, slots):
    """{part: bytes} as -t tells them."""
    args = [f"-o{name}={value}" for name, value in OPTIONS.items()]
    code, _, err = run_cowshed("-t", "-m", mode, "-w", str(slots), "-o", "root=/", *args)
    check_equal(code, 0, "the exit code of -t")
    return {name: float(number) * UNITS[unit] for name, number, unit in
            re.findall(r"^cowshed:   (\S.*?) +([\d.]+)([kmg]?)  ", err, re.M)}


def pss(pid):
    """Its share of all that is mapped, and its page tables."""
    total = 0
    with contextlib.suppress(OSError):
        text = pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="ascii")
        total += int(re.search(r"^Pss: +(\d+) kB", text, re.M).group(1))
        text = pathlib.Path(f"/proc/{pid}/status").read_text(encoding="ascii")
        total += int(re.search(r"^VmPTE:\s+(\d+) kB", text, re.M).group(1))
    return total << 10


def in_use(server):
    return sum(pss(pid) for pid in (server.proc.pid, *children(server.proc.pid)))


def order(server, what):
    check_equal(server.admin_get(f"/ctl/{what}", method="POST").status, 200, f"the order {what}")


@test
def no_mode_comes_to_use_more_than_its_worst_case():
    need_plain_build()
    rng = random.Random(3)
    files = {f"{i}.bin": rng.randbytes(int(rng.lognormvariate(10.5, 1))) for i in range(FILES)}
    for mode in MODES:
        parts, most = worst_case(mode, 2), 0
        with Server(files, OPTIONS, mode=mode, slots=2) as server:
            for turn in range(3):
                with server.connect() as one, server.connect() as other:
                    for name in rng.sample(sorted(files), FILES):
                        for conn in (one, other):
                            got = conn.request(f"/{name}")
                            if got.header("connection") == "close":
                                check(False, f"a connection ended at {name}")
                            check(got.body == files[name], f"the bytes of {name}")
                    most = max(most, in_use(server))
                order(server, ("gc", "refork", "purge?url=*")[turn])
                most = max(most, in_use(server))
        print(f"mode {mode}: {most >> 20} of {parts['total'] / (1 << 20):.0f} MiB", flush=True)
        check(most <= parts["total"], f"mode {mode} used {most} bytes, the worst case is {parts}")
        check(most >= parts["total"] / 40, f"mode {mode} used {most} of {parts}: nothing is tried")


@test
def bodies_that_are_fetched_and_not_sent_have_a_limit():
    """Readers that take nothing of many different files: beyond miss_bytes they are sent from
    the disk, and each still arrives whole."""
    need_plain_build()
    number, size = 60, 900_000
    files = {f"{i}": bytes([i]) * size for i in range(number)}
    options = {"miss_bytes": "4m", "cache_bytes": "2m", "cache_object_max": "1m"}
    with Server(files, options) as server, contextlib.ExitStack() as stack:
        server.get("/0")
        pid = server.workers()[0]
        before = private(pid)
        conns = [stack.enter_context(Conn(server.address, receive_buffer=4096))
                 for _ in range(number)]
        for i, conn in enumerate(conns):
            conn.ask(f"/{i}")
        wait_until(lambda: server.slot(0)["counters"]["fetches"] >= number, "all fetches")
        cost = private(pid) - before
        check(cost < 16 << 20, f"{number} bodies of {size} bytes cost {cost}")
        for i, conn in enumerate(conns):
            got = conn.response()
            check(got.status == 200 and got.body == files[str(i)], f"the answer to /{i}")


def private(pid):
    text = pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="ascii")
    return sum(int(kb) for kb in re.findall(r"^Private_\w+: +(\d+) kB", text, re.M)) << 10


@test
def a_worst_case_over_memory_max_does_not_start():
    args = ("-o", "root=/", "-o", "memory_max=10m")
    code, _, err = run_cowshed("-t", *args)
    check(code == 1 and "memory_max = 10.0m (-o): the worst case" in err, f"-t: {code}: {err}")
    code, _, err = run_cowshed("-l", "127.0.0.1:0", "-o", "admin=off", *args)
    check(code == 2 and "memory_max = 10.0m (-o)" in err, f"start: {code}: {err}")
