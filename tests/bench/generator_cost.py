#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""How many requests a CPU second of the generator makes: cowload beside wrk, in one run.

Each has one thread, the same connections and the same processor; on another processor a trivial server
(`cowload serve`) answers faster than either can ask: with a slower one the generators wait, and what
they spend on falling asleep and waking up is measured too. Rounds alternate, so that drift of the machine meets both alike. The
CPU time is user and system time of the whole process, as the kernel accounts for it at its end.

Exit code: 0 when the median ratio reaches --least, 1 when it does not, 77 when something is missing.
"""
import argparse
import os
import pathlib
import re
import resource
import signal
import statistics
import subprocess
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
from tools import find_tool


def cpu_s():
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def run_on(cpu, *command):
    """(what it printed, its CPU seconds)"""
    before = cpu_s()
    done = subprocess.run([str(word) for word in command], stdin=subprocess.DEVNULL, capture_output=True,
                          text=True, check=False, preexec_fn=lambda: os.sched_setaffinity(0, {cpu}))
    spent = cpu_s() - before
    if done.returncode not in (0, 3):
        sys.exit(f"{command[0]} failed with {done.returncode}:\n{done.stdout}{done.stderr}")
    return done.stdout, spent


def per_cpu_second(name, cpu, args, url):
    words = (args.tools[name], "-t1", f"-c{args.connections}", f"-d{args.seconds}s", url)
    text, spent = run_on(cpu, *words)
    pattern = r"(\d+) requests in" if name == "wrk" else r"= (\d+) ok"
    return int(re.search(pattern, text).group(1)) / spent


def start_server(args, cpu):
    """(process, its address)"""
    server = subprocess.Popen([args.cowload, "serve"], stdin=subprocess.DEVNULL, stderr=subprocess.PIPE,
                              text=True, preexec_fn=lambda: os.sched_setaffinity(0, {cpu}))
    found = re.search(r"^ready listen=(\S+)", server.stderr.readline())
    if not found:
        sys.exit("the server did not become ready")
    return server, found.group(1)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cowload", default="build/cowload")
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--seconds", type=int, default=2, help="of each tool in a round")
    parser.add_argument("--connections", type=int, default=64)
    parser.add_argument("--least", type=float, default=1.2, help="median ratio that is enough")
    args = parser.parse_args()
    args.tools = {"wrk": find_tool("wrk"), "cowload": args.cowload}
    cpus = sorted(os.sched_getaffinity(0))
    if args.tools["wrk"] is None or len(cpus) < 2:
        print("skipped: wrk or a second processor is missing")
        sys.exit(77)
    server, address = start_server(args, cpus[0])
    try:
        url, ratios = f"http://{address}/", []
        for name in ("wrk", "cowload"):  # warm
            per_cpu_second(name, cpus[-1], args, url)
        print("requests per CPU second of the generator")
        for number in range(args.rounds):
            names = ("wrk", "cowload") if number % 2 == 0 else ("cowload", "wrk")
            made = {name: per_cpu_second(name, cpus[-1], args, url) for name in names}
            ratios.append(made["cowload"] / made["wrk"])
            print(f"{number + 1:3}  wrk {made['wrk']:9.0f}  cowload {made['cowload']:9.0f}  "
                  f"ratio {ratios[-1]:.3f}", flush=True)
    finally:
        server.send_signal(signal.SIGTERM)
        server.wait()
        server.stderr.close()
    median = statistics.median(ratios)
    print(f"median ratio {median:.3f} ({min(ratios):.3f} to {max(ratios):.3f}); {args.least} is wanted")
    sys.exit(0 if median >= args.least else 1)


if __name__ == "__main__":
    main()
