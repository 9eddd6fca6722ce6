/* SPDX-License-Identifier: MIT */
/* mark.h - finding what lives. */
#ifndef GC_IMPL
#error "private to gc/"
#endif
#ifndef GC_MARK_H
#define GC_MARK_H

#include "gc/impl.h"

/* Forgets a mark phase that was never finished, as a child does with its parent's. */
void gc_mark_reset(struct gc_heap *heap);
/* Takes back the marks of a mark phase that was given up. */
void gc_mark_wipe(struct gc_heap *heap);
/* Shows the roots of this process to the marker: root, slots, handles, private pins. */
void gc_mark_roots(struct gc_heap *heap);
/* Traces about `bytes` bytes of objects; true when nothing is left to trace. */
bool gc_mark_some(struct gc_heap *heap, size_t bytes);
bool gc_mark_is_marked(const struct gc_heap *heap, uintptr_t addr);

#endif
