/* SPDX-License-Identifier: MIT */
/* decay.h - free pages go back to the kernel. */
#ifndef GC_IMPL
#error "private to gc/"
#endif
#ifndef GC_DECAY_H
#define GC_DECAY_H

#include "gc/impl.h"

/* Gives back at most n dirty pages of a chunk; how many went. */
uint32_t gc_decay_chunk(struct gc_heap *heap, uint32_t chunk, uint32_t n);
/* All dirty pages, whatever their age; bytes given back. */
uint64_t gc_decay_all(struct gc_heap *heap);
/* When it is time to look: gives back what has been free for config.decay_ns, for about
 * budget_ns; goes on with the next call where this one stopped. */
void gc_decay_some(struct gc_heap *heap, uint64_t budget_ns);

#endif
