# SPDX-License-Identifier: MIT
"""What goes wrong around a server, and what hostile or careless people do to it."""

import contextlib
import signal
import socket
import subprocess

from e2e.harness import (BINARY, MODES, PATIENCE, Server, check, check_equal, run_cowshed,
                         test, wait_until)


def can_listen(address):
    """Whether a new server could take the address now."""
    with socket.socket() as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            sock.bind(address)
            sock.listen()
        except OSError:
            return False
        return True


@test
def a_killed_master_leaves_its_address_to_the_next_at_once():
    """Its workers still end what they were doing, up to the drain timeout; a service
    manager that starts it again must not find the port busy meanwhile."""
    for mode in MODES:
        with Server(mode=mode, slots=2, errors=[".*"], exit_code=-signal.SIGKILL,
                    options={"drain_timeout": "1h", "header_timeout": "1h"}) as server:
            with server.connect() as conn:
                conn.send("GET / HTTP/1.1\r\nHost: te")  # holds a worker
                wait_until(lambda s=server: sum(x["counters"]["connections"]
                                                for x in s.status()["slots"]),
                           "the connection to be accepted")
                server.signal(signal.SIGKILL)
                server.wait_for_exit()
                wait_until(lambda a=server.address: can_listen(a),
                           f"the address to be free in mode {mode}")
                check(Server.leftovers(), "the request in progress held no worker")
                conn.send("st\r\n\r\n")
                check_equal(conn.response().status, 200, "the answer of the orphan")
            wait_until(lambda: not Server.leftovers(), "the workers to end")


@test
def the_largest_cache_that_is_allowed_starts():
    for percent in (1, 100, 10000):
        options = {"cache_bytes": "128g", "gc.percent": percent}
        with Server(mode="shared", options=options) as server:
            check_equal(server.get("/").status, 200, f"the answer with gc.percent = {percent}")


@test
def a_setting_that_only_a_look_at_the_system_refuses_names_its_place():
    cases = [("root=/nonexistent", "root = '/nonexistent' (-o): no such file or directory"),
             ("index=../x", "index = '../x' (-o): it is not the name of a file"),
             ("index=.", "index = '.' (-o): it is not the name of a file"),
             ("index=" + "i" * 256, "(-o): it is not the name of a file"),
             ("listen=1", "listen = '1' (-o): it has no port"),
             ("admin=x:1", "admin = 'x:1' (-o): it is not numeric")]
    for setting, words in cases:
        args = ("-o", "root=/", "-o", setting)
        code, _, err = run_cowshed("-t", *args)
        check(code == 1 and words in err, f"-t {setting}: exit code {code}: {err}")
        code, _, err = run_cowshed("-l", "127.0.0.1:0", "-o", "admin=off", *args)
        check(code == 2 and words in err, f"{setting}: exit code {code}: {err}")


HEADS_REFUSED = [
    ("Expect: 200-ok", 417),
    ("Content-Length: 99999999999", 413),
    ("Content-Length: x", 400),
    ("Transfer-Encoding: gzip, chunked", 501),
    ("Bad Name: x", 400),
    ("Long: " + "x" * 40000, 431),
]


@test
def a_head_that_is_refused_has_no_body():
    with Server() as server:
        for field, status in HEADS_REFUSED:
            for method in ("HEAD", "GET"):
                with server.connect() as conn:
                    conn.send(f"{method} / HTTP/1.1\r\nHost: x\r\n{field}\r\n\r\n")
                    got = conn.response(head=method == "HEAD")
                    check_equal(got.status, status, f"the answer to {method} with {field[:40]}")
                    check_equal(got.header("connection"), "close", f"Connection after {field[:40]}")
                    check(conn.ends(), f"{method} with {field[:40]}: bytes follow the response")


@test
def with_few_descriptors_no_connection_is_taken_that_could_get_no_file():
    """A slot that accepts all it can has none left for files, and answers 503."""
    files = {f"large{i}": b"x" * 3_000_000 for i in range(40)}
    for mode in ("shared", "threads"):
        with Server(mode=mode, slots=2, files=files, errors=["too many open files"],
                    program=["prlimit", "--nofile=100:100", str(BINARY)]) as server:
            with contextlib.ExitStack() as stack:
                conns = [stack.enter_context(server.connect()) for _ in range(120)]
                for i, conn in enumerate(conns):
                    conn.send(f"GET /large{i % 40} HTTP/1.1\r\nHost: x\r\n"
                              "Connection: close\r\n\r\n")
                for i, conn in enumerate(conns):
                    got = conn.response()
                    check_equal(got.status, 200, f"the answer to connection {i} in mode {mode}")
                    check_equal(len(got.body), 3_000_000, "the length of a body")
                    conn.close()


@test
def an_order_that_nobody_hears_names_the_address():
    with Server(args=("-o", "pid_file=pid")) as server:
        with socket.socket() as nobody:
            nobody.bind(("127.0.0.1", 0))
            address = "127.0.0.1:%d" % nobody.getsockname()[1]
            code, _, err = run_cowshed("-o", "pid_file=pid", "-o", f"admin={address}",
                                       "-s", "refork", "--wait", cwd=server.folder)
        said = f"the admin listener of the master {server.proc.pid} at {address}: connection refused"
        check(code == 1 and said in err, f"exit code {code}: {err}")


@test
def too_few_descriptors_to_start_are_exit_code_71_and_a_line_of_ours():
    told = 0
    for limit in range(5, 9):
        done = subprocess.run(["prlimit", f"--nofile={limit}:{limit}", str(BINARY),
                               "-l", "127.0.0.1:0", "-o", "admin=127.0.0.1:0", "-o", "root=/",
                               "-w", "1"],
                              timeout=20 * PATIENCE, capture_output=True, text=True, check=False)
        check(done.returncode == 71 and "fatal" in done.stderr,
              f"with {limit} files: exit code {done.returncode}: {done.stderr}")
        told += "libevent: " in done.stderr
    check(told > 0, "libevent was never short of files: the test looks at the wrong limits")
