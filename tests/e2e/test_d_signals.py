# SPDX-License-Identifier: MIT
"""Signals to the master, and the death of workers."""

import os
import pathlib
import signal
import threading
import time

from e2e.harness import (MODES, Failure, Kept, Server, check, check_equal, children, test,
                         wait_until)

BIG = b"b" * (16 << 20)


@test
def term_lets_a_response_in_progress_end():
    for mode in MODES:
        options = {"linger_timeout": "100ms"}
        with Server({"big": BIG}, options, mode) as server, server.connect() as conn:
            conn.send("GET /big HTTP/1.1\r\nHost: x\r\n\r\n")
            conn.read_until(b"\r\n\r\n", "a head")
            server.signal(signal.SIGTERM)
            server.wait_for_log(r"SIGTERM")
            check(conn.read_exactly(len(BIG), "the body") == BIG, f"mode {mode}: bytes differ")
            check(conn.ends(), "the connection stayed open")
            check_equal(server.wait_for_exit(), 0, "the exit code")


@test
def a_drain_has_a_deadline():
    with Server({"big": BIG}, options={"drain_timeout": "300ms"}) as server:
        with server.connect() as conn:
            conn.send("GET /big HTTP/1.1\r\nHost: x\r\n\r\n")
            conn.read_until(b"\r\n\r\n", "a head")
            server.signal(signal.SIGTERM)
            server.wait_for_exit()


@test
def quit_drains_like_term():
    with Server() as server:
        server.get("/")
        server.signal(signal.SIGQUIT)
        check_equal(server.wait_for_exit(), 0, "the exit code")


@test
def a_killed_worker_is_replaced_and_serves_again_in_every_mode():
    for mode in MODES:
        with Server(mode=mode, slots=2) as server:
            victim = server.workers()[1]
            for _ in range(10):
                server.get("/")
            os.kill(victim, signal.SIGKILL)
            wait_until(lambda: victim not in server.workers().values(),
                       f"a replacement in mode {mode}")
            for _ in range(20):
                check_equal(server.get("/").body, b"<p>hello\n", f"the answer in mode {mode}")


@test
def workers_killed_under_load_leave_nothing_locked_or_wrong():
    files = {f"f{n}": bytes([n]) * (n * 500 + 1) for n in range(16)}
    for mode in MODES:
        with Server(files, mode=mode, slots=2) as server:
            stop = threading.Event()
            wrong, done = [], []

            def client(number, server=server, wrong=wrong, done=done, stop=stop):
                step = 0
                while not stop.is_set():
                    try:
                        with server.connect() as conn:
                            for _ in range(20):
                                name = f"f{(number + step) % 16}"
                                step += 1
                                got = conn.request("/" + name)
                                if got.status != 200 or got.body != files[name]:
                                    wrong.append(f"{name}: {got}")
                                done.append(1)
                    except (OSError, Failure):
                        pass  # its worker was killed; what did come was checked

            threads = [threading.Thread(target=client, args=(n,)) for n in range(6)]
            for thread in threads:
                thread.start()
            try:
                for number in range(5):
                    before = server.workers()
                    victim = before[number % 2]
                    os.kill(victim, signal.SIGKILL)
                    wait_until(lambda victim=victim, s=server:
                               victim not in s.workers().values(), "a replacement")
            finally:
                stop.set()
                for thread in threads:
                    thread.join()
            check(not wrong, f"mode {mode}: {wrong[:3]}")
            check(done, "no request came through")
            check_equal(server.get("/f3").body, files["f3"], f"the answer in mode {mode}")


@test
def refork_replaces_every_worker_without_losing_a_request():
    for mode in MODES:
        with Server(mode=mode, slots=2) as server:
            old = set(server.workers().values())
            server.signal(signal.SIGURG)
            with Kept(server) as client:
                while old & set(server.workers().values()):
                    check_equal(client.request("/").body, b"<p>hello\n", "the answer meanwhile")
            check_equal(server.get("/").body, b"<p>hello\n", "the answer afterwards")


@test
def ttin_adds_a_slot_and_ttou_takes_it_away():
    with Server(slots=1) as server:
        family = len(children(server.proc.pid))
        server.signal(signal.SIGTTIN)
        wait_until(lambda: 1 in server.workers(), "slot 1")
        check_equal(len(children(server.proc.pid)), family + 1, "the number of children")
        server.signal(signal.SIGTTOU)
        wait_until(lambda: len(children(server.proc.pid)) == family, "slot 1 to end")
        check_equal(server.get("/").status, 200, "the status")


@test
def a_reload_serves_the_new_configuration():
    with Server({"a/index.html": b"old", "b/index.html": b"new"}, config="# empty\n") as server:
        check_equal(server.get("/a/").body, b"old", "the answer at first")
        (server.folder / "test.conf").write_text("index = \"other.html\"\n")
        server.write("a/other.html", b"other")
        server.signal(signal.SIGHUP)
        wait_until(lambda: server.get("/a/").body == b"other", "the new index")


@test
def a_reload_that_is_wrong_keeps_the_old_configuration():
    with Server(config="# empty\n", errors=[r"rot", r"reload"]) as server:
        workers = server.workers()
        (server.folder / "test.conf").write_text("rot = x\n")
        server.signal(signal.SIGHUP)
        server.wait_for_log(r"did you mean 'root'")
        check_equal(server.get("/").status, 200, "the status")
        check_equal(server.workers(), workers, "the workers")


@test
def usr1_opens_the_access_log_anew():
    with Server(options={"access_log": "access"}) as server:
        path = server.folder / "access"
        server.get("/?first")
        wait_until(lambda: "first" in path.read_text(), "the first line")
        path.rename(server.folder / "access.1")
        server.signal(signal.SIGUSR1)
        wait_until(path.exists, "a new file")

        def second_arrives():
            server.get("/?second")
            return "second" in path.read_text()

        wait_until(second_arrives, "a line in the new file")


@test
def a_worker_is_recycled_after_its_requests_and_clients_do_not_notice():
    for mode in MODES:
        options = {"recycle.requests": 50}
        with Server(mode=mode, slots=2, options=options) as server:

            def replaced(server=server, mode=mode):
                check_equal(server.get("/").body, b"<p>hello\n", f"an answer in mode {mode}")
                return server.log().count(" is ready, ") >= 6

            wait_until(replaced, f"four replacements in mode {mode}")


@test
def idle_it_uses_no_cpu():
    with Server(slots=2) as server:
        pids = [server.proc.pid, *children(server.proc.pid)]

        def ticks():
            total = 0
            for pid in pids:
                fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
                total += int(fields[11]) + int(fields[12])
            return total

        server.get("/")
        begin, before = time.monotonic(), ticks()
        time.sleep(1.0)  # the length of the measurement, not a wait for something
        used = (ticks() - before) / os.sysconf("SC_CLK_TCK")
        took = time.monotonic() - begin
        check(used < 0.1 * took, f"{used:.2f} s of CPU time in {took:.2f} idle seconds")
