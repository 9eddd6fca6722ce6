# SPDX-License-Identifier: MIT
"""What others wrote, against the server: clients, load generators, a load balancer.  Which
of them are here depends on the machine."""

import contextlib
import http.client
import os
import random
import re
import shutil
import signal
import socket
import subprocess
import threading
import time

from e2e.harness import PATIENCE, Server, Skip, check, check_equal, test, wait_until
from tools import find_tool

TEXT = b"hello, this is a text\n"
BIG = bytes(i * 7 % 251 for i in range(3 << 20))
FILES = {"a.txt": TEXT, "big.bin": BIG, "folder/index.html": b"<p>folder\n"}


def run(server, argv):
    """The output of a command, in which {url} stands for the site and {root} for its files."""
    url = f"http://{server.ready['listen']}"
    done = subprocess.run([word.format(url=url, root=server.root) for word in argv],
                          stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, timeout=60 * PATIENCE, check=False)
    output = done.stdout.decode("latin-1").replace("\r", "")
    check_equal(done.returncode, 0, f"the exit code of {argv}, which says {output}\n; it")
    return output


CURL = ("curl", "-sS", "--max-time", "20")
CURLS = (  # arguments, what the answer has, what it has not
    (["-i", "-r", "0-4", "{url}/a.txt"], r" 206 .*Range: bytes 0-4/22\n.*\n\nhello\Z", None),
    (["-i", "-r", "-5", "{url}/a.txt"], r" 206 .*\n\ntext\n\Z", None),
    (["-i", "-r", "0-1,3-4", "{url}/a.txt"], r" 200 .*\n\nhello, this", "multipart"),
    (["-i", "-C", "7", "{url}/a.txt"], r" 206 .*\n\nthis is a text\n\Z", None),
    (["-i", "-r", "22-", "{url}/a.txt"], r" 416 .*bytes \*/22\n", None),
    (["-I", "{url}/a.txt"], r" 200 .*Content-Length: 22\n", "hello"),
    (["-I", "{url}/none"], r" 404 ", "<h1>"),
    (["-i", "--http1.0", "{url}/a.txt"], r"Connection: close\n\n?.*hello", None),
    (["-i", "--http1.0", "-H", "Connection: keep-alive", "{url}/a.txt"],
     r"Connection: keep-alive\n.*hello", None),
    (["-i", "-d", "x", "-H", "Expect: 100-continue", "{url}/a.txt"], r"\A\S+ 405 ", " 100 "),
    (["-i", "-X", "GET", "-d", "x", "-H", "Expect: 100-continue", "{url}/a.txt"],
     r"\A\S+ 100 .* 200 OK.*hello", None),
    (["-i", "-T", "{root}/big.bin", "{url}/x"], r"\A\S+ 413 ", " 100 "),
    (["-i", "-T", "{root}/big.bin", "-H", "Expect:", "{url}/x"], r"\A\S+ 413 ", None),
    (["-iL", "{url}/folder?a=b"],
     r" 301 .*Location: /folder/\?a=b\n.* 200 .*<p>folder", None),
    (["-i", "-w", "%{{num_connects}} ", "{url}/a.txt", "{url}/none", "{url}/folder"],
     r"hello.*\n1 HTTP.* 404 .*>\n0 HTTP.* 301 .*\n\n0 \Z", None),
)


@test
def curl_gets_what_it_asks_for():
    if shutil.which("curl") is None:
        raise Skip("needs curl")
    with Server(FILES, options={"linger_timeout": "5s"}) as server:
        for argv, has, has_not in CURLS:
            got = run(server, [*CURL, *argv])
            check(re.search(has, got, re.S), f"curl {argv}: no {has!r} in {got!r}")
            check(has_not is None or has_not not in got, f"curl {argv}: {has_not!r} in {got!r}")
        run(server, [*CURL, "-o", str(server.folder / "copy"), "{url}/big.bin"])
        check((server.folder / "copy").read_bytes() == BIG, "curl got other bytes")


GENERATORS = (  # what is run, what it says when all is well, what it says when not
    (("ab", "-q", "-k", "-n", "2000", "-c", "8", "{url}/a.txt"),
     r"Complete requests: +2000\nFailed requests: +0\nKeep-Alive requests: +2000\n", "Non-2xx"),
    (("ab", "-q", "-n", "300", "-c", "8", "{url}/a.txt"),
     r"Complete requests: +300\nFailed requests: +0\n", "Non-2xx"),
    (("ab", "-q", "-k", "-i", "-n", "1000", "-c", "8", "{url}/big.bin"),
     r"Complete requests: +1000\nFailed requests: +0\nKeep-Alive requests: +1000\n", "Non-2xx"),
    (("h2load", "--h1", "-n", "2000", "-c", "8", "{url}/a.txt", "{url}/folder/"),
     r"2000 succeeded, 0 failed, 0 errored, 0 timeout\nstatus codes: 2000 2xx", None),
    (("h2load", "--h1", "-m", "8", "-n", "200", "-c", "4", "{url}/big.bin"),
     r"200 succeeded, 0 failed, 0 errored, 0 timeout\nstatus codes: 200 2xx", None),
    (("wrk", "-t", "2", "-c", "8", "-d", "1s", "{url}/big.bin"), r"requests in ", "Socket errors"),
    (("wrk", "-t", "2", "-c", "8", "-d", "1s", "{url}/a.txt"), r"requests in ", "Socket errors"),
)


@test
def load_generators_find_no_fault():
    here = [row for row in GENERATORS if shutil.which(row[0][0])]
    if not here:
        raise Skip("needs ab, h2load or wrk: .ci/deps install tools")
    with Server(FILES, slots=2) as server:
        for argv, has, has_not in here:
            got = run(server, argv)
            check(re.search(has, got, re.S), f"{argv}: no {has!r} in {got}")
            check(has_not is None or has_not not in got, f"{argv}: {got}")


HAPROXY = """
defaults
    mode http
    option http-keep-alive
    http-reuse always
    retries 0
    timeout connect 10s
    timeout client 60s
    timeout server 60s
frontend site
    bind fd@{fd}
    default_backend cowshed
backend cowshed
    option httpchk GET /readyz
    server one {site} check port {admin_port} inter 200ms fall 3 rise 1 pool-purge-delay 100ms
"""


class Balancer:
    """HAProxy in front of a server, on a listening socket that it inherits."""

    def __init__(self, server):
        self.server = server

    def __enter__(self):
        listener = socket.create_server(("127.0.0.1", 0))
        listener.set_inheritable(True)
        self.address = listener.getsockname()
        config = self.server.folder / "haproxy.cfg"
        config.write_text(HAPROXY.format(fd=listener.fileno(), site=self.server.ready["listen"],
                                         admin_port=self.server.admin[1]), encoding="ascii")
        with open(self.server.folder / "haproxy.log", "wb") as log:
            self.proc = subprocess.Popen([find_tool("haproxy"), "-db", "-f", str(config)], stdout=log,
                                         stderr=log, stdin=subprocess.DEVNULL,
                                         pass_fds=[listener.fileno()])
        listener.close()
        return self

    def __exit__(self, *_):
        self.proc.terminate()
        self.proc.wait()


REQUESTS = (  # method, path, headers, status, body
    ("GET", "/a.txt", {}, 200, TEXT), ("HEAD", "/a.txt", {}, 200, b""),
    ("GET", "/a.txt", {"Range": "bytes=1-3"}, 206, TEXT[1:4]),
    ("GET", "/a.txt", {"If-None-Match": "*"}, 304, b""), ("GET", "/folder?x", {}, 301, b""),
    ("GET", "/none", {}, 404, None),
    ("GET", "/big.bin", {"Range": "bytes=0-199999"}, 206, BIG[:200000]),
)


class Clients:
    """Some clients that ask for a number of things, each on a connection that is kept."""

    def __init__(self, address, count, requests):
        self.address = address
        self.failures = []  # (begin, end, what happened)
        self.wrong = []
        self.left = requests
        self.lock = threading.Lock()
        self.threads = [threading.Thread(target=self.client, args=(n,)) for n in range(count)]

    def client(self, number):
        choices = random.Random(number)
        conn = http.client.HTTPConnection(*self.address, timeout=60 * PATIENCE)
        while self.take():
            method, path, headers, status, body = choices.choice(REQUESTS)
            begin = time.monotonic()
            try:
                conn.request(method, path, headers=headers)
                got = conn.getresponse()
                answer = (got.status, got.read())
            except (http.client.HTTPException, OSError) as error:
                conn.close()
                self.failures.append((begin, time.monotonic(), f"{path}: {error!r}"))
                continue
            if answer[0] in (502, 503):
                self.failures.append((begin, time.monotonic(), f"{path}: {answer[0]}"))
            elif answer[0] != status or body not in (None, answer[1]):
                self.wrong.append(f"{method} {path} {headers}: {answer[0]}, "
                                  f"{len(answer[1])} bytes")
        conn.close()

    def take(self):
        with self.lock:
            self.left -= 1
            return self.left >= 0

    def run_while(self, disturb):
        """All of them, and disturb() again and again until they are done."""
        for thread in self.threads:
            thread.start()
        while any(thread.is_alive() for thread in self.threads):
            disturb()
            self.threads[0].join(0.1)


def answers(balancer):
    conn = http.client.HTTPConnection(*balancer.address, timeout=10)
    try:
        conn.request("GET", "/a.txt")
        return conn.getresponse().status == 200
    except (http.client.HTTPException, OSError):
        return False
    finally:
        conn.close()


@test
def behind_haproxy_only_a_killed_worker_costs_a_request():
    if find_tool("haproxy") is None:
        raise Skip("needs haproxy: .ci/deps install tools")
    options = {"fork.rate": 0, "fork.max_unready": 2}
    with Server(FILES, slots=2, options=options) as server, Balancer(server) as balancer:
        wait_until(lambda: answers(balancer), "an answer through haproxy")

        clients = Clients(balancer.address, 8, 5000)
        clients.run_while(lambda: server.signal(signal.SIGURG))
        check(server.status()["reforks"] > 1, "there was no new generation")
        check_equal(clients.wrong + clients.failures, [], "what went wrong at a refork")

        kills = []

        def kill():
            ready = [s["pid"] for s in server.status()["slots"] if s["state"] == "ready"]
            if len(ready) < 2:  # one of them has to serve meanwhile
                return
            at = time.monotonic()
            with contextlib.suppress(ProcessLookupError):  # it has just been killed
                os.kill(ready[len(kills) % 2], signal.SIGKILL)
                kills.append(at)

        clients = Clients(balancer.address, 8, 5000)
        clients.run_while(kill)
        check(kills, "nobody was killed")
        check_equal(clients.wrong, [], "what was wrong while workers were killed")
        for begin, end, what in clients.failures:
            check(any(begin <= at + 1.0 * PATIENCE and at <= end for at in kills),
                  f"{what}, and no worker was killed between {begin:.3f} and {end:.3f}: {kills}")
        check(len(clients.failures) <= 8 * len(kills),
              f"{len(clients.failures)} requests failed for {len(kills)} kills")
