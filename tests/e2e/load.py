# SPDX-License-Identifier: MIT
"""Running cowload, and the stand-in that it may put its load on."""

import contextlib
import json
import pathlib
import signal
import subprocess
import tempfile
import urllib.request

from e2e.harness import BUILD, PATIENCE, SANITIZER_WORDS, check, check_equal, wait_until

COWLOAD = BUILD / "cowload"
STAND_IN = pathlib.Path(__file__).with_name("stand_in.py")


@contextlib.contextmanager
def folder():
    with tempfile.TemporaryDirectory(prefix="cowload-e2e-") as name:
        yield pathlib.Path(name)


@contextlib.contextmanager
def stand_in(mode="fast"):
    """(address, process) of a server that is stopped by pid at the end."""
    proc = subprocess.Popen([STAND_IN, "-m", mode], stdin=subprocess.DEVNULL,
                            stderr=subprocess.PIPE, text=True)
    try:
        ready = dict(word.split("=", 1) for word in proc.stderr.readline().split()[1:])
        proc.admin = ready["admin"]
        yield ready["listen"], proc
    finally:
        with contextlib.suppress(ProcessLookupError):
            proc.send_signal(signal.SIGCONT)
        proc.kill()
        proc.wait()
        proc.stderr.close()


@contextlib.contextmanager
def known(*args):
    """The address of a server of known latency."""
    with subprocess.Popen([COWLOAD, "serve", *args], stdin=subprocess.DEVNULL,
                          stderr=subprocess.PIPE, text=True) as proc:
        try:
            yield proc.stderr.readline().split("listen=")[1].strip()
        finally:
            proc.send_signal(signal.SIGTERM)
            check_equal(proc.wait(20), 0, "the exit code of cowload serve")


def wait_for_requests(proc):
    """Until the stand-in has been asked for something."""
    def asked():
        with urllib.request.urlopen(f"http://{proc.admin}/status", timeout=10) as answer:
            return json.load(answer)["slots"][0]["requests"] > 0
    wait_until(asked, "the first request")


def cowload(*args, codes=(0,), timeout_s=60.0):
    """Runs it; (exit code, stdout, stderr)."""
    done = subprocess.run([COWLOAD, *map(str, args)], stdin=subprocess.DEVNULL,
                          capture_output=True, text=True, timeout=timeout_s * PATIENCE,
                          check=False)
    check(not SANITIZER_WORDS.search(done.stderr), f"a sanitizer spoke:\n{done.stderr}")
    check(done.returncode in codes,
          f"exit code {done.returncode} of {args}:\n{done.stdout}\n{done.stderr}")
    return done.returncode, done.stdout, done.stderr


# On a busy machine a run may rightly call itself invalid (3); its counts hold anyway.
MEASURED = (0, 3)
