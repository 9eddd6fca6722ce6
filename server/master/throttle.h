/* SPDX-License-Identifier: MIT */
/* throttle.h - the gate that every fork of a slot passes. Pure: the caller brings the
 * time and the numbers.
 *
 * The bucket is kept as one instant, the generic cell rate algorithm (ITU-T I.371):
 * with an interval T = 1 / rate a fork is allowed when now >= full_ns - (burst - 1) *
 * T, and moves full_ns to max(full_ns, now) + T. No tokens need to be topped up, and
 * nothing drifts.
 */
#ifndef COWSHED_MASTER_THROTTLE_H
#define COWSHED_MASTER_THROTTLE_H

#include <stdint.h>

/* WAIT(NAME, words) */
#define THROTTLE_REASONS(WAIT)                                   \
    WAIT(GO, "nothing to wait for")                              \
    WAIT(UNREADY, "as many slots as allowed are not ready yet")  \
    WAIT(MEMORY, "less memory is available than must stay free") \
    WAIT(RATE, "as many forks as allowed have just been made")

#define THROTTLE_CONSTANT(name, words) THROTTLE_##name,
enum throttle_reason { THROTTLE_REASONS(THROTTLE_CONSTANT) };
#undef THROTTLE_CONSTANT

struct throttle {
    uint64_t full_ns; /* when the bucket is full again; all zero at first */
};

struct throttle_limits {
    int64_t rate;           /* forks per second; 0: no limit */
    int64_t burst;          /* >= 1 */
    int64_t max_unready;    /* slots; 0: no limit */
    uint64_t min_available; /* bytes; 0: no limit */
};

struct throttle_state {
    uint64_t now_ns;
    unsigned unready;   /* slots that are starting */
    uint64_t available; /* bytes of memory; looked at only with a limit */
};

/* May a slot be forked now? If not, *ret_retry_ns is when to ask again; UINT64_MAX for
 * UNREADY: when one becomes ready or dies. */
enum throttle_reason throttle_ask(const struct throttle *,
                                  const struct throttle_limits *,
                                  const struct throttle_state *,
                                  uint64_t *ret_retry_ns);
/* A fork was made. */
void throttle_take(struct throttle *, const struct throttle_limits *, uint64_t now_ns);
const char *throttle_reason_words(enum throttle_reason);

#endif
