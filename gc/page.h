/* SPDX-License-Identifier: MIT */
/* page.h - which pages of the heap are free, and who gets them. */
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

/* Calls fn for each stretch of pages that are in use; stops when it returns an error.
 */
typedef int gc_page_fn(void *arg, uintptr_t addr, size_t bytes);
int gc_page_each_used(const struct gc_heap *heap, uint32_t from_chunk, gc_page_fn *fn,
                      void *arg);

/* First position >= from whose bit equals `set`, or CHUNK_PAGES. */
unsigned gc_page_next(const uint64_t *bits, unsigned from, bool set);
void gc_page_set(uint64_t *bits, unsigned from, unsigned n, bool on);
/* Longest run of free pages; in a chunk of blocks, the pages of its free blocks. */
unsigned gc_page_longest(const struct chunk *chunk, enum chunk_kind kind);

#endif
