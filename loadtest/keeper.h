/* SPDX-License-Identifier: MIT */
/* keeper.h - the requests of one client thread that are kept whole: the slowest, and a
 * sample of all as their control (README rule 20).
 *
 * The slowest are a heap with the fastest of them on top, so most requests cost one
 * comparison. The sample is uniform whatever comes (Li 1994, algorithm L): it knows in
 * advance how many requests it will skip. Beside them the times at which the generator
 * itself was late. All memory is touched before the run.
 */
#ifndef LOADTEST_KEEPER_H
#define LOADTEST_KEEPER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "loadtest/server_timing.h"
#include "loadtest/tally.h"
#include "server/base/prng.h"

struct kept {
    struct tally_times times;
    struct server_timing timing; /* unknown for what has failed */
    bool failed;
};

struct kept_stall {
    uint64_t from_ns, to_ns;
};

enum { KEEPER_STALLS = 4096 };

struct keeper {
    struct kept *slow, *sample; /* owned; `max` of each */
    size_t max, n_slow, n_sample;
    uint64_t seen, next; /* requests so far; the one that is sampled next */
    double weight;       /* of algorithm L */
    struct prng prng;
    struct kept_stall *stalls; /* owned */
    size_t n_stalls;
    uint64_t lost_stalls; /* there was no room */
};

/* 0 or -ENOMEM; with max = 0 nothing is kept. */
int keeper_init(struct keeper *keeper, size_t max, uint64_t seed);
void keeper_free(struct keeper *keeper);
void keeper_reset(struct keeper *keeper);

/* A request whose outcome is known; `timing` is the value of its header. */
void keeper_add(struct keeper *keeper, const struct tally_times *times, bool failed,
                struct span timing);
/* The generator noticed at to_ns that something had been due since from_ns. */
void keeper_stall(struct keeper *keeper, uint64_t from_ns, uint64_t to_ns);

static inline uint64_t kept_latency(const struct kept *kept)
{
    return kept->times.done_ns - kept->times.planned_ns;
}

#endif
