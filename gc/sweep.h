/* SPDX-License-Identifier: MIT */
/* sweep.h - from marks to free room. */
#ifndef GC_IMPL
#error "private to gc/"
#endif
#ifndef GC_SWEEP_H
#define GC_SWEEP_H

#include "gc/impl.h"

/* Call once marking is complete: nothing that is unmarked may be looked at again. */
void gc_sweep_start(struct gc_heap *heap);
/* Whether the running sweep has yet to come by this page: what is allocated there has
 * to say that it is fresh. */
bool gc_sweep_comes(const struct gc_heap *heap, uint32_t page);
/* Sweeps about so many blocks; false when the phase is not SWEEP or nothing is left. */
bool gc_sweep_some(struct gc_heap *heap, uint64_t blocks);

#endif
