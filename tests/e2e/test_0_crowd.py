# SPDX-License-Identifier: MIT
"""The crowd that compares bytes: whatever a server can do wrong, it must see.

A small server in this process answers as it should, or does one thing wrong.
"""

import contextlib
import email.utils
import pathlib
import re
import socketserver
import subprocess
import tempfile
import threading
import time
import types

from e2e import crowd as crowd_module
from e2e.chaos import check_deaths
from e2e.crowd import Crowd, Kills, Site
from e2e.harness import Failure, PATIENCE, check, check_equal, test

MODIFIED = email.utils.formatdate(1_000_000_000, usegmt=True)
LIMIT_S = 20.0 * PATIENCE


def cut_out(text, size):
    """(first, last) of a Range; None when it lies outside."""
    first, _, last = text.partition("bytes=")[2].partition("-")
    if first == "":
        return size - int(last), size - 1
    if int(first) >= size:
        return None
    return int(first), min(int(last or size), size - 1)


class Answer:
    """What is right for a request: a fault changes it before it is sent."""

    def __init__(self, method, path, fields, body):
        self.method, self.path = method, path
        self.status, self.body, self.length = 200, body, None
        self.fields = {"ETag": f'"{len(path)}-{len(body)}"', "Last-Modified": MODIFIED,
                       "Date": MODIFIED, "Server-Timing": 'w;desc="0.1"'}
        self.tail = b""       # sent after it
        self.cut = None       # the connection ends after so many bytes of body
        span = fields.get("range")
        if fields.get("if-none-match") == self.fields["ETag"] or \
                fields.get("if-modified-since") == MODIFIED:
            self.status, self.body = 304, b""
        elif span and cut_out(span, len(body)) is None:
            self.status, self.body = 416, b""
            self.fields["Content-Range"] = f"bytes */{len(body)}"
        elif span:
            first, last = cut_out(span, len(body))
            self.status, self.body = 206, body[first:last + 1]
            self.fields["Content-Range"] = f"bytes {first}-{last}/{len(body)}"

    def text(self):
        length = len(self.body) if self.length is None else self.length
        if self.status != 304:
            self.fields["Content-Length"] = str(length)
        head = f"HTTP/1.1 {self.status} Words\r\n"
        head += "".join(f"{n}: {v}\r\n" for n, v in self.fields.items()) + "\r\n"
        body = b"" if self.method == "HEAD" else self.body
        return head.encode() + (body if self.cut is None else body[:self.cut]) + self.tail


def flip_a_byte(answer, _):
    if answer.status == 200 and answer.body:
        answer.body = answer.body[:-1] + bytes([answer.body[-1] ^ 1])


def shorten(answer, _):
    answer.body = answer.body[:-1] if answer.status == 200 else answer.body


def end_early(answer, _):
    if answer.status == 200 and len(answer.body) > 1 and answer.method == "GET":
        answer.cut = len(answer.body) // 2


def give_another_part(answer, server):
    if answer.status == 206:
        answer.body = bytes(len(answer.body)) if any(answer.body) else answer.body + b"x"


def name_another_part(answer, _):
    if answer.status == 206:
        answer.fields["Content-Range"] = answer.fields["Content-Range"] + "0"


def ignore_the_range(answer, server):
    if answer.status == 206:
        answer.status, answer.body = 200, server.site.files[answer.path]
        del answer.fields["Content-Range"]


def ignore_the_condition(answer, server):
    if answer.status == 304:
        answer.status, answer.body = 200, server.site.files[answer.path]


def send_a_body_with_304(answer, _):
    answer.body = b"body" if answer.status == 304 else answer.body


def tell_head_another_length(answer, _):
    answer.length = len(answer.body) + 1 if answer.method == "HEAD" else None


def change_the_tag(answer, server):
    server.count += 1
    answer.fields["ETag"] = f'"{server.count}"'


def change_the_worker(answer, server):
    server.count += 1
    answer.fields["Server-Timing"] = f'w;desc="{server.count % 2}.1"'


def fail_in_the_server(answer, _):
    answer.status, answer.body = 503, b""


def drop(field):
    return lambda answer, _: answer.fields.pop(field)


def send_twice(answer, _):
    answer.tail = answer.text()


def send_on_after_close(answer, _):
    answer.fields["Connection"] = "close"
    answer.tail = b"HTTP/1.1 200 OK\r\n"


def repeat_a_field(answer, _):
    answer.fields["date"] = MODIFIED


# what a server does wrong, and what the crowd must call it
FAULTS = (
    (flip_a_byte, "bytes that differ from"),
    (shorten, "bytes that differ from|^Content-Length"),
    (end_early, "^end of file after"),
    (give_another_part, "bytes that differ from"),
    (name_another_part, "^Content-Range"),
    (ignore_the_range, "^status 200 instead of 206"),
    (ignore_the_condition, "^status 200 instead of 304"),
    (send_a_body_with_304, "bytes that nobody asked for|^bad status line"),
    (tell_head_another_length, "^Content-Length"),
    (change_the_tag, "^ETag and Last-Modified|^status 200 instead of 304"),
    (change_the_worker, "answers on a connection of"),
    (fail_in_the_server, "^status 503 instead of"),
    (drop("ETag"), "^no ETag"),
    (drop("Date"), "^no Date"),
    (drop("Server-Timing"), "^no worker"),
    (send_twice, "bytes that nobody asked for|bytes that differ|^Content-Range|^status"),
    (send_on_after_close, "after a response with Connection: close"),
    (repeat_a_field, "^bad or repeated field"),
)


class Session(socketserver.StreamRequestHandler):
    """One connection."""

    def handle(self):
        with contextlib.suppress(ConnectionError):
            while self.answer():
                pass

    def answer(self):
        words = self.rfile.readline().decode("latin-1").split()
        if len(words) != 3:
            return False
        fields = {}
        while (line := self.rfile.readline().decode("latin-1").strip()):
            name, _, value = line.partition(":")
            fields[name.lower()] = value.strip()
        answer = Answer(words[0], words[1], fields, self.server.site.files[words[1]])
        self.server.fault(answer, self.server)
        self.wfile.write(answer.text())
        return answer.cut is None and "Connection" not in answer.fields


class SmallServer(socketserver.ThreadingTCPServer):
    daemon_threads = True
    request_queue_size = 128


@contextlib.contextmanager
def small_server(fault):
    """(address, the site that it serves)"""
    with tempfile.TemporaryDirectory(prefix="cowshed-e2e-") as folder:
        for size in (0, 1, 17, 5000, 70_000):
            (pathlib.Path(folder) / f"f{size}").write_bytes(bytes(range(1, 251)) * (size // 250)
                                                            + b"z" * (size % 250))
        with SmallServer(("127.0.0.1", 0), Session) as server:
            server.site, server.fault, server.count = Site(folder), fault, 0
            thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
            thread.start()
            try:
                yield server.server_address, server.site
            finally:
                server.shutdown()
                thread.join()


KINDS = ("whole", "head", "range", "no range", "not modified", "modified")


def ask(fault, kills):
    """A crowd that has asked a server with that fault for everything, or found it out."""
    with small_server(fault) as (address, site):
        crowd = Crowd(address, site, kills, clients=4)
        deadline = time.monotonic() + LIMIT_S
        while not crowd.wrong and (len(crowd.served) < len(site.files)
                                   or min(crowd.count[kind] for kind in KINDS) < 5):
            check(time.monotonic() < deadline, f"no end: {crowd.figures()}")
            crowd.run_for(0.05)
        if not crowd.wrong:
            crowd.finish()
        for client in crowd.clients:
            client.close()
        return crowd


@test
def a_crowd_finds_no_fault_with_a_server_that_has_none():
    crowd = ask(lambda answer, server: None, Kills())
    print(crowd.figures())
    check_equal(crowd.wrong, [], "what is wrong")
    check_equal(crowd.served, set(crowd.site.paths), "what was served whole")


@test
def a_crowd_sees_everything_that_a_server_does_wrong():
    for fault, words in FAULTS:
        wrong = ask(fault, Kills()).wrong
        check(wrong, f"{fault.__qualname__}, which should be called '{words}', was not seen")
        check(re.search(words, wrong[0]), f"{fault.__qualname__} was called: {wrong[0]}")


@test
def a_crowd_sees_a_server_that_falls_silent():
    gate = threading.Event()
    before, crowd_module.STUCK_S = crowd_module.STUCK_S, 0.3
    try:
        with small_server(lambda answer, server: gate.wait()) as (address, site):
            crowd = Crowd(address, site, Kills(), clients=2)
            deadline = time.monotonic() + LIMIT_S
            while not crowd.wrong and time.monotonic() < deadline:
                crowd.run_for(0.05)
            gate.set()
            crowd.finish()
    finally:
        crowd_module.STUCK_S = before
    check(crowd.wrong and "nothing happened for" in crowd.wrong[0], f"{crowd.wrong}")


def kill_and_cut(kills, worker):
    """A fault: once, `worker` is killed (a process that nobody needs plays it) and the
    answer that is under way then, from worker 0.1, is cut short."""
    once = threading.Lock()

    def fault(answer, _):
        if answer.method == "GET" and len(answer.body) > 1 and once.acquire(blocking=False):
            with subprocess.Popen(["sleep", "1000"]) as victim:
                kills.kill(victim.pid, [worker])
            answer.cut = len(answer.body) // 2

    return fault


@test
def only_the_worker_that_was_killed_is_excused_for_a_response_cut_short():
    kills = Kills()
    crowd = ask(kill_and_cut(kills, "0.1"), kills)
    check_equal((crowd.wrong, crowd.count["cut by a kill"]), ([], 1), "0.1 was killed: (wrong, cut)")
    kills = Kills()
    wrong = ask(kill_and_cut(kills, "1.1"), kills).wrong
    check(wrong and wrong[0].startswith("end of file after"), f"1.1 was killed: {wrong}")


def dies(words):
    line = f"2026-01-01T00:00:00.000Z warn master[1] slot 0 generation 1 {words}\n"
    check_deaths(types.SimpleNamespace(log=lambda: line), types.SimpleNamespace(pids={7}))


@test
def a_worker_that_ends_by_itself_is_seen_in_the_log():
    for words in ("pid 7 was killed by SIGKILL (9) after 3 s",
                  "pid 8 ended with exit code 0 after 3 s"):
        dies(words)
    for words in ("pid 8 was killed by SIGSEGV (11) after 3 s",
                  "pid 8 ended with exit code 1 after 3 s"):
        with contextlib.suppress(Failure):
            dies(words)
            raise AssertionError(f"not seen: {words}")
