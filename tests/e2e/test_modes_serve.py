# SPDX-License-Identifier: MIT
"""Every mode serves real files byte for byte while its workers are killed, recycled and
reforked; afterwards nothing is left of it."""

import contextlib
import functools
import os
import random
import re
import select
import pathlib
import signal
import tempfile
import threading
import time

from e2e.crowd import Crowd, Kills, Site
from e2e.harness import (MODES, PATIENCE, Conn, Server, Skip, check, check_equal, test,
                         wait_until)

SANITIZED = PATIENCE > 1
DOC = "/usr/share/doc"
DOC_EVERY = 8 if SANITIZED else 1  # one file of so many
SLOTS = 4
CLIENTS = 64
KILLS = 6
SEED = 20
LIMIT_S = 30.0 * PATIENCE


class Chaos(threading.Thread):
    """Kills workers and asks for new generations, in turns, until stopped."""

    def __init__(self, server, kills, pause_s):
        super().__init__(daemon=True)
        self.server = server
        self.kills = kills
        self.pause_s = pause_s
        self.random = random.Random(SEED)
        self.over = threading.Event()
        self.reforks = 0
        self.refork_conn = None  # the answer of POST /ctl/refork is due there
        self.signals = 0
        self.recycles = self.generation = 0
        self.failure = None

    def run(self):
        steps = (self.kill, self.refork, self.kill, self.send_urg)
        try:
            turn = 0
            while not self.over.wait(self.pause_s):
                steps[turn % len(steps)]()
                turn += 1
        except BaseException as error:  # told by stop(), in the thread of the test
            self.failure = error

    def kill(self):
        """A worker that serves, while another one does."""
        status = self.server.status()
        self.recycles, self.generation = status["recycles"], status["generation"]
        ready = [s for s in status["slots"] if s["state"] == "ready"]
        if len(ready) < 2 or len(self.kills) >= KILLS:
            return
        pid = self.random.choice(ready)["pid"]
        victims = {(s["slot"], s["generation"]) for s in ready if s["pid"] == pid}
        if status["mode"] == "threads":  # with those that drain behind a newer one
            victims = {(slot, g) for slot in range(SLOTS) for _, g in victims}
        self.kills.kill(pid, (f"{slot}.{generation}" for slot, generation in victims))

    def refork(self):
        """One at a time: its answer comes when the new generation serves."""
        conn = self.refork_conn
        if conn is not None:
            if not select.select([conn.sock], [], [], 0)[0]:
                return
            self.end_refork()
        self.refork_conn = Conn(self.server.admin, timeout=30.0)
        self.refork_conn.send("POST /ctl/refork HTTP/1.1\r\nHost: x\r\n"
                              "Content-Length: 0\r\n\r\n")
        self.reforks += 1

    def end_refork(self):
        if self.refork_conn is not None:
            with self.refork_conn as conn:
                check_equal(conn.response().status, 200, "the answer to POST /ctl/refork")
            self.refork_conn = None

    def send_urg(self):
        self.server.signal(signal.SIGURG)
        self.signals += 1

    def enough(self):
        return self.failure is not None or (len(self.kills) >= 3 and self.recycles >= 2
                                            and self.generation >= 3 and self.reforks
                                            and self.signals)

    def stop(self):
        self.over.set()
        self.join(30.0 * PATIENCE)
        check(not self.is_alive(), "the chaos does not end")
        if self.failure is not None:
            raise self.failure
        self.end_refork()


def all_ready(server):
    status = server.status()
    slots = status["slots"]
    return (len(slots) == SLOTS and all(s["state"] == "ready" for s in slots)
            and {s["generation"] for s in slots} == {status["generation"]} and status)


def ctl(server, command):
    got = server.admin_get(f"/ctl/{command}", method="POST")
    check_equal(got.status, 200, f"the answer to POST /ctl/{command} ({got.body!r})")


def check_nothing_is_left(server, live_at_start):
    """No client is there any more.  What the caches held goes when it is purged, which
    nothing may prevent: no pin, no epoch, no entry."""
    def quiet():
        slots = server.status()["slots"]
        return all(s["counters"]["connections"] == 0 and s["counters"]["pins"] == 0
                   for s in slots)

    wait_until(quiet, "connections and pins to come back to zero")
    cycles = server.status()["gc"]["cycles"]
    ctl(server, "purge?url=*")
    for _ in range(2):  # a shared heap waits for its readers between callbacks
        ctl(server, "gc")
        wait_until(lambda: server.status()["gc"]["lag_us"] == 0, "a collection to end")

    def empty():
        status = server.status()
        return (status["cache"]["entries"] == 0 and status["gc"]["cycles"] >= cycles + 2
                and all(s["counters"]["cache_entries"] == 0 for s in status["slots"])
                and status["heap"]["live"] <= live_at_start + (64 << 10) and status)

    with contextlib.suppress(Exception):
        return wait_until(empty, "the caches to be empty")
    status = server.status()
    check(False, f"after the purge: cache {status['cache']}, gc {status['gc']}, "
                 f"heap {status['heap']}, at the start live was {live_at_start}, entries of slots "
                 f"{[s['counters']['cache_entries'] for s in status['slots']]}")
    return None


def check_deaths(server, kills):
    """No worker ended but by our hand, or because it was told to."""
    for pid, words in re.findall(r"^\S+ \w+ master\S* slot .* pid (\d+) (.*)$", server.log(), re.M):
        check(int(pid) in kills.pids or "is ready" in words or "exit code 0" in words,
              f"a worker ended: pid {pid} {words}")


def serve_through_chaos(mode, site, root, seconds):
    options = {"root": root, "server_timing": "on", "recycle.requests": 200,
               "cache_bytes": "32m", "log_level": "info"}
    with Server(mode=mode, slots=SLOTS, options=options) as server:
        status = wait_until(lambda: all_ready(server), "all slots to be ready")
        live = status["heap"]["live"]
        kills = Kills()
        crowd = Crowd(server.address, site, kills, CLIENTS, SEED)
        chaos = Chaos(server, kills, 0.12 * PATIENCE)
        begin = time.monotonic()
        chaos.start()
        crowd.run(seconds, LIMIT_S, chaos.enough)
        chaos.over.set()
        crowd.finish()
        took = time.monotonic() - begin
        chaos.stop()
        status = wait_until(lambda: all_ready(server), "all slots to be ready again", 20.0)
        print(f"{mode}: {took:.1f} s, {len(kills)} kills, {status['deaths']} deaths, "
              f"{status['recycles']} recycled, generation {status['generation']}, "
              f"{status['cache']['published']} published, {status['cache']['evicted']} evicted, "
              f"hits {sum(s['hits'] for s in status['slots'])}; {crowd.figures()}", flush=True)
        for words in crowd.wrong:
            print(f"  wrong: {words}")
        check(not crowd.wrong, f"{len(crowd.wrong)} responses were wrong")
        missed = set(site.paths) - crowd.served
        check(not missed, f"not served in {took:.0f} s: {sorted(missed)[:5]}")
        check_deaths(server, kills)
        check(chaos.enough(), "hardly anything was killed, recycled and reforked")
        check_nothing_is_left(server, live)


@functools.cache
def doc_site():
    site = Site(DOC, DOC_EVERY)
    if len(site.files) * DOC_EVERY < 300:
        raise Skip(f"{DOC} holds {len(site.files) * DOC_EVERY} files only")
    return site


def write_awkward_tree(server_root):
    """Sizes around pages, cache limits and ring records; names that need care."""
    rng = random.Random(SEED)
    sizes = [0, 1, 15, 16, 17, 4095, 4096, 4097, 8191, 8192, 8193]
    sizes += [n + d for n in (64 << 10, 1 << 20) for d in (-1, 0, 1)] + [5 << 20]
    for size in sizes:
        for copy in range(3):
            (server_root / f"size-{size}.{copy}").write_bytes(rng.randbytes(size))
    names = ["a b", "per%cent", "que?ry", "ha#sh", "pl+us", "am&p", "semi;colon", "quo\"te",
             "apo'strophe", "back\\slash", "til~de", "ü", "日本", "..two", "two..", "...",
             "%41", "%2e%2e", "a:b", "x" * 255, "UPPER", "upper", ".hidden", "dash-", "[b]",
             "{c}", "p|pe", "ca^ret", "gr`ave", "<lt>", "no.extension.known.xyz"]
    for name in names:
        (server_root / name).write_bytes(name.encode() * rng.randint(1, 50))
    (server_root / os.fsdecode(b"latin-\xe9")).write_bytes(b"not UTF-8")
    deep = server_root
    for level in range(30):
        deep = deep / f"d {level}"
    deep.mkdir(parents=True)
    (deep / "leaf.html").write_bytes(b"<p>deep\n")
    for number in range(300):
        folder = server_root / f"f{number % 10}"
        folder.mkdir(exist_ok=True)
        (folder / f"{number}.txt").write_bytes(rng.randbytes(int(rng.lognormvariate(8, 1.5))))


def serve_documents(mode):
    site = doc_site()
    print(f"{mode}: {len(site.files)} files of {DOC} (one of {DOC_EVERY}), "
          f"{site.bytes >> 20} MiB, {CLIENTS} connections")
    serve_through_chaos(mode, site, DOC, 2.0 * PATIENCE)


def serve_awkward_tree(mode, folder):
    site = Site(folder)
    print(f"{mode}: {len(site.files)} files of a made tree, {site.bytes >> 20} MiB")
    serve_through_chaos(mode, site, str(folder), 1.5 * PATIENCE)


def add_tests(mode):
    def documents():
        serve_documents(mode)

    def awkward():
        with tempfile.TemporaryDirectory(prefix="cowshed-e2e-") as folder:
            write_awkward_tree(pathlib.Path(folder))
            serve_awkward_tree(mode, folder)

    documents.__name__ = f"mode_{mode}_serves_usr_share_doc_through_kills_and_forks"
    awkward.__name__ = f"mode_{mode}_serves_awkward_names_and_sizes_through_kills_and_forks"
    test(documents)
    test(awkward)


for each_mode in MODES:
    add_tests(each_mode)
