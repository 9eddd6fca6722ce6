/* SPDX-License-Identifier: MIT */
/* backoff.h - how long to wait after a death, and when to give up. Pure. */
#ifndef COWSHED_MASTER_BACKOFF_H
#define COWSHED_MASTER_BACKOFF_H

#include <stdbool.h>
#include <stdint.h>

#include "server/base/clock.h"

#define BACKOFF_FIRST_NS (100 * CLOCK_NS_PER_MS)
#define BACKOFF_LAST_NS  (30 * CLOCK_NS_PER_S)
#define BACKOFF_QUIET_NS (60 * CLOCK_NS_PER_S)

/* One for each slot; all zero at first. */
struct backoff {
    uint64_t delay_ns; /* the last one given */
    uint64_t last_ns;  /* when */
};

/* The slot failed now: do not start it before the instant that is returned. The delay
 * is 100 ms and doubles up to 30 s; a minute without a failure begins again at 100 ms.
 */
uint64_t backoff_failed(struct backoff *, uint64_t now_ns);

/* Deaths of starting workers in a row, over all slots. */
struct breaker {
    unsigned deaths;
};

/* A worker died before it was ready. True when that is one too many. */
bool breaker_death(struct breaker *, unsigned limit);
void breaker_ready(struct breaker *); /* one became ready: begin again */

#endif
