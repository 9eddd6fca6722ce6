# SPDX-License-Identifier: MIT
"""cowload against a stand-in that behaves badly on purpose, and against cowshed."""

import base64
import contextlib
import json
import os
import pty
import re
import signal
import struct
import subprocess
import time
import zlib

from e2e.harness import PATIENCE, Server, check, check_equal, paused, test, wait_until
from e2e.load import COWLOAD, MEASURED, STAND_IN, cowload, folder, known, stand_in, wait_for_requests

def measure(address, path, *args, codes=MEASURED):
    """Runs it and checks the balance sheet; (counts, result, stdout)."""
    if "--timeout" not in args:
        args += ("--timeout", "60s")  # a request that the machine delays is no error
    with folder() as out:
        _, text, _ = cowload(*args, "--json", out / "json", f"http://{address}{path}",
                             codes=codes)
        result = json.loads((out / "json").read_text())
    c = result["counts"]
    check_equal(c["planned"], c["sent"] + c["unsent"], f"planned in {c}")
    check_equal(c["sent"], c["ok"] + c["http_errors"] + c["wrong_bodies"] + c["read_errors"] + c["write_errors"]
                + c["timeouts"] + c["in_flight"], f"sent in {c}")
    samples = result["latency"]["all"]["samples"]
    check_equal(samples, c["planned"], "every planned request has a place in the histogram")
    return c, result, text


def decode_histogram(text):
    """{slot: count} by a decoder of its own; only what a test needs of the V2 format."""
    packed = base64.b64decode(text, validate=True)
    cookie, length = struct.unpack(">Ii", packed[:8])
    check_equal(cookie, 0x1C849314, "the cookie of the wrapper")
    check_equal(length, len(packed) - 8, "the length in the wrapper")
    plain = zlib.decompress(packed[8:])
    cookie, size, _, digits, low, high, _ = struct.unpack(">Iiiiqqd", plain[:40])
    check_equal((cookie, size, digits, low), (0x1C849313, len(plain) - 40, 3, 1), "the header")
    check(high >= 60_000_000_000, f"highest value {high}")
    at, slot, counts = 40, 0, {}
    while at < len(plain):
        value = shift = 0
        for n in range(9):
            byte = plain[at]
            at += 1
            value |= (byte if n == 8 else byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                break
        value = (value >> 1) ^ -(value & 1)
        if value > 0:
            counts[slot] = value
        slot += -value if value < 0 else 1
    return counts


# ---- what it prints ----


@test
def a_closed_loop_prints_the_lines_of_wrk_and_says_what_it_is():
    with stand_in() as (address, _):
        _, text, _ = cowload("-t1", "-c4", "-d1s", "--latency", f"http://{address}/x",
                             codes=MEASURED)
    for pattern in (r"^Running 1\.00s test @ http://", r"^  1 threads and 4 connections$",
                    r"^  Thread Stats   Avg      Stdev     Max   \+/- Stdev$",
                    r"^    Latency +[\d.]+[um]?s +[\d.]+[um]?s +[\d.]+[um]?s +[\d.]+%$",
                    r"^    Req/Sec +[\d.]+k? ", r"^  Latency Distribution",
                    r"^     50% +[\d.]+[um]?s$", r"^     99% +[\d.]+[um]?s$",
                    r"^  \d+ requests in [\d.]+s, [\d.]+[KMG]?B read$",
                    r"^Requests/sec: +[\d.]+$", r"^Transfer/sec: +[\d.]+[KMG]?B$",
                    r"closed loop: latency is service time"):
        check(re.search(pattern, text, re.M), f"no line like {pattern!r} in\n{text}")
    check("Socket errors" not in text and "Non-2xx" not in text, f"errors in\n{text}")


@test
def an_open_loop_sends_what_it_planned_and_no_more():
    with stand_in() as (address, _):
        c, result, text = measure(address, "/x", "-R300", "-c8", "-d2s", "--seed", 5)
        again, _, _ = measure(address, "/x", "-R300", "-c8", "-d2s", "--seed", 5)
    check_equal(result["settings"]["loop"], "open", "the loop")
    check(abs(c["planned"] - 600) < 4 * 600 ** 0.5, f"planned {c['planned']}, want about 600")
    check_equal(again["planned"], c["planned"], "requests planned with the same seed")
    check_equal(c["ok"], c["planned"], "successes")
    check("open loop: 300 requests/s planned (Poisson, seed 5)" in text, text)


@test
def the_plan_is_kept_over_several_threads():
    with stand_in() as (address, _):
        c, _, _ = measure(address, "/x", "-R300", "-t3", "-c7", "-d1s", "--constant")
    check_equal(c["planned"], 300, "requests of a constant plan")
    check_equal(c["ok"], 300, "successes")


@test
def a_ramp_rises_over_the_run_in_a_line_or_in_steps():
    with stand_in() as (address, _):
        for args in ((), ("--steps", "2")):
            c, result, text = measure(address, "/x", "-R100:300", "-d2s", "--constant", "-c4", *args)
            check_equal(c["planned"], 400, f"200/s on average for two seconds {args}")
            check("100 to 300 requests/s planned" in text, text)
            check_equal((result["settings"]["rate_from"], result["settings"]["rate_to"]), (100, 300), "settings")


@test
def an_access_log_is_replayed_at_its_own_times():
    line = '10.0.0.1 - - [10/Oct/2000:13:55:{:02} +0000] "GET /page{} HTTP/1.1" 200 7 "-" "x"\n'
    with stand_in() as (address, _), folder() as out:
        # nothing in the second second, so that the times matter
        (out / "log").write_text("".join(line.format(s, n) for s in (0, 2, 3) for n in range(40))
                                 + 'x - - [10/Oct/2000:13:55:03 +0000] "POST / HTTP/1.1" 200 1\n')
        for args, seconds in ((("--speed", "4"), 1.0), (("--speed", "2", "-t", "2"), 2.0)):
            c, result, text = measure(address, "/", "--replay", out / "log", "-c4", *args,
                                      "--hlog", out / "hlog")
            check_equal((c["planned"], c["ok"]), (120, 120), f"requests {args}")
            check("(as logged, " in text, text)
            check(abs(result["duration_s"] - seconds) < 0.01, f"{result['duration_s']} s")
        _, _, err = cowload("--replay", out / "log", "--speed", "100", f"http://{address}/", codes=MEASURED)
        check("1 lines of" in err and "left out" in err, err)
        _, _, err = cowload("--replay", out / "log", "-R", "5", f"http://{address}/", codes=(1,))
        check("--replay says what is sent" in err, err)


@test
def keys_replace_the_gap_in_the_path():
    with stand_in() as (address, _):
        c, _, _ = measure(address, "/key-{}-x", "--zipf", "50,1.0", "-R200", "-d1s")
    length = len("HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\n/key-0-x")
    check_equal(c["ok"], c["planned"], "successes")
    check(c["ok"] * length <= c["bytes"] <= c["ok"] * (length + 2), f"bytes in {c}")


@test
def an_interval_log_is_read_by_another_decoder():
    with stand_in() as (address, _), folder() as out:
        _, result, _ = measure(address, "/x", "-R200", "-d2500ms", "--hlog", out / "log")
        lines = (out / "log").read_text().splitlines()
    totals = {}
    for line in lines:
        if line.startswith(("#", '"')):
            continue
        tag, start, length, _, blob = (["", *line.split(",")] if line[0].isdigit()
                                       else line.split(","))
        check(float(start) >= 0 and float(length) > 0, line[:60])
        totals[tag] = totals.get(tag, 0) + sum(decode_histogram(blob).values())
    want = {"": result["latency"]["all"]["samples"],
            "Tag=SERVICE": result["latency"]["service"]["samples"],
            "Tag=LAG": result["latency"]["lag"]["samples"],
            "Tag=CONNQ": result["latency"]["connection_wait"]["samples"]}
    check_equal(totals, want, "samples in the log")
    whole = sum(decode_histogram(result["latency"]["all"]["hdr"]).values())
    check_equal(whole, want[""], "samples in the JSON")


@test
def progress_is_a_line_on_a_terminal_and_nothing_elsewhere():
    with stand_in() as (address, _):
        master, slave = pty.openpty()
        with subprocess.Popen([COWLOAD, "-d2500ms", "-R50", f"http://{address}/404"], stdin=slave,
                              stdout=subprocess.DEVNULL, stderr=slave) as run:
            os.close(slave)
            check(run.wait(60) in MEASURED, "exit code")
        text = b""
        with contextlib.suppress(OSError):  # the end of a terminal is an error
            while more := os.read(master, 65536):
                text += more
        os.close(master)
        _, _, err = cowload("-d300ms", "-R50", f"http://{address}/x", codes=MEASURED)
    check(re.search(rb"\r\x1b\[K  \d+/s, p99 [\d.]+[mun]?s, [1-9]\d* errors, [01]s left", text), f"{text}")
    check_equal(err, "", "where nobody looks")


# ---- when the server misbehaves ----


@test
def the_wait_for_a_connection_is_told_apart():
    """Two connections and answers of 20 ms carry 100 requests in a second, not 150."""
    with known("--delay", "20ms") as address:
        results = [measure(address, "/", "-d", "1s", "-R", "150", "--constant", "-c", count)[1]
                   for count in ("2", "40")]
    narrow, wide = (r["latency"]["connection_wait"] for r in results)
    check(narrow["max_ns"] > 100e6, f"with two connections {narrow['max_ns']} ns")
    check_equal(narrow["samples"], results[0]["counts"]["sent"], "one for each that was sent")
    check(wide["max_ns"] < narrow["max_ns"] / 2, f"with forty {wide['max_ns']} ns")


@test
def a_frozen_server_is_seen_by_every_request_that_was_due():
    """README rule 2: what was due while a server was frozen waited until it went on.

    Counted is from below: whatever else holds up the machine makes latencies longer."""
    rate, duration = 200, 3.0
    with stand_in() as (address, server), folder() as out:
        launched = time.monotonic()
        run = subprocess.Popen([COWLOAD, f"-R{rate}", "--constant", "-c4", "-d3s", "--timeout",
                                "60s", "--json", out / "json", f"http://{address}/x"],
                               stdout=subprocess.PIPE, text=True)
        wait_for_requests(server)
        with paused(server.pid):
            begin = time.monotonic()
            time.sleep(1.5)  # how long it is frozen, which is measured
            end = time.monotonic()
        text, _ = run.communicate(timeout=60 * PATIENCE)
        result = json.loads((out / "json").read_text())
    check(run.returncode in MEASURED, text)
    check_equal(result["counts"]["ok"], rate * duration, "requests, none of them left out")
    counts = decode_histogram(result["latency"]["all"]["hdr"])
    for least_s in (0.1, 0.5, 1.0, 1.4):
        due = rate * (min(end - least_s, launched + duration) - begin) - 2
        got = count_from(counts, least_s)
        check(got >= due, f"{got} requests took {least_s} s or more, {due:.0f} were due so early")
    service = count_from(decode_histogram(result["latency"]["service"]["hdr"]), 0.75)
    check(service < 60, f"{service} requests have a service time of 0.75 s or more: it hides the "
                        "freeze, and should, being the time from the actual sending")


def count_from(counts, least_s):
    """Samples in the slots, of a histogram with lowest 1 and three digits, from there on."""
    def begin_ns(slot):
        row, sub = slot >> 10, slot & 1023
        return sub if row == 0 else (sub + 1024) << (row - 1)

    return sum(n for slot, n in counts.items() if begin_ns(slot + 1) > least_s * 1e9)


@test
def requests_without_an_answer_time_out_and_stand_in_the_tail():
    with stand_in() as (address, _):
        c, result, text = measure(address, "/mute", "-R20", "-c50", "-d1s", "--timeout", "400ms")
    check_equal(c["timeouts"] + c["in_flight"], c["sent"], f"outcomes in {c}")
    check(c["timeouts"] > 0 and c["connects"] > 0, f"connections opened again in {c}")
    check(result["latency"]["all"]["min_ns"] >= 400_000_000, "a timeout counts at least 400 ms")
    check(re.search(r"^  Socket errors: connect 0, read 0, write 0, timeout \d+$", text, re.M),
          text)
    check_equal(result["valid"], False, "a run without one response")


@test
def a_connection_that_ends_after_each_response_is_opened_again():
    with stand_in() as (address, _):
        c, _, _ = measure(address, "/close", "-R100", "-c4", "-d1s")
    check_equal(c["ok"], c["planned"], "successes")
    check(c["connects"] >= c["ok"] - 4, f"connections opened again in {c}")


@test
def a_server_that_closes_without_a_word_is_noticed_before_the_next_request():
    """Response and end come together: the connection is not used again. Alone, an end may
    still cross with a request."""
    with stand_in() as (address, _):
        c, _, _ = measure(address, "/leave", "-d", "500ms", "-R", "200", "-c", 4)
    check(c["closes"] + c["read_errors"] >= c["ok"] - 4 > 0, f"{c}")
    check(c["read_errors"] <= c["sent"] // 4, f"{c}")


@test
def broken_responses_are_read_errors():
    for path in ("/half", "/garbage"):
        with stand_in() as (address, _):
            c, _, text = measure(address, path, "-R100", "-c4", "-d500ms")
        check_equal(c["read_errors"], c["sent"], f"read errors of {path}")
        check_equal(c["malformed"], c["sent"] if path == "/garbage" else 0, f"malformed of {path}")
        check(f"read {c['read_errors']}," in text, text)
        words = re.search(r"No HTTP: (\d+) of the responses; the first: \w.*", text)
        check((words is not None) == (path == "/garbage"), text)


@test
def responses_with_an_error_status_are_counted_and_5xx_are_in_the_tail():
    for path, least_ns in (("/404", 0), ("/503", 2_000_000_000)):
        with stand_in() as (address, _):
            c, result, text = measure(address, path, "-R100", "-c4", "-d500ms")
        check_equal(c["http_errors"], c["sent"], f"errors of {path}")
        check(f"Non-2xx or 3xx responses: {c['sent']}" in text, text)
        check(result["latency"]["all"]["min_ns"] >= least_ns, f"{path} in the tail")
        check_equal(result["latency"]["ok"]["samples"], 0, "successes")


@test
def bodies_that_change_are_errors_when_they_are_looked_at():
    """The stand-in says how often it was asked; other paths come back as they are."""
    with stand_in() as (address, _):
        c, _, text = measure(address, "/count", "--verify", "-d", "500ms", "-R", "100")
        check(c["wrong_bodies"] == c["sent"] - 1 and c["ok"] == 1, f"{c}")
        check("Wrong bodies: " in text and " wrong bodies + " in text, text)
        c, _, _ = measure(address, "/count", "-d", "300ms", "-R", "100")
        check_equal((c["wrong_bodies"], c["ok"]), (0, c["sent"]), "nobody looks")
        c, _, _ = measure(address, "/o/", "--zipf", "50,0.5", "--verify", "-d", "500ms", "-R", "300")
        check_equal((c["wrong_bodies"], c["ok"]), (0, c["sent"]), "each key has its own body")


@test
def a_server_that_dies_leaves_errors_and_no_gap_in_the_sheet():
    with stand_in("dies") as (address, _):
        c, result, text = measure(address, "/x", "-R400", "-c8", "-d2s", "--timeout", "500ms")
    check_equal(c["ok"], 300, "successes before it died")
    check(c["unsent"] > 0 and c["connect_errors"] > 0, f"{c}")
    check_equal(result["valid"], False, "the run")
    check("INVALID:" in text, text)


@test
def a_server_that_cannot_keep_up_makes_the_run_invalid():
    with stand_in("slow") as (address, _):
        code, text, _ = cowload("-R2000", "-c2", "-d1s", f"http://{address}/", codes=(3,))
    check_equal(code, 3, "the exit code")
    check("were not sent in time" in text, text)


@test
def an_interrupt_ends_the_run_early_and_the_summary_is_printed():
    with stand_in() as (address, proc):
        run = subprocess.Popen([COWLOAD, "-R100", "-d3600s", f"http://{address}/"],
                               stdout=subprocess.PIPE, text=True)
        wait_for_requests(proc)
        run.send_signal(signal.SIGINT)
        text, _ = run.communicate(timeout=60 * PATIENCE)
    check(run.returncode in MEASURED, f"exit code {run.returncode}\n{text}")
    check("Interrupted after" in text and "Requests/sec:" in text, text)


@test
def nobody_listening_is_an_error_that_names_the_address():
    with stand_in() as (address, proc):
        proc.kill()
        proc.wait()
        _, _, err = cowload("-d1s", f"http://{address}/", codes=(1,))
    check(f"could not connect to {address}: Connection refused" in err, err)


@test
def wrong_arguments_exit_with_1_and_name_the_value():
    for args, words in ((("-c", "0", "http://a/"), "bad value '0' for -c"),
                        (("ftp://a/",), "it must begin with http:// or https://"),
                        (("http://no.such.host.invalid/",), "could not resolve"),
                        (("--mix", "/nope", "http://a/"), "could not open '/nope'"),
                        ((), "a URL is missing"),
                        (("ab", "--blocks", "x"), "bad value 'x' for --blocks"),
                        (("ab", "--server", "/nope"), "could not run the server '/nope'")):
        _, _, err = cowload(*args, codes=(1,))
        check(words in err, f"{args}: {err}")


@test
def a_file_that_cannot_be_written_is_an_error_before_the_load():
    with stand_in() as (address, _), folder() as here:
        for option in ("--json", "--hgrm", "--hlog"):
            for path, why in (("/nope/x", "No such file"), (here, "Is a directory")):
                _, text, err = cowload("-d60s", option, path, f"http://{address}/", codes=(1,))
                check(text == "" and f"could not write '{path}': {why}" in err, text + err)
        _, text, err = cowload("slo", "--goal", "99,10ms", "--json", "/nope/x", f"http://{address}/",
                               codes=(1,))
        check("could not write '/nope/x'" in err, err)
        (here / "x.json").write_text("of before")
        cowload("-d200ms", "--json", here / "x.json", f"http://{address}/none-such", codes=(0, 3))
        check("counts" in (here / "x.json").read_text(), "it was not replaced")


@test
def a_disk_that_fills_meanwhile_is_an_error_after_the_summary():
    with stand_in() as (address, _):
        _, text, err = cowload("-d200ms", "--json", "/dev/full", f"http://{address}/", codes=(1,))
        check("Requests/sec:" in text and "could not write '/dev/full'" in err, err)
        _, text, err = cowload("-d1200ms", "--hlog", "/dev/full", f"http://{address}/",
                               codes=(1,))
        check("could not write '/dev/full'" in err, err)


# ---- ab ----


@test
def a_folder_has_one_comparison_at_a_time():
    with folder() as out:
        argv = ["ab", "--modes", "fast,slow", "-R", "200", "-c", "4", "--server", STAND_IN, "--out", out]
        with subprocess.Popen([COWLOAD, *argv, "--blocks", "50", "-d", "1s"], stdin=subprocess.DEVNULL,
                              stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as first:
            wait_until((out / "server.log").exists, "the first comparison")
            _, _, err = cowload(*argv, "--blocks", 1, codes=(1,))
            check(f"could not write to '{out}': another comparison does" in err, err)
            first.send_signal(signal.SIGINT)


@test
def ab_runs_every_mode_in_every_block_and_leaves_its_files():
    with folder() as out:
        code, text, err = cowload("ab", "--modes", "fast,slow,fast", "--blocks", 2, "-d", "300ms",
                                  "--warmup", "100ms", "-R", 200, "-c", 4, "--server", STAND_IN,
                                  "--out", out, codes=MEASURED)
        names = sorted(p.name for p in out.iterdir())
        want = sorted([f"{arm}-00{n}.hlog" for arm in ("fast", "slow", "fast#2") for n in (1, 2)]
                      + ["report.html", "report.txt", "report.json", "server.log"])
        check_equal(names, want, "files")
        report = json.loads((out / "report.json").read_text())
        check((out / "report.txt").read_text() in text, "report.txt is what was printed")
    check("Calibration" in text and "Verdicts" in text, text)
    check_equal(len(re.findall(r"^block \d of 2: ", err, re.M)), 6, "progress lines")
    planned = [[b["samples"] for b in arm["blocks"]] for arm in report["arms"]]
    check(planned[0] == planned[1] == planned[2], f"one plan for all arms of a block: {planned}")
    check(all(b["cost"]["requests"] > 0 for a in report["arms"] for b in a["blocks"]), "cost")
    check(report["calibration"]["syscall_ns"] > 0, "calibration")
    check_equal(code == 0, all(a["trusted"] for a in report["arms"]), "exit code 0")


@test
def ab_compares_configurations_commands_and_urls():
    with folder() as out, stand_in() as (address, _):
        _, text, _ = cowload(
            "ab", "--arm", "quick=-m fast -o a=b", "--arm", f"there=http://{address}/own",
            "--arm", f"known=run {COWLOAD} serve -p {{port}} --delay 20ms", "--blocks", 2,
            "-d", "300ms", "-R", 200, "-c", 16, "--server", STAND_IN,
            "--out", out, "/path", codes=MEASURED)
        report = json.loads((out / "report.json").read_text())
        check("known-002.hlog" in [p.name for p in out.iterdir()], "a log for each")
    arms = {arm["arm"]: arm for arm in report["arms"]}
    check_equal(list(arms), ["quick", "there", "known"], "arms")
    check_equal(arms["quick"]["is"], "cowshed", "the first is")
    check(arms["there"]["is"].startswith("http://"), arms["there"]["is"])
    check(arms["quick"]["cost"] is not None, "cowshed tells its cost")
    check(arms["there"]["cost"] is None and arms["known"]["cost"] is None, "others do not")
    check(all(arm["counts"]["ok"] > 50 for arm in arms.values()), "all have answered")
    check(arms["known"]["latency"]["min_ns"] > 20e6, "its delay is seen")
    check(arms["there"]["latency"]["min_ns"] < 20e6, "the other's is not")
    check("slowest arm" in text or "every arm once" in text, text)


@test
def ab_says_why_a_command_or_a_url_cannot_be_measured():
    with folder() as out:
        _, _, err = cowload("ab", "--arm", "dead=run sh -c 'echo gone >&2; exit 3' {port}",
                            "--arm", "nobody=http://127.0.0.1:1/", "-b", 1, "-d", "200ms",
                            "--out", out, codes=(1,))
    check("arm dead cannot be measured: " in err and "it said: gone" in err, err)
    check("arm nobody cannot be measured: " in err and "Connection refused" in err, err)


@test
def ab_compares_at_several_loads():
    with folder() as out:
        _, text, _ = cowload("ab", "--modes", "fast,slow", "--blocks", 1, "-d", "300ms", "-c", 4,
                             "--loads", "20,40", "--server", STAND_IN, "--out", out,
                             codes=MEASURED)
        reports = [json.loads((out / f"load-{n}" / "report.json").read_text()) for n in (20, 40)]
        table = (out / "loads.txt").read_text()
    check(abs(reports[1]["rate_per_s"] / reports[0]["rate_per_s"] - 2) < 0.01, "twice the rate")
    check(table in text and "20%" in table and "40%" in table, text)
    for report in reports:
        check_equal([b["outcome"] != "not_run" for a in report["arms"] for b in a["blocks"]],
                    [True, True], "every arm at every load")


@test
def ab_finds_a_rate_and_fits_into_the_time_it_is_given():
    with folder() as out:
        _, text, _ = cowload("ab", "--modes", "fast,slow", "--total", "20s", "--warmup", "0",
                             "-c", 4, "--server", STAND_IN, "--out", out, codes=MEASURED)
        report = json.loads((out / "report.json").read_text())
    measured_ns = report["blocks_done"] * 2 * report["duration_ns"]
    check(0 < measured_ns < 20e9, f"{measured_ns / 1e9:.1f} s are measured")
    check(report["rate_found"] and report["rate_per_s"] > 10, f"rate {report['rate_per_s']}")
    slowest = min(arm["capacity_per_s"] for arm in report["arms"])
    check(abs(report["rate_per_s"] / slowest - 0.55) < 0.001, "55% of the slowest")
    check("55% of what the slowest mode answers" in text, text)


@test
def ab_survives_modes_that_do_not_start_or_die():
    with folder() as out:
        _, text, err = cowload("ab", "--modes", "fast,dead,dies", "--blocks", 2, "-d", "1s",
                               "-R", 400, "-c", 4, "--server", STAND_IN, "--out", out,
                               codes=(1,))
        report = json.loads((out / "report.json").read_text())
    check("mode dead cannot be measured" in err and "does not want to start" in err, err)
    check("FAILED: mode dead did not get through the probe" in text, text)
    check("dies, block 1 failed: the server died; it said: " in err, err)
    check("the stand-in breaks down" in err, err)
    outcomes = {arm["arm"]: {b["outcome"] for b in arm["blocks"]} for arm in report["arms"]}
    check(outcomes["fast"] <= {"measured", "invalid"}, f"{outcomes}")
    check_equal(outcomes["dead"], {"not_run"}, "the dead mode")
    check_equal(outcomes["dies"], {"failed"}, "the dying mode")


@test
def ab_reports_what_it_has_when_it_is_interrupted():
    with folder() as out:
        run = subprocess.Popen([COWLOAD, "ab", "--modes", "fast,slow", "--blocks", "5", "-d", "1s",
                                "-R", "100", "-c", "4", "--server", STAND_IN, "--out", out],
                               stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        for line in run.stderr:
            if line.startswith("block 2 of 5"):
                break
        run.send_signal(signal.SIGINT)
        text, _ = run.communicate(timeout=60 * PATIENCE)
        check((out / "report.json").exists(), "report.json")
    check_equal(run.returncode, 1, f"exit code\n{text}")
    check("INTERRUPTED" in text and re.search("Blocks: [1-4] of 5", text), text)


# ---- the real server ----


@test
def it_measures_cowshed_without_an_error():
    with Server(mode="shared", slots=2) as server:
        address = "{}:{}".format(*server.address)
        c, _, _ = measure(address, "/", "-c8", "-d1s")
        check_equal(c["ok"], c["sent"], f"successes in {c}")
        wait_until(lambda: sum(s["requests"] for s in server.status()["slots"]) >= c["sent"],
                   "the server to have counted what was sent")
