# SPDX-License-Identifier: MIT
"""The admin listener: what it tells, and what it can be asked for."""

import json
import os
import re
import signal

from e2e.harness import MODES, Conn, Server, check, check_equal, test, wait_until

SAMPLE = re.compile(r'([a-z0-9_]+)(\{[a-z_]+="[^"]*"(?:,[a-z_]+="[^"]*")*\})? (\S+)')


def read_metrics(server):
    """{name with labels: value}; every metric has its HELP and TYPE first."""
    text = server.admin_get("/metrics").body.decode()
    helped, typed, values = set(), {}, {}
    for line in text.splitlines():
        if line.startswith("# HELP "):
            name, _, sentence = line[7:].partition(" ")
            check(sentence, f"no words: {line}")
            check(name not in helped, f"twice: {line}")
            helped.add(name)
        elif line.startswith("# TYPE "):
            name, kind = line[7:].split()
            typed[name] = kind
        else:
            match = SAMPLE.fullmatch(line)
            check(match, f"not a sample: {line!r}")
            base = re.sub(r"_(bucket|sum|count)$", "", match.group(1))
            check(match.group(1) in helped or base in helped, f"no HELP before {line}")
            check(match.group(1) in typed or base in typed, f"no TYPE before {line}")
            name = match.group(1) + (match.group(2) or "")
            check(name not in values, f"twice: {line}")
            values[name] = float(match.group(3))
    return values, typed


def requests_of(status):
    return sum(slot["requests"] for slot in status["slots"])


@test
def it_is_alive_and_ready():
    with Server() as server:
        check_equal(server.admin_get("/livez").status, 200, "/livez")
        check_equal(server.admin_get("/readyz").status, 200, "/readyz")
        check_equal(server.admin_get("/nothing").status, 404, "an unknown page")


@test
def the_status_counts_every_request():
    for mode in MODES:
        with Server(mode=mode, slots=2) as server:
            for _ in range(30):
                server.get("/")
            status = wait_until(lambda s=server: (lambda t: t if requests_of(t) >= 30 else None)(
                s.status()), "the requests")
            check_equal(requests_of(status), 30, f"requests in mode {mode}")
            check_equal(status["mode"], mode, "the mode")
            check_equal(status["pid"], server.proc.pid, "the pid")
            check_equal(len(status["slots"]), 2, "the number of slots")
            for key in ("start", "end", "live", "limit", "kind"):
                check(key in status["heap"], f"heap.{key} is missing")
            for slot in status["slots"]:
                for key in ("slot", "pid", "state", "generation", "requests", "hits", "faults",
                            "inherited_pages", "copied_pages", "pss", "gc"):
                    check(key in slot, f"{key} of a slot is missing")
                check_equal(slot["state"], "ready", "the state of a slot")


@test
def metrics_have_help_and_counters_never_go_back():
    with Server(slots=2) as server:
        for _ in range(20):
            server.get("/")
        before, typed = read_metrics(server)
        victim = server.workers()[0]
        os.kill(victim, signal.SIGKILL)
        wait_until(lambda: server.workers()[0] != victim, "a replacement")
        for _ in range(20):
            server.get("/")
        after, _ = read_metrics(server)
        for name, value in before.items():
            if typed.get(name.partition("{")[0]) == "counter":
                check(name in after and after[name] >= value,
                      f"{name} went from {value} to {after.get(name)}")


@test
def events_are_json_lines_and_since_skips_the_old():
    with Server(slots=2) as server:
        lines = server.admin_get("/events").body.decode().splitlines()
        events = [json.loads(line) for line in lines]
        check({"fork", "ready"} <= {e["kind"] for e in events}, f"kinds: {events}")
        check(all(e["end_ns"] == e["start_ns"] + e["duration_ns"] for e in events), f"{events}")
        last = max(e["end_ns"] for e in events)
        server.signal(signal.SIGURG)
        server.wait_for_log(r"slot 1 generation 2 is ready")
        newer = [json.loads(line) for line in
                 server.admin_get(f"/events?since={last}").body.decode().splitlines()]
        check(newer and all(e["end_ns"] > last for e in newer), f"since {last}: {newer}")
        check("fork" in {e["kind"] for e in newer}, f"no fork among {newer}")


@test
def it_collects_and_reforks_when_asked_and_only_by_post():
    for mode in MODES:
        with Server(mode=mode, slots=2) as server:
            server.get("/")
            check_equal(server.admin_get("/ctl/gc", method="POST").status, 200, "gc")
            check_equal(server.admin_get("/ctl/gc").status, 405, "gc by GET")
            old = set(server.workers().values())
            check_equal(server.admin_get("/ctl/refork", method="POST").status, 200, "refork")
            wait_until(lambda s=server, o=old: not o & set(s.workers().values()), "new workers")
            check_equal(server.admin_get("/ctl/nothing", method="POST").status, 404, "an order")
            check_equal(server.get("/").status, 200, "the status")


@test
def head_gives_the_length_and_no_body():
    with Server() as server:
        for path in ("/metrics", "/livez", "/status"):
            with Conn(server.admin) as conn:
                conn.send(f"HEAD {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
                head, end, body = conn.read_to_end().partition(b"\r\n\r\n")
            check(b"\r\ncontent-length: " in head.lower(), f"no length for {path}: {head}")
            check_equal((end, body), (b"\r\n\r\n", b""), f"the end of the answer to HEAD {path}")
