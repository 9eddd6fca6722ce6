#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""CPU time per request of one cowshed worker and of one nginx worker, in one run.

Both serve the same cached file of 1 KiB over 64 keep-alive connections, pinned to the same
core, while the generator (wrk where it is installed, else cowload) runs on another one. Many short
rounds alternate between the two servers, so that drift of the machine meets both alike; a virtual
machine may be 25 % slower for seconds, so that a round says little and the median of all of them,
with its interval of 95 %, is what counts. The CPU time is that
of the worker alone, user and system together, read in nanoseconds from /proc/PID/schedstat;
requests are counted by the server's own counters or, for nginx, by stub_status.

Exit code: 0 when the median ratio is within --limit, 1 when it is not, 77 when something that the
comparison needs is missing (each case says which).
"""
import argparse
import json
import os
import pathlib
import re
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
from tools import find_tool

NGINX_CONF = """
daemon off;
master_process on;
worker_processes 1;
user {user};
error_log {dir}/error.log warn;
pid {dir}/nginx.pid;
events {{ worker_connections 1024; }}
http {{
    access_log off;
    types {{ text/plain txt; }}
    sendfile on;
    tcp_nopush on;
    keepalive_timeout 75s;
    keepalive_requests 1000000000;
    open_file_cache max=1000 inactive=60s;
    open_file_cache_valid 60s;
    client_body_temp_path {dir}/body;
    proxy_temp_path {dir}/proxy;
    fastcgi_temp_path {dir}/fastcgi;
    uwsgi_temp_path {dir}/uwsgi;
    scgi_temp_path {dir}/scgi;
    server {{
        listen 127.0.0.1:{port};
        root {root};
        location = /stub {{ stub_status; }}
    }}
}}
"""


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def cpu_ns(pid):
    """User and system time of all threads of a process, in ns."""
    total = 0
    for tid in os.listdir(f"/proc/{pid}/task"):
        with open(f"/proc/{pid}/task/{tid}/schedstat", encoding="ascii") as f:
            total += int(f.read().split()[0])
    return total


def get(url):
    with urllib.request.urlopen(url, timeout=5) as answer:
        return answer.read()


def wait_for(what, check, seconds=10.0):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        got = check()
        if got:
            return got
        time.sleep(0.02)
    raise RuntimeError(f"no {what} within {seconds} s")


class Nginx:
    name = "nginx"

    def __init__(self, folder, root, core):
        self.port = free_port()
        conf = os.path.join(folder, "nginx.conf")
        with open(conf, "w", encoding="ascii") as f:
            user = "root" if os.geteuid() == 0 else "nobody"
            f.write(NGINX_CONF.format(dir=folder, port=self.port, root=root, user=user))
        self.process = subprocess.Popen(
            ["taskset", "-c", str(core), find_tool("nginx"), "-p", folder, "-c", conf],
            stderr=subprocess.DEVNULL)
        wait_for("answer of nginx", self.answers)
        self.worker = wait_for("worker of nginx", self.find_worker)

    def answers(self):
        try:
            return get(f"http://127.0.0.1:{self.port}/stub")
        except OSError:
            return None

    def find_worker(self):
        path = f"/proc/{self.process.pid}/task/{self.process.pid}/children"
        with open(path, encoding="ascii") as f:
            pids = f.read().split()
        return int(pids[0]) if pids else None

    def requests(self):
        text = get(f"http://127.0.0.1:{self.port}/stub").decode()
        return int(re.search(r"\s(\d+)\s+(\d+)\s+(\d+)\s", text).group(3))

    def stop(self):
        self.process.send_signal(signal.SIGQUIT)
        self.process.wait(10)


class Cowshed:
    name = "cowshed"

    def __init__(self, binary, root, core, mode):
        self.process = subprocess.Popen(
            ["taskset", "-c", str(core), binary, "-m", mode, "-w", "1", "-l", "127.0.0.1:0",
             "-o", "admin=127.0.0.1:0", "-o", f"root={root}", "-o", "access_log=off"],
            stderr=subprocess.PIPE, text=True)
        self.port, self.admin = self.read_ready()
        self.worker = self.status()["slots"][0]["pid"]

    def read_ready(self):
        for line in self.process.stderr:
            found = re.search(r"ready listen=\S+:(\d+) admin=(\S+)", line)
            if found:
                return int(found.group(1)), found.group(2)
            sys.stderr.write(line)
        raise RuntimeError(f"cowshed ended with {self.process.wait()} before it was ready")

    def status(self):
        return json.loads(get(f"http://{self.admin}/status"))

    def requests(self):
        return self.status()["slots"][0]["requests"]

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        self.process.communicate(timeout=20)


def generate(port, core, seconds, connections, cowload):
    url = f"http://127.0.0.1:{port}/file.txt"
    tool = [shutil.which("wrk")] if shutil.which("wrk") else [cowload]
    command = ["taskset", "-c", str(core), *tool, "-t", "1", "-c", str(connections), "-d",
               f"{seconds}s", url]
    out = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    for bad in ("Socket errors", "Non-2xx"):
        if bad in out:
            raise RuntimeError(f"the generator reports: {out}")


def one_round(server, args):
    before, used = server.requests(), cpu_ns(server.worker)
    generate(server.port, args.load_core, args.seconds, args.connections, args.cowload)
    used, made = cpu_ns(server.worker) - used, server.requests() - before
    return used / max(made, 1), made


def compare(args, folder):
    root = os.path.join(folder, "root")
    os.mkdir(root)
    with open(os.path.join(root, "file.txt"), "w", encoding="ascii") as f:
        f.write(("x" * 63 + "\n") * 16)
    servers = []
    try:
        servers.append(Nginx(folder, root, args.server_core))
        servers.append(Cowshed(args.cowshed, root, args.server_core, args.mode))
        for server in servers:
            generate(server.port, args.load_core, 1, args.connections, args.cowload)
        ratios = []
        print("round  nginx ns/request  cowshed ns/request  ratio")
        for number in range(args.rounds):
            order = servers if number % 2 == 0 else servers[::-1]
            cost = {s.name: one_round(s, args) for s in order}
            ratios.append(cost["cowshed"][0] / cost["nginx"][0])
            print(f"{number + 1:5}  {cost['nginx'][0]:16.0f}  {cost['cowshed'][0]:18.0f}"
                  f"  {ratios[-1]:5.3f}", flush=True)
        return ratios
    finally:
        for server in servers:
            server.stop()


def interval(ordered):
    """Of 95 % for the median of these: order statistics, by the normal approximation."""
    half = 0.98 * len(ordered) ** 0.5
    middle = (len(ordered) - 1) / 2
    return ordered[max(0, int(middle - half))], ordered[min(len(ordered) - 1, int(middle + half + 1))]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cowshed", default="build/cowshed")
    parser.add_argument("--cowload", default="build/cowload")
    parser.add_argument("--mode", default="shared")
    parser.add_argument("--rounds", type=int, default=41)
    parser.add_argument("--seconds", type=int, default=1)
    parser.add_argument("--connections", type=int, default=64)
    parser.add_argument("--limit", type=float, default=0.70)
    cores = sorted(os.sched_getaffinity(0))
    parser.add_argument("--server-core", type=int, default=cores[0])
    parser.add_argument("--load-core", type=int, default=cores[-1])
    args = parser.parse_args()
    if not find_tool("nginx"):
        print("skipped: there is no nginx (make bench-nginx gets one)")
        return 77
    if len(cores) < 2:
        print("skipped: needs two processors")
        return 77
    with tempfile.TemporaryDirectory(prefix="cowshed-bench-") as folder:
        os.chmod(folder, 0o755)
        ratios = sorted(compare(args, folder))
    ratio = statistics.median(ratios)
    verdict = "within" if ratio <= args.limit else "ABOVE"
    least, most = interval(ratios)
    print(f"median ratio {ratio:.3f} ({least:.3f} to {most:.3f}), {verdict} the limit of {args.limit:.2f}")
    return 0 if ratio <= args.limit else 1


if __name__ == "__main__":
    sys.exit(main())
