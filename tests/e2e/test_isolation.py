# SPDX-License-Identifier: MIT
"""What the processes that serve may still do: as little as will do, and enough."""

import os
import pathlib
import re
import signal

from e2e.harness import (BUILD, MODES, Server, Skip, check, check_equal, children, run_cowshed,
                         test, wait_until)

NOBODY = 65534


def need_plain_build():
    if "-" in BUILD.name:
        raise Skip("a sanitizer makes system calls of its own")


def need_root():
    if os.geteuid() != 0:
        raise Skip("needs root")


def words_of(pid, *names):
    text = pathlib.Path(f"/proc/{pid}/status").read_text(encoding="ascii")
    return [re.search(rf"^{name}:\s*(.*)$", text, re.M).group(1).split() for name in names]


def open_to_all(server):
    """Its folder was made for its owner alone."""
    server.folder.chmod(0o755)
    return server


def order(server, what):
    check_equal(server.admin_get(f"/ctl/{what}", method="POST").status, 200, f"the order {what}")


def live(server):
    """What a server has to do in its life, from the cache to a new generation."""
    check_equal(server.get("/a.txt").body, b"a" * 3000, "a file")
    check_equal(server.get("/a.txt").body, b"a" * 3000, "a file, from the cache")
    check_equal(server.get("/large").body, b"l" * 3_000_000, "a file that is not cached")
    for what in ("gc", "purge?url=*", "reopen", "refork"):
        order(server, what)
    check_equal(server.get("/a.txt").status, 200, "the answer of the next generation")
    server.signal(signal.SIGHUP)
    server.wait_for_log("reloading")
    wait_until(lambda: all(s["state"] == "ready" and s["generation"] == 3
                           for s in server.status()["slots"]), "generation 3 to serve alone")


@test
def workers_lose_what_root_has_and_serve_in_every_mode():
    need_plain_build()
    need_root()
    files = {"a.txt": b"a" * 3000, "large": b"l" * 3_000_000}
    for mode in MODES:
        options = {"user": NOBODY, "access_log": "log.txt", "recycle.private": "1g"}
        with open_to_all(Server(files, options, mode=mode, slots=2)) as server:
            for pid in children(server.proc.pid):
                wait_until(lambda p=pid: words_of(p, "Seccomp") == [["2"]],
                           "the last step of its confinement: the admin process may be late")
                uid, gid, groups, caps, privs, filters = words_of(
                    pid, "Uid", "Gid", "Groups", "CapEff", "NoNewPrivs", "Seccomp")
                what = f"of process {pid} in mode {mode}"
                check_equal(set(uid + gid + groups), {str(NOBODY)}, f"users and groups {what}")
                check_equal(int(caps[0], 16), 0, f"the capabilities {what}")
                check_equal(privs + filters, ["1", "2"], f"NoNewPrivs and Seccomp {what}")
            live(server)
            lines = (server.folder / "log.txt").read_text(encoding="ascii").count("\n")
            wait_until(lambda s=server: (s.folder / "log.txt").read_text(
                encoding="ascii").count("\n") >= 4, f"4 lines in the access log, {lines} are")
            wait_until(lambda s=server: s.slot(0)["pss"] > 0, "the memory of a worker in /status")


@test
def what_is_turned_off_is_off():
    need_plain_build()
    with Server(options={"isolate.seccomp": "off", "isolate.landlock": "off"}) as server:
        privs, filters = words_of(server.workers()[0], "NoNewPrivs", "Seccomp")
        check_equal(privs + filters, ["1", "0"], "NoNewPrivs and Seccomp")


@test
def a_reload_may_move_the_root():
    """Each generation is confined to the root of its own options."""
    with Server(options={"cache.valid": "0"}) as server:
        other = server.folder / "other"
        other.mkdir()
        (other / "index.html").write_bytes(b"moved\n")
        check_equal(server.get("/").body, b"<p>hello\n", "the file of the first root")
        here = [b"<p>hello\n", b"moved\n"]
        for number in range(1, 11):  # who is answered finds no worker of before any more
            server.root.rename(server.folder / "kept")
            other.rename(server.root)
            (server.folder / "kept").rename(other)
            order(server, "reload")
            check_equal(server.get("/").body, here[number % 2], f"the file after {number} moves")


@test
def no_worker_can_write_to_a_shared_heap():
    for mode in ("shared", "threads"):
        with Server(mode=mode) as server:
            server.get("/")
            server.wait_for_cached()
            start, end = (int(server.status()["heap"][k], 16) for k in ("start", "end"))
            text = pathlib.Path(f"/proc/{server.workers()[0]}/maps").read_text(encoding="utf-8")
            parts = [(int(a, 16), int(b, 16), perms) for a, b, perms in
                     re.findall(r"^(\w+)-(\w+) (\S+)", text, re.M)]
            inside = [perms for a, b, perms in parts if a < end and b > start]
            check(inside and all(p[1] == "-" and p[3] == "s" for p in inside),
                  f"the heap of mode {mode} is mapped {inside}")


@test
def a_user_that_does_not_exist_is_refused_with_its_place():
    for name in ("user", "group"):
        code, _, err = run_cowshed("-t", "-o", "root=/", "-o", f"{name}=no-such-name")
        check(code == 1 and f"{name} = 'no-such-name' (-o): there is no such name" in err,
              f"exit code {code}: {err}")
