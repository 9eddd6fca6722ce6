/* SPDX-License-Identifier: MIT */
/* addr.h - from an address to its header and its entries in the tables, and back. */
#ifndef GC_IMPL
#error "private to gc/"
#endif
#ifndef GC_ADDR_H
#define GC_ADDR_H

#include "gc/heap.h"

static inline struct header *header_of(const void *obj)
{
    return (struct header *)((uintptr_t)obj - HEADER);
}

static inline uint64_t header_size(const struct header *h)
{
    return h->size_lo | (uint64_t)h->size_hi << 32;
}

static inline uintptr_t chunk_addr(const struct gc_heap *heap, uint32_t chunk)
{
    return heap->base + ((uintptr_t)chunk << CHUNK_SHIFT);
}

static inline uintptr_t block_addr(const struct gc_heap *heap, uint32_t block)
{
    return heap->base + ((uintptr_t)block << BLOCK_SHIFT);
}

static inline uint64_t *block_words(uint64_t *bitmap, uint32_t block)
{
    return bitmap + (size_t)block * BLOCK_WORDS;
}

/* Where the bit of the payload at `addr` is. */
static inline size_t bit_word(const struct gc_heap *heap, uintptr_t addr)
{
    return (addr - heap->base) >> (GRANULE_SHIFT + 6);
}

static inline uint64_t bit_mask(uintptr_t addr)
{
    return UINT64_C(1) << ((addr >> GRANULE_SHIFT) & 63);
}

#endif
