# SPDX-License-Identifier: MIT
"""An entry belongs to what it was fetched from: another root, index or origin is not served from
what was cached of the one before, however long entries are valid."""

import os
import signal
import subprocess

from e2e.harness import BINARY, MODES, Server, check, check_equal, is_zombie, test, wait_until

FILES = {"index.html": b"old\n", "other.html": b"by another name\n"}


def reload(server):
    check_equal(server.admin_get("/ctl/reload", method="POST").status, 200, "the reload")


def is_hit(server, path):
    got = server.get(path, headers=[("X-Cowshed-Timing", "1")])
    return "cache;desc=hit" in (got.header("server-timing") or "")


@test
def what_was_cached_of_another_index_or_root_is_not_served_in_any_mode():
    valid = "cache { valid = 1h }\n"
    for mode in MODES:
        with Server(FILES, mode=mode, config=valid) as server:
            wait_until(lambda s=server: is_hit(s, "/"), f"a hit in mode {mode}")
            (server.folder / "test.conf").write_text(valid + 'index = "other.html"\n')
            reload(server)
            check_equal(server.get("/").body, b"by another name\n", f"another index, mode {mode}")
            wait_until(lambda s=server: is_hit(s, "/"), f"a hit of it in mode {mode}")
            server.root.rename(server.folder / "before")
            server.write("other.html", b"in another folder\n", 100)
            reload(server)
            check_equal(server.get("/").body, b"in another folder\n", f"another root, mode {mode}")
            wait_until(lambda s=server: is_hit(s, "/"), f"a hit of that in mode {mode}")


@test
def what_is_handed_over_to_a_program_with_another_origin_is_not_served():
    options = {"pid_file": "cowshed.pid", "cache.valid": "1h"}
    config = "origin = synthetic\nsynthetic { objects = 10 seed = %d }\n"
    with Server(options=options, config=config % 1) as server:
        older = server.get("/o/5").body
        wait_until(lambda: is_hit(server, "/o/5"), "a hit")
        (server.folder / "test.conf").write_text(config % 2)
        argv = [str(BINARY), "-o", f"pid_file={server.folder}/cowshed.pid", "-o",
                "admin={}:{}".format(*server.admin), "-s", "upgrade", "--wait"]
        check_equal(subprocess.run(argv, timeout=60, check=False).returncode, 0, "the upgrade")
        check_equal(server.wait_for_exit(), 0, "the exit code of the older master")
        check("took over 1 entries" in server.log(), "nothing was handed over")
        got = server.get("/o/5")
        check(got.status == 200 and got.body != older, "the object of another seed")
        newer = server.status()["pid"]
        os.kill(newer, signal.SIGTERM)
        wait_until(lambda: not os.path.exists(f"/proc/{newer}") or is_zombie(newer), "its end")
