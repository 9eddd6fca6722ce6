# SPDX-License-Identifier: MIT
"""Workers whose loop does not turn, and what those leave behind that a signal ends."""

import ctypes
import os
import re
import signal
import threading
import time

from e2e.harness import MODES, Server, Failure, check, check_equal, test, wait_until

LIBC = ctypes.CDLL(None)
FRAME = re.compile(r"slot (\d) pid (\d+) #\d+ (\S+\+0x[0-9a-f]+(?: \(\S+\))?)$", re.M)


def strike(pid, thread, number):
    """The signal goes to the thread of that name, or to the first one."""
    for tid in os.listdir(f"/proc/{pid}/task"):
        with open(f"/proc/{pid}/task/{tid}/comm", encoding="ascii") as file:
            if file.read().strip() == thread or (thread is None and int(tid) == pid):
                check_equal(LIBC.tgkill(pid, int(tid), number), 0, "the result of tgkill()")
                return
    raise Failure(f"no thread '{thread}' in {pid}")


@test
def a_worker_that_hangs_is_killed_and_replaced_in_every_mode():
    for mode in MODES:
        with Server(mode=mode, slots=2, options={"hang_timeout": "1s"}) as server:
            before = server.workers()
            os.kill(before[1], signal.SIGSTOP)
            server.wait_for_log(r"slot \d generation 1 pid \d+ has not turned its loop for 1")
            wait_until(lambda: server.workers().get(1) not in (None, before[1]), "a replacement")
            wait_until(lambda: server.get("/").status == 200, "an answer")
            check(server.status()["hangs"] >= 1, "the count of hangs")
            check("cowshed_worker_hangs_total" in server.admin_get("/metrics").body.decode(),
                  "no metric of hangs")


@test
def who_turns_its_loop_is_left_alone_and_so_are_all_when_the_master_stood_still():
    """A worker is not late because nobody looked at it."""
    with Server(slots=2, options={"hang_timeout": "1s"}) as server:
        before = server.workers()
        family = [server.proc.pid, *before.values()]
        for pid in family:
            os.kill(pid, signal.SIGSTOP)
        time.sleep(3)  # longer than hang_timeout: this is what is tested
        for pid in family:
            os.kill(pid, signal.SIGCONT)
        for _ in range(20):
            check_equal(server.get("/").status, 200, "the status")
            time.sleep(0.05)
        check_equal(server.workers(), before, "the workers")
        check_equal(server.status()["hangs"], 0, "the count of hangs")


@test
def with_hang_timeout_0_nobody_is_killed():
    with Server(slots=2, options={"hang_timeout": "0"}) as server:
        hung = server.workers()[1]
        os.kill(hung, signal.SIGSTOP)
        wait_until(lambda: server.slot(1)["heartbeat_age_ms"] > 2500, "an old heartbeat")
        os.kill(hung, signal.SIGCONT)
        wait_until(lambda: server.slot(1)["heartbeat_age_ms"] < 1000, "a young one")
        check_equal(server.workers()[1], hung, "the worker")


@test
def a_crash_is_told_with_its_signal_the_request_and_where_it_was():
    for mode in ("shared", "threads", "naive"):
        with Server({"big": b"b" * (16 << 20)}, mode=mode, slots=1) as server, \
                server.connect() as conn:
            conn.send("GET /big HTTP/1.1\r\nHost: x\r\n\r\n")
            conn.read_until(b"\r\n\r\n", "a head")
            victim = server.workers()[0]
            strike(victim, "slot 0" if mode == "threads" else None, signal.SIGBUS)
            server.wait_for_log(r"was killed by SIGBUS \(7\)")
            server.wait_for_log(rf"slot 0 pid {victim} #\d+ libc\S+\+0x")
            frames = [frame for _, pid, frame in FRAME.findall(server.log()) if int(pid) == victim]
            check(any("cowshed+0x" in frame for frame in frames), f"no frame of ours: {frames}")
            check(any("(" in frame for frame in frames), f"no name of a function: {frames}")
            check("request in hand: GET /big" in server.log(), "the request is not named")
            wait_until(lambda: server.workers().get(0) not in (None, victim), "a replacement")


@test
def a_master_that_crashes_says_where():
    with Server(slots=1, exit_code=-signal.SIGSEGV) as server:
        server.signal(signal.SIGSEGV)
        server.wait_for_exit()
        check(f"cowshed: {server.proc.pid} is killed by a signal" in server.log(), "no word of it")
        check(re.search(r" #\d+ cowshed\+0x[0-9a-f]+ \(master_run\+", server.log()), "no frame")
        wait_until(lambda: not server.leftovers(), "the orphans to leave")
