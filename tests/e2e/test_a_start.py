# SPDX-License-Identifier: MIT
"""Starting, refusing to start, stopping."""

import os
import pathlib
import signal
import socket
import subprocess
import tempfile

from e2e.harness import (BINARY, MODES, PATIENCE, WAIT_S, Server, check, check_equal, children,
                         drop_file_capabilities, run_cowshed, test, wait_until)


@test
def it_starts_tells_its_address_serves_and_leaves():
    with Server(slots=2) as server:
        check_equal(server.ready["mode"], "shared", "the mode")
        check_equal(server.ready["slots"], "2", "slots")
        got = server.get("/")
        check_equal((got.status, got.body), (200, b"<p>hello\n"), "the answer")


@test
def every_mode_starts_serves_and_leaves():
    for mode in MODES:
        with Server(mode=mode, slots=2) as server:
            check_equal(server.ready["mode"], mode, "the mode")
            for _ in range(20):
                check_equal(server.get("/").body, b"<p>hello\n", f"the answer in mode {mode}")


@test
def a_pid_file_holds_the_pid_while_it_runs():
    with Server(options={"pid_file": "pid"}) as server:
        path = server.folder / "pid"
        check_equal(path.read_text().strip(), str(server.proc.pid), "the pid file")
        server.signal(signal.SIGTERM)
        server.wait_for_exit()
        check(not path.exists(), "the pid file is still there")


@test
def a_busy_port_is_exit_code_2_and_names_the_address():
    with socket.create_server(("127.0.0.1", 0)) as other:
        address = f"127.0.0.1:{other.getsockname()[1]}"
        code, _, err = run_cowshed("-l", address, "-o", "admin=off", "-o", "root=/usr")
        check_equal(code, 2, "the exit code")
        check(address in err and "address already in use" in err, err)


@test
def a_busy_admin_port_is_exit_code_2_and_names_the_address():
    with socket.create_server(("127.0.0.1", 0)) as other:
        address = f"127.0.0.1:{other.getsockname()[1]}"
        code, _, err = run_cowshed("-l", "127.0.0.1:0", "-o", f"admin={address}", "-o",
                                   "root=/usr")
        check_equal(code, 2, "the exit code")
        check(address in err and "address already in use" in err, err)


@test
def a_missing_root_is_exit_code_2_and_names_it():
    for root, words in (("/nowhere/at/all", "no such file or directory"),
                        (__file__, "not a directory")):
        code, _, err = run_cowshed("-l", "127.0.0.1:0", "-o", "admin=off", "-o", f"root={root}")
        check_equal(code, 2, f"the exit code with root {root}")
        check(root in err and words in err, err)


@test
def a_root_that_may_not_be_searched_is_exit_code_2_and_names_it():
    with tempfile.TemporaryDirectory(prefix="cowshed-e2e-") as folder:
        root = pathlib.Path(folder, "www")
        root.mkdir(0o600)
        for words, want in (([], 2), (["-t"], 1)):
            got = subprocess.run([BINARY, *words, "-l", "127.0.0.1:0", "-o", "admin=off", "-o",
                                  f"root={root}"], preexec_fn=drop_file_capabilities, text=True,
                                 capture_output=True, timeout=WAIT_S * PATIENCE, check=False)
            check_equal(got.returncode, want, f"the exit code ({got.stderr})")
            check(f"root = '{root}' (-o): permission denied" in got.stderr, got.stderr)


@test
def a_wrong_command_line_is_exit_code_1_and_says_what_is_allowed():
    cases = (
        (["-m", "fast"], "naive, pretouch, throttle, arena, threads, shared"),
        (["-o", "slots=999"], "a number from 0 to 128"),
        (["-o", "keepalive_timeout=5"], "such as 500ms"),
        (["-o", "rot=www"], "did you mean 'root'?"),
        (["-o", "root"], "KEY=VALUE"),
        (["-x"], "-h tells how it is used"),
        (["-m"], "-h tells how it is used"),
        (["www"], "-h tells how it is used"),
    )
    for args, words in cases:
        code, _, err = run_cowshed("-t", *args)
        check_equal(code, 1, f"the exit code of {args}")
        check(words in err, f"{args}: {words!r} is not in {err!r}")


@test
def a_wrong_setting_at_start_is_exit_code_2():
    code, _, err = run_cowshed("-o", "mode=fast", "-l", "127.0.0.1:0")
    check_equal(code, 2, "the exit code")
    check("naive, pretouch" in err, err)


@test
def a_wrong_file_names_its_line():
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder, "x.conf")
        for text, where, words in (
                ("# c\nslots = 2\nrot = www\n", ":3: ", "did you mean 'root'?"),
                ("gc {\n percent = 0\n}\n", ":2: ", "a number from 1 to 10000"),
                ("gc {\n percent = 1\n", ":1: ", "this section is not closed"),
                ("mode = threads\nheap = private\n", ":2)", "a private heap has one owner")):
            path.write_text(text)
            code, _, err = run_cowshed("-t", "-c", str(path))
            check_equal(code, 1, f"the exit code of {text!r}")
            check(f"{path}{where}" in err and words in err, err)
        code, _, err = run_cowshed("-t", "-c", str(path) + ".not")
        check_equal(code, 1, "the exit code of a missing file")
        check("no such file or directory" in err, err)


@test
def the_effective_configuration_reads_back_as_the_same():
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder, "x.conf")
        root = pathlib.Path(folder, "a \"b\" ${HOME} # c")
        root.mkdir()
        code, first, err = run_cowshed("-T", "-m", "arena", "-o", "slots=3", "-o",
                                       f"root={root}")
        check_equal(code, 0, f"the exit code ({err})")
        path.write_text(first)
        code, second, err = run_cowshed("-T", "-c", str(path))
        check_equal(code, 0, f"the exit code ({err})")

        def values(text):
            return [line.partition("  # ")[0] for line in text.splitlines()]

        check_equal(values(second), values(first), "what was read back")
        check("heap = private  # mode arena" in first, first)


@test
def the_shipped_configuration_is_good():
    conf = pathlib.Path(__file__).resolve().parents[2] / "conf"
    for path in sorted(conf.glob("*.conf")):
        code, _, err = run_cowshed("-t", "-c", str(path), cwd=str(conf.parent))
        check_equal(code, 0, f"the exit code of {path.name} ({err})")


@test
def an_interrupt_ends_it_at_once_even_with_clients():
    with Server(slots=2, options={"drain_timeout": "1h", "header_timeout": "1h"}) as server:
        with server.connect() as conn:
            conn.send("GET / HTTP/1.1\r\nHost: te")  # a drain would wait for the rest
            wait_until(lambda: any(s["counters"]["bytes_in"] for s in server.status()["slots"]),
                       "the beginning of the request")
            server.signal(signal.SIGINT)
            server.wait_for_exit()


@test
def the_death_of_the_master_ends_its_children():
    with Server(slots=2, exit_code=-signal.SIGKILL) as server:
        family = children(server.proc.pid)
        check(len(family) >= 2, f"children: {family}")
        server.signal(signal.SIGKILL)
        server.wait_for_exit()

        def all_gone():
            while True:
                try:
                    pid, _ = os.waitpid(-1, os.WNOHANG)
                except ChildProcessError:
                    return True
                if pid == 0:
                    return False

        wait_until(all_gone, f"processes {family} to end")
