# SPDX-License-Identifier: MIT
"""HTTP/1.1 on the wire: framing, limits, and the state of the connection afterwards."""

import email.utils
import socket
import threading
import time

from e2e.harness import Server, check, check_equal, paused, test, wait_until

FILES = {
    "index.html": b"<p>home\n",
    "a.txt": b"0123456789" * 10,
    "empty": b"",
    "style.css": b"p{}\n",
    "folder/index.html": b"<p>folder\n",
    "bare/x.txt": b"x",
    "sp ace.txt": b"space",
    "big.bin": bytes(range(256)) * 16384,  # 4 MiB: more than is cached
}


@test
def a_response_has_the_headers_it_should():
    with Server(FILES) as server:
        got = server.get("/a.txt")
        check_equal(got.status, 200, "the status")
        check_equal(got.version, "HTTP/1.1", "the version")
        check_equal(got.body, FILES["a.txt"], "the body")
        check_equal(got.header("content-length"), "100", "Content-Length")
        check(got.header("content-type").startswith("text/plain"), str(got))
        check(got.header("etag").strip('"'), "no ETag")
        check_equal(got.header("accept-ranges"), "bytes", "Accept-Ranges")
        for name in ("date", "last-modified"):
            value = got.header(name)
            then = email.utils.parsedate_to_datetime(value)
            check_equal(email.utils.format_datetime(then, usegmt=True), value, name)
            check(abs(then.timestamp() - time.time()) < 120, f"{name}: {value}")


@test
def kinds_of_files_have_their_content_type():
    with Server(FILES) as server:
        for path, kind in (("/index.html", "text/html"), ("/style.css", "text/css"),
                           ("/big.bin", "application/octet-stream")):
            check(server.get(path).header("content-type").startswith(kind), path)


@test
def a_connection_serves_many_requests():
    with Server(FILES) as server, server.connect() as conn:
        for _ in range(100):
            check_equal(conn.request("/a.txt").body, FILES["a.txt"], "the body")
            check_equal(conn.request("/").body, FILES["index.html"], "the body")


@test
def pipelined_requests_are_answered_in_order():
    with Server(FILES) as server, server.connect() as conn:
        paths = ["/a.txt", "/", "/none", "/empty", "/folder/", "/style.css"] * 50
        conn.send("".join(f"GET {p} HTTP/1.1\r\nHost: x\r\n\r\n" for p in paths))
        for path in paths:
            want = {"/": FILES["index.html"], "/folder/": FILES["folder/index.html"]}.get(
                path, FILES.get(path[1:]))
            got = conn.response()
            check_equal(got.status, 404 if want is None else 200, f"the status of {path}")
            check(want is None or got.body == want, f"the body of {path} is {got.body[:40]!r}")


@test
def a_request_may_come_byte_by_byte():
    with Server(FILES) as server, server.connect() as conn:
        for byte in b"GET /a.txt HTTP/1.1\r\nHost: x\r\n\r\n":
            conn.send(bytes([byte]))
        check_equal(conn.response().body, FILES["a.txt"], "the body")


@test
def head_is_get_without_the_body():
    with Server(FILES) as server, server.connect() as conn:
        for path in ("/a.txt", "/", "/big.bin", "/none"):
            get = conn.request(path)
            head = conn.request(path, method="HEAD")
            check_equal(head.status, get.status, f"the status of {path}")
            for name in ("content-length", "content-type", "etag", "last-modified"):
                check_equal(head.header(name), get.header(name), f"{name} of {path}")


@test
def large_files_come_whole_and_the_connection_goes_on():
    with Server(FILES) as server, server.connect() as conn:
        for _ in range(3):
            check(conn.request("/big.bin").body == FILES["big.bin"], "big.bin differs")
            check_equal(conn.request("/a.txt").body, FILES["a.txt"], "the body")


@test
def a_slow_reader_gets_every_byte():
    with Server(FILES) as server, server.connect() as conn:
        conn.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
        conn.send("GET /big.bin HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        check_equal(server.get("/a.txt").body, FILES["a.txt"], "another client meanwhile")
        check(conn.response().body == FILES["big.bin"], "big.bin differs")
        check(conn.ends(), "there are bytes behind the body")


@test
def connection_close_is_said_and_done():
    with Server(FILES) as server:
        with server.connect() as conn:
            got = conn.request("/", headers=[("Connection", "close")])
            check_equal(got.header("connection"), "close", "Connection")
            check(conn.ends(), "the connection did not end")
        with server.connect() as conn:
            got = conn.request("/", version="1.0")
            check_equal(got.body, FILES["index.html"], "the body for HTTP/1.0")
            check(conn.ends(), "an HTTP/1.0 connection did not end")
        with server.connect() as conn:
            for _ in range(2):
                got = conn.request("/", version="1.0", headers=[("Connection", "keep-alive")])
                check_equal(got.header("connection"), "keep-alive", "Connection for HTTP/1.0")


@test
def keepalive_requests_ends_a_connection_after_that_many():
    with Server(FILES, options={"keepalive_requests": 3}) as server, server.connect() as conn:
        for number in (1, 2, 3):
            got = conn.request("/")
            check_equal(got.header("connection"), "close" if number == 3 else None,
                        f"Connection of response {number}")
        check(conn.ends(), "the connection did not end")


@test
def paths_are_decoded_and_cannot_leave_the_root():
    with Server(FILES) as server, server.connect() as conn:
        (server.folder / "secret").write_bytes(b"secret")
        for path, status in (
                ("/sp%20ace.txt", 200), ("/a.txt?query=1", 200), ("/%61.txt", 200),
                ("/folder/../a.txt", 200), ("/./a.txt", 200), ("/../secret", None),
                ("/folder/../../secret", None), ("/%2e%2e/secret", None),
                ("/..%2fsecret", None), ("/a.txt%00", None), ("/folder/", 200),
                ("/bare/", 404), ("/none", 404), ("/a.txt/", 404)):
            with server.connect() as conn:
                got = conn.request(path)
            if status is None:
                check(got.status in (400, 403, 404), f"{path}: {got}")
            else:
                check_equal(got.status, status, f"the status of {path}")
            check(b"secret" not in got.body, f"{path} left the root")


@test
def a_link_that_leaves_the_root_is_not_followed():
    with Server(FILES) as server:
        (server.folder / "secret").write_bytes(b"secret")
        (server.root / "out").symlink_to(server.folder / "secret")
        (server.root / "in").symlink_to("a.txt")
        check(server.get("/out").status in (403, 404), "a link to the outside was followed")
        check_equal(server.get("/in").body, FILES["a.txt"], "a link to the inside")


@test
def a_folder_without_slash_is_redirected_or_not_found():
    with Server(FILES) as server:
        got = server.get("/folder")
        check(got.status in (301, 308), str(got))
        check(got.header("location").endswith("/folder/"), str(got))


@test
def a_redirect_to_a_folder_keeps_the_query():
    long = "q=" + "x" * 7000
    with Server(FILES) as server, server.connect() as conn:
        for target, location in (
                ("/folder?a=1&b=%2Fc", "/folder/?a=1&b=%2Fc"), ("/folder?a?b", "/folder/?a?b"),
                ("/fol%64er?%zz", "/folder/?%zz"), ("/folder?", "/folder/"), ("/folder", "/folder/"),
                ("http://other/folder?x", "/folder/?x"), (f"/folder?{long}", f"/folder/?{long}")):
            for method, headers in (("GET", ()), ("HEAD", ()), ("GET", [("X-Cowshed-Timing", "1")])):
                got = conn.request(target, method=method, headers=headers)
                check_equal((got.status, got.header("location"), got.header("content-length")),
                            (301, location, "0"), f"{method} {target}")
        # More than the sockets hold: what is left of a redirect has to be kept for later.
        requests = [f"GET /folder?{n}{long} HTTP/1.1\r\nHost: x\r\n\r\n" for n in range(800)]
        sender = threading.Thread(target=conn.send, args=("".join(requests),))
        sender.start()
        wait_until(lambda: server.slot(0)["requests"] > 100, "redirects that nobody reads")
        for n in range(len(requests)):
            check_equal(conn.response().header("location"), f"/folder/?{n}{long}", f"redirect {n}")
        sender.join()


# Each of these is answered and then closed: after a broken request nobody knows where the
# next one would begin.
BROKEN = (
    (400, b"GET / HTTP/1.1\r\n\r\n"),  # no Host
    (400, b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n"),
    (400, b"GET / HTTP/1.1\r\nHost : a\r\n\r\n"),
    (400, b"GET / HTTP/1.1\r\nHost: a\r\n folded\r\n\r\n"),
    (400, b"GET / HTTP/1.1\r\nHost: a\r\nX: \x00\r\n\r\n"),
    (400, b"GET  / HTTP/1.1\r\nHost: a\r\n\r\n"),
    (400, b"GET /\x80 HTTP/1.1\r\nHost: a\r\n\r\n"),
    (400, b"GET relative HTTP/1.1\r\nHost: a\r\n\r\n"),
    (400, b"GET / HTTP/1.1\nHost: a\n\n"),
    (400, b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"),
    (400, b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: -1\r\n\r\n"),
    (400, b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n"),
    (400, b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nTransfer-Encoding: chunked"
          b"\r\n\r\n0\r\n\r\n"),
    (400, b"GET / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n"),
    (505, b"GET / HTTP/2.0\r\nHost: a\r\n\r\n"),
    (505, b"GET / HTTP/1.2\r\nHost: a\r\n\r\n"),
)


@test
def broken_requests_are_refused_and_the_connection_ends():
    with Server(FILES, options={"linger_timeout": "100ms"}) as server:
        for status, data in BROKEN:
            with server.connect() as conn:
                conn.send(data + b"GET /a.txt HTTP/1.1\r\nHost: smuggled\r\n\r\n")
                got = conn.response()
                check_equal(got.status, status, f"the status of {data!r}")
                check_equal(got.header("connection"), "close", f"Connection after {data!r}")
                check(conn.ends(), f"an answer more after {data!r}")


@test
def other_methods_are_refused_and_the_connection_goes_on():
    with Server(FILES) as server, server.connect() as conn:
        for method, status in (("POST", 405), ("PUT", 405), ("DELETE", 405)):
            got = conn.request("/a.txt", method=method, body=b"some words")
            check_equal(got.status, status, f"the status of {method}")
            check(got.header("allow") and "GET" in got.header("allow"), str(got))
        check_equal(conn.request("/a.txt").body, FILES["a.txt"], "the body afterwards")


@test
def an_unknown_method_is_501():
    with Server(FILES) as server, server.connect() as conn:
        conn.send("BREW / HTTP/1.1\r\nHost: x\r\n\r\n")
        check_equal(conn.response().status, 501, "the status of BREW")


@test
def the_longest_request_line_fits_and_one_byte_more_is_414():
    with Server(FILES, options={"request_line_max": 1024, "linger_timeout": "100ms"}) as server:
        fixed = len("GET /a.txt? HTTP/1.1")
        with server.connect() as conn:
            got = conn.request("/a.txt?" + "q" * (1024 - fixed))
            check_equal(got.status, 200, "the status at the limit")
            got = conn.request("/a.txt?" + "q" * (1025 - fixed))
            check_equal(got.status, 414, "the status beyond the limit")
            check(conn.ends(), "the connection did not end")


@test
def too_many_header_bytes_or_fields_are_431():
    options = {"header_bytes_max": 2048, "headers_max": 10, "linger_timeout": "100ms"}
    with Server(FILES, options=options) as server:
        for headers, status in (
                ([(f"X-{n}", "y") for n in range(9)], 200),
                ([(f"X-{n}", "y") for n in range(10)], 431),
                ([("X", "y" * 1900)], 200),
                ([("X", "y" * 2100)], 431)):
            with server.connect() as conn:
                got = conn.request("/", headers=headers)
                check_equal(got.status, status, f"the status with {len(headers)} headers")
                check(status == 200 or conn.ends(), "the connection did not end")


@test
def a_body_up_to_the_limit_is_read_and_a_longer_one_is_413():
    options = {"body_max": 1000, "linger_timeout": "100ms"}
    with Server(FILES, options=options) as server:
        with server.connect() as conn:
            check_equal(conn.request("/", method="POST", body=b"x" * 1000).status, 405,
                        "the status at the limit")
            check_equal(conn.request("/").status, 200, "the status of the next request")
            got = conn.request("/", method="POST", body=b"x" * 1001)
            check_equal(got.status, 413, "the status beyond the limit")
            check(conn.ends(), "the connection did not end")
        with server.connect() as conn:
            conn.send("POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
                      + "1f4\r\n" + "x" * 500 + "\r\n1f4\r\n" + "y" * 500 + "\r\n0\r\n\r\n")
            check_equal(conn.response().status, 405, "the status of chunks at the limit")
            check_equal(conn.request("/").status, 200, "the status of the next request")
            conn.send("POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
                      + "3e9\r\n" + "x" * 1001 + "\r\n0\r\n\r\n")
            check_equal(conn.response().status, 413, "the status of chunks beyond the limit")
            check(conn.ends(), "the connection did not end")


@test
def expect_100_continue_is_answered_before_the_body():
    options = {"body_max": 1000, "linger_timeout": "100ms"}
    with Server(FILES, options=options) as server:
        with server.connect() as conn:
            conn.send("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n"
                      "Expect: 100-continue\r\n\r\n")
            first = conn.response()
            if first.status == 100:
                conn.send(b"hello")
                first = conn.response()
            check_equal(first.status, 405, "the final status")
        with server.connect() as conn:
            conn.send("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5000\r\n"
                      "Expect: 100-continue\r\n\r\n")
            check_equal(conn.response().status, 413, "the status of a body that is too long")
            check(conn.ends(), "the connection did not end")
        with server.connect() as conn:
            got = conn.request("/", headers=[("Expect", "miracles")])
            check_equal(got.status, 417, "the status of another expectation")


@test
def an_incomplete_head_is_408_after_the_header_timeout():
    options = {"header_timeout": "200ms", "linger_timeout": "100ms"}
    with Server(FILES, options=options) as server:
        with paused(server.workers()[0]):  # the time counts from the accept
            conn = server.connect()
            conn.send("GET / HTTP/1.1\r\nHost: x\r\nX-Slow: ")
        with conn:
            check_equal(conn.response().status, 408, "the status")
            check(conn.ends(), "the connection did not end")


@test
def an_incomplete_body_is_408_after_the_body_timeout():
    options = {"body_timeout": "200ms", "linger_timeout": "100ms"}
    with Server(FILES, options=options) as server, server.connect() as conn:
        conn.send("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n12345")
        check_equal(conn.response().status, 408, "the status")
        check(conn.ends(), "the connection did not end")


@test
def an_idle_connection_is_closed_without_a_word():
    with Server(FILES, options={"keepalive_timeout": "200ms"}) as server:
        with server.connect() as conn:
            conn.request("/")
            check(conn.ends(), "bytes came on an idle connection")
    with Server(FILES, options={"header_timeout": "200ms"}) as server:
        with server.connect() as conn:
            check(conn.ends(), "bytes came on a connection without a request")


@test
def a_client_that_takes_nothing_is_let_go():
    with Server(FILES, options={"send_timeout": "300ms"}) as server:
        before = server.count_worker_fds()
        with server.connect() as conn:
            conn.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            conn.send("GET /big.bin HTTP/1.1\r\nHost: x\r\n\r\n" * 4)
            wait_until(lambda: server.slot(0)["counters"]["timeouts"] == 1, "its deadline")
            wait_until(lambda: server.count_worker_fds() == before, "its end")


@test
def a_client_that_leaves_in_the_middle_disturbs_nobody():
    with Server(FILES) as server:
        for _ in range(20):
            with server.connect() as conn:
                conn.send("GET /big.bin HTTP/1.1\r\nHost: x\r\n\r\n")
                conn.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        check_equal(server.get("/a.txt").body, FILES["a.txt"], "the body")
