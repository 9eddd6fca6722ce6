# SPDX-License-Identifier: MIT
"""A worker that is stopped in the middle of a lookup, in mode shared: the heap grows, then
nothing is stored any more, then the worker is killed, and everything goes on."""

import contextlib
import os
import signal
import socket
import threading
import time

from e2e.harness import Server, check, check_equal, test, wait_until

OPTIONS = {"origin": "synthetic", "synthetic.objects": 3000, "synthetic.median": "1k",
           "synthetic.preload": "on", "cache_bytes": "2m", "gc.stress": "on", "gc.reader_timeout": "1s",
           "fork.rate": 0, "access_log": "off"}
BATCH = b"".join(b"GET /o/%d HTTP/1.1\r\nHost: x\r\n\r\n" % n for n in range(200))
TRIES = 600


def load(sock, stop):
    """Lookups, again and again, until the worker is killed."""
    with contextlib.suppress(OSError):
        while not stop.is_set():
            sock.sendall(BATCH)
            sock.recv(1 << 20, socket.MSG_DONTWAIT)


def end(sock):
    """Wakes who waits for it; the worker may be gone already."""
    with contextlib.suppress(OSError):
        sock.shutdown(socket.SHUT_RDWR)


def lag_us(server):
    return server.status()["gc"]["lag_us"]


def stop_in_a_lookup(server, pid, other):
    """Stops it again and again, until a collection waits for it; how often. What `other`,
    a connection to the other slot, fetches meanwhile makes the master collect."""
    for number in range(TRIES):
        os.kill(pid, signal.SIGSTOP)
        other.sendall(b"".join(b"GET /o/%d HTTP/1.1\r\nHost: x\r\n\r\n" % (number * 5 + n)
                               for n in range(5)))
        time.sleep(0.01)
        if lag_us(server) > 0:
            time.sleep(0.05)  # a worker that runs would have left its epoch long ago
            if lag_us(server) > 50_000:
                return number + 1
        os.kill(pid, signal.SIGCONT)
        time.sleep(0.002)
    raise AssertionError(f"no collection waited for pid {pid} in {TRIES} stops")


@test
def a_worker_that_is_stopped_in_a_lookup_is_killed_and_replaced():
    with Server({}, OPTIONS, "shared", slots=2) as server, contextlib.ExitStack() as stack:
        victim = server.status()["slots"][0]["pid"]
        stop = threading.Event()
        stack.callback(stop.set)
        for _ in range(4):
            sock = server.connect_to_slot(0, "/o/0").sock
            thread = threading.Thread(target=load, args=(sock, stop))
            thread.start()
            stack.callback(thread.join)
            stack.callback(end, sock)
            stack.callback(stop.set)
        stops = stop_in_a_lookup(server, victim, server.connect_to_slot(1, "/o/0").sock)
        begin = time.monotonic()

        def replaced():
            slot = server.status()["slots"][0]
            return slot["state"] == "ready" and slot["pid"] != victim

        wait_until(replaced, "another worker in the slot")
        took = time.monotonic() - begin
        check(took > 0.5, f"it was killed after {took:.2f} s, long before gc.reader_timeout")
        check("has kept the collector waiting for" in server.log(), "nothing was logged")
        check_equal(server.get("/o/7").status, 200, "the status")
        wait_until(lambda: lag_us(server) == 0, "collections to go on")
        print(f"stopped {stops} times until it was in a lookup; replaced after {took:.2f} s")
