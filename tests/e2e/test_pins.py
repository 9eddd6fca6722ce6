# SPDX-License-Identifier: MIT
"""What is being sent stays, whatever happens to the cache meanwhile."""

import os

from e2e.harness import MODES, Conn, Server, check, check_equal, test, wait_until

BIG = 6 << 20  # more than the socket buffers of loopback take
# Freed memory is overwritten, and each allocation is followed by a collection.
OPTIONS = {"cache_object_max": "8m", "cache_bytes": "16m", "cache.valid": "1h",
           "gc.stress": "on"}


def order(server, words):
    got = server.admin_get(f"/ctl/{words}", method="POST")
    check_equal(got.status, 200, f"the answer to POST /ctl/{words}")


def in_the_middle(server, path):
    """A connection that has got the beginning of the answer, and takes no more for now."""
    conn = Conn(server.address, receive_buffer=4096)
    conn.ask(path)
    conn.read_until(b"\r\n\r\n", "a response head")
    return conn


def purged_and_collected(mode):
    big = os.urandom(BIG)
    files = {"big": big, **{f"f{i}": os.urandom(1 << 20) for i in range(14)}}
    with Server(files, OPTIONS, mode) as server:
        check_equal(server.get("/big").body, big, "the file when it is fetched")
        if mode in ("shared", "threads"):
            server.wait_for_cached()
        before = server.slot(0)["hits"]
        conns = [in_the_middle(server, "/big") for _ in range(3)]
        wait_until(lambda: server.slot(0)["counters"]["pins"] == 3, "three answers under way")
        check_equal(server.slot(0)["hits"] - before, 3, "hits")
        order(server, "purge?url=*")
        for _ in range(2):  # a shared heap waits for its readers in between
            order(server, "gc")
        for number in range(14):  # takes what was freed
            check_equal(server.get(f"/f{number}").body, files[f"f{number}"], f"f{number}")
        order(server, "gc")
        for conn in conns:
            check(conn.read_exactly(BIG, "a body") == big, "bytes differ from the disk")
            conn.close()
        wait_until(lambda: server.slot(0)["counters"]["pins"] == 0, "all pins to be given back")


def add_test(mode):
    def sent():
        purged_and_collected(mode)

    sent.__name__ = f"mode_{mode}_sends_what_was_purged_and_collected_meanwhile_whole"
    test(sent)


for each_mode in MODES:
    add_test(each_mode)
