#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""stand_in.py - speaks cowshed's command line, ready line and /status, for tests of cowload.

Its mode says how it lives:
    fast     answers at once
    slow     answers 3 ms later
    dead     says why and exits before it is ready
    dies     is ready, then breaks down after 300 requests

The path of a request says how it is answered:
    /close     and the connection is closed after it
    /leave     likewise, but the response does not say so
    /mute      not at all
    /503, /404 with that status
    /count     with how often it was asked
    /half      with half of the response, then the connection ends
    /garbage   with something that is not HTTP
    anything else: with the path itself as the body
"""

import asyncio
import json
import os
import signal
import sys


class StandIn:
    def __init__(self, mode):
        self.mode = mode
        self.requests = 0

    def status(self):
        slot = {"slot": 0, "pid": os.getpid(), "state": "ready", "generation": 1,
                "requests": self.requests, "hits": self.requests, "faults": self.requests // 10,
                "inherited_pages": 1000, "copied_pages": 40, "pss": 5 << 20,
                "gc": {"slices": self.requests // 100, "pause_max_us": 700}}
        return json.dumps({"mode": self.mode, "pid": os.getpid(), "slots": [slot],
                           "forks": {"count": 2, "last_us": 300}}).encode()

    async def answer(self, path):
        """(bytes of the response, whether the connection goes on)"""
        self.requests += 1
        if self.mode == "dies" and self.requests > 300:
            print("the stand-in breaks down", file=sys.stderr, flush=True)
            os._exit(9)
        if self.mode == "slow":
            await asyncio.sleep(0.003)
        whole = b"HTTP/1.1 %s\r\nContent-Length: %d\r\n%s\r\n%s"
        if path == b"/mute":
            await asyncio.sleep(3600)
        if path == b"/half":
            return b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf", False
        if path == b"/garbage":
            return b"this is not HTTP\r\n\r\n", False
        if path == b"/close":
            return whole % (b"200 OK", 5, b"Connection: close\r\n", path[1:]), False
        if path == b"/count":
            body = b"%d" % self.requests
            return whole % (b"200 OK", len(body), b"", body), True
        if path == b"/leave":
            return whole % (b"200 OK", 5, b"", path[1:]), False
        status = path[1:] + b" No" if path in (b"/503", b"/404") else b"200 OK"
        return whole % (status, len(path), b"", path), True

    async def answer_admin(self, _path):
        body = self.status()
        return b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + body, True

    async def serve(self, reader, writer, answer):
        try:
            goes_on = True
            while goes_on:
                head = await reader.readuntil(b"\r\n\r\n")
                response, goes_on = await answer(head.split(b" ", 2)[1])
                writer.write(response)
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    async def run(self):
        stop = asyncio.Event()
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
        listen = await asyncio.start_server(
            lambda r, w: self.serve(r, w, self.answer), "127.0.0.1", 0, backlog=1024)
        admin = await asyncio.start_server(
            lambda r, w: self.serve(r, w, self.answer_admin), "127.0.0.1", 0)
        ports = [s.sockets[0].getsockname()[1] for s in (listen, admin)]
        print(f"ready listen=127.0.0.1:{ports[0]} admin=127.0.0.1:{ports[1]} "
              f"mode={self.mode} slots=1 pid={os.getpid()}", file=sys.stderr, flush=True)
        await stop.wait()


def main():
    mode = sys.argv[sys.argv.index("-m") + 1]
    if mode == "dead":
        print("fatal: the stand-in does not want to start", file=sys.stderr)
        return 2
    asyncio.run(StandIn(mode).run())
    sys.stderr.flush()
    os._exit(0)  # without waiting for connections that are still open


if __name__ == "__main__":
    sys.exit(main())
