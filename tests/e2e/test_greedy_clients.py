# SPDX-License-Identifier: MIT
"""Every buffer, count and wait has an end: what many, slow or greedy clients cost."""

import contextlib
import pathlib
import re
import resource

from e2e.harness import (BUILD, Server, Skip, check, check_equal, test, wait_until)

IDLE = 10_000
IDLE_BYTES_MAX = 10 << 20


def allow_files(n):
    """For this process, which plays the clients; the server raises its own limit."""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    if hard != resource.RLIM_INFINITY and hard < n:
        raise Skip(f"needs {n} open files, the hard limit is {hard}")
    resource.setrlimit(resource.RLIMIT_NOFILE, (n, hard))


def private_bytes(server):
    """What the workers have for themselves alone, in all."""
    total = 0
    for pid in set(server.workers().values()):
        text = pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="ascii")
        total += sum(int(kb) for kb in re.findall(r"^Private_\w+: +(\d+) kB", text, re.M))
    return total << 10


def connections(server):
    return sum(s["counters"]["connections"] for s in server.status()["slots"])


def ask_and_stay(server):
    conn = server.connect()
    check_equal(conn.request("/").status, 200, "the answer to a client that stays")
    return conn


@test
def ten_thousand_idle_connections_cost_less_than_ten_mebibytes():
    if "-" in BUILD.name:
        raise Skip("needs the allocator of libc")
    allow_files(IDLE + 500)
    with Server(slots=4) as server, contextlib.ExitStack() as stack:
        for _ in range(40):  # what is made for the first of them stays
            server.get("/")
        wait_until(lambda: connections(server) == 0, "the first clients to be gone")
        before = private_bytes(server)
        for _ in range(IDLE):
            stack.enter_context(ask_and_stay(server))
        wait_until(lambda: connections(server) == IDLE, f"{IDLE} connections")
        cost = private_bytes(server) - before
        print(f"{IDLE} idle connections: {cost >> 10} KiB, {cost / IDLE:.0f} bytes each",
              flush=True)
        check(cost < IDLE_BYTES_MAX, f"{IDLE} idle connections cost {cost} bytes")
        check(cost > IDLE * 100, f"{IDLE} connections cost {cost} bytes: that is not all of it")
