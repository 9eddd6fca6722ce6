# SPDX-License-Identifier: MIT
"""What two servers in a row could read as two different requests is refused, as bytes."""

import importlib
import pathlib
import re
import sys

from e2e.ambiguities import CLEAR, REFUSED, get
from e2e.harness import Server, Skip, check, check_equal, test

README = pathlib.Path(__file__).resolve().parents[2] / "server" / "README.md"
NEXT = get("X-Next: 1\r\n")  # what an attacker hides behind the first


@test
def whatever_could_be_read_in_two_ways_is_refused_and_the_connection_ends():
    with Server() as server:
        for rule, text, status in REFUSED:
            with server.connect() as conn:
                conn.send(text + NEXT)
                got = conn.response()
                check_equal(got.status, status, f"{rule}: the answer to {text[:200]!r}")
                check_equal(got.header("connection"), "close", f"{rule}: Connection")
                check(conn.ends(), f"{rule}: a second answer came to {text[:200]!r}")


@test
def what_can_be_read_in_one_way_is_and_the_next_request_is_found():
    with Server() as server:
        for rule, text, status in CLEAR:
            with server.connect() as conn:
                conn.send(text + NEXT)
                check_equal(conn.response().status, status, f"{rule}: the answer to {text!r}")
                check_equal(conn.response().status, 200, f"{rule}: the next answer, {text!r}")


@test
def cuts_between_any_two_bytes_change_nothing():
    """An attacker chooses where segments end."""
    shortest = {}
    for rule, text, status in REFUSED:
        if rule not in shortest or len(text) < len(shortest[rule][0]):
            shortest[rule] = (text, status)
    with Server() as server:
        for rule, (text, status) in shortest.items():
            with server.connect() as conn:
                for byte in text:
                    try:
                        conn.send(byte)
                    except (BrokenPipeError, ConnectionResetError):
                        break  # it has been answered
                check_equal(conn.response().status, status, f"{rule}: {text!r} byte by byte")


@test
def every_rule_of_the_readme_has_bytes_that_try_it():
    listed = set(re.findall(r"^\| (A\d+) \|", README.read_text(encoding="utf-8"), re.M))
    tried = {rule for rule, *_ in REFUSED + CLEAR}
    check(listed == tried and len(listed) > 10,
          f"only in the README: {listed - tried}, only tried: {tried - listed}")


def import_h11():
    """The one that Debian packages, whichever Python runs this."""
    sys.path.append("/usr/lib/python3/dist-packages")
    try:
        return importlib.import_module("h11")
    except ImportError:
        raise Skip("needs python3-h11: .ci/deps install tools") from None
    finally:
        sys.path.pop()


def read_by_h11(h11, text):
    """[(method, target, body)] of all requests, or None if it finds a fault."""
    conn, found, body = h11.Connection(h11.SERVER), [], b""
    conn.receive_data(text.encode("latin-1"))
    try:
        while True:
            event = conn.next_event()
            if isinstance(event, h11.Request):
                found.append((event.method, event.target))
                body = b""
            elif isinstance(event, h11.Data):
                body += bytes(event.data)
            elif isinstance(event, h11.EndOfMessage):
                found[-1] += (body,)
                conn.send(h11.Response(status_code=200, headers=[("content-length", "0")]))
                conn.send(h11.EndOfMessage())
                if conn.our_state is not h11.DONE or conn.their_state is not h11.DONE:
                    return found
                conn.start_next_cycle()
            else:
                return found
    except h11.RemoteProtocolError:
        return None


@test
def another_parser_reads_what_is_clear_as_the_same_requests():
    h11 = import_h11()
    for rule, text, _ in CLEAR:
        got = read_by_h11(h11, text.lstrip("\r\n") + NEXT)
        check(got is not None and len(got) >= 2 and got[-1][:2] == (b"GET", b"/"),
              f"{rule}: {text!r} is read as {got}")
    faults = sum(read_by_h11(h11, text + NEXT) is None for _, text, _ in REFUSED)
    print(f"h11 finds a fault in {faults} of the {len(REFUSED)} that are refused", flush=True)
    check(faults > len(REFUSED) // 2, "h11 finds next to nothing to refuse")
