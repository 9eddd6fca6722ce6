/* SPDX-License-Identifier: MIT */
/* page.h - which pages of the heap are free, who gets them, when they go back. */
#ifndef GC_IMPL
#error "private to gc/"
#endif
#ifndef GC_PAGE_H
#define GC_PAGE_H

#include "gc/impl.h"

#define NO_PAGE UINT32_MAX

/* n neighbouring pages in chunks of this kind; blocks are BLOCK_PAGES at a multiple of
 * that. NO_PAGE when the limit, the reservation or the kernel says no. Contents are
 * undefined. */
uint32_t gc_page_alloc(struct gc_heap *heap, uint32_t n, enum chunk_kind kind);
void gc_page_free(struct gc_heap *heap, uint32_t page, uint32_t n);

/* Gives the dirty pages of a chunk back to the kernel; bytes given back. */
uint64_t gc_page_purge(struct gc_heap *heap, uint32_t chunk);
/* Gives free pages back that were freed at least age_ns ago; bytes given back. */
uint64_t gc_page_decay(struct gc_heap *heap, uint64_t age_ns);

/* Calls fn for each stretch of pages that are in use; stops when it returns an error.
 */
typedef int gc_page_fn(void *arg, uintptr_t addr, size_t bytes);
int gc_page_each_used(const struct gc_heap *heap, uint32_t from_chunk, gc_page_fn *fn,
                      void *arg);

/* First position >= from whose bit equals `set`, or CHUNK_PAGES. */
unsigned gc_page_next(const uint64_t *bits, unsigned from, bool set);

#endif
