#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""How often `cowload ab` is wrong: comparisons of equal arms, and of arms that are known to differ.

Each repetition compares, with a seed of its own, a server with itself (A/A), and with one whose 99th
percentile is a fifth longer. The servers are `cowload serve`, whose latency is known: one request in
fifty takes 100 ms, or 120. The second kind of repetition compares cowshed with itself.

Exit code: 0 when no more A/A pairs are told apart than the stated error rate admits and the planted
difference is found each time; 1 when not; 3 when the machine was too busy for a verdict.
"""
import argparse
import json
import pathlib
import subprocess
import sys
import tempfile

ALPHA = 0.05
CLAIMS = ("faster", "slower")


def compare(cowload, arms, out, seed, *args):
    """{label: verdict on p99 beside the first}; None when the run cannot be trusted."""
    words = [word for arm in arms for word in ("--arm", arm)]
    done = subprocess.run([cowload, "ab", *words, "--out", out, "--seed", str(seed), *args],
                          stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    if done.returncode not in (0, 3):
        sys.exit(f"{done.stdout}\n{done.stderr}")
    report = json.loads((pathlib.Path(out) / "report.json").read_text(encoding="utf-8"))
    if done.returncode == 3:
        return None
    return {arm["arm"]: arm["against_control"]["p99"] for arm in report["arms"][1:]}


def known(args, seed, out):
    serve = f"run {args.cowload} serve -p {{port}} --delay 20ms --every 50 --realtime --slow"
    return compare(args.cowload, [f"a={serve} 100ms", f"a={serve} 100ms", f"planted={serve} 120ms"],
                   out, seed, "-b", "7", "-d", "600ms", "--warmup", "200ms", "-R", "2500", "-c", "256", "--total",
                   "10m", "/")


def itself(args, seed, out):
    arm = f"a=-m shared -o root={args.root} -o access_log=off"
    return compare(args.cowload, [arm, arm], out, seed, "-b", "9", "-d", "600ms", "--warmup", "200ms",
                   "-R", "4000", "--total", "10m", "/index.html")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cowload", default="build/cowload")
    parser.add_argument("--root", default="www", help="what cowshed serves")
    parser.add_argument("-n", "--repetitions", type=int, default=20)
    parser.add_argument("--kind", choices=("known", "itself"), action="append",
                        help="only this one of the two")
    args = parser.parse_args()
    kinds = [kind for kind in (known, itself) if kind.__name__ in (args.kind or ("known", "itself"))]
    false, equal, missed, found, untrusted = 0, 0, 0, 0, 0
    for seed in range(1, args.repetitions + 1):
        for kind in kinds:
            with tempfile.TemporaryDirectory(prefix="false-verdicts-") as out:
                verdicts = kind(args, seed, out)
            if verdicts is None:
                untrusted += 1
                print(f"{seed:3} {kind.__name__:7} not to be trusted: the machine was too busy", flush=True)
                continue
            same = verdicts["a#2"]
            equal += 1
            false += same["verdict"] in CLAIMS
            words = f"A/A {same['verdict']} {same['ratio']:.3f}"
            if "planted" in verdicts:
                other = verdicts["planted"]
                hit = other["verdict"] == "slower"
                found += hit
                missed += not hit
                words += f"; planted {other['verdict']} {other['ratio']:.3f}"
            print(f"{seed:3} {kind.__name__:7} {words}", flush=True)
    admitted = ALPHA * equal
    print(f"\n{false} of {equal} pairs of equal arms were told apart; {admitted:.1f} are admitted")
    print(f"{found} of {found + missed} planted differences of 20 % at p99 were found")
    if untrusted > 0:
        print(f"{untrusted} comparisons could not be trusted")
    if false > admitted or missed > 0:
        sys.exit(1)
    sys.exit(3 if untrusted * 4 > len(kinds) * args.repetitions else 0)


if __name__ == "__main__":
    main()
