# SPDX-License-Identifier: MIT
"""`cowload ab --attribute`: the tail of a real server has the cause that was planted."""

import json
import pathlib
import re
import tempfile

from e2e.harness import PATIENCE, check, check_equal, test
from e2e.load import cowload

CONFIG = """
slots = 1
origin = synthetic
cache_bytes = 24m
access_log = off
synthetic {
    objects = 6000
    median = 4k
    sigma = 0.5
    delay = 0ms
    preload = on
}
gc {
    percent = 400
}
"""


def causes_of(delay):
    """What the report says of the tail of mode `arena`, by name of the cause."""
    with tempfile.TemporaryDirectory() as folder:
        config = pathlib.Path(folder) / "cowshed.conf"
        config.write_text(CONFIG.replace("delay = 0ms", f"delay = {delay}"), encoding="ascii")
        _, text, _ = cowload(
            "ab", "--modes", "arena", "--blocks", "1", "-d", "1500ms", "-R", "300", "--warmup", "100ms",
            "--attribute", "--zipf", "6000,0.2", "--config", str(config), "--out", folder,
            codes=(0, 3), timeout_s=60 * PATIENCE)
        report = json.loads((pathlib.Path(folder) / "report.json").read_text(encoding="ascii"))
    check("Why: what the slowest 0.1%" in text, text)
    return report["arms"][0]["causes"]


@test
def the_cause_that_was_planted_is_named_with_its_base_rate():
    causes = causes_of("40ms")
    rows = {row["cause"]: row for row in causes["causes"]}
    check_equal(causes["complete"], True, "all of the slowest were kept")
    check(causes["slowest"] >= 1, causes)
    check_equal(rows["miss"]["slowest"], causes["slowest"],
                f"of the slowest, what a miss explains: {rows}")
    check(0.02 < rows["miss"]["share_of_all"] < 0.9, f"misses are no rule: {rows['miss']}")
    check(rows["miss"]["relative_risk"] > 1, rows["miss"])
    check_equal(len(causes["since_event"]), 3, "curves")


@test
def without_that_cause_it_is_not_named():
    rows = {row["cause"]: row for row in causes_of("0ms")["causes"]}
    check(rows["miss"]["share_of_time"] < 0.9, rows["miss"])


@test
def events_are_caused_on_schedule_and_seen_in_the_curves():
    with tempfile.TemporaryDirectory() as folder:
        config = pathlib.Path(folder) / "cowshed.conf"
        config.write_text(CONFIG, encoding="ascii")
        _, text, _ = cowload(
            "ab", "--modes", "naive", "--blocks", "1", "-d", "2s", "-R", "300", "--warmup", "100ms",
            "--attribute", "--zipf", "6000,0.2", "--config", str(config), "--out", folder,
            "--disturb", "gc,400ms", "--disturb", "refork,900ms", codes=(0, 1, 3), timeout_s=60 * PATIENCE)
        report = json.loads((pathlib.Path(folder) / "report.json").read_text(encoding="ascii"))
    times = dict(re.findall(r"^Disturbed: (\w+),\S+, (\d+) times", text, re.M))
    check(2 <= int(times["gc"]) <= 5 and 1 <= int(times["refork"]) <= 3, f"{times} in {text}")
    check("in vain" not in text, text)
    block = report["arms"][0]["blocks"][0]
    check(block["cost"]["forks"] >= int(times["refork"]), f"forks {block['cost']['forks']}")
    check(block["cost"]["gc_pauses"] >= int(times["gc"]), f"pauses {block['cost']['gc_pauses']}")
    check(sum(curve["events"] for curve in report["arms"][0]["causes"]["since_event"]) > 0, "curves")
