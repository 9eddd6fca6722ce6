# SPDX-License-Identifier: MIT
"""A worker killed in the middle of a send leaves nothing pinned, locked or leaked."""

import contextlib
import os
import signal

from e2e.harness import Conn, Server, check, check_equal, test, wait_until

BIG = 6 << 20  # more than the socket buffers of loopback take
ROUNDS = 5


def pinned(server):
    return sum(slot["counters"]["pins"] for slot in server.status()["slots"])


def slots_that_send(server):
    return [s for s in server.status()["slots"] if s["counters"]["pins"] > 0]


@test
def a_worker_killed_in_a_send_leaves_nothing_pinned_or_locked():
    options = {"cache_object_max": "8m", "cache_bytes": "32m", "cache.valid": "1h",
               "fork.rate": 0, "fork.max_unready": 0}
    with Server({"big": os.urandom(BIG), "small": b"x"}, options, "shared", slots=4) as server:
        check_equal(len(server.get("/big").body), BIG, "the length")
        server.wait_for_cached()
        check_equal(server.admin_get("/ctl/gc", method="POST").status, 200, "gc")
        before = server.status()
        kills = 0
        for number in range(ROUNDS):
            with contextlib.ExitStack() as stack:
                for _ in range(8):
                    conn = stack.enter_context(Conn(server.address))
                    conn.send("GET /big HTTP/1.1\r\nHost: x\r\n\r\n")
                    conn.read_exactly(1000, "the beginning")
                victims = {s["pid"] for s in wait_until(
                    lambda: slots_that_send(server), f"a pin in round {number}")}
                for pid in victims:
                    os.kill(pid, signal.SIGKILL)
                kills += len(victims)
                # A slot whose worker dies again and again waits longer each time.
                wait_until(lambda dead=victims: all(
                    s["state"] == "ready" and s["pid"] not in dead
                    for s in server.status()["slots"]), "replacements")
            check_equal(server.admin_get("/ctl/gc", method="POST").status, 200, "gc after a kill")
        after = wait_until(lambda: (lambda s: s if s["gc"]["lag_us"] == 0 else None)(
            server.status()), "no reader to be waited for")
        wait_until(lambda: pinned(server) == 0, "no entry to be pinned")
        check(after["gc"]["cycles"] >= before["gc"]["cycles"] + ROUNDS, "collections did not end")
        check_equal(after["gc"]["live"], before["gc"]["live"], "live bytes after the kills")
        check_equal(server.admin_get("/ctl/purge?url=*", method="POST").status, 200, "purge")

        def is_empty():  # a collection waits for readers that do not run just now
            check_equal(server.admin_get("/ctl/gc", method="POST").status, 200, "gc")
            return server.status()["gc"]["live"] < 1 << 20

        wait_until(is_empty, "nothing to be live in an empty cache: something stays pinned")
        print(f"{kills} workers killed in a send; {after['gc']['cycles']} collections, "
              f"{server.status()['gc']['live']} bytes live at the end")
