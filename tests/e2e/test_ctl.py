# SPDX-License-Identifier: MIT
"""cowshed ctl: orders and answers on the command line."""

import socket

from e2e.harness import Server, check, check_equal, run_cowshed, test


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
