# SPDX-License-Identifier: MIT
"""What runs out or is refused: descriptors, processes, memory, the disk; and workers or a
master that stand still.  Each has a message, loses nothing, and goes on when it can."""

import contextlib
import json
import os
import pathlib
import re
import resource
import shlex
import shutil
import signal
import socket
import subprocess
import tempfile
import time

from e2e.harness import (BINARY, BUILD, PATIENCE, SANITIZER_WORDS, Conn, Server, Skip, check,
                         check_equal, children, is_zombie, run_cowshed, test, wait_until)

COWLOAD = BUILD / "cowload"
STAND_IN = pathlib.Path(__file__).with_name("stand_in.py")
TIMED = (("X-Cowshed-Timing", "1"),)
CLK_TCK = os.sysconf("SC_CLK_TCK")
CALM_S = 1.5  # for so long it is watched whether somebody spins


def lines(server, pattern):
    return re.findall(pattern, server.log(), re.M)


def cpu_s(pid):
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / CLK_TCK


def check_calm(pid, what):
    """A loop that spins uses all that a processor gives it, half of one at the least."""
    before = cpu_s(pid)
    time.sleep(CALM_S)
    used = cpu_s(pid) - before
    check(used < 0.2 * CALM_S, f"{what}: {used:.2f} s of processor time in {CALM_S} s")


def metric(server, name):
    found = re.search(rf"^{name}(?:{{[^}}]*}})? (\S+)$",
                      server.admin_get("/metrics").body.decode(), re.M)
    check(found, f"no metric {name}")
    return float(found.group(1))


def failed_forks(server):
    """When they began, in seconds."""
    events = [json.loads(line) for line in server.admin_get("/events").body.splitlines()]
    return [e["start_ns"] / 1e9 for e in events if e["kind"] == "fork" and e["b"] == 1]


# ---- descriptors ----


def limit_files(pid, soft):
    _, hard = resource.prlimit(pid, resource.RLIMIT_NOFILE)
    resource.prlimit(pid, resource.RLIMIT_NOFILE, (soft, hard))


def connections(server):
    return sum(s["counters"]["connections"] for s in server.status()["slots"])


@test
def a_slot_without_descriptors_serves_whom_it_has_says_so_once_and_recovers():
    files = {"index.html": b"<p>hello\n", **{f"f{i}": b"x" * 100 for i in range(60)}}
    for mode in ("shared", "threads", "naive"):
        with Server(files, {"cache.valid": "1h"}, mode) as server, contextlib.ExitStack() as stack:
            pid = server.workers()[0]
            wait_until(lambda s=server: "desc=hit" in
                       s.get("/", headers=TIMED).header("server-timing"), "a hit")
            wait_until(lambda s=server: connections(s) == 0, "all connections to be closed")
            limit_files(pid, server.count_worker_fds() + 10)
            conns = [stack.enter_context(server.connect()) for _ in range(40)]
            server.wait_for_log("could not accept connections for now: too many open files$")
            begin = time.monotonic()
            n = wait_until(lambda s=server: connections(s), "the connections to be counted")
            check(5 <= n <= 10, f"{n} connections in mode {mode}")
            check_calm(pid, f"a slot in mode {mode} that can accept nobody")
            for conn in conns[:n]:
                check_equal(conn.request("/").body, b"<p>hello\n", f"a hit in mode {mode}")
            for i in range(60):
                check_equal(conns[0].request(f"/f{i}").status, 503, f"/f{i} in mode {mode}")
            told = len(lines(server, "could not fetch"))
            may = 1 + int((time.monotonic() - begin) / 10)
            check(1 <= told <= may, f"{told} lines about fetches in mode {mode}")
            check(len(lines(server, "could not accept")) <= may, "lines about accept")
            for conn in conns[:n]:
                conn.close()
            for conn in conns[n:]:
                check_equal(conn.request("/").body, b"<p>hello\n", f"who waited in mode {mode}")
                conn.close()
            check_equal(server.get("/f1").status, 200, f"a file afterwards in mode {mode}")


@test
def an_admin_process_without_descriptors_waits_says_so_once_and_recovers():
    with Server() as server:
        check_equal(server.admin_get("/readyz").status, 200, "readiness")
        workers = server.workers().values()
        admin = next(pid for pid in children(server.proc.pid) if pid not in workers)
        limit_files(admin, 40)
        with contextlib.ExitStack() as stack:
            begin = time.monotonic()
            for _ in range(60):
                stack.enter_context(socket.create_connection(server.admin, timeout=30))
            server.wait_for_log("admin: could not accept a connection: too many open files$")
            check_calm(admin, "the admin process that can accept nobody")
            may = 1 + int((time.monotonic() - begin) / 10)
            check(len(lines(server, "could not accept")) <= may, "lines about accept")
        check_equal(server.admin_get("/readyz").status, 200, "readiness afterwards")


@test
def failures_that_had_no_line_are_counted_in_a_later_one():
    with Server({"index.html": b"i", **{f"f{i}": b"x" for i in range(30)}}) as server:
        pid = server.workers()[0]
        with server.connect() as conn:
            check_equal(conn.request("/").status, 200, "the status")
            limit_files(pid, server.count_worker_fds())
            for i in range(30):
                check_equal(conn.request(f"/f{i}").status, 503, f"/f{i}")
            server.wait_for_log(r"\d+ more fetches failed since the last such line$", 20.0)
        told = lines(server, r"could not fetch '/f\d+': out of file descriptors")
        more = lines(server, r"(\d+) more fetches failed")
        check_equal(len(told) + sum(map(int, more)), 30, f"failures in {told} and {more}")


@test
def a_slot_that_is_full_says_so_once_and_takes_the_next_when_one_leaves():
    with Server(program=["prlimit", "--nofile=100:100", str(BINARY)]) as server:
        pid = server.workers()[0]
        with contextlib.ExitStack() as stack:
            conns = [stack.enter_context(server.connect()) for _ in range(60)]
            found = server.wait_for_log(r"the slot holds (\d+) connections, all that "
                                        r"`connections` or the limit of open files allows")
            n = int(found.group(1))
            check(10 <= n < 60, f"{n} connections")
            check_calm(pid, "a slot that is full")
            for conn in conns[:n]:
                check_equal(conn.request("/").status, 200, "who is served")
            for conn in conns[:n]:
                conn.close()
            for conn in conns[n:]:
                check_equal(conn.request("/").status, 200, "who waited")
        check_equal(len(lines(server, "the slot holds")), 1, "lines about it")


# ---- processes ----


@contextlib.contextmanager
def limited(processes, **how):
    """A Server as a user of its own who may have so many processes; not started yet."""
    if os.getuid() != 0:
        raise Skip("needs root, to become another user")
    if shutil.which("setpriv") is None or shutil.which("prlimit") is None:
        raise Skip("needs setpriv and prlimit")
    with tempfile.TemporaryDirectory(prefix="cowshed-e2e-") as folder:
        os.chmod(folder, 0o755)
        binary = shutil.copy(BINARY, folder)  # where that user can reach it
        os.chmod(binary, 0o755)
        user = 200000 + os.getpid()  # nobody else's processes count
        server = Server(program=["setpriv", f"--reuid={user}", f"--regid={user}",
                                 "--clear-groups", "prlimit", f"--nproc={processes}:1000",
                                 binary], **how)
        server.user = user
        for path in (server.folder, server.root):
            os.chown(path, user, user)
        yield server


def limit_processes(server, number):
    """Of the master alone: its children have what they were forked with."""
    subprocess.run(["setpriv", f"--reuid={server.user}", f"--regid={server.user}",
                    "--clear-groups", "prlimit", f"--pid={server.proc.pid}",
                    f"--nproc={number}:1000"], check=True)


@test
def a_fork_refused_at_the_start_is_exit_code_71_and_names_the_limit():
    # the search for leaks at the exit would need a thread, which is refused as well
    env = {**os.environ, "ASAN_OPTIONS": os.environ.get("ASAN_OPTIONS", "") + ":detect_leaks=0"}
    with limited(1) as server:
        done = subprocess.run(server.argv, cwd=server.folder, stdin=subprocess.DEVNULL, env=env,
                              capture_output=True, text=True, timeout=20 * PATIENCE, check=False)
        shutil.rmtree(server.folder)
        check_equal(done.returncode, 71, f"the exit code ({done.stderr})")
        check(re.search(r"could not fork a worker for slot 0: resource temporarily unavailable "
                        rf"\(RLIMIT_NPROC is 1 for user {server.user}", done.stderr), done.stderr)
        check("fatal" in done.stderr and "no worker can be forked: resource" in done.stderr,
              done.stderr)


@test
def a_worker_that_cannot_be_forked_again_is_replaced_when_it_can():
    with limited(200, slots=2, options={"fork.rate": 0}) as server, server:
        limit_processes(server, 1)
        os.kill(server.workers()[0], signal.SIGKILL)
        server.wait_for_log(r"could not fork a worker for slot 0: resource temporarily "
                            r"unavailable \(RLIMIT_NPROC is 1 for user")
        starts = wait_until(lambda: (lambda s: s if len(s) >= 4 else None)(failed_forks(server)),
                            "four forks to be refused", 20.0)
        # a fork begins a little after the look at the clock that the next pause counts from
        for gap, at_least in zip((b - a for a, b in zip(starts, starts[1:])), (0.2, 0.4, 0.8)):
            check(gap >= 0.9 * at_least, f"refused at {starts}")
        check_equal(len(lines(server, "could not fork")), 1, "lines about it")
        check(metric(server, "cowshed_fork_failures_total") >= 4, "the metric")
        check(server.status()["forks"]["failed"] >= 4, "the count in /status")
        check_equal(server.admin_get("/readyz").status, 200, "readiness")
        for _ in range(20):
            got = server.get("/", headers=TIMED)
            check_equal(got.body, b"<p>hello\n", "the answer of the other slot")
            check('w;desc="1.' in got.header("server-timing"), f"{got}")
        limit_processes(server, 500)
        wait_until(lambda: server.slot(0)["state"] == "ready", "slot 0", 30.0)
        server.connect_to_slot(0).close()


@test
def when_no_slot_serves_readiness_says_that_forks_fail():
    with limited(200, options={"fork.rate": 0}) as server, server:
        limit_processes(server, 1)
        os.kill(server.workers()[0], signal.SIGKILL)
        server.wait_for_log("could not fork a worker for slot 0")
        got = server.admin_get("/readyz")
        check_equal(got.status, 503, "readiness")
        check(b"the last fork failed: resource temporarily unavailable" in got.body, f"{got.body}")
        limit_processes(server, 500)
        wait_until(lambda: server.admin_get("/readyz").status == 200, "readiness", 30.0)
        check_equal(server.get("/").status, 200, "the status")


@test
def a_slot_whose_fork_is_refused_runs_as_a_guest_until_it_is_not():
    options = {"fork.rate": 0, "fork.fallback": "threads"}
    with limited(200, slots=2, options=options) as server, server:
        old = server.workers()
        limit_processes(server, 1)
        os.kill(old[0], signal.SIGKILL)
        server.wait_for_log(rf"slot 0 runs as a thread of {old[1]}: it could not be forked")
        wait_until(lambda: server.slot(0)["state"] == "ready", "the guest")
        check_equal(server.slot(0)["runs_as"], "thread", "slot 0")
        server.connect_to_slot(0).close()
        limit_processes(server, 500)
        wait_until(lambda: server.slot(0)["runs_as"] == "process"
                   and server.slot(0)["state"] == "ready", "slot 0 to be a process", 40.0)
        server.connect_to_slot(0).close()


# ---- memory ----


class NotReady(Server):
    """A Server whose ready line is not waited for; admin is its address all the same."""

    def _start(self):
        self.argv += ["-o", "admin=127.0.0.2:0"]  # an address that tells it apart
        with open(self.folder / "log", "wb") as log:
            self.proc = subprocess.Popen(self.argv, cwd=self.folder, stdin=subprocess.DEVNULL,
                                         stdout=log, stderr=log)
        self.admin = ("127.0.0.2", wait_until(self._admin_port, "the admin listener"))

    def _admin_port(self):
        inodes = set()
        for fd in pathlib.Path(f"/proc/{self.proc.pid}/fd").iterdir():
            with contextlib.suppress(OSError):
                inodes.add(os.readlink(fd))
        for row in pathlib.Path("/proc/net/tcp").read_text().splitlines()[1:]:
            fields = row.split()
            address, _, port = fields[1].partition(":")
            if socket.inet_ntoa(bytes.fromhex(address)[::-1]) == "127.0.0.2" \
                    and fields[3] == "0A" and f"socket:[{fields[9]}]" in inodes:
                return int(port, 16)
        return None


@test
def a_start_that_waits_for_memory_says_how_much_is_there_and_how_much_it_wants():
    options = "fork { min_available = %s }\n"
    with NotReady(config=options % "1000t", slots=2, fds_may_grow=True) as server:
        found = server.wait_for_log(
            r"a fork waits: less memory is available than must stay free: \S+ \((\d+) bytes\) are "
            r"available, fork.min_available is 1000t \((\d+) bytes\)$")
        check_equal(int(found.group(2)), 1000 << 40, "what is wanted")
        check(0 < int(found.group(1)) < 1000 << 40, f"{found.group(1)} bytes are available")
        got = wait_until(lambda: (lambda r: r if b"fork waits" in r.body else None)(
            server.admin_get("/readyz")), "the reason")
        check_equal(got.status, 503, "readiness")
        check(re.search(rb"a fork waits: \S+ \(\d+ bytes\) of memory are available, "
                        rb"fork.min_available is 1000t \(1099511627776000 bytes\)", got.body),
              f"{got.body}")
        check(b"fork waits" in server.admin_get("/status").body, "the reason in /status")
        check_equal(metric(server, "cowshed_fork_waits_for_memory"), 1, "the metric")
        check("\nready " not in server.log(), "it says that it is ready")
        check_calm(server.proc.pid, "a master that waits for memory")
        (server.folder / "test.conf").write_text(options % "1m", encoding="utf-8")
        server.signal(signal.SIGHUP)
        server.wait_for_log("^ready ")
        check_equal(server.admin_get("/readyz").body, b"ready\n", "readiness")
        check_equal(metric(server, "cowshed_fork_waits_for_memory"), 0, "the metric")


# ---- the disk ----


def full_disk(folder, commands, size="256k"):
    """A program that mounts a small disk at the folder, for itself alone, does the commands
    there, fills what is left, and becomes what follows in the command line."""
    if subprocess.run(["unshare", "-m", "true"], capture_output=True, check=False).returncode != 0:
        raise Skip("needs a mount namespace")
    script = (f"mount -t tmpfs -o size={size} tmpfs {shlex.quote(str(folder))} && "
              f"cd {shlex.quote(str(folder))} && {commands} && "
              "{ cat /dev/zero > filler 2> /dev/null; cd \"$OLDPWD\"; exec \"$0\" \"$@\"; }")
    return ["unshare", "-m", "sh", "-c", script]


@contextlib.contextmanager
def disk():
    with tempfile.TemporaryDirectory(prefix="cowshed-disk-") as folder:
        yield pathlib.Path(folder)


def inside(server, path):
    """The file as the server sees it."""
    return pathlib.Path(f"/proc/{server.proc.pid}/root{path}")


@test
def an_access_log_on_a_full_disk_is_complained_about_and_goes_on_when_there_is_room():
    with disk() as folder:
        log = folder / "access.log"
        with Server(options={"access_log": str(log)},
                    program=[*full_disk(folder, ": > access.log"), str(BINARY)]) as server:
            with server.connect() as conn:
                for _ in range(300):
                    check_equal(conn.request("/").status, 200, "the status")
                server.wait_for_log(rf"could not write the access log '{log}': no space left on "
                                    r"device; \d+ lines are lost")
                wait_until(lambda: metric(server, "cowshed_slot_log_dropped_total") == 300,
                           "300 lines to be counted as lost")
                check_equal(len(lines(server, "could not write the access log")), 1, "lines")
                inside(server, folder / "filler").unlink()
                for _ in range(50):
                    check_equal(conn.request("/").status, 200, "the status")
            written = wait_until(lambda: (lambda t: t if t.count("\n") >= 50 else None)(
                inside(server, log).read_text()), "50 lines")
            for line in written.splitlines():
                check(re.fullmatch(r'127\.0\.0\.1 - - \[[^]]+\] "GET / HTTP/1.1" 200 9 "-" "-"',
                                   line) or line == "", f"a torn line: {line!r}")
            check_equal(metric(server, "cowshed_slot_log_dropped_total"), 300, "lines lost")


@test
def a_limit_of_file_sizes_costs_lines_of_the_access_log_and_no_worker():
    """SIGXFSZ would end whoever writes beyond it."""
    with Server(slots=2, options={"access_log": "access.log"}) as server:
        pids = server.workers()
        log = server.folder / "access.log"
        size = 16 << 10
        for pid in (server.proc.pid, *pids.values()):
            resource.prlimit(pid, resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))
        for slot in pids:
            with server.connect_to_slot(slot) as conn:
                for _ in range(300):
                    check_equal(conn.request("/").status, 200, "the status")
        server.wait_for_log(r"could not write the access log 'access.log': file too large; \d+ "
                            r"lines are lost")
        wait_until(lambda: log.stat().st_size > size - 200, "the log to be as long as it may")
        check(log.stat().st_size <= size, "the log is longer than it may be")
        check_equal(server.workers(), pids, "the workers")
        check_equal([s["pid"] for s in server.status()["slots"]], list(pids.values()), "the pids")


@test
def a_pid_file_that_cannot_be_written_is_an_error_of_the_start():
    with disk() as folder:
        pid = folder / "pid"
        argv = ["-l", "127.0.0.1:0", "-o", "admin=127.0.0.1:0", "-o", "root=/usr", "-o",
                f"pid_file={pid}"]
        done = subprocess.run([*full_disk(folder, ": > pid"), str(BINARY), *argv],
                              capture_output=True, text=True, timeout=20 * PATIENCE, check=False)
        check_equal(done.returncode, 71, f"the exit code ({done.stderr})")
        check(f"could not write the pid file '{pid}': no space left on device" in done.stderr,
              done.stderr)
        check("\nready " not in done.stderr, done.stderr)
        check_equal(Server.leftovers(), [], "processes that are left")


@test
def files_that_cannot_be_opened_at_the_start_are_named_with_the_reason():
    for option, path, words in (
            ("pid_file", "/nowhere/pid", "could not use '/nowhere/pid' as pid file: no such"),
            ("pid_file", "/", "could not use '/' as pid file: is a directory"),
            ("pid_file", "/dev/null",
             "could not use '/dev/null' as pid file: it is no regular file"),
            ("pid_file", "/etc/passwd",
             "could not use '/etc/passwd' as pid file: it holds something else than a pid"),
            ("access_log", "/nowhere/log", "could not open the access log '/nowhere/log': no such"),
            ("access_log", "/", "could not open the access log '/': is a directory")):
        code, _, err = run_cowshed("-l", "127.0.0.1:0", "-o", "admin=off", "-o", "root=/usr",
                                   "-o", f"{option}={path}")
        check_equal(code, 2, f"the exit code with {option} = {path}")
        check(words in err, f"{words!r} is not in {err!r}")


def cowload_on_full_disk(folder, commands, *args):
    """Runs it; (exit code, stdout, stderr and the files of the disk at its end)."""
    ask = 'code=0; "$0" "$@" || code=$?; ' + \
        f"cd {shlex.quote(str(folder))}; for f in *; do echo \"FILE $f $(head -c 60 $f | tr -d " \
        "'\\0\\n')\" >&2; done; exit $code"
    done = subprocess.run([*full_disk(folder, commands), "sh", "-c", ask, str(COWLOAD),
                           *map(str, args)], stdin=subprocess.DEVNULL, capture_output=True,
                          text=True, timeout=60 * PATIENCE, check=False)
    check(not SANITIZER_WORDS.search(done.stderr), f"a sanitizer spoke:\n{done.stderr}")
    files = dict(re.findall(r"^FILE (\S+) (.*)$", done.stderr, re.M))
    return done.returncode, done.stdout, done.stderr, files


@test
def cowload_keeps_the_old_file_and_the_other_outputs_when_the_disk_is_full():
    with Server() as server, disk() as full, disk() as room:
        url = f"http://{server.ready['listen']}/"
        code, text, err, files = cowload_on_full_disk(
            full, "echo old > json", "-d300ms", "--json", full / "json", "--hlog", room / "hlog",
            url)
        check_equal(code, 1, f"the exit code ({err})")
        check(f"could not write '{full}/json': No space left on device" in err, err)
        check("Requests/sec:" in text, text)
        check_equal(files["json"], "old", "the file of the run before")
        check("json.partial" not in files, f"{files}")
        check((room / "hlog").read_text().startswith("#[Logged with"), "the log is gone")

        code, text, err, files = cowload_on_full_disk(
            full, "echo old > hlog", "-d1200ms", "--hlog", full / "hlog", "--json", room / "json",
            url)
        check_equal(code, 1, f"the exit code ({err})")
        check(f"could not write '{full}/hlog': No space left on device; what could be written is "
              f"in '{full}/hlog.partial'" in err, err)
        check("Requests/sec:" in text, text)
        check_equal(files["hlog"], "old", "the log of the run before")
        check(json.loads((room / "json").read_text())["counts"]["ok"] > 0, "the result")


@test
def cowload_complains_when_nobody_can_read_the_summary():
    with Server() as server, open("/dev/full", "w", encoding="utf-8") as full:
        done = subprocess.run([COWLOAD, "-d200ms", f"http://{server.ready['listen']}/"],
                              stdout=full, stderr=subprocess.PIPE, text=True,
                              timeout=60 * PATIENCE, check=False)
        check_equal(done.returncode, 1, "the exit code")
        check("could not write the summary to standard output" in done.stderr, done.stderr)


@test
def cowload_ab_prints_its_report_when_the_disk_is_full():
    with disk() as full:
        code, text, err, files = cowload_on_full_disk(
            full, "mkdir out", "ab", "--modes", "fast,slow", "--blocks", 1, "-d", "300ms",
            "--warmup", "100ms", "-R", 200, "-c", 4, "--server", STAND_IN, "--out", full)
        check_equal(code, 1, f"the exit code ({err})")
        check("Calibration" in text and "Verdicts" in text and "FAILED" not in text, text)
        for name in ("report.html", "report.txt", "report.json", "fast-001.hlog", "slow-001.hlog", "server.log"):
            check(f"could not write '{full}/{name}': No space left on device" in err, err)
            check(name not in files or name == "server.log", f"{name} is there: {files}")


# ---- the start and the end ----


def block_term():
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM])
    os.kill(os.getpid(), signal.SIGTERM)  # pending; survives the exec


def start(folder, **how):
    with open(folder / "log", "wb") as log:
        return subprocess.Popen(
            [str(BINARY), "-l", "127.0.0.1:0", "-w", "2", "-o", "admin=127.0.0.1:0", "-o",
             "root=/usr", "-o", f"pid_file={folder}/pid"], stdin=subprocess.DEVNULL, stdout=log,
            stderr=log, **how)


def check_clean_end(proc, folder, what):
    log = folder / "log"
    try:
        code = proc.wait(20 * PATIENCE)
    except subprocess.TimeoutExpired:
        proc.kill()
        raise
    check_equal(code, 0, f"the exit code after {what} ({log.read_text()})")
    check(not (folder / "pid").exists(), f"the pid file is there after {what}")
    check_equal(Server.leftovers(), [], f"processes that are left after {what}")
    check(not re.search(r"Z (err|fatal) ", log.read_text()), log.read_text())
    check(not SANITIZER_WORDS.search(log.read_text()), log.read_text())


def holds_or_hears_term(pid):
    """Has main() begun to look after signals?"""
    status = pathlib.Path(f"/proc/{pid}/status").read_text()
    masks = re.findall(r"^(?:SigBlk|SigCgt):\t([0-9a-f]+)$", status, re.M)
    return any(int(mask, 16) & 1 << (signal.SIGTERM - 1) for mask in masks)


@test
def a_term_at_any_moment_of_the_start_ends_it_cleanly():
    for delay_ms in (*range(0, 20), *range(20, 64, 4)):
        with disk() as folder:
            proc = start(folder)
            wait_until(lambda p=proc: holds_or_hears_term(p.pid), "main()")
            time.sleep(delay_ms / 1000)
            proc.send_signal(signal.SIGTERM)
            check_clean_end(proc, folder, f"a TERM after {delay_ms} ms")


@test
def a_term_from_before_the_start_ends_it_even_if_it_was_blocked():
    with disk() as folder:
        check_clean_end(start(folder, preexec_fn=block_term), folder, "a TERM before the start")


@test
def a_long_filling_of_the_cache_is_ended_by_a_term():
    with disk() as folder, open(folder / "log", "wb") as log:
        proc = subprocess.Popen(
            [str(BINARY), "-l", "127.0.0.1:0", "-o", "admin=off", "-o", "origin=synthetic", "-o",
             "synthetic.preload=on", "-o", "synthetic.objects=4000000", "-o",
             "synthetic.median=64", "-o", "cache_bytes=8g"],
            stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        # so much memory only the cache has
        wait_until(lambda: int(re.search(r"^VmRSS:\s+(\d+)", pathlib.Path(
            f"/proc/{proc.pid}/status").read_text(), re.M).group(1)) > 40000, "the filling")
        proc.send_signal(signal.SIGTERM)
        check_clean_end(proc, folder, "a TERM while the cache is filled")
        check("ready " not in (folder / "log").read_text(), "it was filled before the TERM")


@test
def an_order_to_drain_is_answered_before_the_server_leaves():
    for _ in range(20):
        with Server() as server:
            got = server.admin_get("/ctl/drain", method="POST")
            check_equal((got.status, got.body), (200, b"draining\n"), "the answer")
            check_equal(server.wait_for_exit(), 0, "the exit code")


@test
def the_answer_to_drain_is_sent_even_when_the_end_is_told_together_with_it():
    with Server() as server, Conn(server.admin) as order:
        check_equal(order.request("/livez").status, 200, "the admin process")
        worker = server.workers()[0]
        admin, = set(children(server.proc.pid)) - {worker}
        server.signal(signal.SIGSTOP)  # it reads the order when all of it is on its way
        order.send("POST /ctl/drain HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n")
        check_equal(server.admin_get("/livez").status, 200, "the admin process")
        os.kill(admin, signal.SIGSTOP)
        server.signal(signal.SIGCONT)
        server.wait_for_log(rf"pid {worker} ended with exit code 0 ")
        os.kill(admin, signal.SIGCONT)
        got = order.response()
        check_equal((got.status, got.body), (200, b"draining\n"), "the answer")
        check_equal(server.wait_for_exit(), 0, "the exit code")


@test
def an_order_that_the_end_overtakes_is_answered_too():
    with Server({"big": b"b" * (16 << 20)}, slots=2) as server, server.connect() as slow, \
            Conn(server.admin) as order:
        slow.send("GET /big HTTP/1.1\r\nHost: x\r\n\r\n")
        slow.read_until(b"\r\n\r\n", "a head")
        frozen = server.workers()[0]
        os.kill(frozen, signal.SIGSTOP)
        order.send("POST /ctl/gc HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n")
        wait_until(lambda: server.admin_get("/livez").status == 200, "the admin process")
        server.signal(signal.SIGINT)
        got = order.response()
        check_equal((got.status, got.body), (503, b"the server leaves\n"), "the answer")
        check_equal(server.wait_for_exit(), 0, "the exit code")


# ---- who stands still ----


def stop(pid):
    """Until each of its threads stands still: one that has not yet may accept a connection."""
    os.kill(pid, signal.SIGSTOP)
    wait_until(lambda: all(p.read_text().rpartition(")")[2].split()[0] == "T"
                           for p in pathlib.Path(f"/proc/{pid}/task").glob("*/stat")),
               f"{pid} to stand still")


@test
def a_stopped_process_does_not_outlive_a_killed_master():
    for mode in ("shared", "naive", "threads"):
        with Server(mode=mode, slots=2, exit_code=-signal.SIGKILL) as server:
            family = children(server.proc.pid)
            check(len(family) >= 2, f"children: {family}")
            for pid in family:
                stop(pid)
            server.signal(signal.SIGKILL)
            server.wait_for_exit()
            wait_until(lambda f=family: all(not os.path.exists(f"/proc/{p}") or is_zombie(p)
                                            for p in f), f"{family} to end in mode {mode}")


@test
def a_hung_worker_is_named_by_orders_and_its_heartbeat_shows_it():
    with Server(slots=3) as server, Conn(server.admin, 20.0) as gc, \
            Conn(server.admin, 20.0) as purge:
        hung = server.workers()[1]
        stop(hung)
        gc.send("POST /ctl/gc HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n")
        purge.send("POST /ctl/purge?url=* HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n")
        for _ in range(20):
            check_equal(server.get("/").status, 200, "the answer of another slot")
        for name, conn in (("gc", gc), ("purge", purge)):
            got = conn.response()
            check_equal(got.status, 504, f"the answer to {name}")
            check_equal(got.body, b"not every worker has answered: nothing came from slot 1\n",
                        f"the words of {name}")
        server.wait_for_log("no COLLECTED came in time from slot 1$")
        wait_until(lambda: server.slot(1)["heartbeat_age_ms"] > 10000, "an old heartbeat")
        check(server.slot(0)["heartbeat_age_ms"] < 5000, "the heartbeat of slot 0")
        metrics = server.admin_get("/metrics").body.decode()
        ages = dict(re.findall(r'^cowshed_slot_heartbeat_age_seconds\{slot="(\d)"\} (\S+)$',
                               metrics, re.M))
        check(float(ages["1"]) > 10 and float(ages["0"]) < 5, f"{ages}")
        check_equal(server.admin_get("/readyz").status, 200, "readiness")
        check_equal(server.workers()[1], hung, "nobody was killed")
        os.kill(hung, signal.SIGCONT)
        wait_until(lambda: server.slot(1)["heartbeat_age_ms"] < 1000, "a heartbeat")
        check_equal(server.admin_get("/ctl/gc", method="POST").status, 200, "gc afterwards")
        server.connect_to_slot(1).close()
