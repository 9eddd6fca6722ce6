/* SPDX-License-Identifier: MIT */
/* cycle.h - what others ask of the collector. */
#ifndef GC_IMPL
#error "private to gc/"
#endif
#ifndef GC_CYCLE_H
#define GC_CYCLE_H

#include "gc/impl.h"

/* Works out goal and trigger from live_bytes. */
void gc_cycle_pace(struct gc_heap *heap);
/* A private heap is about to be forked: no sweep may be half done. */
void gc_cycle_finish_sweep(struct gc_heap *heap);
/* The child gives up the cycle that its parent goes on with. */
void gc_cycle_abandon(struct gc_heap *heap);
void gc_cycle_event(struct gc_heap *heap, enum gc_event_kind kind, uint64_t start_ns,
                    uint64_t duration_ns, uint64_t bytes);

#endif
