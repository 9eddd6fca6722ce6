# SPDX-License-Identifier: MIT
"""Connections are shared out evenly, and one worker wakes up for each."""

import contextlib
import os
import re

from e2e.harness import MODES, Server, check, check_equal, paused, test, wait_until
from e2e.load import MEASURED, cowload


def accepted(server):
    return [slot["counters"]["accepted"] for slot in server.status()["slots"]]


@test
def four_slots_have_as_many_requests_each_from_64_connections():
    """All of them come at once."""
    for mode in MODES:
        with Server(mode=mode, slots=4) as server:
            url = "http://{}:{}/".format(*server.address)
            cowload("-t", 1, "-c", 64, "-R", 2000, "-d", "1500ms", url, codes=MEASURED)
            requests = [slot["requests"] for slot in server.status()["slots"]]
            check(max(requests) <= 1.25 * min(requests), f"mode {mode}: {requests} requests")
            check_equal(sum(accepted(server)), 64, "connections")


@test
def who_has_lost_some_gets_the_next_ones():
    with Server(slots=4) as server, contextlib.ExitStack() as stack:
        conns = {n: [] for n in range(4)}
        for _ in range(40):
            conn = stack.enter_context(server.connect())
            got = conn.request("/", headers=[("X-Cowshed-Timing", "1")])
            conns[int(re.search(r'w;desc="(\d+)\.', got.header("server-timing")).group(1))].append(conn)
        counts = [len(c) for c in conns.values()]
        check(min(counts) >= 9 and max(counts) <= 11, f"one after the other: {counts}")
        for conn in conns[2]:
            conn.close()
        wait_until(lambda: server.slot(2)["counters"]["connections"] == 0, "them to end")
        taken = 0
        for _ in range(10):
            conn = stack.enter_context(server.connect())
            got = conn.request("/", headers=[("X-Cowshed-Timing", "1")])
            taken += 'w;desc="2.' in got.header("server-timing")
        check(taken >= 7, f"{taken} of 10: the other three may each have been in accept() already")


@test
def a_stopped_slot_keeps_nobody_waiting_for_long():
    with Server(slots=3) as server, contextlib.ExitStack() as stack:
        for _ in range(6):
            stack.enter_context(server.connect()).request("/")
        with paused(server.workers()[1]):
            answered = 0
            waiting = []
            for _ in range(20):  # it may hold what it had accepted or was woken for
                conn = stack.enter_context(server.connect(timeout=3))
                conn.ask("/")
                waiting.append(conn)
            for conn in waiting:
                with contextlib.suppress(Exception):
                    check_equal(conn.response().status, 200, "the status")
                    answered += 1
            check(answered >= 18, f"{answered} of 20 were answered meanwhile")


def switches(server):
    """Times that an acceptor of a worker went to sleep."""
    total = 0
    for pid in set(server.workers().values()):
        for tid in os.listdir(f"/proc/{pid}/task"):
            with open(f"/proc/{pid}/task/{tid}/comm", encoding="ascii") as file:
                if file.read().strip() != "accept":
                    continue
            with open(f"/proc/{pid}/task/{tid}/status", encoding="ascii") as file:
                total += int(re.search(r"^voluntary_ctxt_switches:\s+(\d+)", file.read(), re.M).group(1))
    return total


@test
def one_worker_wakes_up_for_a_connection():
    with Server(slots=8) as server, contextlib.ExitStack() as stack:
        stack.enter_context(server.connect()).request("/")
        before = switches(server)
        for _ in range(200):
            stack.enter_context(server.connect()).request("/")
        woken = switches(server) - before
        check(200 <= woken <= 1.2 * 200, f"{woken} times an acceptor slept for 200 connections")
