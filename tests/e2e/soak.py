# SPDX-License-Identifier: MIT
"""A server for as long as one likes, while workers are killed and stopped, the configuration is
reloaded, generations and logs change, the cache is purged, and slow clients hang on: every
response is compared with the disk.  `make soak TIME=300 SEED=1 MODES=shared,arena,threads`.
"""

import argparse
import contextlib
import os
import pathlib
import random
import re
import signal
import sys
import tempfile
import threading
import time

from e2e import harness
from e2e.chaos import SLOTS, Chaos, all_ready, check_deaths, check_nothing_is_left
from e2e.crowd import Crowd, Kills, Site
from e2e.harness import PATIENCE, Conn, Server, check, wait_until

FILES, CLIENTS, SLOW = 200, 24, 40
STOP_S = 0.5  # a worker that is stopped goes on after that, at the most
GROWTH_MAX = 24 << 20  # of the master, between a third of the time and the end
# No limit on forks or deaths: the soak makes many on purpose.
OPTIONS = {"server_timing": "on", "cache_bytes": "4m", "cache.valid": "200ms",
           "access_log": "access.log", "recycle.requests": 2000, "fork.max_unready": 0,
           "fork.rate": 0}


class Troubles(Chaos):
    """One trouble after the other, chosen at random."""

    def __init__(self, server, kills, paths, seed):
        super().__init__(server, kills, paths, 0.15 * PATIENCE, most=1 << 30)
        self.random = random.Random(seed)
        self.stops = self.reloads = self.reopens = 0

    def run(self):
        steps = (self.kill, self.stop_one, self.refork, self.reload, self.purge, self.send_urg,
                 self.collect, self.reopen)
        weights = (2, 4, 2, 1, 6, 1, 3, 2)
        try:
            while not self.over.wait(self.random.expovariate(1 / self.pause_s)):
                self.random.choices(steps, weights)[0]()
        except BaseException as error:  # told by stop(), in the thread of the soak
            self.failure = error

    def stop_one(self):
        """A worker that the system does not run for a while: its clients wait."""
        pids = [s["pid"] for s in self.server.status()["slots"] if s["pid"] > 0]
        if not pids:
            return
        pid = self.random.choice(pids)
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGSTOP)
            try:
                self.over.wait(self.random.random() * STOP_S)
            finally:
                os.kill(pid, signal.SIGCONT)
            self.stops += 1

    def reload(self):
        self.server.signal(signal.SIGHUP)
        self.reloads += 1

    def reopen(self):
        (self.server.folder / "access.log").replace(self.server.folder / "access.old")
        self.server.signal(signal.SIGUSR1)
        self.reopens += 1

    def figures(self):
        return (f"{len(self.kills)} kills, {self.stops} stops, {self.reforks + self.signals} "
                f"reforks, {self.reloads} reloads, {self.reopens} reopened logs, {self.purges} "
                f"purges, {self.collections} collections")


class SlowClients(threading.Thread):
    """Some send a head byte by byte, some a body, some take a byte now and then of much."""

    TEXTS = ("GET /0.bin HTTP/1.1\r\nHost: slow\r\nX: " + "x" * 5000,
             "POST /0.bin HTTP/1.1\r\nHost: slow\r\nContent-Length: 5000\r\n\r\n" + "x" * 4999,
             None)

    def __init__(self, server, count, seed):
        super().__init__(daemon=True)
        self.server = server
        self.random = random.Random(seed)
        self.over = threading.Event()
        self.clients = [(None, 0, n % 3) for n in range(count)]
        self.moves = self.opened = 0

    def move(self, conn, at, kind):
        """The same client, a byte later; its connection may end whenever it likes."""
        text = self.TEXTS[kind]
        try:
            if conn is None:
                conn, at = Conn(self.server.address, 5.0, receive_buffer=4096), 0
                self.opened += 1
                if text is None:
                    conn.send("GET /large HTTP/1.1\r\nHost: slow\r\n\r\n")
            conn.sock.setblocking(False)
            if text is None:
                if not conn.sock.recv(100):
                    raise ConnectionResetError
            elif at < len(text):
                conn.sock.send(text[at].encode())
            self.moves += 1
            if self.random.random() < 0.002:
                raise ConnectionResetError  # it leaves in the middle
            return conn, at + 1, kind
        except BlockingIOError:
            return conn, at, kind
        except OSError:
            if conn is not None:
                conn.close()
            return None, 0, kind

    def run(self):
        while not self.over.is_set():
            for number, client in enumerate(self.clients):
                self.clients[number] = self.move(*client)
                if self.over.wait(0.002):
                    break

    def stop(self):
        self.over.set()
        self.join()
        for conn, _, _ in self.clients:
            if conn is not None:
                conn.close()


def resident(pid):
    text = pathlib.Path(f"/proc/{pid}/status").read_text(encoding="ascii")
    return int(re.search(r"^VmRSS:\s+(\d+) kB", text, re.M).group(1)) << 10


def write_tree(folder, rng):
    for number in range(FILES):
        size = min(int(rng.lognormvariate(8.5, 1.5)), 200_000)
        (folder / f"{number}.bin").write_bytes(rng.randbytes(size))
    (folder / "large").write_bytes(rng.randbytes(3_000_000))
    then = time.time() - harness.AGE_S
    for path in folder.iterdir():
        os.utime(path, (then, then))


def run_crowd(crowd, server, seconds, tell):
    """The memory of the master at a third of the time, and at the end."""
    begin, told, early = time.monotonic(), 0.0, 0
    while (passed := time.monotonic() - begin) < seconds:
        crowd.run_for(min(1.0, seconds - passed))
        if early == 0 and passed > seconds / 3:
            early = resident(server.proc.pid)
        if passed - told > 30:
            told = passed
            print(f"  {passed:.0f} s: {tell()}", flush=True)
        if crowd.wrong:
            break
    return early, resident(server.proc.pid)


def soak(mode, seconds, seed):
    """Fails if a byte is wrong, a worker ends that was not ended, or something is left."""
    with tempfile.TemporaryDirectory(prefix="cowshed-soak-") as name:
        root = pathlib.Path(name)
        write_tree(root, random.Random(seed))
        with Server(mode=mode, slots=SLOTS, options={**OPTIONS, "root": root}) as server:
            live = wait_until(lambda: all_ready(server), "all slots to be ready")["heap"]["live"]
            kills = Kills()
            crowd = Crowd(server.address, Site(root), kills, CLIENTS, seed)
            troubles = Troubles(server, kills, crowd.site.paths, seed)
            slow = SlowClients(server, SLOW, seed)
            slow.start()
            troubles.start()
            try:
                early, late = run_crowd(crowd, server, seconds, troubles.figures)
            finally:
                troubles.over.set()
                slow.stop()
            crowd.finish()
            troubles.stop()
            print(f"mode {mode}, {seconds:.0f} s, seed {seed}: {troubles.figures()}; slow clients "
                  f"{slow.opened} times, {slow.moves} moves; {crowd.figures()}; the master grew by "
                  f"{(late - early) >> 10} KiB", flush=True)
            check(not crowd.wrong, "\n".join([f"seed {seed}:", *crowd.wrong]))
            check(late - early < GROWTH_MAX, f"the master grew from {early} to {late}")
            # A slot that was killed again and again is forked again after up to 30 s.
            wait_until(lambda: all_ready(server), "all slots to be ready again", 60.0)
            check_deaths(server, kills)
            check_nothing_is_left(server, live)
            return troubles


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--time", type=float, default=180, help="seconds, over all modes")
    parser.add_argument("--seed", type=int, default=0, help="0: a new one")
    parser.add_argument("--modes", default="shared,arena,threads")
    args = parser.parse_args()
    seed = args.seed or random.SystemRandom().randrange(1, 1 << 30)
    modes = args.modes.split(",")
    harness.adopt_orphans()
    failed = 0
    for number, mode in enumerate(modes):
        try:
            soak(mode, args.time / len(modes), seed + number)
        except harness.Failure as failure:
            failed += 1
            print(f"FAIL mode {mode}, seed {seed + number}: {failure}", flush=True)
    print(f"{len(modes) - failed} passed, {failed} failed", flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
