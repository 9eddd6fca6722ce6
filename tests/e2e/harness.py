# SPDX-License-Identifier: MIT
"""What an end-to-end test needs: a server of its own, and HTTP byte by byte.

A Server runs in a folder of its own on free ports, which it tells in its ready line, and
is stopped by pid.  Whatever a test does, at the end it is checked that the server left
with the exit code it should, that no sanitizer spoke, that nothing was logged as err or
fatal that the test did not announce, that the master holds no more descriptors than
when it was ready, and that no process is left.  When something is wrong, the folder
stays and the log is printed.
"""

import contextlib
import ctypes
import json
import os
import pathlib
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import time

MODES = ("naive", "pretouch", "throttle", "arena", "threads", "shared")
PRIVATE_MODES = ("naive", "pretouch", "throttle", "arena")

SANITIZER_WORDS = re.compile(
    r"(Address|Leak|Thread|Memory|UndefinedBehavior)Sanitizer|runtime error:")
# 2026-02-03T04:05:06.789Z err worker.1[4711] words
BAD_LINE = re.compile(r"^\S+Z (err|fatal) \S+\[\d+\] ", re.M)

BUILD = pathlib.Path(os.environ.get("COWSHED_BUILD", "build/release")).resolve()
BINARY = BUILD / "cowshed"
# Sanitizers make everything slower; deadlines only end what would never end.
PATIENCE = 4.0 if "-" in BUILD.name else 1.0
WAIT_S = 30.0
# A slot that drains closes a connection on which nothing was asked for 500 ms.
QUIET_S = 0.45
# Files are that old when a server starts: one that has just been written is not cached,
# since it could change again within the same tick of the clock.
AGE_S = 60

PR_CAPBSET_DROP = 24
PR_SET_CHILD_SUBREAPER = 36
CAP_DAC_OVERRIDE = 1
CAP_DAC_READ_SEARCH = 2


class Skip(Exception):
    """Raised by a test that cannot run here; the text says what is missing."""


class Failure(AssertionError):
    """A check that did not hold."""


class Ended(Failure):
    """A connection ended where more had to come."""


_tests = []


def test(function):
    """Registers a test; its name is a sentence."""
    _tests.append(function)
    return function


def take_tests():
    """The tests registered since the last call."""
    taken = list(_tests)
    _tests.clear()
    return taken


def adopt_orphans():
    """Processes that lose their parent become ours, so that none can be overlooked."""
    ctypes.CDLL(None, use_errno=True).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def drop_file_capabilities():
    """Root then obeys permissions, as any other user does; from the next exec on."""
    for capability in (CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH):
        ctypes.CDLL(None, use_errno=True).prctl(PR_CAPBSET_DROP, capability, 0, 0, 0)


def children(pid):
    """Pids of the children of a process, all its threads included."""
    pids = []
    for task in pathlib.Path(f"/proc/{pid}/task").glob("*/children"):
        with contextlib.suppress(OSError):
            pids += [int(word) for word in task.read_text().split()]
    return pids


def is_zombie(pid):
    try:
        return pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except OSError:
        return False


def is_stopped(pid):
    """All its threads."""
    states = [path.read_text().rpartition(")")[2].split()[0]
              for path in pathlib.Path(f"/proc/{pid}/task").glob("*/stat")]
    return all(state == "T" for state in states)


@contextlib.contextmanager
def paused(pid):
    """Nothing of the process runs: what clients send waits for it."""
    os.kill(pid, signal.SIGSTOP)
    try:
        wait_until(lambda: is_stopped(pid), f"process {pid} to stop")
        yield
    finally:
        with contextlib.suppress(ProcessLookupError):  # the test may have killed it
            os.kill(pid, signal.SIGCONT)


def check(condition, words):
    if not condition:
        raise Failure(words)


def check_equal(got, want, what):
    check(got == want, f"{what} is {got!r}, want {want!r}")


def wait_until(condition, what, timeout_s=WAIT_S):
    """Polls until the condition holds; its last value is the result."""
    deadline = time.monotonic() + timeout_s * PATIENCE
    while True:
        value = condition()
        if value:
            return value
        check(time.monotonic() < deadline, f"waited {timeout_s * PATIENCE:.0f} s for {what}")
        time.sleep(0.01)


class Response:
    """One response, taken apart."""

    def __init__(self, version, status, reason, headers):
        self.version = version
        self.status = status
        self.reason = reason
        self.headers = headers
        self.body = b""

    def header(self, name):
        """The value; None when there is none.  Twice is a failure."""
        values = [v for n, v in self.headers if n.lower() == name.lower()]
        check(len(values) < 2, f"header {name} came twice: {values}")
        return values[0] if values else None

    def __repr__(self):
        return f"<{self.status} {self.reason} {self.headers} {len(self.body)} bytes>"


class Conn:
    """One connection.  Reads block for at most `timeout` seconds, then fail.  With a small
    receive buffer what is sent stays with the server."""

    def __init__(self, address, timeout=WAIT_S, receive_buffer=0):
        self.sock = socket.socket(socket.AF_INET6 if ":" in address[0] else socket.AF_INET)
        if receive_buffer:
            self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        self.sock.settimeout(timeout * PATIENCE)
        try:
            self.sock.connect(address)
        except BaseException:
            self.sock.close()
            raise
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.buffer = bytearray()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        self.sock.close()

    def send(self, data):
        self.sock.sendall(data.encode("latin-1") if isinstance(data, str) else data)

    def _more(self, what):
        try:
            data = self.sock.recv(1 << 16)
        except TimeoutError:
            raise Failure(f"no more bytes while reading {what}; got {bytes(self.buffer[:200])!r}") \
                from None
        self.buffer += data
        return bool(data)

    def _take(self, n):
        taken = bytes(self.buffer[:n])
        del self.buffer[:n]
        return taken

    def read_until(self, end, what):
        while end not in self.buffer:
            if not self._more(what):
                raise Ended(f"connection ended in {what}: {bytes(self.buffer[:200])!r}")
        at = self.buffer.index(end)
        return self._take(at + len(end))[:at]

    def read_exactly(self, n, what):
        while len(self.buffer) < n:
            if not self._more(what):
                raise Ended(f"connection ended after {len(self.buffer)} of {n} bytes of {what}")
        return self._take(n)

    def read_to_end(self):
        with contextlib.suppress(ConnectionResetError):
            while self._more("the rest"):
                pass
        return self._take(len(self.buffer))

    def ends(self):
        """True when the server closes without sending more."""
        return self.read_to_end() == b""

    def _read_chunks(self):
        body = b""
        while True:
            size = int(self.read_until(b"\r\n", "a chunk size").partition(b";")[0], 16)
            body += self.read_exactly(size, "a chunk")
            check_equal(self.read_exactly(2, "the end of a chunk"), b"\r\n", "a chunk's end")
            if size == 0:
                return body

    def response(self, head=False):
        """Reads one response; `head` when it answers a HEAD request."""
        lines = self.read_until(b"\r\n\r\n", "a response head").decode("latin-1").split("\r\n")
        match = re.fullmatch(r"(HTTP/1\.[01]) ([1-5]\d\d) ([\x20-\x7e]*)", lines[0])
        check(match, f"bad status line {lines[0]!r}")
        headers = []
        for line in lines[1:]:
            field = re.fullmatch(r"([!#$%&'*+.^_`|~0-9A-Za-z-]+):[ \t]*(.*?)[ \t]*", line)
            check(field, f"bad header line {line!r}")
            headers.append((field.group(1), field.group(2)))
        got = Response(match.group(1), int(match.group(2)), match.group(3), headers)
        length, coding = got.header("content-length"), got.header("transfer-encoding")
        if head or got.status < 200 or got.status in (204, 304):
            return got
        check(not (length and coding), f"both a length and a coding: {got}")
        if coding is not None:
            check_equal(coding, "chunked", "the transfer coding")
            got.body = self._read_chunks()
        elif length is not None:
            got.body = self.read_exactly(int(length), "a body")
        else:
            got.body = self.read_to_end()
        return got

    def ask(self, path="/", method="GET", headers=(), body=b"", version="1.1"):
        """Sends one request."""
        fields = [("Host", "test"), *headers]
        if body and not any(n.lower() == "content-length" for n, _ in fields):
            fields.append(("Content-Length", str(len(body))))
        head = f"{method} {path} HTTP/{version}\r\n"
        head += "".join(f"{n}: {v}\r\n" for n, v in fields) + "\r\n"
        self.send(head.encode("latin-1") + body)

    def request(self, path="/", method="GET", **how):
        """Sends one request and reads its response."""
        self.ask(path, method, **how)
        return self.response(head=method == "HEAD")


class Kept:
    """A client that keeps its connection for as long as the server does.

    A server may close a connection on which nothing is asked, and a request that is sent
    just then gets not one byte; HTTP leaves it to the client to ask again.  This one does
    when it had asked nothing for as long as a draining slot waits.  Whatever else is lost
    is a failure."""

    def __init__(self, server):
        self.server = server
        self.conn = None
        self.asked = 0.0  # when the connection was opened, or last asked

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        if self.conn is not None:
            self.conn.close()
            self.conn = None

    def _try(self, path, method, how):
        """None when the connection was rightly closed before."""
        if self.conn is None:
            self.asked = time.monotonic()
            self.conn = self.server.connect()
        before, self.asked = self.asked, time.monotonic()
        sent = None
        try:
            self.conn.ask(path, method, **how)
            sent = time.monotonic()
            return self.conn.response(head=method == "HEAD")
        except (Ended, ConnectionError):
            if self.conn.buffer or (sent or time.monotonic()) - before < QUIET_S:
                raise
            return None

    def request(self, path="/", method="GET", **how):
        got = None
        try:
            while got is None:
                got = self._try(path, method, how)
                if got is None:
                    self.close()
        except BaseException:
            self.close()
            raise
        if got.header("connection") == "close":
            self.close()
        return got


def run_cowshed(*args, cwd="/", timeout_s=WAIT_S):
    """Runs cowshed to its end; (exit code, stdout, stderr)."""
    done = subprocess.run([BINARY, *args], cwd=cwd, stdin=subprocess.DEVNULL,
                          capture_output=True, text=True, timeout=timeout_s * PATIENCE,
                          check=False)
    check(not SANITIZER_WORDS.search(done.stderr), f"a sanitizer spoke:\n{done.stderr}")
    return done.returncode, done.stdout, done.stderr


class Server:
    """A running cowshed.

    files     {name: bytes} below the root, AGE_S old
    options   {name: value}, given with -o; dots in names as "gc.percent"
    mode      of the server; None leaves the default
    slots     how many
    errors    regular expressions of err and fatal lines that the test causes
    exit_code what the master must leave with
    fds_may_grow  the test changes what the master holds (more slots, say)
    unprivileged  even as root, files are read only as their permissions say
    program   run instead of cowshed, by the tests of this fixture
    """

    def __init__(self, files=None, options=None, mode=None, slots=1, errors=(), exit_code=0,
                 fds_may_grow=False, unprivileged=False, args=(), config=None,
                 program=None):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="cowshed-e2e-"))
        self.root = self.folder / "www"
        self.root.mkdir()
        self.errors = [re.compile(e) for e in errors]
        self.exit_code = exit_code
        self.fds_may_grow = fds_may_grow
        self.unprivileged = unprivileged
        self.proc = None
        self.ready = {}
        self.pids = set()
        self.fds_when_ready = 0
        for name, content in (files or {"index.html": b"<p>hello\n"}).items():
            self.write(name, content, AGE_S)
        self.argv = list(program or [str(BINARY)])
        if config is not None:
            (self.folder / "test.conf").write_text(config, encoding="utf-8")
            self.argv += ["-c", "test.conf"]
        self.argv += ["-l", "127.0.0.1:0", "-w", str(slots)]
        if mode is not None:
            self.argv += ["-m", mode]
        settings = {"admin": "127.0.0.1:0", "root": str(self.root), **(options or {})}
        for name, value in settings.items():
            self.argv += ["-o", f"{name}={value}"]
        self.argv += args

    def write(self, name, content, age_s=0):
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        if age_s:
            then = time.time() - age_s
            os.utime(path, (then, then))
        return path

    # ---- start ----

    def __enter__(self):
        try:
            self._start()
        except BaseException:
            self._kill()
            self.show()
            raise
        return self

    def _start(self):
        with open(self.folder / "log", "wb") as log:
            self.proc = self.popen(
                cwd=self.folder, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                preexec_fn=drop_file_capabilities if self.unprivileged else None)
        line = wait_until(self._ready_line, "the ready line")
        self.ready = dict(word.split("=", 1) for word in line.split()[1:])
        check_equal(int(self.ready["pid"]), self.proc.pid, "the pid in the ready line")
        self.address = self._address("listen")
        self.admin = self._address("admin") if self.ready.get("admin", "off") != "off" else None
        self.pids.update(children(self.proc.pid))
        self.fds_when_ready = self.count_fds()

    def popen(self, **how):
        return subprocess.Popen(self.argv, **how)

    def _ready_line(self):
        code = self.proc.poll()
        found = re.search(r"^ready .*$", self.log(), re.M)
        check(found or code is None, f"the server left with exit code {code} before it was ready")
        return found.group(0) if found else None

    def _address(self, name):
        host, _, port = self.ready[name].rpartition(":")
        return host.strip("[]"), int(port)

    # ---- use ----

    def log(self):
        """The lines that are complete: one may just be under way."""
        return self._whole_log().rpartition("\n")[0] + "\n"

    def _whole_log(self):
        return (self.folder / "log").read_text(encoding="utf-8", errors="replace")

    def connect(self, timeout=WAIT_S):
        return Conn(self.address, timeout)

    def connect_to_slot(self, slot, path="/"):
        """A connection that this slot has accepted; it has answered one request. Those that
        others accept stay until then: the slot with the fewest gets the next."""
        others = []

        def attempt():
            conn = self.connect()
            got = conn.request(path, headers=[("X-Cowshed-Timing", "1")])
            match = re.search(r'w;desc="(\d+)\.', got.header("server-timing") or "")
            check(match, f"no slot in {got}")
            if int(match.group(1)) == slot:
                return conn
            others.append(conn)
            return None

        try:
            return wait_until(attempt, f"a connection to slot {slot}")
        finally:
            for conn in others:
                conn.close()

    def get(self, path="/", **how):
        """One request on a connection of its own."""
        with Kept(self) as client:
            return client.request(path, **how)

    def admin_get(self, path, method="GET"):
        with Conn(self.admin) as conn:
            return conn.request(path, method=method, headers=[("Connection", "close")])

    def status(self):
        got = self.admin_get("/status")
        check_equal(got.status, 200, "the answer to /status")
        return json.loads(got.body)

    def slot(self, number):
        return next(s for s in self.status()["slots"] if s["slot"] == number)

    def wait_for_cached(self, entries=1):
        """Until the master holds so many: what a slot has fetched, it publishes."""
        wait_until(lambda: self.status()["cache"]["entries"] >= entries,
                   f"{entries} entries in the cache of the master")

    def wait_for_log(self, pattern, timeout_s=WAIT_S):
        return wait_until(lambda: re.search(pattern, self.log(), re.M),
                          f"a log line like {pattern!r}", timeout_s)

    def signal(self, number):
        os.kill(self.proc.pid, number)

    def count_fds(self):
        return len(os.listdir(f"/proc/{self.proc.pid}/fd"))

    def workers(self):
        """{slot: pid} of the slots that became ready last, from the log; threads have the
        pid of their process."""
        found = re.findall(r" slot (\d+) generation \d+ is ready, (?:pid|thread of) (\d+)",
                           self.log())
        return {int(slot): int(pid) for slot, pid in found}

    def count_worker_fds(self, slot=0):
        return len(os.listdir(f"/proc/{self.workers()[slot]}/fd"))

    def wait_for_exit(self, timeout_s=WAIT_S):
        try:
            return self.proc.wait(timeout_s * PATIENCE)
        except subprocess.TimeoutExpired:
            raise Failure(f"the master is still there after {timeout_s * PATIENCE:.0f} s") from None

    # ---- end ----

    def __exit__(self, kind, *_):
        try:
            if kind is None:
                self._check_descriptors()
                if self.proc.poll() is None:
                    self.signal(signal.SIGTERM)
                check_equal(self.wait_for_exit(), self.exit_code, "the exit code of the master")
                self._check_processes()
                self._check_log()
        except BaseException:
            kind = Failure
            raise
        finally:
            self._kill()
            if kind is None:
                shutil.rmtree(self.folder, ignore_errors=True)
            elif kind is not Skip:
                self.show()

    def _check_descriptors(self):
        if self.proc.poll() is not None or self.fds_may_grow:
            return
        try:
            wait_until(lambda: self.count_fds() <= self.fds_when_ready, "descriptors to close", 10.0)
        except Failure:
            names = sorted(os.readlink(f"/proc/{self.proc.pid}/fd/{n}")
                           for n in os.listdir(f"/proc/{self.proc.pid}/fd"))
            raise Failure(f"the master had {self.fds_when_ready} descriptors when it was ready, "
                          f"now it has {len(names)}: {names}") from None

    def _check_processes(self):
        """All descendants became ours when the master ended (adopt_orphans)."""
        left = self.leftovers()
        check(not left, f"processes {left} outlived the master")

    @staticmethod
    def leftovers():
        return [p for p in children(os.getpid()) if not is_zombie(p)]

    def _check_log(self):
        text = self._whole_log()
        check(not SANITIZER_WORDS.search(text), "a sanitizer spoke")
        check("check failed:" not in text, "a CHECK failed")
        for line in text.splitlines():
            if BAD_LINE.match(line) and not any(e.search(line) for e in self.errors):
                raise Failure(f"unexpected line in the log: {line}")

    def _kill(self):
        """Ends what is left: only processes that this server or its orphans made."""
        if self.proc is None:
            return
        if self.proc.poll() is None:
            for pid in children(self.proc.pid):
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            self.proc.kill()
            self.proc.wait()
        for pid in children(os.getpid()):
            with contextlib.suppress(OSError, ChildProcessError):
                os.kill(pid, signal.SIGKILL)
                os.waitpid(pid, 0)

    def show(self):
        print(f"--- {self.folder}: {' '.join(self.argv)}")
        with contextlib.suppress(OSError):
            print(self._whole_log()[-20000:])
        print("---", flush=True)
