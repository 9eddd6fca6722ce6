# SPDX-License-Identifier: MIT
"""`cowload self-test`: its figures against the closed forms, whatever the machine is up to."""

import re

from e2e.harness import check, check_equal, test
from e2e.load import cowload

FIGURE = re.compile(r"^(fixed|bimodal|freeze) +(\d+)  (p[\d.]+) +\S+ +\S+ +([+-][\d.]+) %", re.M)


@test
def what_can_be_told_is_within_one_percent():
    code, text, _ = cowload("self-test", "--quick", codes=(0, 3), timeout_s=180)
    figures = FIGURE.findall(text)
    check("WRONG" not in text, text)
    check(all(abs(float(error)) <= 1 for *_, error in figures), text)
    # each scenario is told at both rates, or the machine was too busy, which is said
    for name in ("fixed", "bimodal", "freeze"):
        for rate in ("100", "1000"):
            told = [f for f in figures if f[:2] == (name, rate)]
            busy = re.search(rf"^{name} +{rate}  the machine was too busy", text, re.M)
            check_equal((len(told), bool(busy)) in ((5, False), (0, True)), True,
                        f"{name} at {rate}/s in {text}")
            check(not busy or code == 3, f"exit code {code} although a rate was too much: {text}")
    check(re.search(r"^largest error [\d.]+ %, 1 % are tolerated: ", text, re.M), text)


@test
def wrong_arguments_of_the_self_test_are_named():
    for args, words in ((("--fast",), "--fast"), (("http://a/",), "no operands are expected, not 'http://a/'")):
        _, _, err = cowload("self-test", *args, codes=(1,))
        check(words in err, err)
