# SPDX-License-Identifier: MIT
"""The results of cowload are what their schema says."""

import copy
import json

from e2e.harness import Server, check, check_equal, test
from e2e.load import MEASURED, cowload, folder, stand_in
from e2e.schema import SCHEMA, faults


def check_as(result, name):
    check_equal(faults(result, SCHEMA["$defs"][name]), [], f"faults of {name}")


@test
def the_results_of_each_command_are_as_described():
    with folder() as out, stand_in() as (address, _):
        url = f"http://{address}/x"
        for number, args in enumerate((("-R", 300), ("-t", 2, "-c", 2), ("-R", "100:300", "--verify"))):
            cowload("-d", "500ms", *args, "--json", out / f"run{number}", url, codes=MEASURED)
            check_as(json.loads((out / f"run{number}").read_text()), "run")
        cowload("slo", "-g", "50,1s", "-n", 1, "-d", "200ms", "--json", out / "slo", url, codes=MEASURED)
        check_as(json.loads((out / "slo").read_text()), "slo")


@test
def the_report_of_a_comparison_is_as_described():
    with folder() as out, Server() as server:
        cowload("ab", "--modes", "naive,shared", "--arm", f"there=http://{server.address}", "-b", 1, "-d",
                "600ms", "-R", 500, "--attribute", "-o", f"root={server.root}", "--out", out, "/",
                codes=(0, 1, 3))
        check_as(json.loads((out / "report.json").read_text()), "ab")


@test
def what_is_not_as_described_is_found():
    with folder() as out, stand_in() as (address, _):
        cowload("-R", 100, "-d", "300ms", "--json", out / "json", f"http://{address}/x", codes=MEASURED)
        good = json.loads((out / "json").read_text())
    for change, words in ((lambda r: r.pop("valid"), ".valid is missing"),
                          (lambda r: r.update(more=1), ".more is not described"),
                          (lambda r: r["counts"].update(ok=1.5), "counts.ok: 1.5 is no integer"),
                          (lambda r: r["counts"].update(ok=True), "counts.ok: True is no integer"),
                          (lambda r: r["settings"].update(loop="half"), "'half' is none of"),
                          (lambda r: r["invalid_because"].append(None), "invalid_because[")):
        bad = copy.deepcopy(good)
        change(bad)
        found = faults(bad, SCHEMA["$defs"]["run"])
        check(len(found) == 1 and words in found[0], f"{found}")
