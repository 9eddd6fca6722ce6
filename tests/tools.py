# SPDX-License-Identifier: MIT
"""Where the programs of others are that tests and benchmarks run."""

import os
import pathlib
import shutil

DEPS = pathlib.Path(__file__).resolve().parent.parent / "build/deps"


def find_tool(name):
    """The path of a program that is installed, or that `.ci/deps install` has unpacked;
    None when there is none."""
    for path in (shutil.which(name), f"/usr/sbin/{name}", *DEPS.glob(f"*/usr/*bin/{name}")):
        if path and os.access(path, os.X_OK):
            return str(path)
    return None
