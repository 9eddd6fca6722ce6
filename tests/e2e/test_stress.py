# SPDX-License-Identifier: MIT
"""Every mode with a collection at each safepoint after an allocation, freed memory
overwritten, a cache that evicts all the time, and workers that are killed, recycled,
reforked and purged meanwhile.  Built with a sanitizer, this is the proof that the heap and
the server are clean; in a plain build a pointer that was kept too long still shows as
bytes that differ from the disk."""

import pathlib
import random
import tempfile

from e2e.chaos import SEED, serve_through_chaos
from e2e.crowd import Site
from e2e.harness import BUILD, MODES, PATIENCE, Skip, test

FILES = 150
CLIENTS = 24
OPTIONS = {"gc.stress": "on", "cache_bytes": "1m", "cache.valid": "100ms",
           "recycle.requests": 100}


def write_tree(folder):
    """More than the cache holds: small ones, and some that are runs of pages."""
    rng = random.Random(SEED)
    for number in range(FILES):
        size = min(int(rng.lognormvariate(8.5, 1.5)), 200_000)
        (folder / f"{number}.txt").write_bytes(rng.randbytes(size))


def stress(mode, options):
    with tempfile.TemporaryDirectory(prefix="cowshed-e2e-") as name:
        folder = pathlib.Path(name)
        write_tree(folder)
        serve_through_chaos(mode, Site(folder), CLIENTS, 1.0 * PATIENCE,
                            {**OPTIONS, **options, "root": folder})


def add_test(name, mode, options):
    def stressed():
        if "thread" in BUILD.name and mode not in ("threads", "shared"):
            raise Skip("ThreadSanitizer: no other thread sees a private heap, and collecting it "
                       "all the time takes minutes")
        stress(mode, options)

    stressed.__name__ = name
    test(stressed)


for each_mode in MODES:
    add_test(f"mode_{each_mode}_survives_a_collection_at_every_safepoint", each_mode, {})
add_test("a_table_beside_marks_at_the_side_survives_stress", "naive",
         {"gc.marks": "side", "gc.reuse": "page", "gc.schedule": "incremental"})
add_test("an_arena_that_children_mark_survives_stress", "arena", {"gc.schedule": "snapshot"})
add_test("an_inherited_heap_that_children_mark_survives_stress", "naive",
         {"gc.marks": "side", "gc.schedule": "snapshot"})
add_test("marks_in_the_header_of_a_trie_survive_stress", "arena",
         {"gc.marks": "header", "cache.recency": "inline", "gc.schedule": "stw"})
