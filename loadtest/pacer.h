/* SPDX-License-Identifier: MIT */
/* pacer.h - who may send now, and from when its latency counts.
 *
 * Two cursors walk the same plan. `due` runs ahead with the clock; `send` follows as
 * connections become free. What lies between them is the queue of requests that wait
 * for a connection: it needs no memory, however long the server stands still.
 *
 * In a closed loop there is no plan: whoever is free sends at once, until the end.
 *
 * Pure: the time is an argument (README rules 1 to 4).
 */
#ifndef LOADTEST_PACER_H
#define LOADTEST_PACER_H

#include <stdbool.h>
#include <stdint.h>

#include "loadtest/plan.h"
#include "server/base/hist.h"

struct pacer {
    bool open_loop;
    struct plan due;
    struct plan send;
    uint64_t start_ns;
    uint64_t end_ns; /* nothing is planned at or after this time */
};

/* plan_config NULL: closed loop. */
void pacer_init(struct pacer *pacer, const struct plan_config *plan_config,
                uint64_t start_ns, uint64_t end_ns);

/* Notes what has become due by now. For each, how late the generator noticed it goes
 * into `lag`: that delay is the generator's and not the server's. Returns how many. */
uint64_t pacer_notice(struct pacer *pacer, uint64_t now_ns, struct hist *lag);

/* Takes the oldest request that is due. False when none is. */
bool pacer_take(struct pacer *pacer, uint64_t now_ns, uint64_t *ret_planned_ns);

/* Drops what is due but was not taken: the rest of a run. Returns false at the end. */
bool pacer_drop(struct pacer *pacer, uint64_t *ret_planned_ns);

/* Noticed and not yet taken. */
uint64_t pacer_waiting(const struct pacer *pacer);

/* When pacer_notice() has something to do next; UINT64_MAX when never. */
uint64_t pacer_next_ns(const struct pacer *pacer);

/* Ends the plan now: for an interrupted run. */
void pacer_stop(struct pacer *pacer, uint64_t now_ns);

#endif
