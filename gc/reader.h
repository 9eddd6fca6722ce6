/* SPDX-License-Identifier: MIT */
/* reader.h - the owner's side of the reader protocol. */
#ifndef GC_IMPL
#error "private to gc/"
#endif
#ifndef GC_READER_H
#define GC_READER_H

#include "gc/impl.h"

int gc_reader_init(struct gc_heap *heap);
void gc_reader_done(struct gc_heap *heap);
/* A child takes no reader of its parent's over. */
void gc_reader_detach(struct gc_heap *heap);

/* A cycle begins: readers that enter from here on carry a newer epoch. */
void gc_reader_new_epoch(struct gc_heap *heap);
/* Whether every seat is outside, or inside an epoch of this cycle. */
bool gc_reader_grace_over(const struct gc_heap *heap);
/* After grace: shows the next n pins to the marker; true when all of all seats are
 * read.
 */
bool gc_reader_mark_pins(struct gc_heap *heap, unsigned n);

#endif
