/* SPDX-License-Identifier: MIT */
/* heap.h - the cache heap as the master owns it: made from options, filled, kept going,
 * reported.
 *
 * What the collector tells goes into the event ring and onto the board of the master. A
 * child inherits the struct and calls heap_leave() first: its collector is the worker's
 * business.
 */
#ifndef COWSHED_MASTER_HEAP_H
#define COWSHED_MASTER_HEAP_H

#include <stdbool.h>
#include <stdint.h>

#include "server/shared/events.h"

struct cache;
struct options;
struct region;

struct heap {
    struct cache *cache; /* NULL: the cache is off */
    struct region *region;
    struct event_source events;  /* the master's ring; none in a child */
    struct event_source traffic; /* likewise, for what comes with each miss */
    uint64_t freed, evicted;     /* what was told last */
    uint64_t finish_since_ns;    /* the collector waits for readers; 0: it does not */
};

/* Must stay where it is: the collector keeps its address. 0, or -EINVAL or -ENOMEM with
 * a reason. */
int heap_open(struct heap *, const struct options *, struct region *,
              const char **ret_why);
/* For how long a collection has been waiting for readers; 0: none does. */
uint64_t heap_waits_ns(const struct heap *, uint64_t now_ns);
/* Whether it is the reader on this seat. */
bool heap_waits_for(const struct heap *, unsigned seat);
void heap_close(struct heap *);
void heap_leave(struct heap *);

/* Objects of the synthetic origin from the first on, until the cache is full: how many.
 */
uint64_t heap_preload(struct heap *, const struct options *);

/* A collector slice when one is due, the board brought up to date. True while a
 * collection is going on: call again soon. */
bool heap_tick(struct heap *, uint64_t budget_ns);

#endif
