#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""What a fork of the master costs, by the size and kind of its heap.

Starts cowshed with the synthetic origin preloaded to a given size, asks for reforks, and reads
the duration of each fork() from the event stream. Between two reforks it waits until the older
workers are gone and some milliseconds more: a worker that gives back a gigabyte has the other
processor and the caches, for longer the larger the heap is, and a fork that runs beside it
would be told as longer than it is. The order of sizes is shuffled in each round. Exit code 0 when the fork with the largest shared heap takes at most --limit times as long as with
the smallest one, by medians; 1 when not.
"""
import argparse
import json
import random
import re
import signal
import statistics
import subprocess
import sys
import time
import urllib.request

SIZES_MIB = (16, 128, 512, 1024)


def get(url, data=None):
    with urllib.request.urlopen(urllib.request.Request(url, data=data), timeout=30) as answer:
        return answer.read().decode()


class Server:
    def __init__(self, binary, mode, mib):
        objects = mib * 64
        self.process = subprocess.Popen(
            [binary, "-m", mode, "-w", "2", "-l", "127.0.0.1:0", "-o", "admin=127.0.0.1:0",
             "-o", "origin=synthetic", "-o", f"synthetic.objects={objects}",
             "-o", "synthetic.median=16384", "-o", "synthetic.sigma=0",
             "-o", "synthetic.preload=on", "-o", f"cache_bytes={mib + mib // 8 + 4}m",
             "-o", "fork.rate=0", "-o", "spawn_timeout=60s"],
            stderr=subprocess.PIPE, text=True)
        self.admin = self.read_ready()

    def read_ready(self):
        lines = []
        for line in self.process.stderr:
            found = re.search(r"ready .*admin=(\S+)", line)
            if found:
                return "http://" + found.group(1)
            lines.append(line)
        raise RuntimeError(f"cowshed ended with {self.process.wait()}: {''.join(lines)}")

    def status(self):
        return json.loads(get(self.admin + "/status"))

    def forks(self):
        events = [json.loads(x) for x in get(self.admin + "/events?limit=4096").splitlines()]
        return [e["duration_ns"] / 1000 for e in events if e["kind"] == "fork"]

    def refork(self, generation):
        get(self.admin + "/ctl/refork", data=b"")
        end = time.monotonic() + 60
        while time.monotonic() < end:
            slots = self.status()["slots"]
            ready = [s for s in slots if s["generation"] > generation and s["state"] == "ready"]
            if len(ready) == len(slots):
                break
            time.sleep(0.02)
        else:
            raise RuntimeError("no new generation within 60 s")
        while len(self.children()) > 1 + len(slots):  # the admin process is one
            if time.monotonic() >= end:
                raise RuntimeError("older workers are still there after 60 s")
            time.sleep(0.02)
        time.sleep(0.05)

    def children(self):
        pid = self.process.pid
        with open(f"/proc/{pid}/task/{pid}/children", encoding="ascii") as file:
            return file.read().split()

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        self.process.communicate(timeout=60)


def sample(args, mode, mib):
    server = Server(args.cowshed, mode, mib)
    try:
        for _ in range(args.reforks):
            server.refork(server.status()["generation"])
        live = server.status()["heap"]["live"]
        return server.forks(), live
    finally:
        server.stop()


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cowshed", default="build/cowshed")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--reforks", type=int, default=6)
    parser.add_argument("--limit", type=float, default=1.5)
    args = parser.parse_args()
    times, live = {}, {}
    for _ in range(args.rounds):
        plan = [(m, s) for m in ("shared", "arena") for s in SIZES_MIB]
        random.shuffle(plan)
        for key in plan:
            forks, live[key] = sample(args, *key)
            times.setdefault(key, []).extend(forks)
    print("heap     live MiB   forks   median us      min us      max us")
    for key in sorted(times):
        t = times[key]
        kind = "shared" if key[0] == "shared" else "private"
        print(f"{kind:8} {live[key] / 2**20:8.0f} {len(t):7} {statistics.median(t):11.0f}"
              f" {min(t):11.0f} {max(t):11.0f}")
    ratio = {mode: statistics.median(times[mode, SIZES_MIB[-1]])
             / statistics.median(times[mode, SIZES_MIB[0]]) for mode in ("shared", "arena")}
    print(f"{SIZES_MIB[-1]} MiB against {SIZES_MIB[0]} MiB: shared {ratio['shared']:.2f} times,"
          f" private {ratio['arena']:.2f} times")
    return 0 if ratio["shared"] <= args.limit else 1


if __name__ == "__main__":
    sys.exit(main())
