# SPDX-License-Identifier: MIT
"""Another program takes over: listeners, pid file, cache; and what happens when it does not."""

import contextlib
import os
import pathlib
import re
import shutil
import signal
import subprocess
import tempfile
import threading

from e2e.harness import (BINARY, MODES, Failure, Kept, Server, check, check_equal, children,
                         is_zombie, test, wait_until)

FILES = {f"{n}.txt": f"object {n}\n".encode() * (n + 1) for n in range(40)}


def pids_ready(server):
    return [int(pid) for pid in re.findall(r"^ready .* pid=(\d+)$", server.log(), re.M)]


def is_gone(pid):
    """As far as it can be seen: what is left may be a zombie, which is ours by then."""
    return not os.path.exists(f"/proc/{pid}") or is_zombie(pid)


@contextlib.contextmanager
def upgradable(files=None, **how):
    """A server with a pid file in a folder of its own; whatever master is the last one is told
    to end at the end, and must."""
    options = {"pid_file": "cowshed.pid", **how.pop("options", {})}
    with Server(files or FILES, options=options, **how) as server:
        yield server
        newest = pids_ready(server)[-1]
        if newest != server.proc.pid:
            check_equal(server.wait_for_exit(), how.get("exit_code", 0), "the exit code before")
            os.kill(newest, signal.SIGTERM)
            wait_until(lambda: is_gone(newest), f"the master {newest} to end")
        check(not (server.folder / "cowshed.pid").exists(), "the pid file is left")


def tell(server, *words):
    """cowshed -s WORDS, about this server: its exit code and what it said."""
    argv = [str(BINARY), "-o", f"pid_file={server.folder}/cowshed.pid",
            "-o", "admin={}:{}".format(*server.admin), "-s", *words]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=60, check=False)
    return done.returncode, done.stderr


def upgrade(server):
    before = pids_ready(server)
    check_equal(tell(server, "upgrade", "--wait"), (0, ""), "what -s upgrade --wait says")
    after = pids_ready(server)
    check_equal(len(after), len(before) + 1, "masters that have become ready")
    check_equal(int((server.folder / "cowshed.pid").read_text()), after[-1], "the pid in the file")
    return after[-1]


def warm(server):
    for name, body in FILES.items():
        check_equal(server.get("/" + name).body, body, f"the body of {name}")
    server.wait_for_cached(len(FILES))


def count_hits(server):
    hits = 0
    for name, body in FILES.items():
        got = server.get("/" + name, headers=[("X-Cowshed-Timing", "1")])
        check_equal((got.status, got.body), (200, body), name)
        hits += "cache;desc=hit" in (got.header("server-timing") or "")
    return hits


@test
def an_upgrade_hands_over_listeners_pid_file_and_cache_in_every_mode():
    for mode in MODES:
        with upgradable(mode=mode, slots=2) as server:
            warm(server)
            newer = upgrade(server)
            check_equal(server.wait_for_exit(), 0, "the exit code of the older master")
            check_equal(server.status()["pid"], newer, "the master that answers")
            check_equal(count_hits(server), len(FILES), f"hits after an upgrade in mode {mode}")
            wait_until(lambda s=server: s.admin_get("/ctl/purge?url=*", method="POST").status == 200,
                       "a purge to be taken again")
            check_equal(count_hits(server), 0, "hits after a purge")


class Caller(threading.Thread):
    """Asks again and again on a connection that it keeps; opens another one when it is told
    that this one closes. No answer may be missing."""

    def __init__(self, server, stop):
        super().__init__()
        self.server, self.stop, self.answers, self.wrong = server, stop, 0, None

    def run(self):
        try:
            with Kept(self.server) as client:
                while not self.stop.is_set():
                    name = f"{self.answers % len(FILES)}.txt"
                    got = client.request("/" + name)
                    check_equal((got.status, got.body), (200, FILES[name]), name)
                    self.answers += 1
        except (OSError, Failure) as fault:
            self.wrong = f"{type(fault).__name__}: {fault}"


@test
def nobody_notices_five_upgrades_under_load():
    for mode in ("shared", "threads", "naive"):
        with upgradable(mode=mode, slots=2) as server:
            stop = threading.Event()
            callers = [Caller(server, stop) for _ in range(16)]
            for caller in callers:
                caller.start()
            for _ in range(5):
                newer = upgrade(server)
                seen = [c.answers for c in callers]
                wait_until(lambda s=seen, c=callers: all(x.answers > n or x.wrong
                                                         for x, n in zip(c, s)), "answers to all")
                older = pids_ready(server)[-2]
                wait_until(lambda o=older: is_gone(o), f"the master {older} to end")
                check_equal(server.status()["pid"], newer, "the master that answers")
            stop.set()
            for caller in callers:
                caller.join()
            wrong = [caller.wrong for caller in callers if caller.wrong]
            check(not wrong, f"mode {mode}: {wrong}")


@test
def the_new_program_may_have_another_mode_and_a_smaller_cache():
    config = 'mode = "shared"\npid_file = "cowshed.pid"\n'
    with upgradable(config=config, slots=1) as server:
        warm(server)
        (server.folder / "test.conf").write_text('mode = "naive"\n')
        upgrade(server)
        check_equal(server.wait_for_exit(), 0, "the exit code of the older master")
        check_equal(server.status()["mode"], "naive", "the mode")
        check_equal(count_hits(server), len(FILES), "hits")


@contextlib.contextmanager
def own_program(folder, **how):
    """A server that runs from a copy of the program, which can be replaced."""
    program = pathlib.Path(folder) / "cowshed"
    shutil.copy2(BINARY, program)
    with upgradable(program=[str(program)], **how) as server:
        yield server, program


def replace(program, text):
    new = program.with_suffix(".new")
    new.write_text(text)
    new.chmod(0o755)
    new.rename(program)


@test
def a_new_program_that_cannot_serve_changes_nothing():
    with tempfile.TemporaryDirectory(prefix="cowshed-program-") as folder:
        with own_program(folder, slots=2, options={"upgrade_timeout": "1s"},
                         errors=["the upgrade failed"]) as (server, program):
            warm(server)
            before = server.workers()
            for text, words in (("#!/bin/sh\nexit 3\n", "ended with exit code 3"),
                                ("#!/bin/sh\nexec sleep 1000\n", "was killed by SIGKILL"),
                                ("not a program", "Exec format error"),
                                (None, "no such file or directory")):
                if text is None:
                    program.unlink()
                else:
                    replace(program, text)
                code, said = tell(server, "upgrade", "--wait")
                check_equal(code, 1, f"the exit code for {text!r}")
                check(words in said, f"{words!r} is not in {said!r}")
                check_equal(count_hits(server), len(FILES), "hits afterwards")
                check_equal(server.admin_get("/ctl/purge?url=/nothing", method="POST").status, 200,
                            "a purge afterwards")
            check_equal(server.workers(), before, "the workers")
            metrics = server.admin_get("/metrics").body.decode()
            check("\ncowshed_upgrades_failed_total 4\n" in metrics, "the metric")
            shutil.copy2(BINARY, program)
            upgrade(server)
            check_equal(count_hits(server), len(FILES), "hits in the new program")


def workers_of_the_newer(server, before):
    """The pid of the master that is to take over, and those of its first workers."""
    while server.proc.poll() is None:  # without a pause: it is not ready for some ms only
        for pid in set(children(server.proc.pid)) - before:
            if len(workers := children(pid)) > 2:
                return pid, workers
    raise Failure("the older master has ended")


@test
def a_new_program_that_dies_with_workers_takes_nothing_from_the_older_one():
    """They must not shut the door of listeners that the older one serves from."""
    for how in (signal.SIGKILL, signal.SIGTERM, signal.SIGQUIT):
        with Server(FILES, {"pid_file": "cowshed.pid"}, slots=100,
                    errors=["the upgrade failed"]) as server:
            before = set(children(server.proc.pid))
            server.signal(signal.SIGUSR2)
            newer, left = workers_of_the_newer(server, before)
            os.kill(newer, how)
            server.wait_for_log("the upgrade failed, and this program goes on")
            wait_until(lambda p=left: all(map(is_gone, p)), "its workers to end")
            for name in ("1.txt", "2.txt", "3.txt"):
                check_equal(server.get("/" + name).body, FILES[name], f"{name} after {how}")
            check_equal((server.folder / "cowshed.pid").read_text(), f"{server.proc.pid}\n",
                        f"the pid file after {how}")


@test
def a_pid_file_elsewhere_leaves_none_behind():
    config = 'pid_file = "cowshed.pid"\nslots = 1\n'
    with Server(FILES, config=config) as server:
        (server.folder / "test.conf").write_text(config.replace("cowshed", "other"))
        check_equal(tell(server, "upgrade", "--wait"), (0, ""), "what -s upgrade --wait says")
        check_equal(server.wait_for_exit(), 0, "the exit code of the older master")
        newer = pids_ready(server)[-1]
        check(not (server.folder / "cowshed.pid").exists(), "the older pid file is left")
        check_equal((server.folder / "other.pid").read_text(), f"{newer}\n", "the newer one")
        os.kill(newer, signal.SIGTERM)
        wait_until(lambda: is_gone(newer), "its end")
        check(not (server.folder / "other.pid").exists(), "the newer pid file is left")


@test
def while_two_masters_live_nothing_is_promised_that_one_could_not_keep():
    with tempfile.TemporaryDirectory(prefix="cowshed-program-") as folder:
        with own_program(folder, slots=1, errors=["the upgrade failed",
                                                  "could not reload"]) as (server, program):
            replace(program, "#!/bin/sh\nexec sleep 1000\n")
            server.signal(signal.SIGUSR2)
            server.wait_for_log("upgrade: starting")
            for order in ("purge?url=*", "refork", "reload", "upgrade"):
                got = server.admin_get(f"/ctl/{order}", method="POST")
                check_equal(got.body, b"an upgrade is under way\n", f"the answer to {order}")
                check(got.status in (409, 503), f"{order}: {got.status}")
            check_equal(server.get("/1.txt").body, FILES["1.txt"], "an answer meanwhile")
            server.signal(signal.SIGTERM)  # the new one goes, and the old one too
            check_equal(server.wait_for_exit(), 0, "the exit code")


@test
def the_older_master_may_be_killed_at_any_time_once_the_new_one_serves():
    """Its workers do not shut the door that is the new one's now."""
    for mode in ("shared", "threads"):
        with upgradable(mode=mode, slots=2, exit_code=-signal.SIGKILL) as server:
            with server.connect() as kept:
                kept.send("GET /1.txt HTTP/1.1\r\nHost: x\r\n")  # keeps a worker from leaving
                workers = set(server.workers().values())
                upgrade(server)
                server.signal(signal.SIGKILL)
                server.wait_for_exit()
                for _ in range(50):
                    check_equal(server.get("/2.txt").body, FILES["2.txt"], "an answer")
                kept.send("\r\n")
                got = kept.response()
                check_equal((got.body, got.header("connection")), (FILES["1.txt"], "close"),
                            "what the old worker still had to do")
            wait_until(lambda s=server: s.admin_get("/ctl/purge?url=*", method="POST").status == 200,
                       "a purge to be taken again")
            wait_until(lambda w=workers: all(map(is_gone, w)), "the old workers to end")


@test
def words_that_no_master_wrote_are_refused():
    for words, said in (("older", "makes no sense"), ("older=x", "makes no sense"),
                        ("older=9999", "makes no sense"), ("dump=9999", "makes no sense")):
        done = subprocess.run([str(BINARY), "-l", "127.0.0.1:0", "-o", "admin=off"],
                              env={**os.environ, "COWSHED_UPGRADE": words}, capture_output=True,
                              text=True, timeout=20, check=False)
        check_equal(done.returncode, 2, f"the exit code for {words!r}")
        check(said in done.stderr, done.stderr)


@test
def the_master_holds_no_more_descriptors_after_upgrades():
    with upgradable(slots=1) as server:
        counts = []
        for _ in range(3):
            newer = upgrade(server)
            older = pids_ready(server)[-2]
            wait_until(lambda o=older: is_gone(o), f"the master {older} to end")
            server.wait_for_log(rf"master\[{newer}\] the server before this one has ended")
            counts.append(len(os.listdir(f"/proc/{newer}/fd")))
        check_equal(counts, [counts[0]] * 3, "descriptors of the masters")
        check(counts[0] <= server.fds_when_ready, f"{counts[0]}, {server.fds_when_ready} at first")
