# SPDX-License-Identifier: MIT
"""What -t says that a server comes to use at the most is not passed, and a limit holds."""

import contextlib
import os
import pathlib
import random
import re
import signal
import subprocess
import threading

from e2e.harness import (BINARY, BUILD, MODES, Conn, Failure, Kept, Server, Skip, check,
                         check_equal, children, run_cowshed, test, wait_until)

UNITS = {"": 1, "k": 1 << 10, "m": 1 << 20, "g": 1 << 30}
# A small cache that is filled many times over, and few connections: what is left is the heap.
OPTIONS = {"cache_bytes": "8m", "connections": 50, "miss_bytes": "1m", "cache.valid": "1h"}
FILES = 400


def need_plain_build():
    if "-" in BUILD.name:
        raise Skip("a sanitizer has memory of its own")


def worst_case(mode, slots):
    """{part: bytes} as -t tells them."""
    args = [f"-o{name}={value}" for name, value in OPTIONS.items()]
    code, _, err = run_cowshed("-t", "-m", mode, "-w", str(slots), "-o", "root=/", *args)
    check_equal(code, 0, "the exit code of -t")
    return {name: float(number) * UNITS[unit] for name, number, unit in
            re.findall(r"^cowshed:   (\S.*?) +([\d.]+)([kmg]?)  ", err, re.M)}


def pss(pid):
    """Its share of all that is mapped, and its page tables; of one that ends just now, less."""
    total = 0
    with contextlib.suppress(OSError):
        text = pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="ascii")
        text += pathlib.Path(f"/proc/{pid}/status").read_text(encoding="ascii")
        total += sum(map(int, re.findall(r"^(?:Pss|VmPTE):\s+(\d+) kB", text, re.M)))
    return total << 10


def in_use(server):
    return sum(pss(pid) for pid in (server.proc.pid, *children(server.proc.pid)))


def order(server, what):
    check_equal(server.admin_get(f"/ctl/{what}", method="POST").status, 200, f"the order {what}")


@test
def no_mode_comes_to_use_more_than_its_worst_case():
    need_plain_build()
    rng = random.Random(3)
    files = {f"{i}.bin": rng.randbytes(int(rng.lognormvariate(10.5, 1))) for i in range(FILES)}
    for mode in MODES:
        parts, most = worst_case(mode, 2), 0
        with Server(files, OPTIONS, mode=mode, slots=2) as server:
            for turn in range(3):
                with Kept(server) as one, Kept(server) as other:
                    for name in rng.sample(sorted(files), FILES):
                        for conn in (one, other):
                            got = conn.request(f"/{name}")
                            check(got.body == files[name], f"the bytes of {name}")
                    most = max(most, in_use(server))
                order(server, ("gc", "refork", "purge?url=*")[turn])
                most = max(most, in_use(server))
        print(f"mode {mode}: {most >> 20} of {parts['total'] / (1 << 20):.0f} MiB", flush=True)
        check(most <= parts["total"], f"mode {mode} used {most} bytes, the worst case is {parts}")
        check(most >= parts["total"] / 40, f"mode {mode} used {most} of {parts}: nothing is tried")


@test
def bodies_that_are_fetched_and_not_sent_have_a_limit():
    """Readers that take nothing of many different files: beyond miss_bytes they are sent from
    the disk, and each still arrives whole."""
    need_plain_build()
    number, size = 60, 900_000
    files = {f"{i}": bytes([i]) * size for i in range(number)}
    options = {"miss_bytes": "4m", "cache_bytes": "2m", "cache_object_max": "1m"}
    with Server(files, options) as server, contextlib.ExitStack() as stack:
        server.get("/0")
        pid = server.workers()[0]
        before = private(pid)
        conns = [stack.enter_context(Conn(server.address, receive_buffer=4096))
                 for _ in range(number)]
        for i, conn in enumerate(conns):
            conn.ask(f"/{i}")
        wait_until(lambda: server.slot(0)["counters"]["fetches"] >= number, "all fetches")
        cost = private(pid) - before
        check(cost < 16 << 20, f"{number} bodies of {size} bytes cost {cost}")
        for i, conn in enumerate(conns):
            got = conn.response()
            check(got.status == 200 and got.body == files[str(i)], f"the answer to /{i}")


def private(pid):
    text = pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="ascii")
    return sum(int(kb) for kb in re.findall(r"^Private_\w+: +(\d+) kB", text, re.M)) << 10


@test
def a_worst_case_over_memory_max_does_not_start():
    args = ("-o", "root=/", "-o", "memory_max=10m")
    code, _, err = run_cowshed("-t", *args)
    check(code == 1 and "memory_max = 10.0m (-o): the worst case" in err, f"-t: {code}: {err}")
    code, _, err = run_cowshed("-l", "127.0.0.1:0", "-o", "admin=off", *args)
    check(code == 2 and "memory_max = 10.0m (-o)" in err, f"start: {code}: {err}")


# --- in a container ---------------------------------------------------------------------------

LIMIT = 48 << 20
GROUPS = (  # where groups are made, the file of the limit
    (pathlib.Path("/sys/fs/cgroup/memory"), "memory.limit_in_bytes"),
    (pathlib.Path("/sys/fs/cgroup"), "memory.max"))


@contextlib.contextmanager
def memory_group():
    """The folder of a control group with LIMIT."""
    for top, name in GROUPS:
        group = top / f"cowshed-test-{os.getpid()}"
        try:
            group.mkdir()
        except OSError:
            continue
        try:
            if not (group / name).exists():
                continue
            (group / name).write_text(str(LIMIT), encoding="ascii")
            yield group
            return
        finally:
            wait_until(lambda g=group: not (g / "cgroup.procs").read_text(encoding="ascii"),
                       "the group to be empty")
            group.rmdir()
    raise Skip("needs a control group for memory that can be made")


def inside(group):
    """The beginning of a command that runs cowshed in the group."""
    return ["sh", "-c", f'echo $$ >{group}/cgroup.procs && exec {BINARY} "$@"', "sh"]


HUNGRY = {"cache_bytes": "2m", "cache_object_max": "1m", "connections": 200}
BODIES = {str(i): bytes([i]) * 900_000 for i in range(80)}


def ask_for_all(server, stack):
    """Clients that take nothing for now of many bodies, more than LIMIT together."""
    conns = [stack.enter_context(Conn(server.address, receive_buffer=4096)) for _ in BODIES]
    for conn, name in zip(conns, BODIES):
        with contextlib.suppress(OSError):  # the worker may be gone already
            conn.ask(f"/{name}")
    return conns


@test
def a_worker_over_the_limit_of_its_group_is_killed_by_the_kernel_and_replaced():
    need_plain_build()
    with memory_group() as group:
        with Server({**BODIES, "index.html": b"x"}, {**HUNGRY, "miss_bytes": "1g"},
                    program=inside(group)) as server:
            with contextlib.ExitStack() as stack:
                ask_for_all(server, stack)
                server.wait_for_log(r"pid \d+ was killed by SIGKILL")

            def answers():  # who was queued may have killed the next worker as well
                with contextlib.suppress(OSError, Failure):
                    return server.get("/").status == 200

            wait_until(answers, "the answer of a next worker")
            check_equal(server.proc.poll(), None, "the master's end")


def score(pid):
    return int(pathlib.Path(f"/proc/{pid}/oom_score_adj").read_text(encoding="ascii"))


@test
def every_child_stands_before_the_master_by_what_the_master_can_come_to_hold():
    for mode in MODES:
        with Server({"index.html": b"x"}, {"cache_bytes": "256m"}, mode=mode) as server:
            own = score(server.proc.pid)
            least = 1000 * (256 << 20) // os.sysconf("SC_PHYS_PAGES") // os.sysconf("SC_PAGESIZE")

            def differences(base=own, master=server.proc.pid):
                return {score(pid) - base for pid in children(master)}

            # one that was forked just now has not said it yet
            wait_until(lambda d=differences: len(d()) == 1, "children to stand at one place")
            above = differences()
            check(min(above) >= min(least, 1000 - own), f"mode {mode}: {above}, not {least}")


@test
def with_miss_bytes_the_same_load_stays_below_the_limit_and_every_body_arrives():
    need_plain_build()
    with memory_group() as group:
        with Server(BODIES, {**HUNGRY, "miss_bytes": "4m"}, program=inside(group)) as server, \
                contextlib.ExitStack() as stack:
            before = server.workers()
            for conn, name in zip(ask_for_all(server, stack), BODIES):
                check(conn.response().body == BODIES[name], f"the answer to /{name}")
            check_equal(server.workers(), before, "the workers")


@test
def what_waits_for_a_slow_master_has_a_limit():
    """The same load, each body offered to a master that takes none of them."""
    need_plain_build()
    with memory_group() as group:
        with Server(BODIES, {**HUNGRY, "miss_bytes": "4m"}, program=inside(group)) as server, \
                contextlib.ExitStack() as stack:
            before = server.workers()
            server.proc.send_signal(signal.SIGSTOP)
            stack.callback(server.proc.send_signal, signal.SIGCONT)
            for conn, name in zip(ask_for_all(server, stack), BODIES):
                check(conn.response().body == BODIES[name], f"the answer to /{name}")
            server.proc.send_signal(signal.SIGCONT)
            check_equal(server.workers(), before, "the workers")
            dropped = server.slot(0)["counters"]["publish_dropped"]
            check(dropped > len(BODIES) / 2, f"{dropped} of {len(BODIES)} were not published")


@test
def a_fork_waits_for_memory_of_the_group_and_not_of_the_machine():
    with memory_group() as group:
        argv = [*inside(group), "-l", "127.0.0.1:0", "-o", "admin=off", "-o", "root=/", "-o",
                "fork.min_available=50m"]
        with subprocess.Popen(argv, stderr=subprocess.PIPE, text=True) as server:
            stuck = threading.Timer(30, server.kill)
            stuck.start()
            said = ""
            for line in server.stderr:
                said += line
                if found := re.search(r"a fork waits: .* \((\d+) bytes\) are available", line):
                    check(0 < int(found.group(1)) < LIMIT, said)
                    break
            else:
                raise Failure(f"it did not wait: {said}")
            stuck.cancel()
            server.terminate()
            server.communicate()


@test
def a_cache_that_is_larger_than_the_group_is_warned_of():
    need_plain_build()
    warning = r"warn .*the cache and its tables may come to .*, and there are 48\.0m of memory"
    with memory_group() as group:
        with Server(options={"cache_bytes": "20m"}, program=inside(group)) as server:
            server.wait_for_log(warning)
        with Server(options={"cache_bytes": "2m"}, program=inside(group)) as server:
            check(not re.search(warning, server.log()), "a warning of a cache that fits")


@test
def the_limit_of_the_group_is_seen():
    with memory_group() as group:
        done = subprocess.run([*inside(group), "-T", "-o", "root=/"], capture_output=True,
                              text=True, timeout=60, check=False)
        check_equal(done.returncode, 0, "the exit code of -T")
        check("of 48.0m that there is" in done.stderr, done.stderr)
        check("slots = 1  # " in done.stdout, re.search("^slots.*", done.stdout, re.M).group(0))
