# SPDX-License-Identifier: MIT
"""The fixture itself: each of its checks must find what it is there for.

A small program plays the server.  It behaves, or does one thing wrong.
"""

import io
import contextlib
import shutil
import sys

from e2e.harness import Failure, Server, check, test

PROGRAM = """
import os, signal, socket, subprocess, sys
fault = sys.argv[1]
listener = socket.create_server(("127.0.0.1", 0))
address = "127.0.0.1:%d" % listener.getsockname()[1]
if fault == "dies at start":
    sys.exit(3)
kept = []
def leave(*_):
    if fault == "err line":
        print("2026-01-01T00:00:00.000Z err worker.0[1] something broke", file=sys.stderr)
    if fault == "fatal line":
        print("2026-01-01T00:00:00.000Z fatal main[1] something broke", file=sys.stderr)
    if fault == "sanitizer":
        print("==1==ERROR: AddressSanitizer: heap-use-after-free", file=sys.stderr)
    if fault == "undefined":
        print("x.c:1:2: runtime error: signed integer overflow", file=sys.stderr)
    if fault == "check":
        print("check failed: a == b in f at x.c:1", file=sys.stderr)
    if fault == "child":
        subprocess.Popen(["sleep", "1000"])
    sys.stderr.flush()
    os._exit(1 if fault == "exit code" else 0)
signal.signal(signal.SIGTERM, leave)
print("ready listen=%s admin=off mode=shared slots=1 pid=%d" % (address, os.getpid()),
      file=sys.stderr, flush=True)
while True:
    conn, _ = listener.accept()
    conn.recv(1000)
    if fault == "descriptor":
        kept.append(os.dup(0))
    if fault == "cut":
        conn.sendall(b"HTTP/1.1 200 OK\\r\\nContent-Length: 5\\r\\n\\r\\nab")
    elif fault == "header":
        conn.sendall(b"HTTP/1.1 200 OK\\r\\nA: x\\nB: y\\r\\nContent-Length: 0\\r\\n\\r\\n")
    elif fault == "two lengths":
        conn.sendall(b"HTTP/1.1 200 OK\\r\\nContent-Length: 0\\r\\nContent-Length: 0\\r\\n\\r\\n")
    else:
        conn.sendall(b"HTTP/1.1 200 OK\\r\\nContent-Length: 5\\r\\n\\r\\nabcde")
    conn.close()
"""

# what is wrong, and words of the failure that must come of it
FAULTS = (
    ("dies at start", "exit code 3 before it was ready"),
    ("exit code", "the exit code of the master is 1, want 0"),
    ("err line", "unexpected line in the log"),
    ("fatal line", "unexpected line in the log"),
    ("sanitizer", "a sanitizer spoke"),
    ("undefined", "a sanitizer spoke"),
    ("check", "a CHECK failed"),
    ("child", "outlived the master"),
    ("descriptor", "descriptors when it was ready"),
    ("cut", "connection ended after 2 of 5 bytes"),
    ("header", "bad header line"),
    ("two lengths", "came twice"),
)


def run_with(fault, **options):
    """The failure that the fixture reports, or None."""
    server = Server(program=[sys.executable, "-c", PROGRAM, fault], **options)
    try:
        with contextlib.redirect_stdout(io.StringIO()), server:
            server.get("/")
    except Failure as failure:
        return str(failure)
    finally:
        shutil.rmtree(server.folder, ignore_errors=True)
    return None


@test
def a_server_that_behaves_passes():
    failure = run_with("none")
    check(failure is None, f"it failed: {failure}")


@test
def every_check_finds_its_fault():
    for fault, words in FAULTS:
        failure = run_with(fault)
        check(failure is not None, f"'{fault}' was not found")
        check(words in failure, f"'{fault}' was reported as: {failure}")


@test
def an_error_that_was_announced_is_no_fault():
    check(run_with("err line", errors=["something broke"]) is None, "it was a fault")
    check(run_with("err line", errors=["something else"]) is not None, "it was none")


@test
def nothing_is_left_after_a_failure():
    run_with("child")
    check(not Server.leftovers(), f"processes {Server.leftovers()} are left")
