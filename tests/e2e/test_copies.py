# SPDX-License-Identifier: MIT
"""The central claim: hits and collections copy no page of the inherited heap.

The server is filled before the first fork.  Then each worker answers a million hits, with
some misses that are stored and evict others, and collects ten times meanwhile.  The pages
are counted twice: by the server (`copied_pages` in /status) and here, from
/proc/PID/pagemap over the range that was inherited.  The same counting must find the
copies where the marks of the collector lie in the objects: it can fail.
"""

import os
import random
import selectors
import struct
import time

from e2e.harness import PATIENCE, Server, check, check_equal, test, wait_until

SANITIZED = PATIENCE > 1
SLOTS = 2
HITS = 20_000 if SANITIZED else 1_000_000  # of each worker
CYCLES = 10
OBJECTS = 40_000  # of which about 23 000 fit
RESIDENT = 20_000
OPTIONS = {"origin": "synthetic", "synthetic.objects": OBJECTS, "synthetic.median": "1k",
           "synthetic.preload": "on", "cache_bytes": "48m"}
BATCH = 250
LIMIT_S = 240 * PATIENCE
PAGE = 4096
PRESENT, FILE, EXCLUSIVE = 1 << 63, 1 << 61, 1 << 56
FRAME = (1 << 55) - 1


class Load:
    """Pipelined GETs over a few connections: most find their object, one in 100 misses."""

    def __init__(self, server, each=6):
        """`each`: connections to each slot."""
        rng = random.Random(7)
        self.batches = []
        for _ in range(800):
            keys = [rng.randrange(RESIDENT) if rng.random() < 0.99 else
                    rng.randrange(RESIDENT, OBJECTS) for _ in range(BATCH)]
            self.batches.append("".join(
                f"GET /o/{k} HTTP/1.1\r\nHost: x\r\n\r\n" for k in keys).encode())
        self.random = rng
        self.selector = selectors.DefaultSelector()
        self.answers = 0
        self.states = []
        for number in range(each * SLOTS):
            sock = server.connect_to_slot(number % SLOTS, "/o/0").sock
            sock.setblocking(False)
            state = {"sock": sock, "due": 0, "unsent": b"", "rest": b""}
            self.states.append(state)
            self.selector.register(sock, selectors.EVENT_READ | selectors.EVENT_WRITE, state)

    def run(self, seconds):
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            for key, events in self.selector.select(1.0):
                if events & selectors.EVENT_WRITE:
                    self.write(key.data)
                if events & selectors.EVENT_READ:
                    self.read(key.data)

    def write(self, state):
        if not state["unsent"]:
            if state["due"] > BATCH:
                self.selector.modify(state["sock"], selectors.EVENT_READ, state)
                return
            state["unsent"] = self.random.choice(self.batches)
            state["due"] += BATCH
        sent = state["sock"].send(state["unsent"])
        state["unsent"] = state["unsent"][sent:]

    def read(self, state):
        try:
            data = state["rest"] + state["sock"].recv(1 << 20)
        except BlockingIOError:
            return
        check(len(data) > len(state["rest"]), "a connection ended")
        n = data.count(b"HTTP/1.1 200 OK\r\n")
        check(b"HTTP/1.1 5" not in data, "an answer is 5xx")
        state["rest"] = data[-16:]  # shorter than the status line that is looked for
        state["due"] -= n
        self.answers += n
        if state["due"] <= BATCH:
            self.selector.modify(state["sock"], selectors.EVENT_READ | selectors.EVENT_WRITE,
                                 state)

    def close(self):
        for state in self.states:
            state["sock"].close()
        self.selector.close()


def read_pagemap(pid, start, end):
    with open(f"/proc/{pid}/pagemap", "rb", buffering=0) as f:
        size = (end - start) // PAGE * 8
        data = os.pread(f.fileno(), size, start // PAGE * 8)
    check_equal(len(data), size, "bytes of pagemap")
    return struct.unpack(f"<{size // 8}Q", data)


def count_copied(entries):
    """Pages that this process alone has; a page of a file or of shared memory is none."""
    return sum(e & (PRESENT | FILE | EXCLUSIVE) == PRESENT | EXCLUSIVE for e in entries)


def count_moved(before, now):
    """Pages whose frame changed; frames are told to root alone."""
    return sum(b & PRESENT and n & PRESENT and (b ^ n) & FRAME != 0
               for b, n in zip(before, now))


class Watch:
    """A server with its workers, and what they inherited."""

    def __init__(self, server):
        self.server = server
        status = wait_until(self.all_ready, "all slots to be ready")
        self.start, self.end = (int(status["heap"][k], 16) for k in ("start", "end"))
        self.pids = [s["pid"] for s in status["slots"]]
        self.cycles = self.cycles_of(status)
        self.before = [read_pagemap(pid, self.start, self.end) for pid in self.pids]
        self.pages = [sum(e & PRESENT != 0 for e in b) for b in self.before]

    def all_ready(self):
        status = self.server.status()
        return all(s["state"] == "ready" for s in status["slots"]) and status

    @staticmethod
    def cycles_of(status):
        """Of each worker's collector; of the master's, where the heap is shared."""
        return [(s["gc"] or status["gc"])["cycles"] for s in status["slots"]]

    def collect(self):
        got = self.server.admin_get("/ctl/gc", method="POST")
        check_equal(got.status, 200, "the answer to POST /ctl/gc")

    def look(self, words):
        """(pages that were inherited, copied by /status, copied by pagemap) of each slot."""
        time.sleep(1.1)  # /status looks at pages once a second
        status = self.server.status()
        check_equal([s["pid"] for s in status["slots"]], self.pids, "the workers")
        cycles = [now - then for now, then in zip(self.cycles_of(status), self.cycles)]
        figures = []
        for i, slot in enumerate(status["slots"]):
            now = read_pagemap(slot["pid"], self.start, self.end)
            figures.append((self.pages[i], slot["copied_pages"], count_copied(now)))
            print(f"{words} slot {i}: {slot['hits']} hits, {cycles[i]} collections, "
                  f"{self.pages[i]} pages inherited; copied: {slot['copied_pages']} by /status, "
                  f"{count_copied(now)} by pagemap, {count_moved(self.before[i], now)} frames "
                  f"changed; {slot['counters']['stored']} stored in the slot's own cache, "
                  f"{status['cache']['evicted']} evicted in the master's", flush=True)
        return figures, [s["hits"] for s in status["slots"]], cycles


def many_hits_and_collections(mode, hits, cycles, options=None):
    settings = {**OPTIONS, **(options or {})}
    with Server(mode=mode, slots=SLOTS, options=settings) as server:
        watch = Watch(server)
        words = " ".join([mode, *(f"{k}={v}" for k, v in (options or {}).items())])
        load = Load(server)
        begin = time.monotonic()
        forced = 0

        def least():
            return min(s["hits"] for s in server.status()["slots"])

        while (done := least()) < hits or forced < cycles:
            load.run(0.5)
            check(time.monotonic() - begin < LIMIT_S, f"only {done} hits in {LIMIT_S:.0f} s")
            if forced < cycles and done >= hits * forced // (cycles + 1):
                watch.collect()
                forced += 1
        took = time.monotonic() - begin
        load.close()
        print(f"{words}: {load.answers} answers in {took:.1f} s, at least {hits} hits wanted "
              f"of each of {SLOTS} workers", flush=True)
        figures, got, collections = watch.look(words)
        check(min(got) >= hits and min(collections) >= cycles, f"{got} {collections}")
        check(min(pages for pages, _, _ in figures) > 8000, "hardly anything was inherited")
        return figures


def add_proof(mode):
    def proof():
        figures = many_hits_and_collections(mode, HITS, CYCLES)
        for slot, (pages, told, counted) in enumerate(figures):
            check_equal((told, counted), (0, 0), f"slot {slot}: copied of {pages} pages")

    proof.__name__ = f"mode_{mode}_copies_no_inherited_page_in_a_million_hits"
    test(proof)


for each_mode in ("arena", "shared"):
    add_proof(each_mode)


def check_most_copied(figures):
    for slot, (pages, told, counted) in enumerate(figures):
        check(told > pages // 2 and counted > pages // 2,
              f"slot {slot}: only {told} and {counted} of {pages} pages are copied")


@test
def one_collection_with_marks_in_the_objects_copies_most_pages():
    check_most_copied(many_hits_and_collections(
        "arena", HITS // 1000, 1, {"after_fork": "inherit", "gc.marks": "header"}))


@test
def one_collection_in_mode_naive_copies_most_pages():
    check_most_copied(many_hits_and_collections("naive", HITS // 1000, 1))


@test
def marks_at_the_side_copy_few_pages_even_of_an_inherited_heap():
    """What the header marks cost is their place, not the collection."""
    figures = many_hits_and_collections("arena", HITS // 1000, 1, {"after_fork": "inherit"})
    for slot, (pages, told, counted) in enumerate(figures):
        check(told < pages // 10 and counted < pages // 10,
              f"slot {slot}: {told} and {counted} of {pages} pages are copied")
