# SPDX-License-Identifier: MIT
"""The highest rate that keeps a goal: of a server that has one, of one that has none, and of two."""

import json

from e2e.harness import check, check_equal, test
from e2e.load import COWLOAD, MEASURED, cowload, folder, known

QUICK = ("-d", "300ms", "--warmup", "100ms")


@test
def the_rate_of_a_server_that_answers_once_in_a_millisecond_is_below_a_thousand():
    with folder() as out, known("--gap", "1ms") as address:
        _, text, err = cowload("slo", "--goal", "90,20ms", "-n", 2, *QUICK, "--json", out / "json",
                               f"http://{address}/", codes=MEASURED, timeout_s=240)
        result = json.loads((out / "json").read_text())
    check(not result["none"] and 300 < result["rate_per_s"] < 1100, text)
    check(result["low_per_s"] <= result["rate_per_s"] <= result["high_per_s"], text)
    check_equal(result["searches"], 2, "searches")
    steps = result["steps"]
    check_equal(len(steps), err.count("search "), "a line for each step")
    for number in (1, 2):
        mine = [s for s in steps if s["search"] == number]
        best = max(s["rate_per_s"] for s in mine if s["passed"])
        check(all(s["latency_ns"] <= 20e6 for s in mine if s["passed"]), f"steps {mine}")
        check(result["low_per_s"] <= best <= result["high_per_s"], f"steps {mine}")


@test
def a_goal_that_no_rate_keeps_is_said_to_have_none():
    with folder() as out, known("--delay", "30ms") as address:
        _, text, _ = cowload("slo", "--goal", "99,5ms", "-n", 1, *QUICK, "--json", out / "json",
                             f"http://{address}/", codes=MEASURED, timeout_s=240)
        check(json.loads((out / "json").read_text())["none"], text)
    check("Highest rate: none; at 50 requests/s" in text, text)


@test
def ab_finds_the_rate_of_each_arm_and_says_which_is_higher():
    serve = f"run {COWLOAD} serve -p {{port}} --gap"
    with folder() as out:
        _, text, _ = cowload("ab", "--slo", "50,20ms", "--arm", f"slow={serve} 4ms", "--arm",
                             f"fast={serve} 1ms", "-b", 6, "-d", "100ms", "--warmup", "0",
                             "--total", "10m", "--out", out, "/", codes=MEASURED, timeout_s=500)
        report = json.loads((out / "slo.json").read_text())
        check((out / "slo.txt").read_text() in text, "slo.txt is what was printed")
    slow, fast = report["arms"]
    check_equal(len(slow["blocks"]), 6, "blocks")
    check(fast["rate_per_s"] > 2 * slow["rate_per_s"] > 0, text)
    check_equal(fast["against_control"]["verdict"], "HIGHER", "the verdict")


@test
def wrong_goals_and_servers_that_do_not_answer_are_errors():
    cases = ((("http://127.0.0.1:1/",), "a goal is missing"),
             (("--goal", "99", "http://127.0.0.1:1/"), "'99' for --goal"),
             (("--goal", "99,1ms"), "a URL is missing"),
             (("--goal", "99,1ms", "-t", 4, "-c", 2, "http://127.0.0.1:1/"), "4 threads"),
             (("--goal", "99,1ms", "-T", "300ms", "http://127.0.0.1:1/"), "Connection refused"))
    for args, words in cases:
        _, _, err = cowload("slo", *args, codes=(1,))
        check(words in err, f"{args}: {err}")


@test
def serve_names_a_port_that_is_taken():
    with known() as address:
        port = address.rsplit(":", 1)[1]
        _, _, err = cowload("serve", "--port", port, codes=(1,))
    check(f"could not listen on 127.0.0.1:{port}: Address already in use" in err, err)
