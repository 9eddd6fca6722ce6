/* SPDX-License-Identifier: MIT */
/* recorder.h - hands the tallies of a running thread to the one that collects them.
 *
 * The client thread writes to one of two tallies. When an interval is over and the
 * other one has been collected, it swaps them: the only thing it ever does about
 * reporting. The collector then owns the full one until it says that it is empty again.
 * If the collector is slow the interval grows longer; the client never waits.
 */
#ifndef LOADTEST_RECORDER_H
#define LOADTEST_RECORDER_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "loadtest/tally.h"

struct recorder {
    struct tally sets[2];
    unsigned current; /* written and read by the client alone */
    /* The client sets it after its last write to the other set (release); the collector
     * clears it after its own last write there (release). Whoever reads it with acquire
     * may touch that set. */
    atomic_bool full;
    uint64_t swapped_ns; /* belongs to the full set: when it was swapped out */
};

int recorder_init(struct recorder *recorder);
void recorder_free(struct recorder *recorder);

/* For the client. */
static inline struct tally *recorder_tally(struct recorder *recorder)
{
    return &recorder->sets[recorder->current];
}
void recorder_swap(struct recorder *recorder, uint64_t now_ns);

/* For the collector: the full set, or NULL when there is none. recorder_done() empties
 * it and gives it back. */
struct tally *recorder_full(struct recorder *recorder);
void recorder_done(struct recorder *recorder);

#endif
