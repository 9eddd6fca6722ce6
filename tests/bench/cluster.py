#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""HAProxy and cowshed machines: what a client notices when one is killed, drained or added.

conf/haproxy.cfg as it is, in a network of namespaces that exist as long as this program: one for HAProxy and the
load, one for each server, and a bridge between. The site is larger than the cache of one server, and smaller than
that of three.

Exit code: 0 when no request failed at the client, 1 when one did, 77 when something is missing.
"""
import argparse
import contextlib
import json
import os
import pathlib
import re
import signal
import socket
import subprocess
import sys
import tempfile
import time

TOP = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(TOP / "tests"))
from tools import find_tool

BALANCER = "192.0.2.1"
OBJECTS = 12000


def ip(*words):
    subprocess.run(["ip", *words], check=True, stdin=subprocess.DEVNULL, capture_output=True)


class Network:
    """Namespaces on one bridge, gone at the end; their names hold our pid."""

    def __init__(self):
        self.names = []

    def remove_stale(self):
        """What a run left behind that was killed."""
        listed = subprocess.run(["ip", "netns", "list"], capture_output=True, text=True, check=True)
        for name, pid in re.findall(r"^(cowshed-(\d+)-\w+)", listed.stdout, re.M):
            if not os.path.exists(f"/proc/{pid}"):
                ip("netns", "del", name)

    def __enter__(self):
        self.remove_stale()
        self.hub = self.add_namespace("hub")
        ip("-n", self.hub, "link", "add", "bridge", "type", "bridge")
        ip("-n", self.hub, "link", "set", "bridge", "up")
        self.balancer = self.add("lb", BALANCER)
        return self

    def __exit__(self, *_):
        for name in self.names:
            with contextlib.suppress(subprocess.CalledProcessError):
                ip("netns", "del", name)

    def add_namespace(self, role):
        name = f"cowshed-{os.getpid()}-{role}"
        ip("netns", "add", name)
        self.names.append(name)
        ip("-n", name, "link", "set", "lo", "up")
        return name

    def add(self, role, address):
        """A namespace with this address on the bridge."""
        name = self.add_namespace(role)
        ip("-n", self.hub, "link", "add", role, "type", "veth", "peer", "name", "wire", "netns", name)
        ip("-n", self.hub, "link", "set", role, "master", "bridge", "up")
        ip("-n", name, "address", "add", f"{address}/24", "dev", "wire")
        ip("-n", name, "link", "set", "wire", "up")
        return name


def inside(namespace, *command):
    return ["ip", "netns", "exec", namespace, *map(str, command)]


class Machine:
    """A server in a namespace of its own."""

    def __init__(self, cluster, number):
        self.cluster = cluster
        self.address = f"192.0.2.{10 + number}"
        self.name = f"cow{number}"
        self.namespace = cluster.network.add(self.name, self.address)
        self.proc = None

    def start(self):
        at = self.address
        settings = {"listen": f"{at}:8080", "admin": f"{at}:8081", "agent": f"{at}:8082",
                    "proxy_from": BALANCER, "trusted_peers": BALANCER, "request_id": "on",
                    "drain_delay": "2s", "origin": "synthetic", "synthetic.objects": OBJECTS,
                    "synthetic.median": 2048, "synthetic.delay": "2ms", "cache_bytes": "20m", "slots": 1}
        words = [word for name, value in settings.items() for word in ("-o", f"{name}={value}")]
        self.log = open(self.cluster.folder / f"{self.name}.log", "ab")
        self.proc = subprocess.Popen(inside(self.namespace, self.cluster.args.cowshed, *words),
                                     stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log,
                                     start_new_session=True)

    def kill(self):
        """As if the plug were pulled, but that the kernel tells the others."""
        os.killpg(self.proc.pid, signal.SIGKILL)
        self.proc.wait()

    def stop(self):
        """As for a deploy: it says that it leaves, and goes when nobody is left."""
        self.proc.terminate()

    def end(self):
        if self.proc is not None and self.proc.poll() is None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.proc.pid, signal.SIGKILL)
            self.proc.wait()

    def counters(self):
        """(requests, hits), from its own metrics; None: it does not answer."""
        done = subprocess.run(inside(self.namespace, "python3", "-c", FETCH, self.address),
                              capture_output=True, text=True, check=False)
        if done.returncode != 0:
            return None
        found = re.findall(r'^cowshed_cache_requests_total\{result="(\w+)"\} (\S+)$', done.stdout, re.M)
        results = {name: int(float(value)) for name, value in found}
        return sum(results.values()), results["hit"]


FETCH = "import sys, urllib.request; print(urllib.request.urlopen(f'http://{sys.argv[1]}:8081/metrics',"\
        " timeout=2).read().decode())"


class Cluster:
    def __init__(self, args, network, folder):
        self.args, self.network, self.folder = args, network, folder
        self.machines = [Machine(self, number) for number in range(1, 5)]
        self.haproxy = None
        self.failed = 0

    def __enter__(self):
        try:
            self.start()
        except BaseException:
            self.end()
            raise
        return self

    def start(self):
        for machine in self.machines[:3]:
            machine.start()
        log = open(self.folder / "haproxy.log", "wb")
        self.haproxy = subprocess.Popen(
            inside(self.network.balancer, self.args.haproxy, "-db", "-f", TOP / "conf/haproxy.cfg"),
            stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        deadline = time.monotonic() + 30
        while self.ask() != 200:
            if time.monotonic() > deadline or self.haproxy.poll() is not None:
                sys.exit(f"HAProxy does not serve:\n{(self.folder / 'haproxy.log').read_text()}")
            time.sleep(0.1)
        time.sleep(1.5)  # the checks have seen all three

    def __exit__(self, *_):
        self.end()

    def end(self):
        for machine in self.machines:
            machine.end()
        if self.haproxy is not None:
            self.haproxy.terminate()
            self.haproxy.wait()

    def ask(self):
        code = f"import urllib.request; print(urllib.request.urlopen('http://{BALANCER}/o/0', timeout=2).status)"
        done = subprocess.run(inside(self.network.balancer, "python3", "-c", code), capture_output=True,
                              text=True, check=False)
        return int(done.stdout) if done.returncode == 0 else 0

    def phase(self, words, seconds, *events):
        """Load for so long, and (after, what to do) meanwhile; then a line about it."""
        before = [m.counters() for m in self.machines]
        out = self.folder / "result.json"
        load = subprocess.Popen(
            inside(self.network.balancer, self.args.cowload, "-t", 1, "-c", self.args.connections, "-R",
                   self.args.rate, "-d", f"{round(1000 * seconds)}ms", "--zipf", f"{OBJECTS},0.8", "--json", out,
                   f"http://{BALANCER}/o/"), stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE, text=True)
        try:
            begin = time.monotonic()
            for after, act in events:
                time.sleep(max(0, begin + after - time.monotonic()))
                act()
            said = load.communicate()[1]
        finally:
            if load.poll() is None:
                load.kill()
                load.communicate()
        if load.returncode not in (0, 3):
            sys.exit(f"cowload failed with {load.returncode}: {said}")
        self.tell(words, json.loads(out.read_text()), before, [m.counters() for m in self.machines])

    def tell(self, words, result, before, after):
        counts = result["counts"]
        failed = sum(counts[name] for name in ("http_errors", "wrong_bodies", "read_errors", "write_errors",
                                               "timeouts", "connect_errors"))
        self.failed += failed
        shares, requests, hits = [], 0, 0
        for old, new in zip(before, after):
            if new is None:
                shares.append("-")
                continue
            old = old if old is not None and old[0] <= new[0] else (0, 0)  # it began anew
            requests += new[0] - old[0]
            hits += new[1] - old[1]
            shares.append(new[0] - old[0])
        total = max(1, sum(share for share in shares if share != "-"))
        words += " " * (30 - len(words))
        share = " ".join("   -" if s == "-" else f"{100 * s / total:3.0f}%" for s in shares)
        p99 = result["latency"]["all"]["percentiles_ns"]["p99"]
        p99 = "-" if p99 is None else f"{p99 / 1e6:.1f}"  # too few requests for one
        print(f"{words} {counts['sent']:8} {failed:7} {100 * hits / max(1, requests):8.1f}% {p99:>9}   {share}",
              flush=True)


def run(args):
    with tempfile.TemporaryDirectory(prefix="cowshed-cluster-") as folder, Network() as network, \
            Cluster(args, network, pathlib.Path(folder)) as cluster:
        one, two, three, four = cluster.machines
        t = args.seconds
        print(f"{args.rate} requests/s on {args.connections} connections; {OBJECTS} objects, more than one server holds")
        print(f"{'':30} {'requests':>8} {'failed':>7} {'hits':>9} {'p99 ms':>9}    cow1 cow2 cow3 cow4")
        cluster.phase("three servers, empty caches", t)
        cluster.phase("three servers", t)
        cluster.phase("cow1 is killed", t, (t / 3, one.kill))
        cluster.phase("cow1 comes back, empty", t, (t / 3, one.start))
        cluster.phase("cow2 drains and leaves", t, (t / 3, two.stop))
        cluster.phase("cow4 is added", t, (t / 3, four.start))
        cluster.phase("cow1, cow3 and cow4", t)
        print(f"{cluster.failed} requests failed")
        return 1 if cluster.failed else 0


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cowshed", default="build/cowshed")
    parser.add_argument("--cowload", default="build/cowload")
    parser.add_argument("--rate", type=int, default=2000)
    parser.add_argument("--connections", type=int, default=32)
    parser.add_argument("--seconds", type=float, default=6, help="of each phase")
    args = parser.parse_args()
    args.cowshed, args.cowload = (str(pathlib.Path(p).resolve()) for p in (args.cowshed, args.cowload))
    args.haproxy = find_tool("haproxy")
    if args.haproxy is None:
        print("skipped: haproxy is missing")
        return 77
    try:
        ip("netns", "list")
        if os.geteuid() != 0:
            raise PermissionError("not root")
    except (OSError, subprocess.CalledProcessError) as error:
        print(f"skipped: network namespaces cannot be made here: {error}")
        return 77
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    signal.signal(signal.SIGINT, signal.default_int_handler)  # also where it was ignored
    try:
        return run(args)
    except KeyboardInterrupt:
        return 130


if __name__ == "__main__":
    sys.exit(main())
