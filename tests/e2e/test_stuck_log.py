# SPDX-License-Identifier: MIT
"""Nobody reads what the server says: it serves, obeys and ends all the same."""

import fcntl
import os
import re
import signal
import socket
import subprocess
import tempfile
import urllib.request

from e2e.harness import BINARY, PATIENCE, check, check_equal, children, test, wait_until


class Unread:
    """A server whose standard error goes to a pipe or socket of `kind` that nobody reads."""

    def __init__(self, folder, kind, *options):
        with open(f"{folder}/index.html", "wb") as file:
            file.write(b"x")
        if kind == "pipe":
            self.ours, theirs = os.pipe()
            fcntl.fcntl(theirs, fcntl.F_SETPIPE_SZ, 4096)
        else:
            pair = socket.socketpair()
            pair[1].setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
            self.ours, theirs = (sock.detach() for sock in pair)
        self.proc = subprocess.Popen(
            [str(BINARY), "-l", "127.0.0.1:0", "-w", "2", "-o", f"root={folder}", "-o", "access_log=off",
             *(word for option in options for word in ("-o", option))],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=theirs)
        said = b""
        while not (found := re.search(rb"^ready listen=127.0.0.1:(\d+) admin=127.0.0.1:(\d+)", said, re.M)):
            got = os.read(self.ours, 4096)
            check(got, f"it ended: {said}")
            said += got
        self.port, self.admin = (int(number) for number in found.groups())
        self.theirs = theirs

    def fill(self):
        """All room but for less than a line."""
        flags = fcntl.fcntl(self.theirs, fcntl.F_GETFL)
        fcntl.fcntl(self.theirs, fcntl.F_SETFL, flags | os.O_NONBLOCK)
        try:
            while True:
                os.write(self.theirs, b"x" * 64)
        except BlockingIOError:
            pass
        fcntl.fcntl(self.theirs, fcntl.F_SETFL, flags)

    def get(self, path, port=None, method="GET"):
        request = urllib.request.Request(f"http://127.0.0.1:{port or self.port}{path}", method=method)
        with urllib.request.urlopen(request, timeout=10 * PATIENCE) as answer:
            return answer.status

    def rest(self):
        os.close(self.theirs)
        said = b""
        while got := os.read(self.ours, 1 << 16):
            said += got
        os.close(self.ours)
        return said.decode("latin-1")


@test
def a_log_that_nobody_reads_holds_up_nobody():
    for kind in ("pipe", "socket"):
        with tempfile.TemporaryDirectory(prefix="cowshed-e2e-") as folder:
            server = Unread(folder, kind, "admin=127.0.0.1:0", "log_level=debug")
            server.fill()
            try:
                for _ in range(3):
                    check_equal(server.get("/ctl/refork", server.admin, "POST"), 200, "a refork")
                    check_equal(server.get("/"), 200, "the status")
                victim = children(server.proc.pid)[0]
                os.kill(victim, signal.SIGKILL)
                wait_until(lambda s=server, v=victim: v not in children(s.proc.pid), "a death to be seen")
                for _ in range(5):
                    check_equal(server.get("/"), 200, "the status after a death")
                os.read(server.ours, 1 << 16)  # there is room again: the next line says so
                check_equal(server.get("/ctl/refork", server.admin, "POST"), 200, "a refork")
                server.fill()
            finally:
                server.proc.terminate()
                code = server.proc.wait(20 * PATIENCE)
            check_equal(code, 0, f"{kind}: the exit code")
            said = server.rest()
            check(re.search(r"warn master\[\d+\] \d+ lines of this log are lost: who reads it was behind", said),
                  f"{kind}: {said[-2000:]}")
