# SPDX-License-Identifier: MIT
"""cowshed top: what it shows is what /status says, and the terminal is as it was before."""

import os
import pty
import re
import select
import signal
import subprocess
import termios
import time

from e2e.harness import BINARY, PATIENCE, Server, check, check_equal, test, wait_until

OWN_SCREEN = b"\x1b[?25h\x1b[?1049l"


def argv(server, *words):
    return [str(BINARY), "-o", "admin={}:{}".format(*server.admin), "top", *words]


def batch(server, *words):
    done = subprocess.run(argv(server, *words), capture_output=True, text=True, timeout=60,
                          stdin=subprocess.DEVNULL, check=False)
    check_equal((done.returncode, done.stderr), (0, ""), f"top {words}")
    check("\x1b" not in done.stdout, "escapes in a batch")
    return done.stdout.split("\n\ncowshed at ")


@test
def a_batch_says_what_the_status_says():
    with Server(slots=2) as server:
        for _ in range(20):
            server.get("/")
        views = batch(server, "-b", "-n", "3", "-d", "200ms")
        check_equal(len(views), 3, "views")
        status = server.status()
        for slot in status["slots"]:
            check(re.search(rf"^ +{slot['slot']} ready +{slot['pid']} +1 ", views[0], re.M), views[0])
        check(f"mode {status['mode']}, generation 1, pid {status['pid']}," in views[0], views[0])
        check("requests  0/s" in views[0], "rates of the first view")
        stop = time.monotonic() + 3
        proc = subprocess.Popen(argv(server, "-b", "-n", "4", "-d", "500ms"), text=True,
                                stdout=subprocess.PIPE, stdin=subprocess.DEVNULL)
        count = 0
        while proc.poll() is None and time.monotonic() < stop:
            server.get("/")
            count += 1
        rates = [int(r) for r in re.findall(r"^requests +(\d+)/s", proc.communicate()[0], re.M)]
        check(len(rates) == 4 and max(rates) > 0, f"{count} requests, rates {rates}")


@test
def its_latency_is_that_of_the_interval():
    options = {"origin": "synthetic", "synthetic.objects": 100, "synthetic.delay": "300ms"}
    with Server(options=options) as server:
        check_equal(server.get("/o/1").status, 200, "a miss")
        with subprocess.Popen(argv(server, "-b", "-n", "3", "-d", "1s"), text=True,
                              stdout=subprocess.PIPE, stdin=subprocess.DEVNULL) as proc:
            said = []
            for line in proc.stdout:
                if line.startswith("latency"):
                    said.append(line)
                    for _ in range(3 if len(said) == 1 else 0):
                        check_equal(server.get("/o/1").status, 200, "a hit")
        check(re.fullmatch(r"latency   p50 3\d\d(\.\d)?ms, .*longest 3.*ms \(since the start\)\n",
                           said[0]), said[0])
        check("start" not in said[1] and not re.search(r"3\d\d(\.\d)?ms", said[1]), said[1])
        check_equal(said[2], "latency   -\n", "nothing was asked")


@test
def a_server_that_is_not_there_is_an_error_and_one_that_goes_is_waited_for():
    done = subprocess.run([str(BINARY), "-o", "admin=127.0.0.1:1", "top", "-b", "-n", "1"],
                          capture_output=True, text=True, check=False, timeout=20)
    check_equal(done.returncode, 1, "the exit code")
    check("could not ask the admin listener at 127.0.0.1:1: connection refused" in done.stderr,
          done.stderr)
    with Server() as server:
        proc = subprocess.Popen(argv(server, "-b", "-d", "100ms"), text=True,
                                stdout=subprocess.PIPE, stdin=subprocess.DEVNULL)
        check(proc.stdout.readline().startswith("cowshed at "), "the first line")
        server.signal(signal.SIGTERM)
        server.wait_for_exit()
        for line in proc.stdout:
            if "does not answer: connection refused; trying again" in line:
                break
        proc.terminate()
        check_equal(proc.wait(20), 0, "the exit code")
        proc.stdout.close()


@test
def what_is_wrong_on_its_command_line_is_told():
    for words, said in ((("-x",), "'-x' is not understood"), (("-d",), "'-d' needs a value"),
                        (("-d", "5"), None), (("-d", "1ms"), "'1ms' is no time"),
                        (("-n", "0"), "'0' is no count"), (("status",), "'status' is not")):
        done = subprocess.run([str(BINARY), "-o", "admin=127.0.0.1:1", "top", *words],
                              capture_output=True, text=True, check=False, timeout=20)
        check_equal(done.returncode, 1, f"the exit code of {words}")
        if said:
            check(said in done.stderr, f"{words}: {done.stderr}")


class Terminal:
    """cowshed top in a terminal of its own."""

    def __init__(self, server, *words, rows=24, columns=80):
        self.master, slave = pty.openpty()
        termios.tcsetwinsize(slave, (rows, columns))
        self.before = termios.tcgetattr(slave)
        self.proc = subprocess.Popen(argv(server, *words), stdin=slave, stdout=slave, stderr=slave,
                                     start_new_session=True)
        self.slave = slave
        self.text = b""

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.proc.poll() is None:
            self.proc.kill()
            self.proc.wait()
        os.close(self.master)
        os.close(self.slave)

    def read(self, until):
        deadline = time.monotonic() + 20 * PATIENCE
        while not until(self.text):
            check(time.monotonic() < deadline, f"got {self.text[-500:]!r}")
            if select.select([self.master], [], [], 0.1)[0]:
                self.text += os.read(self.master, 65536)
        return self.text

    def ends(self, words):
        self.read(lambda text: OWN_SCREEN in text)
        check_equal(self.proc.wait(20), 0, f"the exit code after {words}")
        check_equal(termios.tcgetattr(self.slave), self.before, f"the terminal after {words}")


@test
def the_terminal_is_left_as_it_was_however_it_ends():
    with Server() as server:
        for words, end in (("q", lambda t: os.write(t.master, b"q")),
                           ("TERM", lambda t: t.proc.send_signal(signal.SIGTERM)),
                           ("INT", lambda t: t.proc.send_signal(signal.SIGINT)),
                           ("HUP", lambda t: t.proc.send_signal(signal.SIGHUP)),
                           ("QUIT", lambda t: t.proc.send_signal(signal.SIGQUIT))):
            with Terminal(server, "-d", "200ms") as terminal:
                terminal.read(lambda text: b"slot state" in text)
                check(terminal.text.startswith(b"\x1b[?1049h"), "the other screen")
                now = termios.tcgetattr(terminal.slave)
                check(not now[3] & (termios.ECHO | termios.ICANON), "keys come one by one")
                end(terminal)
                terminal.ends(words)
        with Terminal(server, "-n", "2", "-d", "100ms") as terminal:
            terminal.ends("two views")


@test
def it_stops_and_goes_on_and_takes_the_size_of_the_terminal():
    with Server(slots=4) as server, Terminal(server, "-d", "5s", rows=10, columns=40) as terminal:
        terminal.read(lambda text: b"req" in text and b"\x1b[J" in text)
        page = terminal.text.split(b"\x1b[H")[1].split(b"\x1b[J")[0]
        lines = page.split(b"\x1b[K\r\n")
        check(len(lines) <= 10 and all(len(line) <= 40 for line in lines), f"{lines}")
        terminal.text = b""
        termios.tcsetwinsize(terminal.slave, (40, 120))
        terminal.proc.send_signal(signal.SIGWINCH)
        terminal.read(lambda text: text.count(b" ready ") >= 4)  # at once, and all of it
        terminal.proc.send_signal(signal.SIGTSTP)
        terminal.read(lambda text: OWN_SCREEN in text)
        wait_until(lambda: termios.tcgetattr(terminal.slave) == terminal.before, "the terminal")
        terminal.text = b""
        terminal.proc.send_signal(signal.SIGCONT)
        terminal.read(lambda text: b"\x1b[?1049h" in text and b"slot state" in text)
        os.write(terminal.master, b"q")
        terminal.ends("a stop")
