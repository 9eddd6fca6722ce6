# SPDX-License-Identifier: MIT
"""Behind a load balancer: the PROXY protocol, who the client is, request ids, agent-check."""

import contextlib
import os
import re
import signal
import socket
import struct
import subprocess
import time

from e2e.harness import (MODES, Conn, Server, Skip, check, check_equal, test, wait_until)
from e2e.load import MEASURED, cowload
from tools import find_tool

GET = "GET /%s HTTP/1.1\r\nHost: x\r\n\r\n"
SIGNATURE = b"\r\n\r\n\0\r\nQUIT\n"


def v1(client="192.0.2.7", port=4711):
    family = "TCP6" if ":" in client else "TCP4"
    there = "::1" if ":" in client else "127.0.0.1"
    return f"PROXY {family} {client} {there} {port} 80\r\n".encode()


def v2(client="192.0.2.7", command=0x21, tlvs=b""):
    six = ":" in client
    family = socket.AF_INET6 if six else socket.AF_INET
    there = "::1" if six else "127.0.0.1"
    body = socket.inet_pton(family, client) + socket.inet_pton(family, there) + \
        struct.pack("!HH", 4711, 80) + tlvs
    return SIGNATURE + struct.pack("!BBH", command, 0x21 if six else 0x11, len(body)) + body


def logged(server, mark):
    """The line of the access log with this path."""
    def find():
        text = (server.folder / "access.log").read_text(encoding="utf-8")
        return next((line for line in text.splitlines() if f"GET /{mark} " in line), None)
    return wait_until(find, f"a line for {mark}")


def behind(**options):
    return {"access_log": "access.log", "proxy_from": "127.0.0.1, 2001:db8::/32", **options}


@test
def the_client_is_who_the_header_names_in_every_mode():
    headers = (("v1", v1(), "192.0.2.7"), ("v1-6", v1("2001:db8::7"), "2001:db8::7"),
               ("v2", v2(), "192.0.2.7"), ("v2-6", v2("2001:db8::7"), "2001:db8::7"),
               ("tlv", v2(tlvs=b"\4\0\3abc"), "192.0.2.7"),
               ("local", v2(command=0x20), "127.0.0.1"),
               ("unknown", b"PROXY UNKNOWN\r\n", "127.0.0.1"))
    for mode in MODES:
        with Server(mode=mode, options=behind()) as server:
            for mark, header, client in headers:
                with server.connect() as conn:
                    conn.send(header + (GET % mark).encode() + (GET % (mark + "-next")).encode())
                    for _ in range(2):
                        check_equal(conn.response().status, 404, f"the answer after {mark}")
                for end in ("", "-next"):
                    check_equal(logged(server, mark + end).split()[0], client,
                                f"the client of {mark}{end}")
            check_equal(server.slot(0)["counters"]["proxied"], len(headers), "headers")


@test
def a_header_may_come_byte_by_byte():
    with Server(options=behind()) as server:
        for mark, header in (("one", v1()), ("two", v2("2001:db8::7", tlvs=b"\4\0\2ab"))):
            with server.connect() as conn:
                for byte in header + (GET % mark).encode():
                    conn.send(bytes([byte]))
                check_equal(conn.response().status, 404, "the status")
            check(logged(server, mark).split()[0] in ("192.0.2.7", "2001:db8::7"), mark)


@test
def who_should_send_a_header_and_does_not_is_closed_without_a_word():
    bad = ((GET % "").encode(), b"PROXY TCP4 1.2.3.4 1.2.3.4 1\r\n", v2(command=0x22),
           SIGNATURE + b"\x21\x11\xff\xff", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03")
    with Server(options=behind()) as server:
        for data in bad:
            with server.connect() as conn:
                conn.send(data)
                check_equal(conn.read_to_end(), b"", f"the answer to {data[:20]!r}")
        wait_until(lambda: server.slot(0)["counters"]["proxy_errors"] == len(bad), "the count")
        server.wait_for_log("127.0.0.1 is in proxy_from and sent no PROXY header, or a bad one")
        check_equal(server.slot(0)["counters"]["requests"], 0, "requests")


@test
def who_is_not_listed_is_served_as_it_is_and_its_header_is_no_request():
    with Server(options=behind(proxy_from="10.0.0.0/8")) as server:
        with server.connect() as conn:
            check_equal(conn.request("/").status, 200, "the status")
        with server.connect() as conn:
            conn.send(v1() + (GET % "").encode())
            check_equal(conn.response().status, 400, "the answer to a header of a stranger")
            check(conn.ends(), "it goes on")
        with server.connect() as conn:
            conn.send(v2() + (GET % "").encode())
            check_equal(conn.response().status, 400, "the answer to a header of version 2")


@test
def a_header_that_does_not_end_has_a_deadline():
    with Server(options=behind(header_timeout="500ms")) as server:
        for begin in (b"", b"PROXY TCP4 192", SIGNATURE[:5], v2()[:-1]):
            with server.connect() as conn:
                conn.send(begin)
                start = time.monotonic()
                check_equal(conn.read_to_end(), b"", f"the answer to {begin!r}")
                check(time.monotonic() - start > 0.3, f"{begin!r} was closed at once")


@test
def connections_are_counted_by_the_client_of_the_header():
    with Server(options=behind(client_connections=2)) as server, contextlib.ExitStack() as stack:
        for number in range(6):  # two each of three clients: all are let in
            conn = stack.enter_context(server.connect())
            conn.send(v1(f"192.0.2.{number % 3}") + (GET % "").encode())
            check_equal(conn.response().status, 200, f"client {number}")
        third = stack.enter_context(server.connect())
        third.send(v1("192.0.2.1") + (GET % "").encode())
        check_equal(third.read_to_end(), b"", "a third connection of a client")
        server.wait_for_log("refused a connection of client 192.0.2.1: it has all")


@test
def a_draining_server_ends_connections_that_wait_for_their_header():
    with Server(options=behind(drain_timeout="20s")) as server, server.connect() as silent, \
            server.connect() as half:
        half.send(v1()[:9])
        server.signal(signal.SIGTERM)
        check_equal(silent.read_to_end(), b"", "what a silent one gets")
        half.send(v1()[9:] + (GET % "").encode())
        got = half.response()
        check_equal((got.status, got.header("connection")), (200, "close"), "the half one")
        check_equal(server.wait_for_exit(), 0, "the exit code")


@test
def cowload_and_haproxy_send_headers_that_are_understood():
    with Server({"x": b"x"}, options=behind(), slots=2) as server:
        for version in ("v1", "v2"):
            cowload("--proxy-protocol", version, "-R", 200, "-d", "1s", "-c", 4,
                    "http://{}:{}/x".format(*server.address), codes=MEASURED)
        counters = [server.slot(n)["counters"] for n in range(2)]
        check(sum(c["proxied"] for c in counters) >= 8, f"{counters}")
        check_equal(sum(c["proxy_errors"] for c in counters), 0, "errors")
        tool = find_tool("haproxy")
        if tool is None:
            raise Skip("haproxy is not installed")
        for version, words in (("v1", "send-proxy"), ("v2", "send-proxy-v2"),
                               ("crc", "send-proxy-v2 proxy-v2-options crc32c,unique-id")):
            with haproxy(tool, server, words) as address, Conn(address) as conn:
                conn.send((GET % version).encode())
                check_equal(conn.response().status, 404, f"through haproxy with {words}")
            check_equal(logged(server, version).split()[0], "127.0.0.1", "the client")
        check_equal(sum(server.slot(n)["counters"]["proxy_errors"] for n in range(2)), 0, "errors")


@contextlib.contextmanager
def haproxy(tool, server, words, settings=""):
    listener = socket.create_server(("127.0.0.1", 0))
    listener.set_inheritable(True)
    config = server.folder / "haproxy.cfg"
    config.write_text(f"""
global
    {settings}
defaults
    mode http
    timeout connect 5s
    timeout client 20s
    timeout server 20s
frontend f
    bind fd@{listener.fileno()}
    unique-id-format %[uuid()]
    default_backend b
backend b
    server one {server.ready["listen"]} {words}
""", encoding="ascii")
    proc = subprocess.Popen([tool, "-db", "-f", str(config)], pass_fds=[listener.fileno()],
                            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                            stderr=subprocess.DEVNULL)
    try:
        yield listener.getsockname()
    finally:
        listener.close()
        proc.terminate()
        proc.wait()


@test
def forwarded_addresses_are_believed_of_trusted_peers_alone():
    cases = (("a", [("X-Forwarded-For", "198.51.100.7")], "198.51.100.7"),
             ("b", [("X-Forwarded-For", "6.6.6.6"), ("X-Forwarded-For", "198.51.100.7")],
              "198.51.100.7"),
             ("c", [("X-Forwarded-For", "6.6.6.6, 198.51.100.7, 127.0.0.1")], "198.51.100.7"),
             ("d", [("Forwarded", 'for="[2001:db8::9]:80"'), ("X-Forwarded-For", "6.6.6.6")],
              "2001:db8::9"),
             ("e", [("Forwarded", "for=<x>"), ("X-Forwarded-For", "6.6.6.6")], "127.0.0.1"),
             ("f", [], "127.0.0.1"))
    for trusted in ("127.0.0.0/8", "10.0.0.0/8"):
        with Server(options={"access_log": "access.log", "trusted_peers": trusted}) as server:
            for mark, headers, client in cases:
                check_equal(server.get("/" + mark, headers=headers).status, 404, mark)
                want = client if trusted.startswith("127") else "127.0.0.1"
                check_equal(logged(server, mark).split()[0], want, f"the client of {mark}")
    with Server(options=behind(trusted_peers="203.0.113.0/24")) as server, server.connect() as conn:
        conn.send(v1("203.0.113.9"))  # the peer of trust is the client of the header
        conn.ask("/both", headers=[("X-Forwarded-For", "198.51.100.7")])
        check_equal(conn.response().status, 404, "the status")
        check_equal(logged(server, "both").split()[0], "198.51.100.7", "the client")


@test
def each_request_has_an_id_of_its_own_or_that_of_a_trusted_peer():
    options = {"access_log": "access.log", "trusted_peers": "127.0.0.1", "request_id": "on",
               "server_timing": "on"}
    seen = set()
    for _ in range(2):
        with Server(options=options, slots=2) as server:
            for number in range(20):
                got = server.get(f"/own-{number}")
                made = got.header("x-request-id")
                check(re.fullmatch("[0-9a-f]{32}", made or ""), f"the id {made}")
                check(made not in seen, f"{made} came twice")
                seen.add(made)
                check(logged(server, f"own-{number}").endswith(f'" "{made}"'), "the line")
            for given, taken in (("abc.DEF_1-2", True), ("x" * 128, True), ("x" * 129, False),
                                 ('a"b', False), ("a b", False), ("", False)):
                for path in ("/", "/none"):
                    made = server.get(path, headers=[("X-Request-ID", given)]) \
                        .header("x-request-id")
                    check((made == given) == taken, f"{given!r} became {made!r}")
            twice = server.get("/", headers=[("X-Request-ID", "a"), ("X-Request-ID", "b")])
            check(re.fullmatch("[0-9a-f]{32}", twice.header("x-request-id")), "two ids")
            with server.connect() as conn:  # kept, pipelined: each its own
                conn.send((GET % "") * 3)
                ids = {conn.response().header("x-request-id") for _ in range(3)}
                check_equal(len(ids), 3, "ids of three requests on a connection")
    with Server(options={"access_log": "access.log", "request_id": "on"}) as server:
        got = server.get("/", headers=[("X-Request-ID", "abc")]).header("x-request-id")
        check(got != "abc", "a stranger's id was taken")
    with Server(options={"access_log": "access.log", "trusted_peers": "127.0.0.1"}) as server:
        got = server.get("/off", headers=[("X-Request-ID", "abc")])
        check_equal(got.header("x-request-id"), None, "an id that was not asked for")
        check(logged(server, "off").endswith('"-" "-"'), "the line")


def agent(server):
    host, _, port = server.ready["agent"].rpartition(":")
    with Conn((host, int(port))) as conn:
        return conn.read_to_end().decode()


@test
def the_agent_says_what_a_balancer_should_do():
    with Server(slots=4, options={"agent": "127.0.0.1:0", "drain_delay": "1h",
                                  "hang_timeout": "0"}) as server:
        check_equal(agent(server), "up ready 100%\n", "the line")
        host, _, port = server.ready["agent"].rpartition(":")
        with Conn((host, int(port))) as conn:  # what a balancer may send is not read
            conn.send(b"state of things\n")
            check_equal(conn.read_to_end(), b"up ready 100%\n", "the line after words")
        stopped = server.workers()[2]
        os.kill(stopped, signal.SIGSTOP)
        wait_until(lambda: agent(server) == "up ready 75%\n", "less weight without a slot")
        os.kill(stopped, signal.SIGCONT)
        wait_until(lambda: agent(server) == "up ready 100%\n", "the weight again")
        server.signal(signal.SIGTERM)
        wait_until(lambda: agent(server) == "drain\n", "drain")
        server.signal(signal.SIGTERM)


@test
def haproxy_takes_what_the_agent_says():
    tool = find_tool("haproxy")
    if tool is None:
        raise Skip("haproxy is not installed")
    with Server(slots=2, options={"agent": "127.0.0.1:0", "drain_delay": "1h",
                                  "hang_timeout": "0"}) as server:
        port = server.ready["agent"].rpartition(":")[2]
        control = server.folder / "control"
        words = f"weight 100 check agent-check agent-port {port} agent-inter 100ms"
        with haproxy(tool, server, words, f"stats socket {control} level admin"):
            def state():
                with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX) as s:
                    s.connect(str(control))
                    s.sendall(b"show stat b 4 -1\n")
                    names, row = s.makefile().read().splitlines()[:2]
                    found = dict(zip(names.lstrip("# ").split(","), row.split(",")))
                    return found["status"], found["weight"]
                return "", ""

            wait_until(lambda: state() == ("UP", "100"), "the server to be up")
            stopped = server.workers()[1]
            os.kill(stopped, signal.SIGSTOP)
            wait_until(lambda: state() == ("UP", "50"), "half of the weight")
            os.kill(stopped, signal.SIGCONT)
            wait_until(lambda: state() == ("UP", "100"), "all of the weight")
            server.signal(signal.SIGTERM)
            wait_until(lambda: state()[0].startswith("DRAIN"), "to drain")
            server.signal(signal.SIGTERM)
