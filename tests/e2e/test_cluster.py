# SPDX-License-Identifier: MIT
"""conf/haproxy.cfg, and `make cluster` in short: no request fails whatever happens to a machine."""

import pathlib
import re
import signal
import subprocess
import sys
import time

from e2e.harness import BINARY, Skip, check, check_equal, test
from e2e.load import COWLOAD
from tools import find_tool

TOP = pathlib.Path(__file__).resolve().parents[2]
ARGV = [sys.executable, str(TOP / "tests/bench/cluster.py"), "--cowshed", str(BINARY), "--cowload",
        str(COWLOAD)]


def namespaces(pid):
    listed = subprocess.run(["ip", "netns", "list"], capture_output=True, text=True, check=False)
    return re.findall(rf"^cowshed-{pid}-\w+", listed.stdout, re.M)


@test
def haproxy_takes_the_configuration():
    tool = find_tool("haproxy")
    if tool is None:
        raise Skip("haproxy is not installed")
    done = subprocess.run([tool, "-c", "-f", "conf/haproxy.cfg"], capture_output=True, text=True,
                          check=False)
    check_equal((done.returncode, "WARNING" in done.stderr), (0, False), done.stderr)


@test
def no_request_fails_while_machines_are_killed_drained_and_added():
    done = subprocess.run([*ARGV, "--rate", "500", "--connections", "16", "--seconds", "3"],
                          capture_output=True, text=True, timeout=240, check=False)
    if done.returncode == 77:
        raise Skip(done.stdout.strip())
    check_equal(done.returncode, 0, done.stdout + done.stderr)
    rows = re.findall(r"^(\w.*?) {2,}(\d+) +(\d+) +([\d.]+)% +([\d.-]+) +(.*)$", done.stdout, re.M)
    check_equal(len(rows), 7, f"phases in {done.stdout}")
    check_equal([row[2] for row in rows], ["0"] * 7, "failed requests")
    check(float(rows[1][3]) > float(rows[0][3]), f"caches fill: {done.stdout}")
    check_equal([row[5].split()[0] for row in rows[2:3]], ["-"], "cow1 was killed")
    last = rows[6][5].split()
    check(last[1] == "-" and int(last[3].rstrip("%")) > 5, f"cow4 has its share: {last}")


@test
def the_network_is_gone_however_it_ends():
    for number in (signal.SIGINT, signal.SIGTERM):
        proc = subprocess.Popen([*ARGV, "--rate", "100", "--seconds", "30"], text=True,
                                stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        try:
            line = proc.stdout.readline()
            if line.startswith("skipped"):
                proc.wait()
                raise Skip(line.strip())
            check(namespaces(proc.pid), "no namespace was made")
            time.sleep(0.2)
            proc.send_signal(number)
            proc.communicate(timeout=60)
        finally:
            if proc.poll() is None:
                proc.kill()
                proc.wait()
        check_equal(namespaces(proc.pid), [], f"namespaces after {number.name}")
        check(proc.returncode in (130, 143), f"exit code {proc.returncode}")
