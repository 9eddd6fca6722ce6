/* SPDX-License-Identifier: MIT */
/* recorder.h - hands the tallies of a running thread to the one that collects them.
 *
 * A ring of tallies. The client thread writes to one of them; when an interval is over
 * and the next one is empty, it goes on there: the only thing it ever does about
 * reporting. The collector owns full ones until it says that they are empty again. If
 * the collector is slow the interval grows longer; the client never waits. A ring with
 * room for all intervals of a run can be collected when the run is over.
 */
#ifndef LOADTEST_RECORDER_H
#define LOADTEST_RECORDER_H

#include <stdatomic.h>
#include <stdint.h>

#include "loadtest/tally.h"

struct recorder_set {
    struct tally tally;
    uint64_t swapped_ns; /* when it was swapped out */
};

struct recorder {
    struct recorder_set *sets; /* owned */
    unsigned n;
    /* Counted in sets, modulo n the place in the ring. `filled`: written by the client
     * after its last write to a set (release, partner: the acquire in recorder_full()).
     * `taken`: written by the collector after its own last write to one (release,
     * partner: the acquire in recorder_swap()). */
    _Atomic uint64_t filled;
    _Atomic uint64_t taken;
};

/* n >= 2 sets, whose page faults are paid here. 0 or -ENOMEM. */
int recorder_init(struct recorder *recorder, unsigned n);
void recorder_free(struct recorder *recorder);

/* For the client. */
struct tally *recorder_tally(struct recorder *recorder);
void recorder_swap(struct recorder *recorder, uint64_t now_ns);

/* For the collector: the oldest full set, or NULL when there is none. recorder_done()
 * empties it and gives it back. */
struct recorder_set *recorder_full(struct recorder *recorder);
void recorder_done(struct recorder *recorder);

#endif
