#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""stand_in.py - speaks cowshed's command line, ready line and /status, for tests of cowload.

It behaves as its mode tells it to:
    fast       answers at once
    slow       answers 3 ms later
    dead       says why and exits before it is ready
    dies       is ready, then exits in the middle of the second run
    stubborn   does not stop when it is asked to
and counts requests, so that /status has something to say.
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

    def body(self, path):
        self.requests += 1
        if self.mode == "dies" and self.requests > 300:
            print("the stand-in breaks down", file=sys.stderr, flush=True)
            os._exit(9)
        return path

    async def serve(self, reader, writer, answer):
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                path = head.split(b" ", 2)[1]
                if self.mode == "slow":
                    await asyncio.sleep(0.003)
                body = answer(path)
                writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    async def run(self):
        stop = asyncio.Event()
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGTERM, lambda: self.mode == "stubborn" or stop.set())
        listen = await asyncio.start_server(
            lambda r, w: self.serve(r, w, self.body), "127.0.0.1", 0, backlog=1024)
        admin = await asyncio.start_server(
            lambda r, w: self.serve(r, w, lambda path: self.status()), "127.0.0.1", 0)
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
    return 0


if __name__ == "__main__":
    sys.exit(main())
