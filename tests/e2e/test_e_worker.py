# SPDX-License-Identifier: MIT
"""Workers from outside: budgets, slow clients, deaths, drains, the access log."""

import contextlib
import os
import pathlib
import re
import signal
import socket
import threading

from e2e.harness import MODES, Failure, Kept, Server, check, check_equal, test, wait_until

SMALL = {f"f{i}.txt": f"file {i}\n".encode() * (i + 1) for i in range(40)}
LARGE = bytes(i * 31 % 253 for i in range(5 << 20))


class Crowd:
    """Threads that fetch known files on kept connections until they are told to stop.

    A response that is wrong is a failure; one that does not come, or not whole, is counted."""

    def __init__(self, server, files, clients):
        self.server = server
        self.files = list(files.items())
        self.stop = threading.Event()
        self.failures = []
        self.responses = 0
        self.lost = []
        self.lock = threading.Lock()
        self.threads = [threading.Thread(target=self._run, args=(n,)) for n in range(clients)]

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self.stop.set()
        for thread in self.threads:
            thread.join()

    def _run(self, n):
        at = n
        with Kept(self.server) as client:
            while not self.stop.is_set():
                name, content = self.files[at % len(self.files)]
                at += 1
                try:
                    got = client.request("/" + name)
                    with self.lock:
                        self.responses += 1
                    if got.status != 200 or got.body != content:
                        self.failures.append(f"/{name}: {got}")
                except (Failure, OSError) as error:
                    self.lost.append(repr(error))

    def wait_for(self, more):
        want = self.responses + more
        wait_until(lambda: self.responses >= want, f"{more} more responses")


@test
def a_client_that_pipelines_a_thousand_requests_gets_all_answers_in_order():
    for mode in MODES:
        with Server(SMALL, mode=mode) as server, server.connect() as conn:
            names = [f"f{i % 40}.txt" for i in range(1000)]
            sender = threading.Thread(target=conn.send, args=(
                "".join(f"GET /{n} HTTP/1.1\r\nHost: t\r\n\r\n" for n in names),))
            sender.start()
            for n in names:
                check_equal(conn.response().body, SMALL[n], f"mode {mode}: {n}")
            sender.join()


@test
def a_slow_client_gets_a_large_body_whole_and_holds_up_nobody():
    for mode in MODES:
        files = {"big.bin": LARGE, "mid.bin": LARGE[:900_000], **SMALL}
        with Server(files, mode=mode) as server:
            slow = []
            for name in ("big.bin", "mid.bin", "mid.bin"):
                conn = server.connect()
                conn.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 32768)
                conn.send(f"GET /{name} HTTP/1.1\r\nHost: t\r\n\r\n")
                slow.append((name, conn))
            for name, content in SMALL.items():
                check_equal(server.get("/" + name).body, content, f"mode {mode}: {name}")
            for name, conn in slow:
                check(conn.response().body == files[name], f"mode {mode}: {name} differs")
                conn.close()


@test
def a_refork_under_load_costs_no_response():
    for mode in MODES:
        with Server(SMALL, mode=mode, slots=2, fds_may_grow=True) as server:
            with Crowd(server, SMALL, 8) as crowd:
                for _ in range(3):
                    crowd.wait_for(100)
                    before = server.log().count("is ready")
                    server.signal(signal.SIGURG)
                    wait_until(lambda n=before: server.log().count("is ready") >= n + 2,
                               f"two new workers in mode {mode}")
                crowd.wait_for(100)
            check(not crowd.failures, f"mode {mode}: {crowd.failures[:3]}")
            check(not crowd.lost, f"mode {mode}: lost {crowd.lost[:3]}")


@test
def workers_that_are_recycled_all_the_time_lose_nothing():
    with Server(SMALL, slots=2, options={"recycle.requests": "150"},
                fds_may_grow=True) as server:
        with Crowd(server, SMALL, 8) as crowd:
            wait_until(lambda: server.log().count("is ready") >= 8, "three rounds of workers")
        check(not crowd.failures, str(crowd.failures[:3]))
        check(not crowd.lost, f"lost {crowd.lost[:3]}")


def has_open(pid, path):
    """Descriptors come and go meanwhile."""
    for entry in pathlib.Path(f"/proc/{pid}/fd").iterdir():
        with contextlib.suppress(FileNotFoundError):
            if os.readlink(entry) == str(path):
                return True
    return False


@test
def the_access_log_has_one_whole_line_per_request_and_can_be_rotated():
    line = re.compile(r'127\.0\.0\.1 - - \[\d\d/\w{3}/\d{4}:\d\d:\d\d:\d\d \+0000\] '
                      r'"GET /f\d+\.txt HTTP/1\.1" 200 \d+ "-" "agent \\x22q\\x22"')
    with Server(SMALL, slots=2, options={"access_log": "access.log"},
                fds_may_grow=True) as server:
        log, old = server.folder / "access.log", server.folder / "access.log.1"

        def ask(times):
            with server.connect() as conn:
                for i in range(times):
                    conn.request(f"/f{i % 40}.txt", headers=[("User-Agent", 'agent "q"')])

        def lines(path):
            return path.read_text().splitlines() if path.exists() else []

        ask(300)
        wait_until(lambda: len(lines(log)) == 300, "300 lines")
        log.rename(old)
        server.signal(signal.SIGUSR1)
        wait_until(lambda: all(has_open(pid, log) for pid in server.workers().values()),
                   "the new log to be open in both slots")
        ask(200)
        wait_until(lambda: len(lines(log)) == 200, "200 lines in the new log")
        check_equal(len(lines(old)), 300, "lines in the old log")
        for text in lines(old) + lines(log):
            check(line.fullmatch(text), f"bad line {text!r}")


@test
def a_full_disk_for_the_access_log_stops_no_request():
    with Server(SMALL, options={"access_log": "/dev/full"}) as server:
        with server.connect() as conn:
            for i in range(200):
                check_equal(conn.request(f"/f{i % 40}.txt").status, 200, "the status")
        wait_until(lambda: re.search(r'^cowshed_slot_log_dropped_total\S* [1-9]',
                                     server.admin_get("/metrics").body.decode(), re.M),
                   "dropped lines in the metrics")


@test
def server_timing_is_sent_when_asked_for():
    with Server(SMALL) as server, server.connect() as conn:
        for word in ("miss", "hit"):
            got = conn.request("/f1.txt", headers=[("X-Cowshed-Timing", "1")])
            timing = got.header("server-timing")
            check(timing and f'desc={word}' in timing, f"{timing}, want {word}")
            check('w;desc="0.' in timing, timing)
            server.wait_for_cached()
        check_equal(conn.request("/f1.txt").header("server-timing"), None, "without asking")


@test
def every_response_that_should_have_server_timing_has_it_whatever_its_status():
    asked = [("X-Cowshed-Timing", "1")]
    ends = {"linger_timeout": "100ms"}
    cases = (  # how it is asked for, status, what the cache said
        ("GET", "/none", [], 404, "miss"), ("HEAD", "/none", [], 404, "miss"),
        ("GET", "/f1.txt", [("If-Match", '"x"')], 412, "hit"),
        ("GET", "/f1.txt", [("Range", "bytes=999-")], 416, "hit"),
        ("GET", "/f1.txt", [("If-None-Match", "*")], 304, "hit"),
        ("DELETE", "/f1.txt", [], 405, "none"), ("GET", "/%zz", [], 400, "none"))
    for options in ({}, {"server_timing": "on"}):
        with Server(SMALL, options={**ends, **options}) as server, server.connect() as conn:
            wait_until(lambda conn=conn: "desc=hit" in conn.request(
                "/f1.txt", headers=asked).header("server-timing"), "a hit")
            server.wait_for_cached()
            for method, path, headers, status, word in cases:
                got = conn.request(path, method, headers=headers + ([] if options else asked))
                check_equal(got.status, status, f"the status of {method} {path}")
                timing = got.header("server-timing") or "nothing"
                check(f"cache;desc={word}" in timing, f"{method} {path}: {timing}, want {word}")
                if not options:
                    got = conn.request(path, method, headers=headers)
                    check_equal(got.header("server-timing"), None, f"{method} {path} unasked")
            # A refusal has no fields that could ask, so the one before it must not count.
            conn.request("/f1.txt", headers=asked)
            conn.send("GET /f1.txt HTTP/1.1\r\nno colon\r\n\r\n")
            got = conn.response()
            check_equal(got.status, 400, "the status of a broken request")
            check_equal(bool(got.header("server-timing")), bool(options), f"its timing, {options}")
