# SPDX-License-Identifier: MIT
"""The soak (`make soak`) in a few seconds: it works, and finds nothing wrong."""

from e2e.harness import PATIENCE, check, test
from e2e.soak import soak


def add_test(mode):
    def soaked():
        troubles = soak(mode, 5.0 * PATIENCE, 7)
        check(len(troubles.kills) and troubles.stops and troubles.reloads + troubles.reforks,
              f"hardly anything happened: {troubles.figures()}")

    soaked.__name__ = f"mode_{mode}_survives_a_short_soak"
    test(soaked)


for each_mode in ("shared", "arena"):
    add_test(each_mode)
