/* SPDX-License-Identifier: MIT */
/* recorder.c - two tallies and a flag. */
#include "loadtest/recorder.h"

#include "server/base/check.h"

int recorder_init(struct recorder *recorder)
{
    recorder->current = 0;
    recorder->swapped_ns = 0;
    atomic_init(&recorder->full, false);
    int err = tally_init(&recorder->sets[0]);
    if (err < 0)
        return err;
    err = tally_init(&recorder->sets[1]);
    if (err < 0)
        tally_free(&recorder->sets[0]);
    return err;
}

void recorder_free(struct recorder *recorder)
{
    tally_free(&recorder->sets[0]);
    tally_free(&recorder->sets[1]);
}

void recorder_swap(struct recorder *recorder, uint64_t now_ns)
{
    if (atomic_load_explicit(&recorder->full, memory_order_acquire))
        return;
    recorder->swapped_ns = now_ns;
    recorder->current = 1 - recorder->current;
    atomic_store_explicit(&recorder->full, true, memory_order_release);
}

struct tally *recorder_full(struct recorder *recorder)
{
    if (!atomic_load_explicit(&recorder->full, memory_order_acquire))
        return NULL;
    /* `current` does not change while the flag is set */
    return &recorder->sets[1 - recorder->current];
}

void recorder_done(struct recorder *recorder)
{
    struct tally *full = recorder_full(recorder);
    CHECK(full != NULL);
    tally_reset(full);
    atomic_store_explicit(&recorder->full, false, memory_order_release);
}
