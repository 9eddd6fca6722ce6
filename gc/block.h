/* SPDX-License-Identifier: MIT */
/* block.h - blocks of equal slots, and the lists of those that have room. */
#ifndef GC_IMPL
#error "private to gc/"
#endif
#ifndef GC_BLOCK_H
#define GC_BLOCK_H

#include "gc/impl.h"

/* Fills heap->class_size, class_of and starts. */
void gc_block_init(struct gc_heap *heap);

/* Gives the cursor of this class a word with a free slot; false at the limit. */
bool gc_block_refill(struct gc_heap *heap, unsigned class, bool traced);

/* The allocator forgets every block: before a sweep, and around a fork. */
void gc_block_drop_cursors(struct gc_heap *heap);
void gc_block_drop_lists(struct gc_heap *heap);
/* A block with `live` of its slots taken is put where allocation finds it, or freed. */
void gc_block_file(struct gc_heap *heap, uint32_t block, unsigned live);
/* No hole of a block that has been filed is offered until the next sweep. */
void gc_block_seal_all(struct gc_heap *heap);
/* Sealed blocks become ordinary ones. */
void gc_block_unseal(struct gc_heap *heap);

unsigned gc_block_slots(const struct gc_heap *heap, unsigned class);

#endif
