# SPDX-License-Identifier: MIT
"""`cowload report` and `cowload merge`: logs of cowload, of other tools, and broken ones."""

import json
import pathlib
import re

from e2e.harness import check, check_equal, test
from e2e.load import MEASURED, cowload, folder, stand_in

# one interval that worked out by hand from the format: one sample of 1000
WORD = "HISTFAAAACJ4nJNpmSzMwMDAzAABMJoRRFybvITB/gNE4Dw/EwBhaAVq"


def record(address, path, *args):
    cowload("-R", 300, "-d", "1200ms", "-c", 4, "--timeout", "60s", "--hlog", path, *args,
            f"http://{address}/x", codes=MEASURED)


def rows(text):
    """{(file, series): samples}"""
    found = re.findall(r"^(.{24}) (\S+) +(\d+) ", text, re.M)
    return {(name.strip(), tag): int(samples) for name, tag, samples in found}


@test
def a_report_has_each_file_and_all_of_them_together():
    with stand_in() as (address, _), folder() as out:
        record(address, out / "a.hlog", "--json", out / "a.json")
        record(address, out / "b.hlog", "--json", out / "b.json")
        _, text, _ = cowload("report", "--json", out / "json", "--hgrm", out / "hgrm",
                             out / "a.hlog", out / "b.hlog")
        runs = [json.loads((out / f"{name}.json").read_text()) for name in "ab"]
        merged = json.loads((out / "json").read_text())
        hgrm = (out / "hgrm").read_text()
    samples = [run["latency"]["all"]["samples"] for run in runs]
    got = rows(text)
    check_equal([got["a.hlog", "-"], got["b.hlog", "-"]], samples, "samples of each")
    check_equal(got["all together", "-"], sum(samples), "and of both")
    headline = merged["series"][0]
    check_equal((headline["tag"], headline["values"]["samples"]), ("", sum(samples)), "the JSON")
    lines = [line.split() for line in hgrm.splitlines() if re.match(r"^ +\d", line)]
    check_equal(int(lines[-1][2]), sum(samples), "the last row of the spectrum counts all")
    check_equal(float(lines[-1][1]), 1.0, "and is the whole")
    check(all(float(a[0]) <= float(b[0]) and int(a[2]) < int(b[2]) for a, b in zip(lines, lines[1:])),
          "rows rise")
    check(f"Total count    = {sum(samples):12}]" in hgrm, hgrm)


@test
def a_plain_run_writes_its_spectrum():
    with stand_in() as (address, _), folder() as out:
        cowload("-R", 300, "-d", "1s", "-c", 4, "--timeout", "60s", "--hgrm", out / "hgrm", "--json",
                out / "json", f"http://{address}/x", codes=MEASURED)
        result = json.loads((out / "json").read_text())["latency"]["all"]
        text = (out / "hgrm").read_text()
    check_equal(text.splitlines()[0].split(), ["Value", "Percentile", "TotalCount",
                                               "1/(1-Percentile)"], "the legend")
    check(f"Total count    = {result['samples']:12}]" in text, text)
    biggest = float(re.search(r"#\[Max +=  *([\d.]+)", text).group(1))
    check(abs(biggest - result["max_ns"] / 1e6) < 0.002, f"{biggest} ms, {result['max_ns']} ns")


@test
def logs_of_several_machines_add_up_by_the_clock():
    head = "#[Histogram log format version 1.3]\n#[StartTime: {0}.000 (seconds since epoch), x]\n"
    with folder() as out:
        one, two = out / "one", out / "two"
        one.write_text(head.format(1700000000) + "#[BaseTime: 1700000000.000 (seconds since epoch)]\n"
                       + f"0.000,1.000,0.001,{WORD}\n1.000,1.000,0.001,{WORD}\nTag=X,1.0,1.0,0.0,{WORD}\n")
        # absolute times, as some tools write them; it began one second later
        two.write_text(head.format(1700000001) + f"1700000001.000,1.000,0.001,{WORD}\n")
        _, text, _ = cowload("merge", "-o", out / "both", one, two)
        check_equal(text, "3 intervals from 2 files\n", "what it says")
        lines = [l.rsplit(",", 1)[0] for l in (out / "both").read_text().splitlines() if l[0] not in '#"']
        _, text, _ = cowload("report", "--unit", "us", out / "both")
    check_equal(lines, ["0.000,1.000,0.001", "1.000,1.000,0.001", "Tag=X,1.000,1.000,0.001"], "lines")
    check_equal(rows(text), {("both", "-"): 3, ("both", "X"): 1}, "samples")
    check("1.00ms" in text, f"values are microseconds: {text}")


@test
def what_is_no_log_is_refused_with_its_line():
    with folder() as out:
        bad, empty = out / "bad", out / "empty"
        bad.write_text(f"#[StartTime: 1.0]\n0.0,1.0,0.0,{WORD}\n0.0,1.0,oops\n")
        empty.write_text("# nothing\n")
        cases = ((("report", bad), f"{bad}:3: neither a header nor an interval"),
                 (("report", empty), f"'{empty}' holds no interval"),
                 (("report", out / "none"), "No such file"),
                 (("report",), "at least one file"),
                 (("report", "--unit", "days", bad), "--unit"),
                 (("report", "--tag", "Y", "--hgrm", out / "h", "X"), "could not open 'X'"),
                 (("merge", "-o", out / "x", bad), f"{bad}:3:"),
                 (("merge", bad), "an output is missing"),
                 (("merge", "-o", out / "x"), "at least one file"),
                 (("merge", "-o", out, pathlib.Path(bad)), f"{bad}:3:"))
        for args, words in cases:
            _, _, err = cowload(*args, codes=(1,))
            check(words in err, f"{args}: {err}")
        check(not (out / "x").exists(), "nothing is left behind")
