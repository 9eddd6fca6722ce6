# SPDX-License-Identifier: MIT
"""`make chaos` in short: kills, reforks, reloads and upgrades under half of the capacity."""

import pathlib
import re
import subprocess
import sys

from e2e.harness import BINARY, Skip, check_equal, test
from e2e.load import COWLOAD

TOP = pathlib.Path(__file__).resolve().parents[2]


@test
def nothing_fails_but_what_a_killed_worker_had_in_its_hands():
    for mode in ("shared", "naive"):
        done = subprocess.run([sys.executable, str(TOP / "tests/bench/chaos.py"), "--cowshed", str(BINARY),
                               "--cowload", str(COWLOAD), "--seconds", "4", "--mode", mode],
                              capture_output=True, text=True, timeout=300, check=False)
        if done.returncode == 77:
            raise Skip(done.stdout.strip())
        check_equal(done.returncode, 0, f"mode {mode}: {done.stdout}{done.stderr}")
        check_equal(len(re.findall(r"\d+ sent", done.stdout)), 3, "acts")
