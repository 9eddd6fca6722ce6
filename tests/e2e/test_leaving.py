# SPDX-License-Identifier: MIT
"""The server leaves, and nobody notices: TERM, QUIT, kills in between, a dead master."""

import contextlib
import os
import signal
import threading
import time

from e2e.harness import (MODES, Conn, Failure, Server, check, check_equal, children, paused, test,
                         wait_until)

GET = "GET / HTTP/1.1\r\nHost: x\r\n\r\n"
QUEUED = 20
BRIEF = {"linger_timeout": "100ms"}  # these clients close late


def is_refused(server):
    """Nobody listens any more."""
    try:
        with Conn(server.address, timeout=5):
            return False
    except ConnectionRefusedError:
        return True


def stop_workers(stack, server):
    """They do not run until the stack ends, so that who connects stays in the queue."""
    for pid in set(server.workers().values()):
        stack.enter_context(paused(pid))


def ask_and_wait_in_the_queue(stack, server):
    conns = [stack.enter_context(server.connect()) for _ in range(QUEUED)]
    for conn in conns:
        conn.send(GET)
    return conns


def check_served(conns, what):
    """Each gets its answer, as the last of its connection."""
    for number, conn in enumerate(conns):
        got = conn.response()
        check_equal((got.status, got.body), (200, b"<p>hello\n"), f"answer {number} {what}")
        check_equal(got.header("connection"), "close", f"the connection of answer {number} {what}")
        check(conn.ends(), f"connection {number} stays open {what}")


@test
def before_the_door_is_shut_all_goes_on_but_readyz():
    with Server(options={"drain_delay": "1h"}) as server, server.connect() as kept:
        kept.request()
        server.signal(signal.SIGTERM)
        wait_until(lambda: server.admin_get("/readyz").body == b"draining\n", "readyz to say no")
        check_equal(server.admin_get("/readyz").status, 503, "the status of /readyz")
        check_equal(server.admin_get("/livez").status, 200, "the status of /livez")
        for conn in (kept, server.connect()):
            for _ in range(2):
                got = conn.request()
                check_equal((got.status, got.header("connection")), (200, None), "the answer")
        victim = server.workers()[0]
        os.kill(victim, signal.SIGKILL)
        wait_until(lambda: server.workers()[0] != victim, "a replacement")
        check_equal(server.get("/").status, 200, "the status of the replacement")
        for order in ("reload", "refork"):
            got = server.admin_get(f"/ctl/{order}", method="POST")
            check_equal((got.status, got.body), (503, b"the server leaves\n"), order)
        server.signal(signal.SIGTERM)
        check_equal(server.wait_for_exit(), 0, "the exit code")
        check(is_refused(server), "somebody listens")


@test
def the_delay_is_as_long_as_it_is_said_to_be():
    with Server(options={"drain_delay": "700ms"}) as server:
        server.signal(signal.SIGTERM)
        server.wait_for_log("SIGTERM: not ready any more; draining begins in 700 ms")
        begin = time.monotonic()
        check_equal(server.wait_for_exit(), 0, "the exit code")
        check(time.monotonic() - begin > 0.6, "it left before")
        check("drain_delay is over" in server.log(), "no word of it")


@test
def quit_and_int_have_no_delay_and_the_third_term_ends_all():
    options = {"drain_delay": "1h", "drain_timeout": "1h", "send_timeout": "1h"}
    for signals in ((signal.SIGQUIT,), (signal.SIGTERM, signal.SIGQUIT), (signal.SIGINT,)):
        with Server(options=options) as server:
            for number in signals:
                server.signal(number)
                server.wait_for_log(number.name)
            check_equal(server.wait_for_exit(), 0, f"the exit code after {signals}")
    with Server({"big": b"b" * (16 << 20)}, options) as server, server.connect() as conn:
        conn.send("GET /big HTTP/1.1\r\nHost: x\r\n\r\n")
        conn.read_until(b"\r\n\r\n", "a head")
        for words in ("not ready any more", "SIGTERM: draining", "SIGTERM again: leaving now"):
            check(server.proc.poll() is None, f"it left before '{words}'")
            server.signal(signal.SIGTERM)
            server.wait_for_log(words)
        check_equal(server.wait_for_exit(), 0, "the exit code")


@test
def who_is_queued_when_term_comes_is_served():
    for mode in MODES:
        with Server(mode=mode, slots=2, options=BRIEF) as server, contextlib.ExitStack() as stack:
            with contextlib.ExitStack() as stopped:
                stop_workers(stopped, server)
                conns = ask_and_wait_in_the_queue(stack, server)
                server.signal(signal.SIGTERM)
                server.wait_for_log("SIGTERM: draining")
            check_served(conns, f"in mode {mode}")
            check_equal(server.wait_for_exit(), 0, "the exit code")
            check(is_refused(server), "somebody listens")


@test
def who_is_queued_is_served_by_the_next_worker_when_the_last_is_killed():
    for mode in MODES:
        with Server(mode=mode, slots=1, options=BRIEF) as server, contextlib.ExitStack() as stack:
            with contextlib.ExitStack() as stopped:
                stop_workers(stopped, server)
                conns = ask_and_wait_in_the_queue(stack, server)
                server.signal(signal.SIGTERM)
                server.wait_for_log("SIGTERM: draining")
                os.kill(server.workers()[0], signal.SIGKILL)
            check_served(conns, f"in mode {mode}")
            check_equal(server.wait_for_exit(), 0, "the exit code")


@test
def who_is_queued_when_the_master_is_killed_is_served():
    for mode in MODES:
        with Server(mode=mode, slots=2, options=BRIEF, exit_code=-signal.SIGKILL) as server, \
                contextlib.ExitStack() as stack:
            with contextlib.ExitStack() as stopped:
                stop_workers(stopped, server)
                conns = ask_and_wait_in_the_queue(stack, server)
                server.proc.kill()
                server.proc.wait()  # its end is what lets them run again
            check_served(conns, f"in mode {mode}")
            wait_until(lambda s=server: not s.leftovers(), "the orphans to leave")
            check(is_refused(server), "somebody listens")


class Caller(threading.Thread):
    """Connects again and again, a request on each connection, until it is refused."""

    def __init__(self, server):
        super().__init__()
        self.server, self.answers, self.wrong = server, 0, []

    def run(self):
        while True:
            try:
                conn = self.server.connect()
            except (ConnectionRefusedError, TimeoutError):
                return
            with conn:
                try:
                    check_equal(conn.request().body, b"<p>hello\n", "the answer")
                    self.answers += 1
                except (OSError, Failure) as fault:
                    self.wrong.append(f"{type(fault).__name__}: {fault}")
                    return


@test
def who_could_connect_is_answered_to_the_last():
    for mode in ("shared", "threads", "naive"):
        with Server(mode=mode, slots=2) as server:
            callers = [Caller(server) for _ in range(8)]
            for caller in callers:
                caller.start()
            wait_until(lambda c=callers: min(x.answers for x in c) > 20, "load from each")
            server.signal(signal.SIGTERM)
            for caller in callers:
                caller.join()
            wrong = [word for caller in callers for word in caller.wrong]
            check(not wrong, f"mode {mode}: {wrong}")
            check_equal(server.wait_for_exit(), 0, "the exit code")


@test
def a_slot_that_is_full_does_not_hold_up_the_end():
    """The queue is emptied into connections that end with their answers."""
    with Server(slots=1, options={"connections": 2}) as server, contextlib.ExitStack() as stack:
        holders = [stack.enter_context(server.connect()) for _ in range(2)]
        for conn in holders:
            conn.request()
        conns = ask_and_wait_in_the_queue(stack, server)
        server.signal(signal.SIGTERM)
        check_served(conns, "behind a full slot")
        check_equal(server.wait_for_exit(), 0, "the exit code")
        check_equal(children(os.getpid()), [], "processes that are left")
