# SPDX-License-Identifier: MIT
"""cowshed ctl: orders and answers on the command line."""

import contextlib
import re
import socket
import subprocess
import threading
import time

from e2e.harness import BINARY, Server, check, check_equal, run_cowshed, test


def ctl(server, *words):
    return run_cowshed("-o", f"admin={server.ready['admin']}", "ctl", *words)


@test
def status_and_workers_are_for_people():
    with Server(slots=2, mode="naive") as server:
        for _ in range(4):
            server.get("/")
        code, out, err = ctl(server, "status")
        check_equal((code, err), (0, ""), "ctl status")
        check("ready: mode naive, generation 1" in out and "requests  4," in out, out)
        code, out, err = ctl(server, "workers")
        check_equal((code, err), (0, ""), "ctl workers")
        lines = out.splitlines()
        check_equal(len(lines), 3, "lines")
        check_equal([line.split()[:3] for line in lines[1:]],
                    [[str(slot), "ready", str(pid)] for slot, pid in
                     sorted(server.workers().items())], "the workers")


@test
def a_purge_names_a_url_or_everything():
    name = "a b%c"
    with Server({name: b"old"}, options={"cache.valid": "1h"}) as server:
        check_equal(server.get("/a%20b%25c").body, b"old", "the answer")
        server.wait_for_cached()
        server.write(name, b"new")
        check_equal(server.get("/a%20b%25c").body, b"old", "it was not cached")
        check_equal(ctl(server, "purge", "http://x/a%20b%25c?q")[:2], (0, "done\n"), "ctl purge")
        check_equal(server.get("/a%20b%25c").body, b"new", "the answer")
        server.write(name, b"newer")
        check_equal(ctl(server, "purge", "*")[:2], (0, "done\n"), "ctl purge *")
        check_equal(server.get("/a%20b%25c").body, b"newer", "the answer")


@test
def a_purge_of_a_zero_byte_is_refused_and_purges_nothing():
    with Server({"a": b"old"}, options={"cache.valid": "1h"}) as server:
        check_equal(server.get("/a").body, b"old", "the answer")
        server.wait_for_cached()
        server.write("a", b"new")
        for url in ("/a%00b", "*%00b", "/a%00"):
            got = server.admin_get(f"/ctl/purge?url={url}", method="POST")
            check_equal(got.status, 400, f"the status of {url}")
        check_equal(server.get("/a").body, b"old", "what was not purged")


@contextlib.contextmanager
def stranger(answer):
    """The address of a server that sends this to one client, and then a byte of `drip` now and
    then, without an end; with no drip it ends."""
    first, drip = answer
    with socket.create_server(("127.0.0.1", 0)) as listener:
        stop = threading.Event()

        def serve():
            conn, _ = listener.accept()
            with conn, contextlib.suppress(OSError):
                conn.recv(4096)
                conn.sendall(b"HTTP/1.1 " + first)
                while drip and not stop.wait(0.2):
                    conn.sendall(drip)

        thread = threading.Thread(target=serve)
        thread.start()
        yield "{}:{}".format(*listener.getsockname())
        stop.set()
        thread.join()


@test
def an_answer_gives_no_orders_to_a_terminal():
    answers = (
        (("ctl", "gc"), b"200 OK\r\n\r\n\x1b[2Jdone\x7f\n"),
        (("ctl", "gc"), b"500 No\r\n\r\n\x1b]0;x\x07\n"),
        (("ctl", "workers"), b'200 OK\r\n\r\n{"slots": [{"slot": 0, "state": "\\u001b[2J"}]}'),
    )
    for words, answer in answers:
        with stranger((answer, b"")) as address:
            _, out, err = run_cowshed("-o", f"admin={address}", *words)
            check("?" in out + err, f"{out!r} {err!r}")
            check(not set(out + err) & set("\x1b\x07\x7f"), f"{out!r} {err!r}")


@test
def an_answer_that_does_not_end_is_not_waited_for():
    with stranger((b"200 OK\r\n\r\n", b" ")) as address:
        begin = time.monotonic()
        code, _, err = run_cowshed("-o", f"admin={address}", "top", "-b", "-n", "1")
        took = time.monotonic() - begin
        check(code == 1 and "timed out" in err and took < 15, f"{code} after {took:.1f} s: {err}")


@test
def orders_are_done_when_the_command_ends():
    with Server(slots=2) as server:
        check_equal(ctl(server, "refork")[:2], (0, "done\n"), "ctl refork")
        check_equal([s["generation"] for s in server.status()["slots"]], [2, 2], "generations")
        check_equal(ctl(server, "gc")[:2], (0, "done\n"), "ctl gc")
        check(server.status()["gc"]["cycles"] >= 1, "no collection")
        check_equal(ctl(server, "drain")[:2], (0, "draining\n"), "ctl drain")
        check_equal(server.wait_for_exit(), 0, "the exit code")


@test
def wrong_orders_are_complained_about():
    with Server() as server:
        for words in ((), ("nonsense",), ("purge",), ("gc", "more")):
            code, _, err = ctl(server, *words)
            check_equal(code, 1, f"the exit code of {words}")
            check("allowed are status, workers, purge URL" in err, err)
        code, _, err = ctl(server, "purge", "relative")
        check_equal(code, 1, "the exit code")
        check("purge needs ?url=" in err, err)
    with socket.socket() as nobody:  # bound, so that nobody else may listen there
        nobody.bind(("127.0.0.1", 0))
        admin = f"127.0.0.1:{nobody.getsockname()[1]}"
        code, _, err = run_cowshed("-o", f"admin={admin}", "ctl", "status")
    check_equal(code, 1, "the exit code without a server")
    check(admin in err and "connection refused" in err, err)


@contextlib.contextmanager
def another():
    """(pid, address of the admin listener) of a server beside that of the harness."""
    argv = [str(BINARY), "-o", "root=/", "-l", "127.0.0.1:0", "-o", "admin=127.0.0.1:0", "-w", "1"]
    with subprocess.Popen(argv, stderr=subprocess.PIPE, text=True) as proc:
        try:
            for line in proc.stderr:
                if found := re.match(r"ready .* admin=(\S+)", line):
                    yield proc.pid, found.group(1)
                    break
        finally:
            proc.terminate()
            proc.communicate()


@test
def an_order_goes_to_the_master_of_the_pid_file_or_nowhere():
    with Server(options={"pid_file": "one.pid"}) as server, another() as (pid, admin):
        generation = server.status()["generation"]
        pid_file = f"pid_file={server.folder}/one.pid"
        for name in ("reload", "refork", "reopen", "upgrade"):
            code, _, err = run_cowshed("-o", pid_file, "-o", f"admin={admin}", "-s", name, "--wait")
            check_equal(code, 1, f"{name}: the exit code ({err})")
            check(f"is that of process {pid}, and the pid file" in err
                  and f"that of {server.proc.pid}: nothing was asked" in err, err)
        code, _, err = run_cowshed("-o", pid_file, "-o", "admin=127.0.0.1:1", "-s", "reload", "--wait")
        check_equal(code, 1, "the exit code without an answer")
        check(f"of the master {server.proc.pid} at 127.0.0.1:1: connection refused" in err, err)
        check_equal(server.status()["generation"], generation, "the generation")
        code, _, err = run_cowshed("-o", pid_file, "-o", f"admin={server.ready['admin']}", "-s", "refork",
                                   "--wait")
        check_equal((code, server.status()["generation"]), (0, generation + 1), err)


@test
def output_that_cannot_be_written_is_a_failure():
    with Server() as server, open("/dev/full", "wb") as full:
        for words in (["-h"], ["-T", "-o", "root=/"], ["ctl", "status"], ["ctl", "workers"], ["ctl", "gc"]):
            done = subprocess.run([str(BINARY), "-o", "admin={}:{}".format(*server.admin), *words],
                                  stdout=full, stderr=subprocess.PIPE, text=True, timeout=60, check=False)
            check_equal(done.returncode, 1, f"{words}: the exit code ({done.stderr})")
            check("could not write the output: no space left" in done.stderr.lower(), f"{words}: {done.stderr}")
