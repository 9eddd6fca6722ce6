# SPDX-License-Identifier: MIT
"""Slots that are threads of one process, in mode threads and as guests of a worker where
nothing may be forked, while all that an operator can ask is asked of the server.  Built with
SAN=thread, this looks for races between slots; test_stress and test_modes_serve add kills,
unit/gc/test_reader and unit/cache/test_view the owner of the heap, which is a process of its
own here."""

import pathlib
import random
import re
import signal
import tempfile
import threading
import time

from e2e.chaos import LIMIT_S, SEED, all_ready, check_nothing_is_left, ctl
from e2e.crowd import Crowd, Kills, Site
from e2e.harness import PATIENCE, Server, check, check_equal, test, wait_until

SLOTS = 4
CLIENTS = 64
FILES = 150
ROUNDS = 3
ACCESS_LINE = re.compile(r'127\.0\.0\.1 - - \[[^]]+\] "(GET|HEAD) /\S* HTTP/1\.1" \d{3} \d+ '
                         r'"-" "-"')


class Aside(threading.Thread):
    """Does something beside a crowd; what it raises is raised by end()."""

    def __init__(self, function):
        super().__init__(daemon=True)
        self.function = function
        self.failure = None

    def run(self):
        try:
            self.function()
        except BaseException as error:
            self.failure = error

    def end(self):
        self.join(30.0 * PATIENCE)
        if self.failure is not None:
            raise self.failure
        check(not self.is_alive(), "what is done beside the crowd does not end")


def make_site(folder):
    """More than the cache holds, so that entries come and go all the time."""
    rng = random.Random(SEED)
    for number in range(FILES):
        size = min(int(rng.lognormvariate(8.5, 1.5)), 200_000)
        (folder / f"{number}.txt").write_bytes(rng.randbytes(size))
    return Site(folder)


def serve_beside(server, site, kills, work):
    """A crowd asks until `work` is done and each file was served; how many answers it got."""
    crowd = Crowd(server.address, site, kills, CLIENTS, SEED)
    aside = Aside(work)
    begin = time.monotonic()
    aside.start()
    crowd.run(1.0, LIMIT_S, lambda: not aside.is_alive())
    crowd.finish()
    aside.end()
    print(f"{time.monotonic() - begin:.1f} s; {crowd.figures()}", flush=True)
    for words in crowd.wrong:
        print(f"  wrong: {words}")
    check(not crowd.wrong, f"{len(crowd.wrong)} responses were wrong")
    check_equal(len(crowd.served), len(site.files), "files served")
    return sum(crowd.count[kind] for kind in ("whole", "head", "range", "no range",
                                              "not modified", "modified"))


def purge_and_collect(server, site):
    for path in site.paths[:5]:
        ctl(server, f"purge?url={path}")
    ctl(server, "gc")
    ctl(server, "purge?url=*")
    ctl(server, "gc")


# ---- mode threads ----

def wait_for_slots(server, number, above, what):
    """So many are ready, all of one generation newer than `above`."""
    def settled():
        status = server.status()
        slots = [s for s in status["slots"] if s["state"] != "gone"]  # no longer wanted
        return (len(slots) == number and status["generation"] > above
                and all(s["state"] == "ready" and s["generation"] == status["generation"]
                        for s in slots))

    wait_until(settled, what, 20.0)


def reload(server):
    old = server.status()["generation"]
    server.signal(signal.SIGHUP)
    wait_for_slots(server, SLOTS, old, "the generation of a reload")


def rotate(server, log, number):
    log.rename(f"{log}.{number}")
    server.signal(signal.SIGUSR1)
    wait_until(log.exists, "a new access log")


def resize(server):
    server.signal(signal.SIGTTIN)
    wait_for_slots(server, SLOTS + 1, 0, "one slot more")
    server.signal(signal.SIGTTOU)
    wait_for_slots(server, SLOTS, 0, "one slot fewer")


@test
def threads_serve_through_reloads_reforks_purges_and_collections():
    with tempfile.TemporaryDirectory(prefix="cowshed-e2e-") as name:
        folder = pathlib.Path(name)
        (folder / "www").mkdir()
        site, log = make_site(folder / "www"), folder / "access"
        options = {"root": folder / "www", "cache_bytes": "1m", "cache.valid": "100ms",
                   "recycle.requests": 300, "server_timing": "on", "access_log": log}
        with Server(mode="threads", slots=SLOTS, options=options) as server:
            live = wait_until(lambda: all_ready(server), "all slots")["heap"]["live"]

            def work():
                for number in range(ROUNDS):
                    reload(server)
                    purge_and_collect(server, site)
                    rotate(server, log, number)
                    resize(server)
                    ctl(server, "refork")
                # none is while all of them are: it may not have come to that
                wait_until(lambda: server.status()["recycles"] > 0, "a slot to be recycled")

            answers = serve_beside(server, site, Kills(), work)
            wait_for_slots(server, SLOTS, 0, "all slots to be ready again")
            status = server.status()
            check_equal(status["deaths"], 0, "deaths")
            check(status["generation"] > 2 * ROUNDS, f"generation {status['generation']}")
            check_nothing_is_left(server, live)
        lines = [line for part in folder.glob("access*")
                 for line in part.read_text("latin-1").splitlines()]
        torn = [line for line in lines if not ACCESS_LINE.fullmatch(line)]
        check(not torn, f"lines of the access log: {torn[:3]}")
        check(len(lines) >= answers, f"{len(lines)} lines in the access log, {answers} answers")


@test
def threads_that_drain_finish_what_they_send():
    """More than the buffers of a socket hold is under way on each connection."""
    body = bytes(range(256)) * 4096
    with Server({"big": body}, mode="threads", slots=SLOTS) as server:
        conns = [server.connect(timeout=30.0) for _ in range(4 * SLOTS)]
        for conn in conns:
            check_equal(conn.request("/big").body, body, "the answer before")
            conn.send("GET /big HTTP/1.1\r\nHost: x\r\n\r\n" * 20)
        server.signal(signal.SIGTERM)
        server.wait_for_log(r"SIGTERM")
        for conn in conns:
            with conn:
                rest, whole = conn.read_to_end(), 0
            while rest:
                head, _, rest = rest.partition(b"\r\n\r\n")
                check(head.startswith(b"HTTP/1.1 200 OK\r\n"), f"a head begins {head[:60]!r}")
                check(rest[:len(body)] == body, f"answer {whole} of a connection differs")
                rest, whole = rest[len(body):], whole + 1
            check(0 < whole < 20, f"{whole} answers of 20 while it drains")
        check_equal(server.wait_for_exit(), 0, "the exit code")


# ---- guests ----

def kill_all_but_one(server, kills):
    """Those that are killed come back as guests of the one that is left."""
    slots = server.status()["slots"]
    for s in slots[1:]:
        kills.kill(s["pid"], {f"{s['slot']}.{s['generation']}"})
    wait_until(lambda: all(s["state"] == "ready" and s["pid"] == slots[0]["pid"]
                           for s in server.status()["slots"]), "the guests", 20.0)


def all_are_processes(server):
    status = all_ready(server)
    return status and all(s["runs_as"] == "process" for s in status["slots"])


def add_guest_test(mode):
    """Twice: forks are refused, all but one worker die, guests serve; forks are allowed
    again, and all become processes."""
    options = "fork { fallback = threads\n rate = 0\n max_unready = 0\n%s }\n"

    def guests(folder):
        site, kills = make_site(folder), Kills()
        settings = {"root": folder, "cache_bytes": "1m", "cache.valid": "100ms",
                    "server_timing": "on"}
        with Server(mode=mode, slots=SLOTS, options=settings, config=options % "") as server:
            live = wait_until(lambda: all_ready(server), "all slots")["heap"]["live"]
            config = server.folder / "test.conf"

            def work():
                for _ in range(2):
                    old = server.status()["generation"]
                    config.write_text(options % "min_available = 1000t", encoding="utf-8")
                    server.signal(signal.SIGHUP)
                    server.wait_for_log(rf"generation {old + 1} begins")
                    kill_all_but_one(server, kills)
                    for _ in range(ROUNDS):
                        purge_and_collect(server, site)
                    config.write_text(options % "", encoding="utf-8")
                    server.signal(signal.SIGHUP)
                    wait_until(lambda: all_are_processes(server), "processes again", 20.0)

            serve_beside(server, site, kills, work)
            check_equal(server.status()["deaths"], 2 * (SLOTS - 1), "deaths")
            check_nothing_is_left(server, live)

    def in_a_folder():
        with tempfile.TemporaryDirectory(prefix="cowshed-e2e-") as name:
            guests(pathlib.Path(name))

    in_a_folder.__name__ = f"mode_{mode}_serves_through_guests_of_the_one_worker_left"
    test(in_a_folder)


for each_mode in ("shared", "arena", "naive"):
    add_guest_test(each_mode)
