# SPDX-License-Identifier: MIT
"""Many clients at once, and every byte that they get compared with what is on disk.

A Crowd is one loop over non-blocking sockets.  Each of its clients opens a connection,
sends one to eight requests at once, checks the answers in order, and goes on; some
connections have a tiny receive buffer, some are given up early.  Requests are whole
files, HEAD, single ranges and conditional ones, and nothing but what HTTP allows may
come back.  A response that is wrong or cut short is noted in `wrong`, unless the worker
of its connection has been killed (Kills), in which case its request is sent again.

The server must run with `server_timing = on`: `w;desc="slot.generation"` tells which
worker a connection belongs to.
"""

import contextlib
import dataclasses
import email.utils
import math
import os
import pathlib
import random
import re
import selectors
import signal
import socket
import stat
import time
import urllib.parse

from e2e.harness import PATIENCE, QUIET_S, is_zombie, wait_until

WORKER = re.compile(rb'w;desc="(\d+\.\d+)"')
STUCK_S = 30.0 * PATIENCE
# A request sent to the dead is refused at once.  An answer that was under way may sit in
# socket buffers for a while.  Counted is time in which the crowd runs.
REFUSED_S = 1.0 * PATIENCE
UNDER_WAY_S = 10.0 * PATIENCE
TURN_S = 0.2  # a turn of the crowd that takes longer was held up
WRONG_MAX = 20


class Site:
    """The regular files below a folder, as they are on disk now: {path in URL: bytes}."""

    def __init__(self, root, every=1):
        """`every`: take one file of so many."""
        self.files = {}
        self.bytes = 0
        names = sorted(p for p in pathlib.Path(root).rglob("*")
                       if stat.S_ISREG(p.lstat().st_mode))
        for path in names[::every]:
            url = "/" + urllib.parse.quote(bytes(path.relative_to(root)))
            self.files[url] = path.read_bytes()
            self.bytes += len(self.files[url])
        self.paths = list(self.files)


def is_dead(pid):
    """All its threads: one that was about to accept may still take a connection."""
    try:
        return len(os.listdir(f"/proc/{pid}/task")) <= 1 and is_zombie(pid)
    except (FileNotFoundError, ProcessLookupError):
        return True


class Kills:
    """Who was killed, and when: the only excuse for a response that ends early."""

    def __init__(self):
        self._kills = []
        self.pids = set()
        self.held_up = 0.0  # how long the crowd did not run, in all

    def __len__(self):
        return len(self._kills)

    def kill(self, pid, workers):
        """workers: 'slot.generation' of all that end by it."""
        death = {"sent": time.monotonic(), "dead": math.inf, "workers": frozenset(workers)}
        self._kills.append(death)
        self.pids.add(pid)
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
        wait_until(lambda: is_dead(pid), f"the death of {pid}")
        death["held_up"] = self.held_up
        death["dead"] = time.monotonic()

    def _excuses(self, death, worker, opened, known, asked):
        dead = death["dead"]
        if opened > dead or (worker is not None and worker not in death["workers"]):
            return False
        if known < death["sent"] or dead == math.inf:
            return True  # it is a connection of the dead one, whenever the end is seen
        took = time.monotonic() - dead - (self.held_up - death["held_up"])
        return took < (UNDER_WAY_S if asked <= dead else REFUSED_S)

    def excuse(self, worker, opened, known, asked):
        """May a connection end now, because its worker has been killed?  It was opened,
        heard from the worker first (inf, worker None: not yet) and last asked then."""
        return any(self._excuses(k, worker, opened, known, asked) for k in self._kills)


@dataclasses.dataclass
class Request:
    path: str
    kind: str
    fields: str
    status: int
    body: bytes
    content_range: bytes = None

    def text(self):
        method = "HEAD" if self.kind == "head" else "GET"
        return f"{method} {self.path} HTTP/1.1\r\nHost: crowd\r\n{self.fields}\r\n"


def parse_head(text):
    """(status, {lower-case name: value}); ValueError when it is not one."""
    lines = bytes(text).split(b"\r\n")
    match = re.fullmatch(rb"HTTP/1\.1 (\d\d\d) [ -~]*", lines[0])
    if not match:
        raise ValueError(f"bad status line {lines[0]!r}")
    fields = {}
    for line in lines[1:]:
        name, colon, value = line.partition(b":")
        name = name.lower()
        if not colon or name in fields:
            raise ValueError(f"bad or repeated field {line!r}")
        fields[name] = value.strip()
    return int(match.group(1)), fields


class Client:
    """One connection after the other."""

    def __init__(self, crowd, number):
        self.crowd = crowd
        self.small_buffer = number % 8 == 7
        self.sock = None
        self.open()

    def open(self):
        self.buffer = bytearray()
        self.waiting = []      # requests whose answers are due, in order
        self.unsent = b""
        self.worker = None
        self.closing = False   # the server said so: only its end may come
        self.batches = 0
        self.answered = 0      # of the batch
        self.asked_before = self.asked = self.sent = time.monotonic()
        self.known = math.inf  # when the worker was
        self.sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        self.sock.setblocking(False)
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if self.small_buffer:
            self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        self.opened = self.touched = time.monotonic()
        self.sock.connect_ex(self.crowd.address)
        self.crowd.count["connections"] += 1
        self.crowd.selector.register(self.sock, selectors.EVENT_WRITE, self)

    def close(self):
        if self.sock is not None:
            self.crowd.selector.unregister(self.sock)
            self.sock.close()
            self.sock = None

    def reopen(self):
        self.close()
        if not self.crowd.stopping:
            self.open()

    def wrong(self, words, request=None):
        now = time.monotonic()
        what = f" answering {request.text()!r}" if request else ""
        self.crowd.note(f"{words}{what} (worker {self.worker}, {len(self.waiting)} due, "
                        f"{self.batches} batches, opened {now - self.opened:.2f} s ago, asked "
                        f"{now - self.asked:.2f} s ago, {self.asked - self.asked_before:.2f} s "
                        f"after the batch before)")
        self.crowd.again(self.waiting)
        self.reopen()

    def run(self, sock, events):
        self.touched = time.monotonic()
        try:
            if events & selectors.EVENT_WRITE:
                self.write()
            if events & selectors.EVENT_READ and sock is self.sock:
                self.read()
        except ConnectionError as error:
            self.ended(str(error))

    def write(self):
        if not self.waiting and not self.next_batch():
            return
        try:
            self.unsent = self.unsent[self.sock.send(self.unsent):]
        finally:
            self.sent = time.monotonic()
        events = selectors.EVENT_READ | (selectors.EVENT_WRITE if self.unsent else 0)
        self.crowd.selector.modify(self.sock, events, self)

    def next_batch(self):
        """False when this connection is not to be used any more."""
        rng = self.crowd.random
        if self.crowd.stopping or (self.batches and rng.random() < 1 / 16):
            self.reopen()
            return False
        self.batches += 1
        n = rng.randint(2, 8) if rng.random() < 0.3 else 1
        self.waiting = [self.crowd.draw() for _ in range(n)]
        self.crowd.count["pipelined"] += n if n > 1 else 0
        self.answered = 0
        self.asked_before, self.asked = self.asked, time.monotonic()
        self.unsent = "".join(r.text() for r in self.waiting).encode("latin-1")
        return True

    def read(self):
        while True:
            try:
                data = self.sock.recv(1 << 18)
            except BlockingIOError:
                return
            if not data:
                self.ended("end of file")
                return
            if self.closing:
                self.wrong(f"{len(data)} bytes after a response with Connection: close")
                return
            self.buffer += data
            if not self.take_responses():
                return
            if len(data) < 1 << 18:
                return

    def ended(self, how):
        """The server ended the connection."""
        crowd = self.crowd
        if self.closing and how == "end of file":
            crowd.count["closed when told"] += 1
        elif crowd.kills.excuse(self.worker, self.opened, self.known, self.asked):
            crowd.count["cut by a kill"] += 1
            crowd.count["cut before a first answer"] += self.worker is None
        elif (not self.answered and not self.buffer
              and self.sent - self.asked_before >= QUIET_S):
            crowd.count["closed while quiet"] += 1
        else:
            self.wrong(f"{how} after {len(self.buffer)} bytes",
                       self.waiting[0] if self.waiting else None)
            return
        crowd.again(self.waiting)
        self.reopen()

    def take_responses(self):
        """Checks what is complete.  False when the connection is not read any more."""
        while self.waiting:
            end = self.buffer.find(b"\r\n\r\n")
            if end < 0:
                return True
            request = self.waiting[0]
            try:
                status, fields = parse_head(self.buffer[:end])
                length = int(fields.get(b"content-length", b"0"))
            except ValueError as error:
                self.wrong(str(error), request)
                return False
            fault = self.check_worker(fields)
            if fault:
                self.wrong(fault, request)
                return False
            if request.kind == "head" or status == 304:
                length = 0
            if len(self.buffer) < end + 4 + length:
                return True
            body = self.buffer[end + 4:end + 4 + length]
            del self.buffer[:end + 4 + length]
            fault = self.crowd.judge(request, status, fields, body)
            if fault:
                self.wrong(fault, request)
                return False
            self.waiting.pop(0)
            self.answered += 1
            if fields.get(b"connection") == b"close":
                self.closing = True
                self.crowd.again(self.waiting)
                self.waiting = []
                if self.buffer:
                    self.wrong("bytes after a response with Connection: close")
                    return False
                return True
        if self.buffer:
            self.wrong(f"{len(self.buffer)} bytes that nobody asked for")
            return False
        self.crowd.selector.modify(self.sock, selectors.EVENT_WRITE | selectors.EVENT_READ, self)
        return True

    def check_worker(self, fields):
        match = WORKER.search(fields.get(b"server-timing", b""))
        if not match:
            return "no worker in Server-Timing"
        name = match.group(1).decode()
        if self.worker not in (None, name):
            return f"worker {name} answers on a connection of {self.worker}"
        if self.worker is None:
            self.known = time.monotonic()
        self.worker = name
        self.crowd.workers.add(name)
        return None


class Crowd:
    """clients: connections at once.  kills: excuses.  seed: of the order of requests."""

    def __init__(self, address, site, kills, clients=64, seed=1):
        self.address = address
        self.site = site
        self.kills = kills
        self.random = random.Random(seed)
        self.selector = selectors.DefaultSelector()
        self.todo = list(site.paths)  # not yet served whole
        self.random.shuffle(self.todo)
        self.served = set()
        self.known = {}   # path: (ETag, Last-Modified), the same from every worker
        self.known_paths = []
        self.workers = set()
        self.wrong = []
        self.stopping = False
        self.bytes = 0
        self.count = dict.fromkeys(
            ("connections", "whole", "head", "range", "no range", "not modified", "modified",
             "pipelined", "closed when told", "closed while quiet", "cut by a kill",
             "cut before a first answer", "sent again"), 0)
        self.clients = [Client(self, n) for n in range(clients)]

    # ---- what is asked ----

    def draw(self):
        rng = self.random
        if self.known_paths and (not self.todo or rng.random() < 0.4):
            return self.draw_variant(rng.choice(self.known_paths))
        path = self.todo.pop() if self.todo else rng.choice(self.site.paths)
        return Request(path, "whole", "", 200, self.site.files[path])

    def draw_variant(self, path):
        rng, body = self.random, self.site.files[path]
        etag, modified = self.known[path]
        kind = rng.choice(("whole", "head", "range", "range", "tag", "since"))
        if kind == "whole":
            return Request(path, "whole", "", 200, body)
        if kind == "head":
            return Request(path, "head", "", 200, body)
        if kind == "range":
            return self.draw_range(path, body)
        stale = rng.random() < 0.3
        if kind == "tag":
            value = '"another"' if stale else etag
            field = f"If-None-Match: {value}\r\n"
        else:
            then = email.utils.parsedate_to_datetime(modified).timestamp() - 60 * stale
            field = f"If-Modified-Since: {email.utils.formatdate(then, usegmt=True)}\r\n"
        if stale:
            return Request(path, "modified", field, 200, body)
        return Request(path, "not modified", field, 304, b"")

    def draw_range(self, path, body):
        rng, size = self.random, len(body)
        if size == 0 or rng.random() < 0.1:
            field = f"Range: bytes={size}-{size + 9}\r\n"
            return Request(path, "no range", field, 416, None, b"bytes */%d" % size)
        first = rng.randrange(size)
        last = rng.randrange(first, size)
        shape = rng.choice(("both", "open", "suffix", "long"))
        if shape == "open":
            last, text = size - 1, f"{first}-"
        elif shape == "suffix":
            text = f"-{size - first}"
            last = size - 1
        elif shape == "long":
            last, text = size - 1, f"{first}-{size + 1000}"
        else:
            text = f"{first}-{last}"
        return Request(path, "range", f"Range: bytes={text}\r\n", 206, body[first:last + 1],
                       b"bytes %d-%d/%d" % (first, last, size))

    def again(self, requests):
        """These got no answer."""
        self.count["sent again"] += len(requests)
        for request in requests:
            if request.path not in self.served:
                self.todo.append(request.path)

    # ---- what came ----

    def note(self, words):
        if len(self.wrong) < WRONG_MAX:
            self.wrong.append(words)

    def judge(self, request, status, fields, body):
        """None, or what is wrong."""
        if status != request.status:
            return f"status {status} instead of {request.status}"
        if request.kind == "head":
            if fields.get(b"content-length") != b"%d" % len(request.body):
                return f"Content-Length {fields.get(b'content-length')}"
        elif request.body is not None and body != request.body:
            return f"{len(body)} bytes that differ from the {len(request.body)} on disk"
        if fields.get(b"content-range") != request.content_range:
            return f"Content-Range {fields.get(b'content-range')}"
        if b"date" not in fields:
            return "no Date"
        self.count[request.kind] += 1
        self.bytes += len(body)
        return self.learn(request, status, fields)

    def learn(self, request, status, fields):
        if status not in (200, 206, 304):
            return None
        try:
            tags = fields[b"etag"].decode(), fields.get(b"last-modified", b"").decode()
        except KeyError:
            return "no ETag"
        known = self.known.get(request.path)
        if known is None:
            if request.kind == "whole":
                self.known[request.path] = tags
                self.known_paths.append(request.path)
        elif tags[0] != known[0] or (tags[1] and tags[1] != known[1]):
            return f"ETag and Last-Modified {tags}, before they were {known}"
        if request.kind == "whole":
            self.served.add(request.path)
        return None

    # ---- the loop ----

    def run_for(self, seconds):
        begin = last = time.monotonic()
        while (now := time.monotonic()) < begin + seconds:
            self.kills.held_up += max(0.0, now - last - TURN_S)
            last = now
            for key, events in self.selector.select(min(TURN_S / 2, begin + seconds - now)):
                if key.fileobj is key.data.sock:
                    key.data.run(key.fileobj, events)
            for client in self.clients:
                if client.sock is not None and now - client.touched > STUCK_S:
                    client.wrong(f"nothing happened for {STUCK_S:.0f} s")

    def run(self, seconds, limit_s, enough):
        """At least so long, until each file was served whole and enough() has happened
        meanwhile; not longer than limit_s."""
        begin = time.monotonic()
        self.run_for(seconds)
        while ((len(self.served) < len(self.site.files) or not enough())
               and time.monotonic() < begin + limit_s):
            self.run_for(0.1)

    def finish(self):
        """What was asked is answered, then all connections are closed."""
        self.stopping = True
        deadline = time.monotonic() + STUCK_S
        while any(c.sock for c in self.clients) and time.monotonic() < deadline:
            self.run_for(0.05)
            for client in self.clients:
                if client.sock is not None and not client.waiting and not client.closing:
                    client.close()
        for client in self.clients:
            if client.sock is not None:
                client.wrong("does not end")
        self.selector.close()

    def figures(self):
        words = ", ".join(f"{n} {what}" for what, n in self.count.items() if n)
        return (f"{len(self.served)} of {len(self.site.files)} files whole at least once, "
                f"{self.bytes >> 20} MiB; {words}; {len(self.workers)} workers; "
                f"{len(self.wrong)} wrong")
