# SPDX-License-Identifier: MIT
"""Every mode serves real files byte for byte while its workers are killed, recycled and
reforked; afterwards nothing is left of it."""

import functools
import os
import pathlib
import random
import tempfile

from e2e.chaos import SEED, serve_through_chaos
from e2e.crowd import Site
from e2e.harness import MODES, PATIENCE, Skip, test

SANITIZED = PATIENCE > 1
DOC = "/usr/share/doc"
DOC_EVERY = 8 if SANITIZED else 1  # one file of so many
CLIENTS = 64
OPTIONS = {"cache_bytes": "32m", "recycle.requests": 200}


@functools.cache
def doc_site():
    site = Site(DOC, DOC_EVERY)
    if len(site.files) * DOC_EVERY < 300:
        raise Skip(f"{DOC} holds {len(site.files) * DOC_EVERY} files only")
    return site


def write_awkward_tree(server_root):
    """Sizes around pages, cache limits and ring records; names that need care."""
    rng = random.Random(SEED)
    sizes = [0, 1, 15, 16, 17, 4095, 4096, 4097, 8191, 8192, 8193]
    sizes += [n + d for n in (64 << 10, 1 << 20) for d in (-1, 0, 1)] + [5 << 20]
    for size in sizes:
        for copy in range(3):
            (server_root / f"size-{size}.{copy}").write_bytes(rng.randbytes(size))
    names = ["a b", "per%cent", "que?ry", "ha#sh", "pl+us", "am&p", "semi;colon", "quo\"te",
             "apo'strophe", "back\\slash", "til~de", "ü", "日本", "..two", "two..", "...",
             "%41", "%2e%2e", "a:b", "x" * 255, "UPPER", "upper", ".hidden", "dash-", "[b]",
             "{c}", "p|pe", "ca^ret", "gr`ave", "<lt>", "no.extension.known.xyz"]
    for name in names:
        (server_root / name).write_bytes(name.encode() * rng.randint(1, 50))
    (server_root / os.fsdecode(b"latin-\xe9")).write_bytes(b"not UTF-8")
    deep = server_root
    for level in range(30):
        deep = deep / f"d {level}"
    deep.mkdir(parents=True)
    (deep / "leaf.html").write_bytes(b"<p>deep\n")
    for number in range(300):
        folder = server_root / f"f{number % 10}"
        folder.mkdir(exist_ok=True)
        (folder / f"{number}.txt").write_bytes(rng.randbytes(int(rng.lognormvariate(8, 1.5))))


def serve_documents(mode):
    site = doc_site()
    print(f"{mode}: {len(site.files)} files of {DOC} (one of {DOC_EVERY}), "
          f"{site.bytes >> 20} MiB, {CLIENTS} connections")
    serve_through_chaos(mode, site, CLIENTS, 2.0 * PATIENCE, {**OPTIONS, "root": DOC})


def serve_awkward_tree(mode, folder):
    site = Site(folder)
    print(f"{mode}: {len(site.files)} files of a made tree, {site.bytes >> 20} MiB")
    serve_through_chaos(mode, site, CLIENTS, 1.5 * PATIENCE, {**OPTIONS, "root": folder})


def add_tests(mode):
    def documents():
        serve_documents(mode)

    def awkward():
        with tempfile.TemporaryDirectory(prefix="cowshed-e2e-") as folder:
            write_awkward_tree(pathlib.Path(folder))
            serve_awkward_tree(mode, folder)

    documents.__name__ = f"mode_{mode}_serves_usr_share_doc_through_kills_and_forks"
    awkward.__name__ = f"mode_{mode}_serves_awkward_names_and_sizes_through_kills_and_forks"
    test(documents)
    test(awkward)


for each_mode in MODES:
    add_tests(each_mode)
