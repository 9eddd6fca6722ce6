# SPDX-License-Identifier: MIT
"""What the master does about workers that die, and about being told things."""

import os
import pathlib
import re
import shutil
import signal
import subprocess

from e2e.harness import (BINARY, PRIVATE_MODES, SANITIZER_WORDS, Server, check, check_equal,
                         children, run_cowshed, test, wait_until)


def tell(server, what, *args):
    """cowshed -s WHAT, to this server."""
    return run_cowshed("-o", f"pid_file={server.folder / 'pid'}", "-o",
                       f"admin={server.ready['admin']}", "-s", what, *args)


def deaths(server):
    return server.status()["deaths"]


@test
def the_obituary_names_signal_slot_and_requests():
    with Server(slots=2) as server:
        server.get("/")
        victim = server.workers()[1]
        os.kill(victim, signal.SIGKILL)
        server.wait_for_log(rf"slot 1 generation 1 pid {victim} was killed by SIGKILL \(9\) "
                            r"after \S+, \d+ requests in its seat$")


@test
def the_obituary_does_not_name_a_request_whose_client_has_left():
    with Server({"big.bin": b"x" * (16 << 20)}) as server:
        with server.connect() as conn:
            conn.send("GET /big.bin HTTP/1.1\r\nHost: x\r\n\r\n")
            conn.read_exactly(1000, "the response")
        wait_until(lambda: server.slot(0)["counters"]["connections"] == 0, "the end of it")
        victim = server.workers()[0]
        os.kill(victim, signal.SIGKILL)
        server.wait_for_log(rf"pid {victim} was killed by SIGKILL \(9\) after \S+, "
                            r"1 requests in its seat$")


@test
def the_delay_doubles_with_each_death_of_a_slot():
    with Server(slots=1, options={"fork.rate": 0}) as server:
        for round_number in range(4):
            victim = server.workers()[0]
            os.kill(victim, signal.SIGKILL)
            wait_until(lambda victim=victim: server.workers()[0] != victim, "a replacement")
            check_equal(deaths(server), round_number + 1, "deaths")
        events = [line for line in server.admin_get("/events").body.decode().splitlines()
                  if '"kind":"fork"' in line]
        starts = [int(line.split('"start_ns":')[1].split(",")[0]) for line in events]
        gaps = [(b - a) / 1e6 for a, b in zip(starts[-5:], starts[-4:])]
        for gap, at_least in zip(gaps, (100, 200, 400, 800)):
            check(gap >= at_least, f"the forks came after {gaps} ms")


@test
def workers_that_die_before_they_are_ready_end_the_server_with_70():
    with Server(options={"breaker": 3, "fork.rate": 0}, exit_code=70,
                errors=[r"could not", r"gave up: 3 workers"]) as server:
        shutil.rmtree(server.root)
        os.kill(server.workers()[0], signal.SIGKILL)
        check_equal(server.wait_for_exit(), 70, "the exit code")
        check("gave up: 3 workers in a row died before they were ready" in server.log(),
              "the reason is missing")


@test
def a_generation_that_cannot_start_leaves_the_old_one_serving():
    with Server(options={"breaker": 2, "fork.rate": 0}, slots=2,
                errors=[r"could not", r"generation 2 is given up"]) as server:
        old = server.workers()
        check_equal(server.get("/").status, 200, "the status before")
        shutil.rmtree(server.root)
        server.signal(signal.SIGURG)
        server.wait_for_log(r"generation 2 is given up after \d+ deaths .* generation 1 stays")
        wait_until(lambda: server.status()["generation"] == 1, "generation 1")
        check_equal(server.workers(), old, "the workers")
        check(server.get("/").status in (200, 404), "nobody serves")
        server.root.mkdir()
        server.write("fresh", b"again")
        server.signal(signal.SIGURG)
        wait_until(lambda: server.status()["generation"] == 3 and
                   all(s["generation"] == 3 and s["state"] == "ready"
                       for s in server.status()["slots"]), "generation 3")
        wait_until(lambda: not set(old.values()) & set(children(server.proc.pid)),
                   "the old workers, which still accept for a moment, to end")
        check_equal(server.get("/fresh").body, b"again", "the answer")


@test
def a_worker_that_takes_too_long_to_start_is_killed():
    """It touches 128 MiB before it is ready, which takes longer than 10 ms.  A master that
    does not run meanwhile finds it ready all the same: then it is killed here."""
    settings = ("admin=off", "origin=synthetic", "synthetic.preload=on", "synthetic.objects=40000",
                "cache_bytes=128m", "spawn_timeout=10ms", "breaker=2")
    argv = [BINARY, "-m", "pretouch", "-l", "127.0.0.1:0", "-w", "1"]
    for setting in settings:
        argv += ["-o", setting]
    log = []
    proc = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    try:
        for line in proc.stderr:
            log.append(line)
            if ready := re.search(r" is ready, pid (\d+)", line):
                os.kill(int(ready.group(1)), signal.SIGKILL)
        check_equal(proc.wait(), 70, "the exit code")
    finally:
        proc.kill()
        proc.wait()
        proc.stderr.close()
    err = "".join(log)
    check(not SANITIZER_WORDS.search(err), err)
    check(len(re.findall(r"did not become ready in time: it is killed", err)) >= 2, err)
    check("gave up: 2 workers in a row died before they were ready" in err, err)


@test
def a_slot_that_may_not_be_forked_runs_as_a_thread_of_another():
    for mode in (*PRIVATE_MODES, "shared"):
        options = "fork { fallback = threads\n rate = 0\n max_unready = 0\n%s }\n"
        with Server(slots=2, mode=mode, config=options % "") as server:
            config = server.folder / "test.conf"
            config.write_text(options % "min_available = 1000t", encoding="utf-8")
            server.signal(signal.SIGHUP)
            server.wait_for_log(r"generation 2 begins")
            os.kill(server.workers()[0], signal.SIGKILL)
            server.wait_for_log(rf"slot 0 runs as a thread of {server.workers()[1]}")
            wait_until(lambda: server.slot(0)["state"] == "ready", "the guest")
            check_equal(server.slot(0)["runs_as"], "thread", "the slot")
            check_equal(server.slot(0)["pid"], server.workers()[1], "the process")
            for _ in range(20):
                check_equal(server.get("/").body, b"<p>hello\n", f"the answer in mode {mode}")
            config.write_text(options % "", encoding="utf-8")
            server.signal(signal.SIGHUP)
            wait_until(lambda: all(s["runs_as"] == "process" and s["state"] == "ready" and
                                   s["generation"] == 3 for s in server.status()["slots"]),
                       "both slots in processes of their own")
            check_equal(server.get("/").body, b"<p>hello\n", f"the answer in mode {mode}")


@test
def reload_and_refork_can_be_waited_for():
    with Server(slots=2, options={"pid_file": "pid"}) as server:
        code, _, err = tell(server, "refork", "--wait")
        check_equal((code, err), (0, ""), "refork --wait")
        check(all(s["generation"] == 2 for s in server.status()["slots"]), "not all are new")
        check_equal(tell(server, "reload", "--wait")[0], 0, "reload --wait")
        check_equal(server.status()["generation"], 3, "the generation")
        check_equal(tell(server, "reopen", "--wait")[0], 0, "reopen --wait")


@test
def a_reload_that_fails_is_reported_to_who_waits():
    with Server(config="index = index.html\n", options={"pid_file": "pid"},
                errors=[r"could not reload"]) as server:
        (server.folder / "test.conf").write_text("indexx = a\n", encoding="utf-8")
        code, _, err = tell(server, "reload", "--wait")
        check_equal(code, 1, "the exit code")
        check("indexx" in err and "test.conf:1" in err, err)
        check_equal(server.status()["reloads_failed"], 1, "reloads_failed")
        (server.folder / "test.conf").write_text("cache_bytes = 1m\n", encoding="utf-8")
        code, _, err = tell(server, "reload", "--wait")
        check_equal(code, 1, "the exit code")
        check("restart" in err and "cache_bytes" in err, err)
        check_equal(server.get("/").status, 200, "the status")


@test
def quit_and_stop_can_be_waited_for():
    for what in ("quit", "stop"):
        with Server(options={"pid_file": "pid"}) as server:
            code, _, err = tell(server, what, "--wait")
            check_equal((code, err), (0, ""), f"{what} --wait")
            check_equal(server.wait_for_exit(), 0, "the exit code")


@test
def signals_need_a_master():
    folder = pathlib.Path("/nonexistent")
    for args, words in ((("-s", "reload"), "pid_file"),
                        (("-o", f"pid_file={folder}/x", "-s", "reload"), "no such file"),
                        (("-s", "jump"), "allowed are reload, reopen, quit, stop, refork and upgrade")):
        code, _, err = run_cowshed(*args)
        check_equal(code, 1, f"the exit code of {args}")
        check(words in err, f"{args}: {err}")


@test
def two_masters_cannot_share_a_pid_file():
    with Server(options={"pid_file": "pid"}) as server:
        code, _, err = run_cowshed("-l", "127.0.0.1:0", "-o", "admin=off", "-o",
                                   f"root={server.root}", "-o",
                                   f"pid_file={server.folder / 'pid'}")
        check_equal(code, 2, "the exit code")
        check("another cowshed holds it" in err, err)
        check_equal((server.folder / "pid").read_text().strip(), server.ready["pid"],
                    "the pid file")


@test
def signals_to_workers_do_not_harm():
    """A terminal or a service manager sends them to the whole group."""
    with Server(slots=2) as server:
        before = server.workers()
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1,
                       signal.SIGTTIN):
            for pid in before.values():
                os.kill(pid, number)
        for _ in range(10):
            check_equal(server.get("/").status, 200, "the status")
        check_equal(server.workers(), before, "the workers")
        check_equal(deaths(server), 0, "deaths")


@test
def a_second_term_ends_a_drain():
    options = {"drain_timeout": "1h", "send_timeout": "1h"}
    with Server({"big": b"b" * (16 << 20)}, options) as server:
        with server.connect() as conn:
            conn.send("GET /big HTTP/1.1\r\nHost: x\r\n\r\n")
            conn.read_until(b"\r\n\r\n", "a head")
            server.signal(signal.SIGTERM)
            server.wait_for_log("SIGTERM: draining")
            server.signal(signal.SIGTERM)
            check_equal(server.wait_for_exit(), 0, "the exit code")


@test
def it_reaps_orphans_as_the_first_process_of_a_container_would():
    """A child of the master that it does not know must not confuse it."""
    with Server() as server:
        check_equal(subprocess.run([BINARY, "-v"], check=False, capture_output=True).returncode,
                    0, "-v")
        check_equal(server.get("/").status, 200, "the status")
