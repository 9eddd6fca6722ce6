# SPDX-License-Identifier: MIT
"""What an event tells once only: bytes and ends that come together, or while nobody wants them.

The time out of idle connections is far longer than any of these may take."""

import contextlib
import socket
import time

from e2e.harness import Conn, Server, check, check_equal, paused, test

FILES = {"a.txt": b"0123456789" * 10, "big.bin": bytes(range(256)) * (5 << 12)}  # 5 MiB: by sendfile
GET = "GET /a.txt HTTP/1.1\r\nHost: x\r\n\r\n"
SOON_S = 5


@contextlib.contextmanager
def known(server, **how):
    """A connection that the worker waits on: it has had its first answer."""
    with Conn(server.address, timeout=SOON_S, **how) as conn:
        check_equal(conn.request("/a.txt").status, 200, "the first status")
        yield conn


def send_and_end(server, conn, text):
    """Both are there before the worker looks."""
    with paused(server.workers()[0]):
        conn.send(text)
        conn.sock.shutdown(socket.SHUT_WR)


@test
def an_end_that_comes_with_requests_is_seen_after_their_answers():
    with Server(FILES, options={"keepalive_timeout": "60s"}) as server:
        for count in (1, 2, 7):
            with known(server) as conn:
                send_and_end(server, conn, GET * count)
                for _ in range(count):
                    check_equal(conn.response().body, FILES["a.txt"], "the body")
                check_equal(conn.read_to_end(), b"", "what follows")


@test
def an_end_in_the_middle_of_a_head_or_of_a_body_is_seen():
    with Server(FILES, options={"header_timeout": "60s", "body_timeout": "60s"}) as server:
        for text in (GET[:-2], "POST /a.txt HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\nfour"):
            with known(server) as conn:
                send_and_end(server, conn, text)
                check_equal(conn.read_to_end(), b"", "the answer")


@test
def what_comes_during_a_fetch_is_found_after_it():
    options = {"origin": "synthetic", "synthetic.objects": 100, "synthetic.delay": "300ms"}
    with Server(options=options) as server, server.connect(timeout=SOON_S) as conn:
        conn.send("GET /o/1 HTTP/1.1\r\nHost: x\r\n\r\n")
        conn.send("GET /o/2 HTTP/1.1\r\nHost: x\r\n\r\n")
        conn.sock.shutdown(socket.SHUT_WR)
        for _ in range(2):
            check_equal(conn.response().status, 200, "the status")
        check_equal(conn.read_to_end(), b"", "what follows")


@test
def what_comes_while_a_large_body_is_sent_is_found_after_it():
    with Server(FILES, options={"keepalive_timeout": "60s"}) as server, \
            known(server, receive_buffer=4096) as conn:
        conn.send("GET /big.bin HTTP/1.1\r\nHost: x\r\n\r\n")
        conn.read_until(b"\r\n\r\n", "the head")
        conn.send(GET)
        conn.sock.shutdown(socket.SHUT_WR)
        check(conn.read_exactly(len(FILES["big.bin"]), "the body") == FILES["big.bin"], "the body")
        check_equal(conn.response().body, FILES["a.txt"], "the next body")
        check_equal(conn.read_to_end(), b"", "what follows")


@test
def empty_lines_are_counted_however_they_come():
    with Server(FILES) as server:
        for step in (1, 2, 4):
            with server.connect(timeout=SOON_S) as conn:
                for at in range(0, 8, step):
                    conn.send("\r\n" * step)
                    time.sleep(0.02)
                check_equal(conn.response().status, 400, f"the answer to {step} at a time")
            with server.connect(timeout=SOON_S) as conn:
                for _ in range(3):  # each request may have some in front
                    for _ in range(4 // step):
                        conn.send("\r\n" * step)
                        time.sleep(0.02)
                    conn.send(GET)
                    check_equal(conn.response().status, 200, "the status behind four")
