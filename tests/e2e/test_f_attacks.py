# SPDX-License-Identifier: MIT
"""What goes wrong around a server, and what hostile or careless people do to it."""

import signal
import socket
import time

from e2e.harness import MODES, Server, check, check_equal, test, wait_until


def can_listen(address):
    """Whether a new server could take the address now."""
    with socket.socket() as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            sock.bind(address)
            sock.listen()
        except OSError:
            return False
        return True


@test
def a_killed_master_leaves_its_address_to_the_next_at_once():
    """Its workers still end what they were doing, up to the drain timeout; a service
    manager that starts it again must not find the port busy meanwhile."""
    for mode in MODES:
        with Server(mode=mode, slots=2, errors=[".*"], exit_code=-signal.SIGKILL,
                    options={"drain_timeout": "3s"}) as server:
            with server.connect() as conn:
                conn.send("GET / HTTP/1.1\r\nHost: te")  # holds a worker
                wait_until(lambda s=server: sum(x["counters"]["connections"]
                                                for x in s.status()["slots"]),
                           "the connection to be accepted")
                begin = time.monotonic()
                server.signal(signal.SIGKILL)
                server.wait_for_exit()
                wait_until(lambda a=server.address: can_listen(a),
                           f"the address to be free in mode {mode}")
                check(time.monotonic() - begin < 2.5, "it was free only after the drain")
                check(Server.leftovers(), "the request in progress held no worker")
                conn.send("st\r\n\r\n")
                check_equal(conn.response().status, 200, "the answer of the orphan")
            wait_until(lambda: not Server.leftovers(), "the workers to end")
