# SPDX-License-Identifier: MIT
"""What happens to workers while a Crowd asks: kills, new generations, purges, collections;
and what must be true when it is over."""

import contextlib
import random
import re
import select
import signal
import threading
import time
import urllib.parse

from e2e.crowd import Crowd, Kills
from e2e.harness import PATIENCE, Conn, Server, check, check_equal, wait_until

SLOTS = 4
KILLS = 6
SEED = 20
LIMIT_S = 60.0 * PATIENCE


class Chaos(threading.Thread):
    """Kills workers, asks for new generations, purges and collects, in turns, until
    stopped."""

    def __init__(self, server, kills, paths, pause_s, most=KILLS):
        super().__init__(daemon=True)
        self.server = server
        self.kills = kills
        self.paths = paths
        self.pause_s = pause_s
        self.most = most  # kills
        self.random = random.Random(SEED)
        self.over = threading.Event()
        self.reforks = 0
        self.refork_conn = None  # the answer of POST /ctl/refork is due there
        self.signals = self.purges = self.collections = 0
        self.recycles = self.generation = 0
        self.failure = None

    def run(self):
        steps = (self.kill, self.refork, self.purge, self.kill, self.send_urg, self.collect)
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
        if len(ready) < 2 or len(self.kills) >= self.most:
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

    def purge(self):
        some = "*" if self.random.random() < 0.2 else \
            urllib.parse.quote(self.random.choice(self.paths))
        ctl(self.server, f"purge?url={some}")
        self.purges += 1

    def collect(self):
        ctl(self.server, "gc")
        self.collections += 1

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
    for pid, words in re.findall(r"^\S+ \w+ master\S* slot .*(?: pid |, a thread of )(\d+),? (.*)$",
                                 server.log(), re.M):
        check(int(pid) in kills.pids or words.startswith(("ended with exit code 0 ", "has ended"))
              or re.match(r"[0-9.]+ ms after its start", words),
              f"a worker ended: pid {pid} {words}")


def serve_through_chaos(mode, site, clients, seconds, options):
    """Serves the site (option root) to many clients at once, for so long at least, while
    all that happens.  Prints the figures, and checks what is left."""
    settings = {"server_timing": "on", **options}
    with Server(mode=mode, slots=SLOTS, options=settings) as server:
        status = wait_until(lambda: all_ready(server), "all slots to be ready")
        live = status["heap"]["live"]
        kills = Kills()
        crowd = Crowd(server.address, site, kills, clients, SEED)
        chaos = Chaos(server, kills, site.paths, 0.08 * PATIENCE)
        begin = time.monotonic()
        chaos.start()
        crowd.run(seconds, LIMIT_S, chaos.enough)
        chaos.over.set()
        crowd.finish()
        took = time.monotonic() - begin
        chaos.stop()
        status = wait_until(lambda: all_ready(server), "all slots to be ready again")
        print(f"{mode}: {took:.1f} s, {len(kills)} kills, {status['deaths']} deaths, "
              f"{status['recycles']} recycled, generation {status['generation']}, "
              f"{chaos.purges} purges, {chaos.collections} collections asked for, "
              f"{status['cache']['published']} published, {status['cache']['evicted']} evicted, "
              f"{sum(s['hits'] for s in status['slots'])} hits; {crowd.figures()}", flush=True)
        for words in crowd.wrong:
            print(f"  wrong: {words}")
        check(not crowd.wrong, f"{len(crowd.wrong)} responses were wrong")
        missed = set(site.paths) - crowd.served
        check(not missed, f"not served in {took:.0f} s: {sorted(missed)[:5]}")
        check_deaths(server, kills)
        check(chaos.enough(), "hardly anything was killed, recycled and reforked")
        check_nothing_is_left(server, live)
