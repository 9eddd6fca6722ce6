# SPDX-License-Identifier: MIT
"""The access log as JSON: every line parses, whatever a client sends, and says what happened."""

import json
import random
import re

from e2e.harness import MODES, Conn, Server, check, check_equal, test, wait_until

KEYS = ["time", "client", "method", "target", "protocol", "status", "bytes", "duration_us",
        "queue_us", "cache", "slot", "generation", "referer", "user_agent"]


def lines(server, count):
    path = server.folder / "access.log"

    def whole():
        text = path.read_bytes()
        return text if text.count(b"\n") >= count and text.endswith(b"\n") else None
    return [json.loads(line) for line in wait_until(whole, f"{count} lines").splitlines()]


@test
def a_line_says_what_happened_in_every_mode():
    options = {"access_log": "access.log", "access_log_format": "json"}
    for mode in MODES:
        with Server({"a.txt": b"a" * 1000}, mode=mode, options=options) as server:
            with server.connect() as conn:
                for _ in range(2):
                    conn.request("/a.txt?q=1", headers=[("User-Agent", "t/1"), ("Referer", "r")])
                conn.request("/none")
                conn.request("/a.txt", "HEAD")
                conn.request("/a.txt", "DELETE")
            with Conn(server.address) as conn:
                conn.send(b"rubbish\r\n\r\n")
                conn.read_to_end()
            got = lines(server, 6)
            check_equal([list(line) for line in got], [KEYS] * 6, "the keys")
            check_equal([(x["method"], x["target"], x["protocol"], x["status"], x["bytes"], x["cache"])
                         for x in got],
                        [("GET", "/a.txt?q=1", "HTTP/1.1", 200, 1000, "miss"),
                         ("GET", "/a.txt?q=1", "HTTP/1.1", 200, 1000, "hit"),
                         ("GET", "/none", "HTTP/1.1", 404, got[2]["bytes"], "miss"),
                         ("HEAD", "/a.txt", "HTTP/1.1", 200, 0, "hit"),
                         ("DELETE", "/a.txt", "HTTP/1.1", 405, got[4]["bytes"], "none"),
                         ("", "", "", 400, got[5]["bytes"], "none")], "the lines")
            check_equal((got[0]["user_agent"], got[0]["referer"], got[0]["client"]),
                        ("t/1", "r", "127.0.0.1"), "who")
            for line in got:
                check(re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", line["time"]),
                      line["time"])
                check(0 <= line["duration_us"] < 10_000_000, f"{line}")
                check_equal((line["slot"], line["generation"]), (0, 1), "the slot")


@test
def whatever_a_client_sends_a_line_is_json():
    rng = random.Random(3)
    options = {"access_log": "access.log", "access_log_format": "json", "request_id": "on"}
    sent = []
    with Server(options=options) as server:
        for _ in range(200):
            agent = bytes(rng.choice([9, 34, 92, 0x80, 0xc3, 0xff, 65, 32, 47, 0x7b, 0x7d])
                          for _ in range(rng.choice([3, 40, 700]))).strip(b" \t")
            target = "/" + "".join(rng.choice('"\\{}[]a%,:') for _ in range(rng.choice([5, 3000])))
            with server.connect() as conn:
                conn.send(b"GET " + target.encode() + b" HTTP/1.1\r\nHost: x\r\nUser-Agent: "
                          + agent + b"\r\nConnection: close\r\n\r\n")
                conn.read_to_end()
            sent.append((target, agent))
        got = lines(server, len(sent))
    for (target, agent), line in zip(sent, got):
        check(agent.decode("latin-1").startswith(line["user_agent"])
              and (len(agent) > 80 or line["user_agent"] == agent.decode("latin-1")),
              f"{agent} became {line['user_agent']!r}")
        if line["target"]:
            check(target.startswith(line["target"]), f"{target[:50]} became {line['target'][:50]}")
        check(line["status"] in (200, 400, 404), f"{line}")
    check(any(len(line["target"]) > 500 for line in got), "no long target was logged")


@test
def a_reload_changes_the_format():
    with Server(config="access_log = access.log\n") as server:
        server.get("/")
        wait_until(lambda: "GET / HTTP" in (server.folder / "access.log").read_text(), "a line")
        (server.folder / "test.conf").write_text(
            "access_log = access.log\naccess_log_format = json\n")
        check_equal(server.admin_get("/ctl/reload", "POST").status, 200, "the reload")

        def last():
            server.get("/after")  # an older worker may have been about to accept
            text = (server.folder / "access.log").read_text().splitlines()[-1]
            return text.startswith("{") and json.loads(text)
        check_equal(wait_until(last, "a line of JSON")["target"], "/after", "the target")
