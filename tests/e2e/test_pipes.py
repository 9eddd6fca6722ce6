# SPDX-License-Identifier: MIT
"""A pipe where a file should be, and files that cannot be used: told in time, by -t as well, and what
serves goes on."""

import os
import subprocess
import tempfile

from e2e.harness import BINARY, PATIENCE, Server, check, check_equal, run_cowshed, test


def options(values):
    return [word for name, value in values.items() for word in ("-o", f"{name}={value}")]


@test
def a_pipe_instead_of_a_file_is_refused_at_the_start_and_by_a_test():
    with tempfile.TemporaryDirectory(prefix="cowshed-e2e-") as folder:
        pipe = f"{folder}/pipe"
        os.mkfifo(pipe)
        base = {"root": folder, "listen": "127.0.0.1:0", "admin": "off"}
        tls = {**base, "tls.listen": "127.0.0.1:0"}
        for words, said in ((["-c", pipe], "timed out"),
                            (options({**tls, "tls.certificate": pipe}), "it is no regular file"),
                            (options({**base, "access_log": pipe}), "no such device")):
            for test_only in (["-t"], []):
                code, _, err = run_cowshed(*test_only, *words, timeout_s=20)
                check(code != 0, f"{test_only} {words}: {err}")
                check(said in err.lower(), f"{test_only} {words}: {err}")


@test
def a_configuration_may_come_from_a_pipe_that_is_written_late():
    with tempfile.TemporaryDirectory(prefix="cowshed-e2e-") as folder:
        done = subprocess.run(["sh", "-c", f'(sleep 0.2; echo "root = {folder}") | {BINARY} -t -c /dev/stdin'],
                              capture_output=True, text=True, timeout=30 * PATIENCE, check=False)
        check_equal(done.returncode, 0, done.stderr)


@test
def a_reload_that_finds_a_pipe_is_refused_and_the_server_goes_on():
    with Server({"index.html": b"x"}, config="access_log = off\n", slots=2,
                errors=["could not reload"]) as server:
        os.mkfifo(server.folder / "pipe")
        config = server.folder / "test.conf"
        before = config.read_text(encoding="utf-8")
        config.write_text(before.replace("access_log = off", f'access_log = "{server.folder}/pipe"'),
                          encoding="utf-8")
        got = server.admin_get("/ctl/reload", "POST")
        check(got.status != 200, f"the reload: {got}")
        check(b"o such device" in got.body, f"{got.body}")
        check_equal(server.get("/").status, 200, "the status")
        config.unlink()
        os.mkfifo(config)
        got = server.admin_get("/ctl/reload", "POST")
        check(got.status != 200 and b"timed out" in got.body, f"the reload: {got} {got.body}")
        check_equal(server.get("/").status, 200, "the status")


@test
def a_test_finds_what_a_start_would_fail_with():
    with tempfile.TemporaryDirectory(prefix="cowshed-e2e-") as folder:
        os.chmod(folder, 0o755)
        os.mkdir(f"{folder}/own", 0o700)
        base = {"root": folder, "listen": "127.0.0.1:0", "admin": "off"}
        cases = [({"access_log": "/nonexistent/x"}, "access_log = '/nonexistent/x'"),
                 ({"access_log": folder}, "s a directory"),
                 ({"pid_file": "/nonexistent/x"}, "pid_file = '/nonexistent/x'"),
                 ({"pid_file": folder}, "s a directory"),
                 ({"listen": "127.0.0.1:19999", "admin": "127.0.0.1:19999"}, "that is where listen listens")]
        if os.geteuid() == 0:
            cases.append(({"user": "nobody", "root": f"{folder}/own"}, "the user of the workers, "))
        for values, said in cases:
            code, _, err = run_cowshed("-t", *options({**base, **values}))
            check_equal(code, 1, f"-t of {values}: {err}")
            check(said in err, f"-t of {values}: {err}")
        left = sorted(os.listdir(folder))
        code, _, err = run_cowshed("-t", *options({**base, "access_log": f"{folder}/log", "pid_file":
                                                   f"{folder}/pid"}))
        check_equal(code, 0, err)
        check_equal(sorted(os.listdir(folder)), left, "what -t left behind")
