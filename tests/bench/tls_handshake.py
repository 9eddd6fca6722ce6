#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""CPU time of a full TLS handshake in one cowshed worker and in one nginx worker, in one run.

Both have the same certificate (ECDSA P-256) and the same protocols; `openssl s_time` makes new connections from another
processor, one after the other. Many short rounds alternate between the two, so that drift of the machine meets both
alike; what counts is the median of their ratios, with its interval of 95 %. The CPU time is that of the worker alone, user
and system together, from /proc/PID/task/*/schedstat.

Exit code: 0 when the median ratio of each version is within --limit, 1 when it is not, 77 when something is missing.
"""
import argparse
import json
import os
import pathlib
import re
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import urllib.request

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
from cpu_per_request import cpu_ns, free_port, interval, wait_for
from tools import find_tool

NGINX_CONF = """
daemon off;
worker_processes 1;
user {user};
error_log {dir}/error.log warn;
pid {dir}/nginx.pid;
events {{ worker_connections 1024; }}
http {{
    access_log off;
    client_body_temp_path {dir}/body;
    proxy_temp_path {dir}/proxy;
    fastcgi_temp_path {dir}/fastcgi;
    uwsgi_temp_path {dir}/uwsgi;
    scgi_temp_path {dir}/scgi;
    server {{
        listen 127.0.0.1:{port} ssl;
        ssl_certificate {dir}/one.pem;
        ssl_certificate_key {dir}/one.key;
        ssl_protocols TLSv1.2 TLSv1.3;
        ssl_ecdh_curve X25519:P-256:P-384;
        ssl_session_cache off;
        ssl_session_tickets on;
        root {dir};
    }}
}}
"""


def make_certificate(folder):
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1",
                    "-nodes", "-keyout", f"{folder}/one.key", "-out", f"{folder}/one.pem", "-days", "30",
                    "-subj", "/CN=localhost"], check=True, capture_output=True, stdin=subprocess.DEVNULL)


class Nginx:
    name = "nginx"

    def __init__(self, folder, core):
        self.port = free_port()
        conf = os.path.join(folder, "nginx.conf")
        with open(conf, "w", encoding="ascii") as f:
            user = "root" if os.geteuid() == 0 else "nobody"
            f.write(NGINX_CONF.format(dir=folder, port=self.port, user=user))
        self.process = subprocess.Popen(
            ["taskset", "-c", str(core), find_tool("nginx"), "-p", folder, "-c", conf],
            stderr=subprocess.DEVNULL, stdin=subprocess.DEVNULL)
        self.worker = wait_for("worker of nginx", self.find_worker)

    def find_worker(self):
        path = f"/proc/{self.process.pid}/task/{self.process.pid}/children"
        with open(path, encoding="ascii") as f:
            pids = f.read().split()
        return int(pids[0]) if pids else None

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(10)


class Cowshed:
    name = "cowshed"

    def __init__(self, binary, folder, core):
        self.process = subprocess.Popen(
            ["taskset", "-c", str(core), binary, "-w", "1", "-l", "127.0.0.1:0", "-o", "admin=127.0.0.1:0",
             "-o", f"root={folder}", "-o", "tls.listen=127.0.0.1:0", "-o", f"tls.certificate={folder}/one.pem",
             "-o", f"tls.key={folder}/one.key"], stderr=subprocess.PIPE, stdin=subprocess.DEVNULL, text=True)
        for line in self.process.stderr:
            ready = re.search(r"^ready .* tls=127\.0\.0\.1:(\d+) admin=(\S+)", line)
            if ready:
                break
        self.port = int(ready.group(1))
        with urllib.request.urlopen(f"http://{ready.group(2)}/status", timeout=5) as answer:
            self.worker = json.load(answer)["slots"][0]["pid"]

    def stop(self):
        self.process.terminate()
        self.process.communicate(timeout=30)


def one_round(server, version, seconds, core):
    """CPU ns of the worker for each handshake, and how many there were."""
    before = cpu_ns(server.worker)
    done = subprocess.run(["taskset", "-c", str(core), "openssl", "s_time", "-connect", f"127.0.0.1:{server.port}",
                           "-new", version, "-time", str(seconds)], capture_output=True, text=True, check=True,
                          stdin=subprocess.DEVNULL)
    count = int(re.search(r"(\d+) connections in \d+ real seconds", done.stdout).group(1))
    return (cpu_ns(server.worker) - before) / count, count


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cowshed", default="build/cowshed")
    parser.add_argument("--rounds", type=int, default=25)
    parser.add_argument("--seconds", type=int, default=1, help="of each server in a round")
    parser.add_argument("--limit", type=float, default=1.1, help="median ratio that is allowed")
    args = parser.parse_args()
    cpus = sorted(os.sched_getaffinity(0))
    for name, there in (("nginx", find_tool("nginx")), ("openssl", shutil.which("openssl")),
                        ("a second processor", len(cpus) > 1)):
        if not there:
            print(f"skipped: {name} is missing")
            return 77
    worst = 0.0
    with tempfile.TemporaryDirectory(prefix="cowshed-tls-") as folder:
        make_certificate(folder)
        servers = [Cowshed(str(pathlib.Path(args.cowshed).resolve()), folder, cpus[0]), Nginx(folder, cpus[0])]
        try:
            print("CPU time of the worker for a full handshake, us")
            for version in ("-tls1_2", "-tls1_3"):
                for server in servers:  # warm
                    one_round(server, version, 1, cpus[1])
                ratios = []
                for number in range(args.rounds):
                    order = servers if number % 2 == 0 else servers[::-1]
                    cost = {s.name: one_round(s, version, args.seconds, cpus[1]) for s in order}
                    ratios.append(cost["cowshed"][0] / cost["nginx"][0])
                    print(f"{version[1:]}  cowshed {cost['cowshed'][0] / 1000:7.1f} ({cost['cowshed'][1]})  nginx "
                          f"{cost['nginx'][0] / 1000:7.1f} ({cost['nginx'][1]})  ratio {ratios[-1]:.3f}", flush=True)
                worst = max(worst, statistics.median(ratios))
                least, most = interval(sorted(ratios))
                print(f"{version[1:]}  median ratio {statistics.median(ratios):.3f} ({least:.3f} to {most:.3f}), "
                      f"at most {args.limit} is wanted")
        finally:
            for server in servers:
                server.stop()
    return 0 if worst <= args.limit else 1


if __name__ == "__main__":
    sys.exit(main())
