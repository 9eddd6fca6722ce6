# SPDX-License-Identifier: MIT
"""report.html in a browser: every chart is drawn, nothing fails, nothing is fetched."""

import json
import re
import subprocess
import tempfile

from e2e.harness import PATIENCE, Skip, check, check_equal, test
from e2e.load import STAND_IN, cowload, folder
from tools import find_tool

CHROMIUM = ("--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-sync",
            "--disable-background-networking", "--disable-component-update", "--disable-quic",
            "--virtual-time-budget=10000", "--enable-logging=stderr", "--dump-dom")


def shown(page):
    """The page after its script has run, and what it said on the console."""
    browser = find_tool("chromium")
    if browser is None:
        raise Skip("needs chromium: .ci/deps install tools")
    with tempfile.TemporaryDirectory(prefix="cowload-browser-") as profile:
        done = subprocess.run([browser, *CHROMIUM, f"--user-data-dir={profile}", f"file://{page}"],
                              capture_output=True, text=True, timeout=120 * PATIENCE, check=False)
    check_equal(done.returncode, 0, f"the exit code of {browser}, which says {done.stderr}\n; it")
    said = [line for line in done.stderr.splitlines() if "CONSOLE" in line]
    return done.stdout, said


def charts(dom):
    """How many were drawn; the script says so at its end."""
    found = re.search(r'<body data-charts="(\d+)"', dom)
    check(found is not None, "the script did not come to its end")
    return found.group(1)


def report(out, *args):
    cowload("ab", "--modes", "fast,slow", "--blocks", 2, "-d", "300ms", "--warmup", "100ms", "-R", 400,
            "-c", 4, "--server", STAND_IN, "--out", out, *args, codes=(0, 3))
    return out / "report.html"


@test
def a_page_without_causes_draws_what_it_has():
    with folder() as out:
        dom, said = shown(report(out))
    check_equal(said, [], "what the page says on the console")
    check_equal(charts(dom), "1", "charts: too few blocks for intervals, no causes")
    check('<section id="why" hidden' in dom, "there are no causes to show")
    check(">slow</td>" in dom and ">fast</td>" in dom, "the tables have both modes")


@test
def a_page_with_causes_shows_them_with_their_base_rates():
    options = ("origin=synthetic", "synthetic.objects=2000", "synthetic.preload=on", "cache_bytes=8m",
               "slots=1", "access_log=off")
    with folder() as out:
        cowload("ab", "--modes", "arena,arena", "--blocks", 1, "-d", "600ms", "--warmup", "100ms", "-R", 300,
                "--zipf", "2000,0.5", "--attribute", "--out", out,
                *(word for option in options for word in ("-o", option)), codes=(0, 3))
        dom, said = shown(out / "report.html")
    check_equal(said, [], "what the page says on the console")
    check_equal(charts(dom), "4", "charts: percentiles, causes, one block, around an event")
    check(">arena#2</td>" in dom and ">of the slowest</th>" in dom, "the tables are filled")


@test
def the_page_fetches_nothing_and_no_data_can_end_its_script():
    with folder() as out:
        page = report(out, "/x</script><b>{}").read_text(encoding="utf-8")
        data = json.loads((out / "report.json").read_text(encoding="utf-8"))
    check_equal(data["path"], "/x</script><b>{}", "the path")
    text = page[:page.index("/*!")] + page[page.index('<script id="data"'):]
    check(not re.search(r'(src|href)\s*=|@import|url\(|fetch\(|XMLHttp', text), "it names no other file")
    check_equal(page.count("</script>"), 3, "ends of scripts")


@test
def a_fault_that_is_planted_is_seen():
    with folder() as out:
        page = report(out)
        text = page.read_text(encoding="utf-8")
        page.write_text(text.replace("function table(", "function tabel(", 1), encoding="utf-8")
        _, said = shown(page)
    check(any("table is not defined" in line for line in said), f"a page that is broken says {said}")
