# SPDX-License-Identifier: MIT
"""What systemd expects: listeners that it holds, notifications, and a unit that it takes."""

import contextlib
import fcntl
import os
import re
import shutil
import signal
import socket
import subprocess
import tempfile

from e2e.harness import (BINARY, Failure, Server, Skip, check, check_equal, children, paused, test,
                         wait_until)


class Manager:
    """The socket that NOTIFY_SOCKET names, and what came to it."""

    def __init__(self, abstract=False):
        self.folder = tempfile.TemporaryDirectory(prefix="cowshed-notify-")
        self.name = f"@cowshed-test-{os.getpid()}" if abstract else f"{self.folder.name}/socket"
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind("\0" + self.name[1:] if abstract else self.name)
        self.socket.settimeout(20)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()
        self.folder.cleanup()

    def next(self, but="WATCHDOG=1"):
        while True:
            words = self.socket.recv(4096).decode()
            if words != but:
                return words


def with_environment(**variables):
    """A command that sets these for the program behind it; $$ is its pid."""
    words = " ".join(f'{name}="{value}"' for name, value in variables.items())
    return ["sh", "-c", f'export {words}; exec "$0" "$@"', str(BINARY)]


@test
def the_manager_hears_of_start_reload_and_end():
    for abstract in (False, True):
        with Manager(abstract) as manager, \
                Server(program=with_environment(NOTIFY_SOCKET=manager.name),
                       errors=["could not reload"], config='breaker = 8\n') as server:
            check_equal(manager.next(), "READY=1", "the first word")
            server.signal(signal.SIGHUP)
            words = manager.next()
            check(re.fullmatch(r"RELOADING=1\nMONOTONIC_USEC=\d+", words), repr(words))
            check(manager.next().startswith("STATUS=reloaded "), "the status of a reload")
            check_equal(manager.next(), "READY=1", "the word after a reload")
            (server.folder / "test.conf").write_text("breaker = none\n")
            server.signal(signal.SIGHUP)
            check(manager.next().startswith("RELOADING=1\n"), "the word before a bad reload")
            check("breaker" in manager.next(), "why the reload failed")
            check_equal(manager.next(), "READY=1", "the word after a bad reload")
            server.signal(signal.SIGTERM)
            check_equal(manager.next(), "STOPPING=1", "the last word")


@test
def the_watchdog_hears_of_a_loop_that_turns_and_of_none_that_does_not():
    with Manager() as manager, \
            Server(program=with_environment(NOTIFY_SOCKET=manager.name, WATCHDOG_USEC="400000",
                                            WATCHDOG_PID="$$")) as server:
        for _ in range(3):
            check_equal(manager.socket.recv(100) in (b"WATCHDOG=1", b"READY=1"), True, "a word")
        with paused(server.proc.pid):
            manager.socket.setblocking(False)
            with contextlib.suppress(BlockingIOError):
                while manager.socket.recv(100):
                    pass
            manager.socket.settimeout(1.5)
            try:
                words = manager.socket.recv(100)
                check(False, f"a stopped master says {words!r}")
            except TimeoutError:
                pass
        manager.socket.settimeout(20)
        check_equal(manager.socket.recv(100), b"WATCHDOG=1", "the word of a master that goes on")


@test
def a_watchdog_that_is_meant_for_another_process_is_not_fed():
    with Manager() as manager, \
            Server(program=with_environment(NOTIFY_SOCKET=manager.name, WATCHDOG_USEC="100000",
                                            WATCHDOG_PID="1")) as server:
        check_equal(manager.socket.recv(100), b"READY=1", "the first word")
        server.signal(signal.SIGTERM)
        check_equal(manager.socket.recv(100), b"STOPPING=1", "the next word")


@test
def a_manager_that_does_not_listen_stops_nothing():
    with Server(program=with_environment(NOTIFY_SOCKET="/nowhere/at/all")) as server:
        server.wait_for_log("could not tell the service manager: no such file or directory")
        check_equal(server.get("/").status, 200, "the status")
    with Server(program=with_environment(NOTIFY_SOCKET="rubbish")) as server:
        server.wait_for_log("NOTIFY_SOCKET is 'rubbish', which is no socket")


@test
def the_manager_hears_which_process_is_the_main_one_after_an_upgrade():
    with Manager() as manager, \
            Server(program=with_environment(NOTIFY_SOCKET=manager.name, WATCHDOG_USEC="200000",
                                            WATCHDOG_PID="$$")) as server:
        check_equal(manager.next(), "READY=1", "the first word")
        server.signal(signal.SIGUSR2)
        server.wait_for_exit()
        newer = int(re.findall(r"^ready .* pid=(\d+)$", server.log(), re.M)[-1])
        check_equal({manager.next(), manager.next()}, {"READY=1", f"MAINPID={newer}"}, "the words")
        for _ in range(3):
            check_equal(manager.socket.recv(100), b"WATCHDOG=1", "the watchdog of the new one")
        os.kill(newer, signal.SIGTERM)
        check_equal(manager.next(), "STOPPING=1", "the last word")
        wait_until(lambda: not server.leftovers(), "the new master to end")


# ---- listeners of the manager --------------------------------------------------------


@contextlib.contextmanager
def activated(addresses, extra=()):
    """A server that finds listeners at these addresses from descriptor 3 on."""
    sockets = []
    for address in addresses:
        s = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET)
        s.bind((address, 0))
        s.listen(128)
        sockets.append(s)
    sockets += extra
    passed = [fcntl.fcntl(s.fileno(), fcntl.F_DUPFD, 100) for s in sockets]  # out of the way
    moved = " ".join(f"{3 + i}<&{fd} {fd}<&-" for i, fd in enumerate(passed))
    script = f'exec {moved}; export LISTEN_PID=$$ LISTEN_FDS={len(sockets)}; exec "$0" "$@"'
    try:
        yield sockets, passed, ["bash", "-c", script, str(BINARY)]
    finally:
        for s in sockets:
            s.close()
        for fd in passed:
            os.close(fd)


class ActivatedServer(Server):
    """Popen closes what is not passed."""

    def __init__(self, passed, **how):
        super().__init__(**how)
        self.passed = passed

    def popen(self, **how):
        return super().popen(pass_fds=self.passed, **how)


def name_of(s):
    return "{}:{}".format(*s.getsockname()[:2])


@test
def listeners_of_the_manager_are_used_and_outlive_the_server():
    with activated(["127.0.0.1", "127.0.0.1"]) as (sockets, passed, program):
        listen, admin = map(name_of, sockets)
        for _ in range(2):
            with ActivatedServer(passed, program=program, slots=2, options={
                    "listen": listen, "admin": admin}) as server:
                check_equal(server.ready["listen"], listen, "the address")
                check_equal(server.ready["admin"], admin, "the address of admin")
                check_equal(server.get("/").status, 200, "the status")
                check_equal(server.admin_get("/readyz").status, 200, "readiness")
            with socket.create_connection(sockets[0].getsockname()) as waiting:
                waiting.send(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
                with ActivatedServer(passed, program=program, options={
                        "listen": listen, "admin": admin}):
                    answer = waiting.recv(4096)
                    check(answer.startswith(b"HTTP/1.1 200 "), f"who waited meanwhile: {answer!r}")


@test
def listeners_that_no_option_asks_for_are_told_and_closed():
    other = socket.socket(socket.AF_UNIX)
    with activated(["127.0.0.1", "127.0.0.1"], [other]) as (sockets, passed, program):
        with ActivatedServer(passed, program=program, options={
                "listen": name_of(sockets[0]), "admin": "off"}) as server:
            server.wait_for_log(f"nobody asked for the listener at {name_of(sockets[1])}")
            server.wait_for_log("descriptor 5 of LISTEN_FDS is no TCP listener")
            check_equal(server.get("/").status, 200, "the status")


@test
def listeners_for_another_process_are_left_alone():
    program = ["sh", "-c", 'export LISTEN_PID=1 LISTEN_FDS=2; exec "$0" "$@"', str(BINARY)]
    with Server(program=program) as server:
        check_equal(server.get("/").status, 200, "the status")
        check("LISTEN_FDS" not in server.log(), server.log())


@test
def the_activator_of_systemd_starts_it():
    tool = shutil.which("systemd-socket-activate")
    if tool is None:
        raise Skip("systemd-socket-activate is not installed")
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        name = name_of(s)
    proc = subprocess.Popen([tool, "-l", name, str(BINARY), "-l", name, "-o", "admin=off"],
                            stderr=subprocess.PIPE, text=True)
    try:
        for line in proc.stderr:
            if "Listening on" in line:
                break
        host, _, port = name.rpartition(":")
        with socket.create_connection((host, int(port))) as conn:
            conn.send(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
            check(conn.recv(100).startswith(b"HTTP/1.1 "), "the answer")
    finally:
        proc.terminate()
        proc.stderr.close()
        check_equal(proc.wait(20), 0, "the exit code")


@test
def the_units_are_what_systemd_takes():
    tool = shutil.which("systemd-analyze")
    if tool is None:
        raise Skip("systemd-analyze is not installed")
    with tempfile.TemporaryDirectory(prefix="cowshed-units-") as folder:
        for name in ("cowshed.service", "cowshed.socket"):
            with open(f"conf/{name}", encoding="utf-8") as file:
                text = file.read().replace("/usr/local/bin/cowshed", str(BINARY))
            with open(f"{folder}/{name}", "w", encoding="utf-8") as file:
                file.write(text)
        version = subprocess.run([tool, "--version"], capture_output=True, text=True, check=True)
        if int(version.stdout.split()[1]) < 253:
            subprocess.run(["sed", "-i", "s/notify-reload/notify/", f"{folder}/cowshed.service"],
                           check=True)
        done = subprocess.run([tool, "verify", "--man=no", f"{folder}/cowshed.service",
                               f"{folder}/cowshed.socket"], capture_output=True, text=True,
                              check=False)
        check_equal((done.returncode, done.stderr), (0, ""), "what systemd-analyze verify says")


# ---- the first process of a container ------------------------------------------------


def name_of_process(pid):
    with contextlib.suppress(OSError), open(f"/proc/{pid}/comm", encoding="ascii") as file:
        return file.read().strip()
    return None


class First(Server):
    """In a pid namespace of its own, where it is number 1; `proc` is its parent outside."""

    def __init__(self, **how):
        super().__init__(program=["unshare", "--pid", "--fork", "--kill-child", "--mount-proc",
                                  str(BINARY)], **how)
        if subprocess.run(["unshare", "--pid", "--fork", "--mount-proc", "true"],
                          capture_output=True, check=False).returncode != 0:
            raise Skip("no pid namespace can be made here")

    def popen(self, **how):
        proc = super().popen(**how)
        self.parent = proc
        return proc

    def first(self):
        return children(self.parent.pid)[0]


@test
def it_works_as_the_first_process_of_a_container():
    server = First(slots=2)
    with open(server.folder / "log", "wb") as log:
        parent = server.popen(cwd=server.folder, stdout=log, stderr=log, stdin=subprocess.DEVNULL)
    try:
        line = wait_until(lambda: re.search(r"^ready listen=(\S+):(\d+) .* pid=1$", server.log(),
                                            re.M), "the ready line of number 1")
        server.address = (line.group(1), int(line.group(2)))
        first = server.first()
        with open(f"/proc/{first}/status", encoding="ascii") as status:
            check(re.search(r"^NSpid:\s+\d+\s+1$", status.read(), re.M), "it is not number 1")
        # an orphan that is not its own: a shell in there leaves it behind
        subprocess.run(["nsenter", "-t", str(first), "--pid", "--mount", "sh", "-c",
                        "(sleep 0.2 &)"], check=True)
        wait_until(lambda: "sleep" not in map(name_of_process, children(first)),
                   "the orphan to be reaped, which would stay as a zombie")
        os.kill(children(first)[-1], signal.SIGKILL)

        def answers():  # it may have had the connection in its hands
            with contextlib.suppress(OSError, Failure):
                return server.get("/").status == 200

        wait_until(answers, "an answer")
        os.kill(first, signal.SIGUSR2)
        server.wait_for_log("no upgrade: this is the first process of its container")
        check_equal(server.get("/").status, 200, "the status after that")
        os.kill(first, signal.SIGTERM)
        check_equal(parent.wait(20), 0, "the exit code")
    finally:
        parent.kill()
        parent.wait()
        shutil.rmtree(server.folder, ignore_errors=True)
