# SPDX-License-Identifier: MIT
"""Ranges, conditions, and files that change or cannot be read."""

import os
import threading
import time

from e2e.harness import MODES, Server, check, check_equal, test, wait_until

TEXT = b"0123456789abcdef"
BIG = bytes(i * 7 % 251 for i in range(3 << 20))
FILES = {"t.txt": TEXT, "big.bin": BIG, "index.html": b"<p>home\n"}


@test
def a_range_gives_these_bytes_and_says_which():
    with Server(FILES) as server, server.connect() as conn:
        for path, content in (("/t.txt", TEXT), ("/big.bin", BIG)):
            n = len(content)
            for asked, first, last in (("0-0", 0, 0), ("0-9", 0, 9), ("5-", 5, n - 1),
                                       ("-3", n - 3, n - 1), (f"-{n + 5}", 0, n - 1),
                                       (f"0-{n + 9}", 0, n - 1), (f"{n - 1}-", n - 1, n - 1)):
                got = conn.request(path, headers=[("Range", f"bytes={asked}")])
                check_equal(got.status, 206, f"the status of {asked}")
                check(got.body == content[first:last + 1], f"the bytes of {path} {asked} differ")
                check_equal(got.header("content-range"), f"bytes {first}-{last}/{n}",
                            f"Content-Range of {asked}")


@test
def a_range_outside_is_416_and_the_connection_goes_on():
    with Server(FILES) as server, server.connect() as conn:
        for asked in ("16-", "99-100", "-0"):
            got = conn.request("/t.txt", headers=[("Range", f"bytes={asked}")])
            check_equal(got.status, 416, f"the status of {asked}")
            check_equal(got.header("content-range"), "bytes */16", f"Content-Range of {asked}")
        check_equal(conn.request("/t.txt").body, TEXT, "the body afterwards")


@test
def a_range_that_makes_no_sense_is_ignored():
    with Server(FILES) as server, server.connect() as conn:
        for asked in ("bytes=9-3", "bytes=x-", "lines=0-1", "bytes=", "bytes=0-1,5-6"):
            got = conn.request("/t.txt", headers=[("Range", asked)])
            check_equal((got.status, got.body), (200, TEXT), f"the answer to {asked}")
        got = conn.request("/t.txt", method="HEAD", headers=[("Range", "bytes=0-1")])
        check(got.status in (200, 206), str(got))


@test
def if_range_gives_a_part_only_of_what_the_client_knows():
    with Server(FILES) as server, server.connect() as conn:
        known = conn.request("/t.txt")
        for validator, status in ((known.header("etag"), 206), ('"other"', 200),
                                  (known.header("last-modified"), 206),
                                  ("Thu, 01 Jan 1970 00:00:00 GMT", 200)):
            got = conn.request("/t.txt", headers=[("Range", "bytes=0-3"), ("If-Range", validator)])
            check_equal(got.status, status, f"the status for If-Range: {validator}")
            check_equal(got.body, TEXT[:4] if got.status == 206 else TEXT, "the body")


@test
def conditions_save_the_body_when_nothing_changed():
    with Server(FILES) as server, server.connect() as conn:
        known = conn.request("/t.txt")
        etag, modified = known.header("etag"), known.header("last-modified")
        old = "Thu, 01 Jan 1970 00:00:00 GMT"
        for headers, status in (
                ([("If-None-Match", etag)], 304),
                ([("If-None-Match", "*")], 304),
                ([("If-None-Match", f'"x", {etag}')], 304),
                ([("If-None-Match", f"W/{etag}")], 304),
                ([("If-None-Match", '"x"')], 200),
                ([("If-Modified-Since", modified)], 304),
                ([("If-Modified-Since", old)], 200),
                ([("If-Modified-Since", "rubbish")], 200),
                ([("If-None-Match", '"x"'), ("If-Modified-Since", modified)], 200),
                ([("If-Match", etag)], 200),
                ([("If-Match", "*")], 200),
                ([("If-Match", '"x"')], 412),
                ([("If-Unmodified-Since", modified)], 200),
                ([("If-Unmodified-Since", old)], 412)):
            for method in ("GET", "HEAD"):
                got = conn.request("/t.txt", method=method, headers=headers)
                check_equal(got.status, status, f"the status of {method} with {headers}")
                if status == 304:
                    check_equal(got.header("etag"), etag, "the ETag of the 304")
                    check(got.header("date"), "a 304 without Date")


@test
def a_changed_file_is_seen_in_every_mode():
    for mode in MODES:
        with Server(FILES, mode=mode, options={"cache.valid": "0"}) as server:
            check_equal(server.get("/t.txt").body, TEXT, "the body at first")
            before = server.get("/t.txt").header("etag")
            for number in range(3):
                new = b"version %d " % number * (number + 1)
                temporary = server.write("new", new)
                os.rename(temporary, server.root / "t.txt")
                got = wait_until(lambda new=new: (lambda r: r if r.body == new else None)(
                    server.get("/t.txt")), f"version {number} in mode {mode}")
                check(got.header("etag") != before, "the ETag stayed")
                before = got.header("etag")
            (server.root / "t.txt").unlink()
            wait_until(lambda: server.get("/t.txt").status == 404, f"the 404 in mode {mode}")
            server.write("t.txt", TEXT)
            wait_until(lambda: server.get("/t.txt").body == TEXT, f"it again in mode {mode}")


VALID_S = 0.03


def settle_in_cache(server, path):
    """Asks until every slot finds it; then nothing that was read before is on its way."""
    for slot in range(len(server.workers())):
        with server.connect_to_slot(slot) as conn:
            wait_until(lambda conn=conn: "desc=hit" in conn.request(
                path, headers=[("X-Cowshed-Timing", "1")]).header("server-timing"), "a hit")
    published = -1
    while published != (published := server.status()["cache"]["published"]):
        time.sleep(0.05)


@test
def nothing_is_served_unchecked_longer_than_cache_valid_be_it_milliseconds():
    for mode in MODES:
        options = {"cache.valid": f"{VALID_S * 1000:.0f}ms"}
        with Server(FILES, mode=mode, slots=2, options=options) as server:
            settle_in_cache(server, "/t.txt")
            for step in range(6):  # gone and back, gone and other, within one second
                if step % 2 == 0:
                    (server.root / "t.txt").unlink()
                else:
                    server.write("t.txt", b"%d" % step)
                time.sleep(VALID_S * 1.1)  # never too short, and longer does no harm
                want = (404, None) if step % 2 == 0 else (200, b"%d" % step)
                for slot in range(2):
                    with server.connect_to_slot(slot, "/index.html") as conn:
                        got = conn.request("/t.txt")
                        check_equal((got.status, got.body if want[1] else None), want,
                                    f"mode {mode}, slot {slot}, step {step}")


@test
def what_is_checked_less_often_than_cache_valid_says_is_served_from_memory():
    with Server(FILES, options={"cache.valid": "1h"}) as server, server.connect() as conn:
        settle_in_cache(server, "/t.txt")
        for _ in range(20):
            check_equal(conn.request("/t.txt").body, TEXT, "the body")
        check_equal(server.slot(0)["counters"]["revalidated"], 0, "looks at the disk")


@test
def to_ask_for_a_file_that_has_vanished_does_not_keep_it_in_the_cache():
    files = {"a": b"a" * 50000, "old": b"x" * 900000, **{n: n.encode() * 50000 for n in "bcd"}}
    options = {"cache.valid": "0", "cache_bytes": "1m", "cache_object_max": "1m"}
    for mode in ("threads", "shared"):
        with Server(files, mode=mode, options=options) as server, server.connect() as conn:
            def settle(path, conn=conn):
                wait_until(lambda: "desc=hit" in conn.request(
                    path, headers=[("X-Cowshed-Timing", "1")]).header("server-timing"), "a hit")

            for path in ("/a", "/old", "/b"):
                settle(path)
            settle("/c")  # the hand passes over all three, which were hit, and takes /a
            (server.root / "old").unlink()
            for _ in range(10):
                check_equal(conn.request("/old").status, 404, f"mode {mode}: the status")
            settle("/d")  # the hand stands at /old
            wait_until(lambda server=server: server.status()["cache"]["bytes"] < 500000,
                       f"the room of the vanished file in mode {mode}", 3.0)


@test
def an_unreadable_file_is_refused_and_a_fifo_does_not_block():
    with Server(FILES, unprivileged=True) as server:
        os.mkfifo(server.root / "fifo")
        check(server.get("/fifo").status in (403, 404), "a fifo was served")
        (server.root / "t.txt").chmod(0)
        check_equal(server.get("/t.txt").status, 403, "the status of an unreadable file")
        check_equal(server.get("/").status, 200, "the status of another")


@test
def a_file_cut_short_while_it_is_sent_ends_the_connection():
    with Server({"huge.bin": b"h" * (64 << 20)}) as server, server.connect() as conn:
        conn.send("GET /huge.bin HTTP/1.1\r\nHost: x\r\n\r\n")
        head = conn.read_until(b"\r\n\r\n", "a head")
        check(b"Content-Length: 67108864" in head, str(head))
        os.truncate(server.root / "huge.bin", 1000)
        body = conn.read_to_end()
        check(len(body) < 64 << 20, "all of the file came")
        check_equal(server.get("/huge.bin").body, b"h" * 1000, "the next answer")


@test
def sixty_four_clients_get_every_byte_in_every_mode():
    files = {f"f{n}": bytes([n]) * (n * n * 11 + 1) for n in range(64)}
    for mode in MODES:
        with Server(files, mode=mode, slots=2) as server:
            wrong = []

            def client(number, server=server, wrong=wrong):
                try:
                    with server.connect(30.0) as conn:
                        for step in range(40):
                            name = f"f{(number * 7 + step * 5) % 64}"
                            got = conn.request("/" + name)
                            if got.status != 200 or got.body != files[name]:
                                wrong.append(f"{name}: {got}")
                except Exception as error:
                    wrong.append(repr(error))

            threads = [threading.Thread(target=client, args=(n,)) for n in range(64)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            check(not wrong, f"mode {mode}: {wrong[:3]}")
