# SPDX-License-Identifier: MIT
"""The admin listener: health, status, metrics, events, orders."""

import contextlib
import json
import os
import pathlib
import re
import shutil
import signal
import subprocess

from e2e.harness import (MODES, PRIVATE_MODES, Conn, Server, Skip, check, check_equal, children,
                         test, wait_until)
from tools import find_tool

SAMPLE = re.compile(
    r'(cowshed_[a-z0-9_]+)(\{[a-z_]+="[^"]*"(?:,[a-z_]+="[^"]*")*\})? (-?[0-9.]+(?:e[+-]?\d+)?)')


def order(server, name, headers=(), method="POST"):
    with Conn(server.admin) as conn:
        return conn.request(f"/ctl/{name}", method=method,
                            headers=[("Connection", "close"), *headers])


def read_metrics(server):
    """({name with labels: value}, {name: type}); HELP and TYPE come before, once."""
    helped, typed, values = set(), {}, {}
    for line in server.admin_get("/metrics").body.decode().splitlines():
        if line.startswith("# HELP "):
            name, _, sentence = line[7:].partition(" ")
            check(sentence, f"no words: {line}")
            check(name not in helped, f"twice: {line}")
            helped.add(name)
        elif line.startswith("# TYPE "):
            name, kind = line[7:].split()
            check(name not in typed, f"twice: {line}")
            typed[name] = kind
        else:
            match = SAMPLE.fullmatch(line)
            check(match, f"not a sample: {line!r}")
            name, family = match.group(1), re.sub(r"_(bucket|sum|count)$", "", match.group(1))
            check(name in helped or family in helped, f"no HELP before {line}")
            check(name in typed or typed.get(family) in ("histogram", "summary"), f"no TYPE before {line}")
            name += match.group(2) or ""
            check(name not in values, f"twice: {line}")
            values[name] = float(match.group(3))
    return values, typed


def read_events(server, query=""):
    lines = server.admin_get(f"/events{query}").body.decode().splitlines()
    return [json.loads(line) for line in lines]


@test
def the_status_counts_every_request_and_has_the_fields_that_tools_read():
    for mode in MODES:
        with Server(mode=mode, slots=2) as server:
            for _ in range(30):
                server.get("/")
            status = server.status()
            for key in ("mode", "pid", "generation", "heap", "slots", "forks", "calibration",
                        "gc", "cache", "latency"):
                check(key in status, f"mode {mode}: {key} is missing")
            check_equal(status["mode"], mode, "the mode")
            check_equal(status["pid"], server.proc.pid, "the pid")
            for key in ("start", "end", "live", "limit", "kind"):
                check(key in status["heap"], f"mode {mode}: heap.{key} is missing")
            start, end = int(status["heap"]["start"], 16), int(status["heap"]["end"], 16)
            check(end >= start > 0, f"mode {mode}: heap {status['heap']}")
            check_equal(status["heap"]["kind"], "private" if mode in PRIVATE_MODES else "shared",
                        "the heap")
            check_equal(len(status["slots"]), 2, "the number of slots")
            check_equal(sum(s["requests"] for s in status["slots"]), 30, f"requests, mode {mode}")
            for slot in status["slots"]:
                for key in ("slot", "pid", "state", "generation", "requests", "hits", "faults",
                            "inherited_pages", "copied_pages", "pss", "gc"):
                    check(key in slot, f"mode {mode}: {key} of a slot is missing")
                check_equal(slot["state"], "ready", "the state of a slot")
                check(slot["pss"] > 0, f"mode {mode}: no PSS")
                check_equal(slot["gc"] is None, mode not in PRIVATE_MODES, "no collector")
            check_equal((status["forks"]["count"], status["forks"]["admin"]),
                        (1 if mode == "threads" else 2, 1), f"mode {mode}: forks, of the admin")
            check(status["calibration"]["syscall_ns"] > 0, "the calibration")


@test
def pages_that_a_worker_writes_are_counted_as_copied():
    """Header marks of a collection write to every page with objects; side marks to none."""
    copied = {}
    for marks in ("header", "side"):
        options = {"origin": "synthetic", "synthetic.preload": "on", "synthetic.objects": 20000,
                   "synthetic.median": "512", "gc.marks": marks}
        with Server(mode="naive", slots=1, options=options) as server:
            check(server.slot(0)["inherited_pages"] > 1000, f"{server.slot(0)}")
            check_equal(order(server, "gc").status, 200, "the collection")
            check(server.slot(0)["gc"]["cycles"] >= 1, "no collection")
            fresh = server.status()["now_ns"] + 1_100_000_000
            wait_until(lambda server=server, fresh=fresh: server.status()["now_ns"] > fresh,
                       "a sample after the collection")
            slot = server.slot(0)
            copied[marks] = slot["copied_pages"] / slot["inherited_pages"]
    check(copied["header"] > 0.5, f"header marks copied only {copied['header']:.2f}")
    check(copied["side"] < 0.05, f"side marks copied {copied['side']:.2f}")


@test
def counters_survive_the_death_of_a_worker():
    with Server(slots=2) as server:
        for _ in range(20):
            server.get("/")
        before, typed = read_metrics(server)
        victim = server.workers()[0]
        os.kill(victim, signal.SIGKILL)
        wait_until(lambda: server.workers()[0] != victim, "a replacement")
        server.get("/")
        check_equal(sum(s["requests"] for s in server.status()["slots"]), 21, "requests")
        after, _ = read_metrics(server)
        for name, value in before.items():
            if typed.get(name.partition("{")[0]) == "counter":
                check(name in after and after[name] >= value,
                      f"{name} went from {value} to {after.get(name)}")


@test
def metrics_are_in_the_format_of_prometheus():
    with Server(slots=2, mode="naive") as server:
        for path in ("/", "/", "/missing"):
            server.get(path)
        check_equal(server.admin_get("/metrics").header("content-type"),
                    "text/plain; version=0.0.4; charset=utf-8", "the type")
        # A response is booked when it has been sent, so that its client may be faster.
        wait_until(lambda: read_metrics(server)[0][
            "cowshed_http_request_duration_seconds_count"] >= 3, "three durations")
        values, _ = read_metrics(server)
        check_equal(values["cowshed_http_request_duration_seconds_count"], 3.0, "durations")
        check_equal(values['cowshed_http_request_duration_seconds_bucket{le="+Inf"}'], 3.0, "+Inf")
        check_equal(values['cowshed_http_requests_total{code_class="2xx"}'], 2.0, "2xx")
        check_equal(values['cowshed_http_requests_total{code_class="4xx"}'], 1.0, "4xx")
        check_equal(values['cowshed_workers{state="ready"}'], 2.0, "workers")
        buckets = [v for n, v in values.items() if "duration_seconds_bucket" in n]
        check_equal(buckets, sorted(buckets), "the buckets")


@test
def readiness_follows_the_workers():
    """No worker can start while the root is away, so that nobody is ready for as long."""
    with Server(slots=1, options={"breaker": 1000}, errors=["could not"]) as server:
        check_equal(server.admin_get("/livez").body, b"ok\n", "liveness")
        got = server.admin_get("/readyz")
        check_equal((got.status, got.body), (200, b"ready\n"), "readiness")
        shutil.rmtree(server.root)
        os.kill(server.workers()[0], signal.SIGKILL)
        wait_until(lambda: server.admin_get("/readyz").status == 503, "no readiness")
        check_equal(server.admin_get("/livez").status, 200, "liveness without a worker")
        server.write("index.html", b"again")
        wait_until(lambda: server.admin_get("/readyz").status == 200, "readiness again")
        with server.connect() as conn:
            conn.send("GET / HTTP/1.1\r\n")  # a request in progress holds up the drain
            wait_until(lambda: server.slot(0)["counters"]["connections"] == 1, "the connection")
            server.signal(signal.SIGTERM)
            wait_until(lambda: server.admin_get("/readyz").body == b"draining\n", "the drain")
            check_equal(server.admin_get("/readyz").status, 503, "readiness in the drain")
            check_equal(server.admin_get("/livez").status, 200, "liveness in the drain")
            conn.send("Host: x\r\n\r\n")
            check_equal(conn.response().status, 200, "the request in progress")
        check_equal(server.wait_for_exit(), 0, "the exit code")


@test
def events_come_merged_by_time_and_go_on_after_since():
    with Server(slots=2) as server:
        events = read_events(server)
        check({"fork", "ready"} <= {e["kind"] for e in events}, f"kinds: {events}")
        check(all(e["end_ns"] == e["start_ns"] + e["duration_ns"] for e in events), f"{events}")
        ends = [e["end_ns"] for e in events]
        check_equal(ends, sorted(ends), "the order")
        check_equal(read_events(server, f"?since={ends[-1] + 10**15}"), [],
                    "what is newer than the future")
        newest = read_events(server, "?limit=1")
        check(len(newest) == 1 and newest[0]["end_ns"] >= ends[-1], f"the newest: {newest}")
        for bad in ("since=x", "limit=-1", "limit="):
            check_equal(server.admin_get(f"/events?{bad}").status, 400, f"the status of {bad}")
        server.signal(signal.SIGURG)
        server.wait_for_log(r"slot 1 generation 2 is ready")
        newer = read_events(server, f"?since={ends[-1]}")
        check(newer and all(e["end_ns"] > ends[-1] for e in newer), f"since: {newer}")
        check("fork" in {e["kind"] for e in newer}, f"no fork among {newer}")
        first = read_events(server, f"?since={ends[-1]}&limit=1")
        again = read_events(server, f"?since={ends[-1]}")  # one may be written late
        check(first in (newer[:1], again[:1]), f"the first after since: {first} of {newer}")


@test
def a_purge_is_done_when_it_is_answered():
    def every_slot_has_it():
        check_equal(server.get("/a").body, b"old", "the answer")
        return all(slot["hits"] > 0 for slot in server.status()["slots"])

    for mode in MODES:
        options = {"cache.valid": "1h"}
        with Server({"a": b"old"}, options=options, mode=mode, slots=2) as server:
            wait_until(every_slot_has_it, f"mode {mode}: a hit in each slot")
            server.wait_for_cached()
            server.write("a", b"new")
            check_equal(server.get("/a").body, b"old", f"mode {mode}: it was not cached")
            got = order(server, "purge?url=/a")
            check_equal((got.status, got.body), (200, b"done\n"), "the purge")
            for _ in range(12):
                check_equal(server.get("/a").body, b"new", f"mode {mode}: the answer")
            server.write("a", b"newer")
            check_equal(order(server, "purge?url=*").status, 200, "the purge of everything")
            for _ in range(12):
                check_equal(server.get("/a").body, b"newer", f"mode {mode}: the answer")
            check_equal(server.status()["cache"]["purges"], 2, "purges")


@test
def it_collects_and_reforks_when_asked():
    for mode in MODES:
        with Server(mode=mode, slots=2) as server:
            server.get("/")
            check_equal(order(server, "gc").status, 200, "gc")
            old = set(server.workers().values())
            check_equal(order(server, "refork").status, 200, "refork")
            check(not old & set(server.workers().values()), f"mode {mode}: an old worker is left")
            check_equal(server.get("/").status, 200, "the status")


@test
def orders_are_refused_with_a_reason():
    cases = (("nonsense", "POST", 404, "no such order"), ("gc", "GET", 405, "POST"),
             ("purge", "POST", 400, "url"), ("purge?url=", "POST", 400, "url"),
             ("purge?url=relative", "POST", 400, "url"))
    with Server() as server:
        for name, method, status, words in cases:
            got = order(server, name, method=method)
            check_equal(got.status, status, f"the status of {method} {name}")
            check(words in got.body.decode(), f"{name}: {got.body}")
        got = order(server, "gc", headers=[("Origin", "http://elsewhere.example")])
        check_equal(got.status, 403, "an order from a page of another site")
        port = server.admin[1]
        for host, status in ((f"evil.example:{port}", 403), (f"127.0.0.1.evil.example:{port}", 403),
                             ("localhost.evil.example", 403), (f"[::1]x:{port}", 403),
                             (f"127.0.0.1:{port}", 200), (f"localhost:{port}", 200), ("[::1]:80", 200)):
            with Conn(server.admin) as conn:  # a name that was made to point here
                conn.send(f"POST /ctl/gc HTTP/1.1\r\nHost: {host}\r\nOrigin: http://{host}\r\n"
                          "Content-Length: 0\r\nConnection: close\r\n\r\n")
                check_equal(conn.response().status, status, f"an order from a page of {host}")
        check_equal(server.admin_get("/nothing").status, 404, "an unknown page")
        check_equal(server.admin_get("/status", method="POST").status, 405, "POST to a page")


@test
def head_gives_the_length_and_no_body():
    with Server() as server:
        for path in ("/metrics", "/livez", "/status"):
            with Conn(server.admin) as conn:
                conn.send(f"HEAD {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
                head, end, body = conn.read_to_end().partition(b"\r\n\r\n")
            check(b"\r\ncontent-length: " in head.lower(), f"no length for {path}: {head}")
            check_equal((end, body), (b"\r\n\r\n", b""), f"the end of the answer to HEAD {path}")


@test
def the_admin_process_is_started_again():
    with Server() as server:
        def admin_pid():
            for pid in children(server.proc.pid):
                with contextlib.suppress(OSError):  # it has just ended
                    if b"admin" in pathlib.Path(f"/proc/{pid}/cmdline").read_bytes():
                        return pid
            return None

        old = wait_until(admin_pid, "the admin process")
        os.kill(old, signal.SIGKILL)
        server.wait_for_log(rf"the admin process {old} was killed by SIGKILL")
        wait_until(lambda: admin_pid() not in (None, old), "another one")
        check_equal(server.admin_get("/livez").status, 200, "liveness")
        check_equal(order(server, "gc").status, 200, "an order")
        check_equal(server.get("/").status, 200, "the status of the site")


@test
def without_an_admin_listener_it_serves_all_the_same():
    with Server(options={"admin": "off"}) as server:
        check_equal(server.ready["admin"], "off", "the ready line")
        check_equal(server.get("/").status, 200, "the status")


@test
def the_dashboard_loads_nothing_from_elsewhere():
    with Server() as server:
        got = server.admin_get("/")
        check_equal(got.header("content-type"), "text/html; charset=utf-8", "the type")
        page = got.body.decode()
        check(not re.search(r"(src|href)=[\"']?(https?:)?//", page), "a link to elsewhere")
        check("fetch('/status')" in page, "it does not read /status")


README = pathlib.Path(__file__).parents[2] / "server" / "README.md"


def admin_table():
    """The rows of server/README.md: [(method, path, query, answer, statuses)]."""
    rows = []
    for line in README.read_text(encoding="utf-8").splitlines():
        if re.match(r"\| (GET|POST) \| `/", line):
            method, paths, query, answer, status = (c.strip() for c in line.strip("|").split("|"))
            for path in re.findall(r"`(/[^`]*)`", paths):
                rows.append((method, path, query, answer, [int(s) for s in status.split(", ")]))
    return rows


@test
def every_endpoint_of_the_readme_answers_as_it_says():
    rows = admin_table()
    code = (README.parent / "admin" / "admin.c").read_text(encoding="utf-8")
    check_equal({path for method, path, *_ in rows if method == "GET"},
                set(re.findall(r'\{ "(/[a-z]*)", on_', code)), "the pages")
    with Server(slots=2) as server:
        rows.sort(key=lambda row: row[1] == "/ctl/drain")  # nothing is answered after it
        for method, path, query, answer, statuses in rows:
            other = "POST" if method == "GET" else "GET"
            got = server.admin_get(path, other)
            check_equal((got.status, got.header("allow")),
                        (405, "GET, HEAD" if method == "GET" else "POST"), f"{other} {path}")
            says = re.match("`([^`]+)`", answer).group(1)
            for example in re.findall(r"`([a-z]+=[^`]+)`", query) or [""]:
                example = example.replace("=NS", "=1").replace("=N", "=1")
                got = server.admin_get(f"{path}?{example}" if example else path, method)
                check_equal((got.status, statuses[0]), (200, 200), f"{method} {path} {example}")
                check(says in got.header("content-type") + got.body.decode(),
                      f"{method} {path} {example}: no {says!r} in {got}")
                if path == "/ctl/upgrade":  # what follows is answered by the new master
                    check_equal(server.wait_for_exit(), 0, "the exit code of the old master")
        wait_until(lambda: not server.leftovers(), "the new master to end")


@test
def the_admin_listener_refuses_with_the_status_of_the_readme():
    listed = {path: statuses for _, path, _, _, statuses in admin_table()}
    foreign = [("Origin", "http://elsewhere.example")]
    cases = (("/events?since=x", "GET", (), 400), ("/events?limit=-1", "GET", (), 400),
             ("/ctl/purge", "POST", (), 400), ("/ctl/purge?url=relative", "POST", (), 400),
             ("/ctl/reload", "POST", (), 400), ("/ctl/reopen", "POST", (), 503),
             ("/ctl/gc", "POST", foreign, 403), ("/ctl/drain", "POST", foreign, 403),
             ("/nothing", "GET", (), 404), ("/status/", "GET", (), 404),
             ("/ctl/nothing", "POST", (), 404), ("/status", "PUT", (), 501),
             ("/ctl/gc", "DELETE", (), 501))
    with Server({"logs/x": b"x"}, config="index = x\n", options={"access_log": "www/logs/access"},
                errors=["could not reload"]) as server:
        (server.folder / "test.conf").write_text("indexx = x\n", encoding="utf-8")
        (server.root / "logs").rename(server.root / "elsewhere")
        for target, method, headers, status in cases:
            path = target.partition("?")[0]
            check(status in (403, 404, 501) or status in listed[path], f"{status} of {path}")
            with Conn(server.admin) as conn:
                got = conn.request(target, method=method, headers=headers)
            check_equal(got.status, status, f"the status of {method} {target}")


@test
def an_access_log_that_cannot_be_reopened_is_told_and_the_old_one_stays():
    with Server({"logs/x": b"x"}, options={"access_log": "www/logs/access"}) as server:
        logs, elsewhere = server.root / "logs", server.root / "elsewhere"
        logs.rename(elsewhere)
        got = order(server, "reopen")
        check_equal((got.status, got.body), (503, b"the access log could not be opened\n"),
                    "reopen")
        server.get("/?still-logged")
        wait_until(lambda: "still-logged" in (elsewhere / "access").read_text(encoding="utf-8"),
                   "the line in the old log")
        elsewhere.rename(logs)
        check_equal(order(server, "reopen").status, 200, "reopen, when the folder is back")


@test
def promtool_finds_nothing_to_say_about_the_metrics():
    tool = find_tool("promtool")
    if tool is None:
        raise Skip("promtool is not installed: .ci/deps install tools")
    for mode in ("shared", "naive"):
        with Server(mode=mode, slots=2) as server:
            server.get("/")
            done = subprocess.run([tool, "check", "metrics"], input=server.admin_get("/metrics").body,
                                  capture_output=True, check=False, timeout=60)
            check_equal((done.returncode, done.stdout, done.stderr), (0, b"", b""), mode)
