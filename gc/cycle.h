/* SPDX-License-Identifier: MIT */
/* cycle.h - what others ask of the collector. */
#ifndef GC_IMPL
#error "private to gc/"
#endif
#ifndef GC_CYCLE_H
#define GC_CYCLE_H

#include "gc/impl.h"

void gc_cycle_init(struct gc_heap *heap);
/* Works out goal and trigger from live_bytes. */
void gc_cycle_pace(struct gc_heap *heap);
/* A private heap is about to be forked: no sweep may be half done. */
void gc_cycle_finish_sweep(struct gc_heap *heap);
/* The child gives up the cycle that its parent goes on with. */
void gc_cycle_abandon(struct gc_heap *heap);
/* A pause of the owner: from its beginning on, and its end, when it is counted and told
 * to the listener. */
struct gc_pause {
    uint64_t begin_ns;
};
struct gc_pause gc_cycle_pause(struct gc_heap *heap);
void gc_cycle_resume(struct gc_heap *heap, const struct gc_pause *pause);
/* An allocation has found no room and sweeps, with an incremental collector for as long
 * as a slice may take. False when nothing is left to sweep, or the time is over. */
bool gc_cycle_sweep_for_room(struct gc_heap *heap, const struct gc_pause *pause);
void gc_cycle_event(struct gc_heap *heap, enum gc_event_kind kind, uint64_t start_ns,
                    uint64_t duration_ns, uint64_t bytes);

#endif
