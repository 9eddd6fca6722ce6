# SPDX-License-Identifier: MIT
"""Every buffer, count and wait has an end: what many, slow or greedy clients cost."""

import contextlib
import json
import os
import pathlib
import re
import resource
import select
import statistics
import subprocess
import threading
import time

from e2e.harness import (BUILD, PATIENCE, Conn, Server, Skip, check, check_equal, test,
                         wait_until)
from e2e.load import MEASURED, cowload, folder
from tools import find_tool

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


# --- too many -----------------------------------------------------------------------------

def start_head(server):
    """A client that never comes to the end of its request."""
    conn = server.connect()
    conn.send("GET / HTTP/1.1\r\nHost: ")
    return conn


def start_body(server):
    """One that sends a little of a body, and then no more."""
    conn = server.connect()
    conn.send("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\nabc")
    return conn


def shed(server):
    return sum(s["counters"]["shed"] for s in server.status()["slots"])


@test
def a_full_slot_lets_go_of_those_who_ask_for_nothing():
    options = {"connections": 20, "keepalive_timeout": "1h", "header_timeout": "1h",
               "body_timeout": "1h"}
    for kind, stay in (("idle", ask_and_stay), ("with half a head", start_head),
                       ("with half a body", start_body)):
        with Server(options=options) as server, contextlib.ExitStack() as stack:
            clients = [stack.enter_context(stay(server)) for _ in range(20)]
            wait_until(lambda s=server: connections(s) == 20, f"20 clients that are {kind}")
            newcomers = [stack.enter_context(server.connect()) for _ in range(5)]
            for conn in newcomers:
                check_equal(conn.request("/").status, 200,
                            f"the answer behind 20 clients that are {kind}")
            gone = [conn for conn in clients if is_closed(conn)]
            check(5 <= shed(server) <= 10, f"{shed(server)} were shed, {kind}")
            check(clients[0] in gone and clients[-1] not in gone,
                  "the oldest are not those who went")


def is_closed(conn):
    conn.sock.setblocking(False)
    try:
        return conn.sock.recv(1 << 16) is not None
    except BlockingIOError:
        return False


@test
def nobody_is_let_go_while_nobody_waits():
    options = {"connections": 5, "keepalive_timeout": "1h"}
    with Server(options=options) as server, contextlib.ExitStack() as stack:
        clients = [stack.enter_context(ask_and_stay(server)) for _ in range(5)]
        time.sleep(1.5 * PATIENCE)  # longer than an idle client is safe from being shed
        for conn in clients:
            check_equal(conn.request("/").status, 200, "the answer to a client of a full slot")
        check_equal(shed(server), 0, "connections shed")


@test
def one_client_gets_so_many_connections_and_no_more():
    with Server(options={"client_connections": 3}) as server, contextlib.ExitStack() as stack:
        first, *_ = [stack.enter_context(ask_and_stay(server)) for _ in range(3)]
        with server.connect() as conn:
            check(conn.ends(), "a fourth connection was served")
        server.wait_for_log("warn worker.*refused a connection of client 127.0.0.1: it has all")
        check_equal(server.slot(0)["counters"]["refused"], 1, "connections refused")
        first.close()
        wait_until(lambda: connections(server) == 2, "the first to be gone")
        ask_and_stay(server).close()


# --- too slow -----------------------------------------------------------------------------

SLOW = {"body_timeout": "300ms", "send_timeout": "300ms", "linger_timeout": "100ms"}


def too_slow(server):
    return server.slot(0)["counters"]["too_slow"]


@test
def a_body_that_comes_slower_than_rate_min_is_408():
    """Each of its bytes comes in time: only all of them are too few."""
    head = "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\n\r\n"
    with Server(options={**SLOW, "rate_min": "10k"}) as server, server.connect() as conn:
        conn.send(head)
        deadline = time.monotonic() + 30 * PATIENCE
        while not select.select([conn.sock], [], [], 0.02)[0]:
            conn.send("x" * 20)  # a kilobyte a second
            check(time.monotonic() < deadline, "a slow body is waited for")
        check_equal(conn.response().status, 408, "the answer to a slow body")
        check_equal(too_slow(server), 1, "clients that were too slow")
    with Server(options={**SLOW, "rate_min": "1k"}) as server, server.connect() as conn:
        conn.send(head)
        for _ in range(20):
            conn.send("x" * 5000)
            time.sleep(0.05)  # the client's own pace: 100 kB a second
        check_equal(conn.response().status, 405, "the answer to a body that comes in a second")


def read_at(conn, chunk, pause_s, most_s):
    """Bytes that arrive when so many are read at a time, until the end or for so long."""
    got, deadline = 0, time.monotonic() + most_s * PATIENCE
    while time.monotonic() < deadline:
        data = conn.sock.recv(chunk)
        if not data:
            return got
        got += len(data)
        time.sleep(pause_s)
    return got


@test
def a_reader_slower_than_rate_min_is_let_go():
    large = b"x" * 20_000_000
    with Server({"large": large}, {**SLOW, "rate_min": "100m"}) as server:
        with Conn(server.address, receive_buffer=16384) as conn:
            conn.send("GET /large HTTP/1.1\r\nHost: x\r\n\r\n")
            with contextlib.suppress(ConnectionResetError):
                got = read_at(conn, 65536, 0.02, 20.0)
                check(got < len(large), "a slow reader got everything")
            wait_until(lambda: too_slow(server) == 1, "it to be told as too slow")


@test
def a_slow_reader_that_goes_on_reading_is_not_one_that_takes_nothing():
    """The kernel says that there is room only when a third of megabytes is free, which takes
    this reader many times its send_timeout."""
    large = b"x" * 12_000_000
    with Server({"large": large}, {**SLOW, "rate_min": "1k"}) as server:
        with Conn(server.address, receive_buffer=16384) as conn:
            conn.send("GET /large HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
            got = read_at(conn, 16384, 0.01, 60.0)
        check(got > len(large), f"{got} of {len(large)} bytes came")
        check_equal(server.slot(0)["counters"]["timeouts"] + too_slow(server), 0, "clients given up")


class SlowReaders(threading.Thread):
    """Many clients that have asked for much and take a little of it now and then."""

    def __init__(self, server, count):
        super().__init__(daemon=True)
        self.conns = []
        self.over = threading.Event()
        self.taken = 0
        for _ in range(count):
            conn = Conn(server.address, receive_buffer=4096)
            conn.send("GET /large HTTP/1.1\r\nHost: x\r\n\r\n")
            self.conns.append(conn)

    def run(self):
        # they stand for clients elsewhere: they take no processor from server and generator
        os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))
        while not self.over.is_set():
            for conn in self.conns:
                self.taken += len(conn.sock.recv(500))
                if self.over.wait(0.001):
                    break

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        self.over.set()
        self.join()
        for conn in self.conns:
            conn.close()


def p99_us(server):
    with folder() as out:
        cowload("-R", 5000, "-d", "2s", "-c", 16, "--json", out / "json",
                f"http://{server.ready['listen']}/index.html", codes=MEASURED)
        result = json.loads((out / "json").read_text())
    check_equal(result["counts"]["ok"], result["counts"]["planned"], "requests that were answered")
    return result["latency"]["all"]["percentiles_ns"]["p99"] / 1e3


def ratio_beside_slow_readers(server):
    """Of p99 with them and without, in short runs in turns. A virtual machine that stands still adds
    to some of the runs and takes from none, and slow readers add to each: so the lower quartile."""
    alone, beside = [], []
    for _ in range(4):
        alone += [p99_us(server) for _ in range(2)]
        with SlowReaders(server, 1000) as readers:
            wait_until(lambda: connections(server) >= 1000, "1000 slow readers")
            beside += [p99_us(server) for _ in range(2)]
        check(readers.taken > 0, "the slow readers did not read")
        wait_until(lambda: connections(server) == 0, "the slow readers to be gone")
    ratio = statistics.quantiles(beside)[0] / statistics.quantiles(alone)[0]
    print(f"p99 in us alone {sorted(map(round, alone))}, beside 1000 slow readers "
          f"{sorted(map(round, beside))}: {ratio:.2f} times", flush=True)
    return ratio


@test
def a_thousand_slow_readers_do_not_make_the_others_wait():
    """What they do to the others would show in each of three rounds; what the machine does, not."""
    if "-" in BUILD.name:
        raise Skip("a sanitizer makes a tail of its own")
    allow_files(2500)
    files = {"index.html": b"<p>hello\n", "large": b"x" * 1_000_000}
    with Server(files, {"cache_object_max": "4m"}, slots=2) as server:
        server.get("/large")
        server.wait_for_cached()
        ratios = []
        while len(ratios) < 3 and (not ratios or ratios[-1] > 1.2):
            ratios.append(ratio_beside_slow_readers(server))
        check_equal(sum(s["counters"]["too_slow"] for s in server.status()["slots"]), 0,
                    "slow readers that were let go")
        check(min(ratios) <= 1.2, f"with slow readers p99 is {ratios} times as long")


# --- what runs out and comes back ------------------------------------------------------------

@contextlib.contextmanager
def limited(pid, what, soft):
    before = resource.prlimit(pid, what)
    resource.prlimit(pid, what, (soft, before[1]))
    try:
        yield
    finally:
        resource.prlimit(pid, what, before)


@test
def a_worker_without_descriptors_loses_no_connection_and_recovers():
    with Server(options={"keepalive_timeout": "1h"}) as server, contextlib.ExitStack() as stack:
        clients = [stack.enter_context(ask_and_stay(server)) for _ in range(10)]
        pid = server.workers()[0]
        with limited(pid, resource.RLIMIT_NOFILE, server.count_worker_fds()):
            late = [stack.enter_context(server.connect()) for _ in range(8)]
            for conn in late:
                conn.ask("/")
            server.wait_for_log("could not accept connections for now: too many open files")
            for conn in clients[-3:]:
                check_equal(conn.request("/").status, 200, "the answer to who is there")
        for conn in late:
            check_equal(conn.response().status, 200, "the answer to who had to wait")
        check_equal(server.workers()[0], pid, "the worker")


@test
def a_worker_without_memory_loses_no_connection_and_recovers():
    """Its address space may not grow: what it has free is soon used up."""
    if "-" in BUILD.name:
        raise Skip("a sanitizer takes terabytes of address space")
    allow_files(5000)
    with Server(options={"keepalive_timeout": "1h"}) as server, contextlib.ExitStack() as stack:
        check_equal(server.get("/").status, 200, "the first answer")
        pid = server.workers()[0]
        status = pathlib.Path(f"/proc/{pid}/status").read_text(encoding="ascii")
        size = int(re.search(r"VmSize:\s+(\d+) kB", status).group(1)) << 10
        with limited(pid, resource.RLIMIT_AS, size):
            conns = [stack.enter_context(server.connect()) for _ in range(900)]
            for conn in conns:  # halves of requests hold their buffers
                conn.send("GET / HTTP/1.1\r\nHost: x\r\nX: ")
            wait_until(lambda: heartbeat_is_young(server), "the loop to turn")
            wait_until(lambda: connections(server) > 50, "some connections to be taken")
            seen = wait_until(lambda s=server: settled(lambda: connections(s)),
                              "no more connections to be taken")
            check(seen < 900, "memory was never short")
        for conn in conns:
            conn.send("y\r\n\r\n")
        for number, conn in enumerate(conns):
            check_equal(conn.response().status, 200, f"the answer to connection {number}")
        check_equal(server.workers()[0], pid, "the worker")


def heartbeat_is_young(server):
    return server.slot(0)["state"] == "ready"


def settled(value):
    before = value()
    time.sleep(0.3)
    return before if value() == before else 0


# --- attacks that others have written ---------------------------------------------------------

ATTACKS = {
    "slow heads": ("-H", "-x", "24"),
    "slow bodies": ("-B", "-s", "8192", "-t", "POST", "-x", "10"),
    "slow reading": ("-X", "-w", "10", "-y", "20", "-n", "5", "-z", "32", "-k", "3"),
    "many ranges": ("-R", "-a", "10", "-b", "300"),
}


@test
def slowhttptest_does_not_keep_others_out():
    """More attackers than half of the connections; somebody else asks all the time."""
    tool = find_tool("slowhttptest")
    if tool is None:
        raise Skip("needs slowhttptest: .ci/deps install tools")
    files = {"index.html": b"x" * 200_000}
    with Server(files, {"connections": 300}) as server:
        for name, args in ATTACKS.items():
            argv = [tool, "-c", "200", *args, "-i", "1", "-r", "200", "-p", "3", "-l", "3",
                    "-u", f"http://{server.ready['listen']}/index.html"]
            with subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                                  stderr=subprocess.DEVNULL) as attack:
                asked = 0
                while attack.poll() is None:
                    begin = time.monotonic()
                    check_equal(server.get("/").status, 200, f"the answer beside {name}")
                    took = time.monotonic() - begin
                    check(took < 2 * PATIENCE, f"the answer beside {name} took {took:.1f} s")
                    asked += 1
            check(asked > 10, f"only {asked} answers came beside {name}")
