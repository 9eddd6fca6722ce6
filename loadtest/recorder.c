/* SPDX-License-Identifier: MIT */
/* recorder.c - a ring of tallies with one writer and one reader. */
#include "loadtest/recorder.h"

#include <errno.h>
#include <stdlib.h>

#include "server/base/check.h"

int recorder_init(struct recorder *recorder, unsigned n)
{
    CHECK(n >= 2);
    *recorder = (struct recorder){ .sets = calloc(n, sizeof *recorder->sets), .n = n };
    int err = recorder->sets == NULL ? -ENOMEM : 0;
    for (unsigned i = 0; i < n && err == 0; i++)
        err = tally_init(&recorder->sets[i].tally);
    if (err < 0)
        recorder_free(recorder);
    return err;
}

void recorder_free(struct recorder *recorder)
{
    for (unsigned i = 0; recorder->sets != NULL && i < recorder->n; i++)
        tally_free(&recorder->sets[i].tally);
    free(recorder->sets);
    recorder->sets = NULL;
}

static struct recorder_set *set_at(struct recorder *recorder, uint64_t number)
{
    return &recorder->sets[number % recorder->n];
}

struct tally *recorder_tally(struct recorder *recorder)
{
    uint64_t filled = atomic_load_explicit(&recorder->filled, memory_order_relaxed);
    return &set_at(recorder, filled)->tally;
}

void recorder_swap(struct recorder *recorder, uint64_t now_ns)
{
    uint64_t filled = atomic_load_explicit(&recorder->filled, memory_order_relaxed);
    uint64_t taken = atomic_load_explicit(&recorder->taken, memory_order_acquire);
    if (filled + 1 - taken == recorder->n)
        return;
    set_at(recorder, filled)->swapped_ns = now_ns;
    atomic_store_explicit(&recorder->filled, filled + 1, memory_order_release);
}

struct recorder_set *recorder_full(struct recorder *recorder)
{
    uint64_t taken = atomic_load_explicit(&recorder->taken, memory_order_relaxed);
    if (taken == atomic_load_explicit(&recorder->filled, memory_order_acquire))
        return NULL;
    return set_at(recorder, taken);
}

void recorder_done(struct recorder *recorder)
{
    struct recorder_set *full = recorder_full(recorder);
    uint64_t taken = atomic_load_explicit(&recorder->taken, memory_order_relaxed);
    CHECK(full != NULL);
    tally_reset(&full->tally);
    atomic_store_explicit(&recorder->taken, taken + 1, memory_order_release);
}
