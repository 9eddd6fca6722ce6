/* SPDX-License-Identifier: MIT */
/* verify.h - the verifier's private doors, for config.verify. */
#ifndef GC_IMPL
#error "private to gc/"
#endif
#ifndef GC_VERIFY_H
#define GC_VERIFY_H

#include "gc/impl.h"

/* Marking is complete: everything that can be reached must be marked. */
void gc_verify_marks(struct gc_heap *heap);
void gc_verify_or_die(struct gc_heap *heap);
uint64_t gc_verify_frozen_sum(const struct gc_heap *heap);

#endif
