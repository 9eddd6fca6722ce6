/* SPDX-License-Identifier: MIT */
/* view.h - the server at one moment, as the pages of the admin listener show it.
 *
 * Totals of a slot are sums over its seats, so they never go back when a worker is
 * replaced; gauges are those of living workers. What is read from /proc is sampled at
 * most once per second, however often somebody asks: it holds up page faults of the
 * worker for a moment.
 */
#ifndef COWSHED_ADMIN_VIEW_H
#define COWSHED_ADMIN_VIEW_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "server/base/hist.h"
#include "server/shared/region.h"

struct slot_view {
    unsigned slot, seat; /* the seat that stands for the slot */
    pid_t pid;           /* 0: nobody */
    enum seat_state state;
    uint32_t generation;
    bool is_thread;
    bool beats;                /* READY, and its loop was alive within the last 10 s */
    uint64_t age_ns, quiet_ns; /* since it started; since its last heartbeat */
    uint64_t counters[COUNTERS];
    /* of its process; threads of one process share them evenly */
    uint64_t shared_pages, copied_pages, pss;
};

struct view {
    uint64_t now_ns, sampled_ns;
    unsigned count; /* slots that exist */
    struct slot_view slots[SLOTS_MAX];
    unsigned by_state[SEAT_GONE + 1]; /* workers, both seats */
    const struct hist_shape *shape;
    uint64_t latency[HIST_SERVER_COUNTS_LEN]; /* of all slots */
    uint64_t latency_sum_ns;
    struct { /* per seat, the last sample */
        pid_t pid;
        uint64_t shared_pages, copied_pages, pss;
    } samples[SEATS_MAX];
};

/* All zero before the first call. shared_heap: workers map all of the master's heap,
 * not only what was there when they were forked. */
void view_update(struct view *, const struct region *, bool shared_heap,
                 uint64_t now_ns);
/* Slots that serve. */
unsigned view_ready(const struct view *);
/* Nearest rank, in ns. */
uint64_t view_percentile(const struct view *, uint64_t num, uint64_t den);

#endif
