/* SPDX-License-Identifier: MIT */
/* final.h - objects whose death the program wants to hear of. */
#ifndef GC_IMPL
#error "private to gc/"
#endif
#ifndef GC_FINAL_H
#define GC_FINAL_H

#include "gc/impl.h"

/* A cycle begins: nobody has been looked at. */
void gc_final_begin(struct gc_heap *heap);
/* FINISH, when everything reachable is marked: looks at about n objects. False while
 * there is more to do, which may be something to trace. */
bool gc_final_some(struct gc_heap *heap, size_t n);
/* The cycle has traced what it found: it may be handed out. */
void gc_final_end(struct gc_heap *heap);
/* Everything is frozen, and nothing that is frozen dies. */
void gc_final_freeze(struct gc_heap *heap);
/* Objects that the program has not taken yet, and those that this cycle has found so
 * far. */
void gc_final_each(const struct gc_heap *heap, struct gc_visitor *v);
void gc_final_free(struct gc_heap *heap);

#endif
