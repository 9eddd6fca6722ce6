/* SPDX-License-Identifier: MIT */
/* collect.h - the collector of a slot that owns its heap: when it runs, what is told of
 * it.
 *
 * It runs between callbacks, at the end of a turn of the loop, where nothing but pinned
 * entries is held. A run that took long enough to be noticed is looked into: counters
 * and events tell pauses and cycles. A slot that only reads a shared heap never comes
 * here.
 */
#ifndef COWSHED_WORKER_COLLECT_H
#define COWSHED_WORKER_COLLECT_H

#include <stdint.h>

struct worker;

struct collect {
    uint64_t pause_total_ns; /* all pauses so far, for Server-Timing */
    uint64_t slices, cycles, freed;
    uint64_t snapshots, snapshot_failures;
    uint64_t pause_max_ns;
};

/* For a heap that this slot owns. */
void collect_init(struct worker *);
void collect_safepoint(struct worker *); /* end of a turn */
void collect_tick(struct worker *);      /* coarse timer */
void collect_all(struct worker *);       /* asked for */

#endif
