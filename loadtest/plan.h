/* SPDX-License-Identifier: MIT */
/* plan.h - when requests are due: fixed by (seed, index) before the first is sent.
 *
 * README rule 1. A plan knows nothing of responses, connections or the clock. Each
 * thread has one, with its share of the rate; Poisson plans of several threads add up
 * to a Poisson plan, constant ones are staggered so that they add up to a constant one.
 */
#ifndef LOADTEST_PLAN_H
#define LOADTEST_PLAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "server/base/prng.h"

struct plan_config {
    uint64_t seed;
    double rate; /* requests per second of all streams together; > 0 */
    bool constant;
    unsigned stream; /* this one of `streams` */
    unsigned streams;
    /* A ramp: from `rate` to `rate_to` over length_ns, in a line, or in so many steps
     * of equal length; then it stays. rate_to 0: no ramp. */
    double rate_to;
    double length_ns;
    unsigned steps; /* 0: a line */
    /* Arrivals at given times, which are `speed` times as fast: a replay; NULL: none.
     */
    const uint64_t *list_ns;
    size_t list_n;
    double speed;
};

struct plan {
    struct prng prng;
    double gap_ns; /* mean between two arrivals of this stream */
    double phase;  /* of a constant plan, in gaps */
    bool constant;
    const uint64_t *list_ns; /* of all streams */
    size_t list_n, list_at, streams;
    double speed;
    bool ramp;
    double from, to;  /* arrivals of this stream per ns */
    double length_ns; /* of the ramp */
    unsigned steps;
    double due;     /* of a ramp: the expected number of arrivals before the next one */
    uint64_t index; /* of the arrival that is next */
    double at_ns;   /* when, from the start of the plan */
};

void plan_init(struct plan *plan, const struct plan_config *config);
void plan_advance(struct plan *plan);

/* Nanoseconds from the start of the plan to the next arrival. */
static inline uint64_t plan_next_ns(const struct plan *plan)
{
    return (uint64_t)plan->at_ns;
}

/* When `due` arrivals are expected to have come: where the rate has that integral. */
double plan_ramp_ns(const struct plan *plan, double due);

/* A seed for something that must not be correlated with the others of this run. */
uint64_t plan_derive_seed(uint64_t seed, uint64_t purpose);

#endif
