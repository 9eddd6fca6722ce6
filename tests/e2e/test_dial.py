# SPDX-License-Identifier: MIT
"""How cowload connects: sockets of all kinds, headers of the PROXY protocol, connections that are given up."""

import contextlib
import pathlib
import re
import socket
import threading

from e2e.harness import check, check_equal, test
from e2e.load import MEASURED, cowload, folder

ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
V2 = b"\r\n\r\n\0\r\nQUIT\n"


class Listener(threading.Thread):
    """Answers everything, and keeps what came first on each connection."""

    def __init__(self, family=socket.AF_INET, address=("127.0.0.1", 0)):
        super().__init__(daemon=True)
        self.socket = socket.socket(family, socket.SOCK_STREAM)
        self.socket.bind(address)
        self.socket.listen(64)
        self.firsts, self.requests = [], []  # of each connection

    def run(self):
        with contextlib.suppress(OSError):  # it was closed
            while True:
                conn, _ = self.socket.accept()
                threading.Thread(target=self.serve, args=(conn,), daemon=True).start()

    def serve(self, conn):
        number = len(self.firsts)
        self.firsts.append(b"")
        self.requests.append(0)
        with conn, contextlib.suppress(OSError):
            while more := conn.recv(65536):
                self.firsts[number] = self.firsts[number] or more
                asked = more.count(b"GET /")
                self.requests[number] += asked
                conn.sendall(ANSWER * asked)


@contextlib.contextmanager
def listening(*args):
    server = Listener(*args)
    server.start()
    try:
        yield server
    finally:
        server.socket.shutdown(socket.SHUT_RDWR)
        server.socket.close()
        server.join(20)


def load(url, *args):
    """How many were answered."""
    _, text, _ = cowload("-d", "500ms", "-R", 200, "-c", 4, "--timeout", "60s", *args, url,
                         codes=MEASURED)
    check("0 io errors + 0 timeouts" in text, text)
    return int(re.search(r"= (\d+) ok", text).group(1))


@test
def a_unix_socket_is_asked_for_what_the_url_says():
    with folder() as out:
        path = str(pathlib.Path(out) / "socket")
        with listening(socket.AF_UNIX, path) as server:
            ok = load("http://name.example/page?x", "--unix", path)
        check_equal(sum(server.requests), ok, "answers")
        check(server.firsts[0].startswith(b"GET /page?x HTTP/1.1\r\nHost: name.example\r\n"),
              f"{server.firsts[0]}")
        _, _, err = cowload("-d", "100ms", "-T", "200ms", "--unix", path + "-none", "http://x/", codes=(1,))
    check(f"could not connect to {path}-none: No such file" in err, err)


@test
def a_name_may_be_given_its_address():
    with listening() as server:
        port = server.socket.getsockname()[1]
        load(f"http://name.example:{port}/", "--resolve", f"name.example:{port}:127.0.0.1")
        check(f"Host: name.example:{port}\r\n".encode() in server.firsts[0], f"{server.firsts[0]}")
    _, _, err = cowload("--resolve", "other:1:127.0.0.1", "http://name.example/", codes=(1,))
    check("--resolve 'other:1:127.0.0.1' is not for name.example:80" in err, err)


@test
def each_connection_begins_with_one_header_of_the_proxy_protocol():
    for version, begin in (("v1", re.compile(rb"PROXY TCP4 127\.0\.0\.1 127\.0\.0\.1 \d+ (\d+)\r\nGET / ")),
                           ("v2", re.compile(re.escape(V2) + rb"\x21\x11\x00\x0c(?:\x7f\x00\x00\x01){2}..(..)GET / ", re.S))):
        with listening() as server:
            port = server.socket.getsockname()[1]
            ok = load(f"http://127.0.0.1:{port}/", "--proxy-protocol", version, "--conn-requests", 10)
            check(len(server.firsts) > 4, f"{len(server.firsts)} connections")
            for first in [f for f in server.firsts if f]:
                found = begin.match(first)
                check(found, f"{version}: {first[:80]}")
                told = int(found[1]) if version == "v1" else int.from_bytes(found[1], "big")
                check_equal(told, port, "the port of the server")
            check_equal(sum(server.requests), ok, "answers")
    _, _, err = cowload("--proxy-protocol", "v3", "http://x/", codes=(1,))
    check("'v3' for --proxy-protocol" in err, err)


@test
def bodies_arrive_whole_and_the_answers_are_counted():
    body = bytes(range(256)) * 1200  # 300 KB: more than a socket takes at once
    with folder() as out, listening() as server:
        (out / "body").write_bytes(body)
        seen = []
        server.serve = lambda conn: echo_length(conn, seen)
        port = server.socket.getsockname()[1]
        _, text, _ = cowload("-d", "500ms", "-R", 40, "-c", 2, "--timeout", "60s", "--body",
                             f"@{out}/body", f"http://127.0.0.1:{port}/", codes=MEASURED)
    check("0 io errors + 0 timeouts" in text, text)
    check(len(seen) > 5 and all(one == body for one in seen), f"{len(seen)} bodies, "
          f"{sum(one != body for one in seen)} of them wrong")


def echo_length(conn, seen):
    """Reads requests with a body, and answers each."""
    with conn, contextlib.suppress(OSError), conn.makefile("rb") as lines:
        while lines.readline():
            length = 0
            while (line := lines.readline()) not in (b"\r\n", b""):
                name, _, value = line.partition(b":")
                length = int(value) if name.lower() == b"content-length" else length
            seen.append(lines.read(length))
            conn.sendall(ANSWER)


@test
def connections_live_as_long_as_they_are_asked_to():
    with listening() as server:
        url = f"http://127.0.0.1:{server.socket.getsockname()[1]}/"
        ok = load(url, "--conn-requests", 5)
        used = [n for n in server.requests if n]
    check(max(used) <= 5, f"{used}")
    check(len(used) >= ok // 5, f"{len(used)} connections for {ok} requests")
    with listening() as server:
        load(f"http://127.0.0.1:{server.socket.getsockname()[1]}/", "--conn-life", "100ms")
        check(len([n for n in server.requests if n]) >= 8, f"{server.requests}")
