# SPDX-License-Identifier: MIT
"""cowload watches the machine that it runs on."""

import json
import signal
import subprocess
import time

from e2e.harness import PATIENCE, check, check_equal, test
from e2e.load import COWLOAD, MEASURED, cowload, folder, stand_in, wait_for_requests


def measured(*args, codes=MEASURED):
    with folder() as out:
        code, text, _ = cowload("-R100", "-c4", "--timeout", "60s", "--json", out / "json",
                                *args, codes=codes)
        return code, text, json.loads((out / "json").read_text())


@test
def hiccups_beyond_the_limit_make_a_run_invalid():
    with stand_in() as (address, _):
        _, text, result = measured("-d1s", "--max-hiccup", "1ns", f"http://{address}/x",
                                   codes=(3,))
    check("INVALID: this machine made idle threads wait" in text, text)
    check(not result["valid"], "valid in the JSON")
    hiccups = result["generator"]["hiccups"]
    check(hiccups["samples"] >= 100 and hiccups["max_ns"] > 1, f"{hiccups}")


@test
def a_generous_limit_is_kept():
    with stand_in() as (address, _):
        _, text, result = measured("-d1s", "-t2", "--max-hiccup", "1h", f"http://{address}/x")
    check("idle threads" not in text and "Hiccups of this machine" in text, text)
    # two threads, a wake-up each millisecond; a stall counts as many
    samples = result["generator"]["hiccups"]["samples"]
    check(500 < samples < 2300, f"{samples} wake-ups in a second of two threads")


@test
def a_generator_that_was_stopped_has_seen_it():
    with stand_in() as (address, server), folder() as out:
        proc = subprocess.Popen(
            [COWLOAD, "-R100", "-c4", "-d2s", "--timeout", "60s", "--json", out / "json",
             f"http://{address}/x"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        try:
            wait_for_requests(server)
            proc.send_signal(signal.SIGSTOP)
            time.sleep(0.5)  # the length of the stall that must be found
            proc.send_signal(signal.SIGCONT)
            text, _ = proc.communicate(timeout=30 * PATIENCE)
        finally:
            proc.kill()
            proc.wait()
        check_equal(proc.returncode, 3, text)
        result = json.loads((out / "json").read_text())
    check("INVALID: this machine made idle threads wait" in text, text)
    longest = result["generator"]["hiccups"]["max_ns"]
    check(longest > 450_000_000, f"the longest hiccup is {longest} ns")


@test
def a_closed_loop_does_not_watch_itself():
    with stand_in() as (address, _), folder() as out:
        _, text, _ = cowload("-c2", "-d300ms", "--json", out / "json", f"http://{address}/x",
                             codes=MEASURED)
        result = json.loads((out / "json").read_text())
    check_equal(result["generator"]["hiccups"]["samples"], 0, "wake-ups")
    check("Hiccups" not in text, text)
