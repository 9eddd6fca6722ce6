#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""A minute of troubles under load: which requests fail.

A server with four slots, 64 connections that are kept, half of the capacity that was measured before. Meanwhile, at random:
workers are killed, recycled and forked anew, the configuration is reloaded, another program takes over. Three
times: through HAProxy, which may ask again (nothing may fail); directly, but without kills (nothing may fail);
directly with kills (nothing may fail but what a killed worker had in its hands: its connections, at most one request each).
In mode threads a kill takes all slots, and with them answers that were half-way to HAProxy: that is what the mode costs.

Exit code: 0 when it is so, 1 when it is not, 77 when something is missing.
"""
import argparse
import contextlib
import json
import os
import pathlib
import random
import re
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request

TOP = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(TOP / "tests"))
from tools import find_tool

SLOTS, CONNECTIONS = 4, 64
BAD = ("http_errors", "wrong_bodies", "read_errors", "write_errors", "timeouts", "connect_errors")
HAPROXY = """
global
    maxconn 2000
defaults
    mode http
    timeout connect 1s
    timeout client 30s
    timeout server 30s
    timeout check 1s
    retries 3
    option redispatch 1
    retry-on conn-failure empty-response response-timeout 503
    http-reuse safe
frontend site
    bind {listen}
    http-request disable-l7-retry unless {{ method GET HEAD OPTIONS }}
    default_backend cowshed
backend cowshed
    option httpchk GET /readyz
    default-server check port {admin} inter 200ms fall 3 rise 1 pool-purge-delay 20s
    server one 127.0.0.1:{port}
    server again 127.0.0.1:{port}
"""


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


class Site:
    """The server, which may become another process while it runs."""

    def __init__(self, args, folder):
        self.folder = folder
        self.port, self.admin_port = free_port(), free_port()
        (folder / "www").mkdir()
        for number in range(50):
            (folder / "www" / f"{number}").write_bytes(bytes([65 + number % 26]) * (200 + 37 * number))
        settings = {"admin": f"127.0.0.1:{self.admin_port}", "root": folder / "www", "pid_file": folder / "pid",
                    "fork.max_unready": 2, "fork.rate": 0, "recycle.requests": 15000, "drain_timeout": "10s"}
        argv = [args.cowshed, "-l", f"127.0.0.1:{self.port}", "-w", str(SLOTS), "-m", args.mode]
        for name, value in settings.items():
            argv += ["-o", f"{name}={value}"]
        self.log = open(folder / "log", "wb")
        self.first = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log)
        self.wait_until_ready(1)

    def text(self):
        return (self.folder / "log").read_text(errors="replace")

    def wait_until_ready(self, masters):
        deadline = time.monotonic() + 20
        while len(re.findall(r"^ready ", self.text(), re.M)) < masters:
            if time.monotonic() > deadline:
                sys.exit(f"the server does not become ready:\n{self.text()[-2000:]}")
            time.sleep(0.02)

    def master(self):
        return int((self.folder / "pid").read_text())

    def recycled(self):
        """Workers that asked to be replaced, of all masters."""
        return self.text().count("asks to be replaced")

    def status(self):
        with urllib.request.urlopen(f"http://127.0.0.1:{self.admin_port}/status", timeout=10) as answer:
            return json.load(answer)

    def end(self):
        with contextlib.suppress(OSError, ValueError):
            os.kill(self.master(), signal.SIGTERM)
        deadline = time.monotonic() + 20
        while (self.folder / "pid").exists() and time.monotonic() < deadline:
            time.sleep(0.05)
        if self.first.poll() is None:
            self.first.kill()
        self.first.wait()


class Troubles:
    def __init__(self, site, seed, kills):
        self.site, self.random = site, random.Random(seed)
        self.counts = {"kill": 0, "refork": 0, "reload": 0, "upgrade": 0}
        self.weights = (4 if kills else 0, 2, 2, 1)
        self.in_hands = 0

    def one(self):
        name = self.random.choices(list(self.counts), self.weights)[0]
        with contextlib.suppress(OSError, ValueError):  # a master is just leaving
            if getattr(self, name)():
                self.counts[name] += 1

    def kill(self):
        ready = [s for s in self.site.status()["slots"] if s["state"] == "ready"]
        if len(ready) < 2:
            return False
        victim = self.random.choice(ready)
        self.in_hands += sum(s["counters"]["connections"] for s in ready if s["pid"] == victim["pid"])
        os.kill(victim["pid"], signal.SIGKILL)
        return True

    def refork(self):
        os.kill(self.site.master(), signal.SIGURG)
        return True

    def reload(self):
        os.kill(self.site.master(), signal.SIGHUP)
        return True

    def upgrade(self):
        masters = len(re.findall(r"^ready ", self.site.text(), re.M))
        os.kill(self.site.master(), signal.SIGUSR2)
        time.sleep(0.3)
        return len(re.findall(r"^ready ", self.site.text(), re.M)) > masters


def load(args, port, seconds, out, *words):
    return subprocess.Popen([args.cowload, "-t", "1", "-c", str(CONNECTIONS), "-d", f"{seconds}s", "--json", str(out),
                             "--timeout", "20s", "--mix", str(out.parent / "mix"), *words, f"http://127.0.0.1:{port}/"],
                            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)


def finish(proc, out):
    said = proc.communicate()[1]
    if proc.returncode not in (0, 3):
        sys.exit(f"cowload failed with {proc.returncode}: {said}")
    return json.loads(out.read_text())


def act(args, site, words, port, kills, seed):
    """A row; the requests that failed although they must not."""
    out = site.folder / "result.json"
    capacity = finish(load(args, port, 2, out), out)["requests_per_s"]
    rate = max(100, int(capacity / 2))
    troubles = Troubles(site, seed, kills)
    recycled = site.recycled()
    proc = load(args, port, args.seconds, out, "-R", str(rate))
    until = time.monotonic() + args.seconds - 0.5
    while time.monotonic() < until:
        time.sleep(troubles.random.uniform(0.2, 1.0))
        troubles.one()
    counts = finish(proc, out)["counts"]
    failed = {name: counts[name] for name in BAD if counts[name]}
    allowed = troubles.in_hands if kills and port == site.port else 0
    print(f"{words:30} {rate:6}/s {counts['sent']:9} sent  {sum(failed.values()):5} failed {failed or ''}; "
          f"{troubles.counts}, {site.recycled() - recycled} recycled"
          + (f"; {allowed} connections were in the hands of killed workers" if allowed else ""), flush=True)
    return max(0, sum(failed.values()) - allowed)


def run(args):
    with tempfile.TemporaryDirectory(prefix="cowshed-chaos-") as name:
        folder = pathlib.Path(name)
        (folder / "mix").write_text("".join(f"1 /{number}\n" for number in range(50)))
        site = Site(args, folder)
        listen = free_port()
        config = folder / "haproxy.cfg"
        config.write_text(HAPROXY.format(listen=f"127.0.0.1:{listen}", port=site.port, admin=site.admin_port))
        log = open(folder / "haproxy.log", "wb")
        haproxy = subprocess.Popen([args.haproxy, "-db", "-f", str(config)], stdin=subprocess.DEVNULL, stdout=log,
                                   stderr=log)
        try:
            time.sleep(1)
            worst = act(args, site, "through HAProxy", listen, True, args.seed)
            worst += act(args, site, "directly, nobody is killed", site.port, False, args.seed + 1)
            worst += act(args, site, "directly, workers are killed", site.port, True, args.seed + 2)
        finally:
            haproxy.terminate()
            haproxy.wait()
            site.end()
        print(f"{worst} requests failed that must not")
        return 1 if worst else 0


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cowshed", default="build/cowshed")
    parser.add_argument("--cowload", default="build/cowload")
    parser.add_argument("--mode", default="shared")
    parser.add_argument("--seconds", type=int, default=60, help="of each of the three")
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
    args.cowshed, args.cowload = (str(pathlib.Path(p).resolve()) for p in (args.cowshed, args.cowload))
    args.haproxy = find_tool("haproxy")
    if args.haproxy is None:
        print("skipped: haproxy is missing")
        return 77
    return run(args)


if __name__ == "__main__":
    sys.exit(main())
