/* SPDX-License-Identifier: MIT */
/* sweep.c - what was not marked becomes free room.
 *
 * For small objects the mark word replaces the allocation word and is cleared: 64 words
 * per block, and the objects are not touched (rule 3). A mark where no object is, left
 * by a pointer that was none, does not become an object: it is dropped, and the count
 * of what lives, which it is a part of, shows it (rule 7). The control, marks = HEADER,
 * has to read every header instead. Words that do not change are not written: their
 * page of the table may be shared.
 */
#define GC_IMPL
#include "gc/sweep.h"

#include <string.h>

#include "gc/block.h"
#include "gc/decay.h"
#include "gc/page.h"
#include "gc/poison.h"

#define NO_CHUNK UINT32_MAX

enum { PURGE_PAGES = 32 };

void gc_sweep_start(struct gc_heap *heap)
{
    gc_block_drop_cursors(heap);
    gc_block_drop_lists(heap);
    heap->sweep_block = (uint32_t)((heap->arena_start - heap->base) >> BLOCK_SHIFT);
    heap->sweep_purge = NO_CHUNK;
    heap->sweep_live = 0;
    heap->since_mark = 0;
    heap->black =
        false; /* from here on allocation uses swept blocks and fresh ones only */
}

bool gc_sweep_comes(const struct gc_heap *heap, uint32_t page)
{
    return heap->phase == GC_SWEEP && page / BLOCK_PAGES >= heap->sweep_block;
}

/* The objects of an allocation word that carry this cycle's mark in their headers. */
static uint64_t marked_headers(const struct gc_heap *heap, uintptr_t addr,
                               uint64_t alloc)
{
    uint64_t marked = 0;
    for (uint64_t bits = alloc; bits; bits &= bits - 1) {
        unsigned at = (unsigned)__builtin_ctzll(bits);
        const struct header *h =
            header_of((const void *)(addr + (uintptr_t)at * GRANULE));
        if (h->mark == heap->mark_value)
            marked |= UINT64_C(1) << at;
    }
    return marked;
}

/* Stress mode: nobody may go on using what was freed. */
static void spoil(const struct gc_heap *heap, uintptr_t addr, uint64_t freed,
                  size_t size)
{
    for (; freed; freed &= freed - 1) {
        uintptr_t obj = addr + (uintptr_t)__builtin_ctzll(freed) * GRANULE;
        gc_unpoison(obj - HEADER, size);
        if (heap->config.stress)
            memset((void *)(obj - HEADER), POISON, size);
        if (!heap->config.shared)
            gc_poison(obj - HEADER, size);
    }
}

static void sweep_block(struct gc_heap *heap, uint32_t block)
{
    if (heap->blocks[block].fresh) {
        heap->blocks[block].fresh = false;
        return;
    }
    uint64_t *alloc = block_words(heap->alloc, block);
    uint64_t *marks = block_words(heap->marks, block);
    uintptr_t addr = block_addr(heap, block);
    size_t size = heap->class_size[heap->blocks[block].class];
    unsigned live = 0, died = 0;
    for (unsigned w = 0; w < BLOCK_WORDS; w++, addr += 64 * GRANULE) {
        uint64_t was = alloc[w];
        if (!was)
            continue;
        uint64_t now = heap->config.marks == GC_MARKS_HEADER
                           ? marked_headers(heap, addr, was)
                           : marks[w] & was;
        live += (unsigned)__builtin_popcountll(now);
        if (marks[w])
            marks[w] = 0;
        if (now == was)
            continue;
        alloc[w] = now;
        died += (unsigned)__builtin_popcountll(was & ~now);
        if (heap->config.stress || GC_POISONS)
            spoil(heap, addr, was & ~now, size);
    }
    heap->sweep_live += live * size;
    heap->freed_in_cycle += died * size;
    gc_block_file(heap, block, live);
}

static void sweep_run(struct gc_heap *heap, uint32_t page)
{
    struct run *run = &heap->runs[page];
    if (run->fresh) {
        run->fresh = false;
        return;
    }
    uintptr_t addr = heap->base + ((uintptr_t)page << PAGE_SHIFT) + GRANULE;
    size_t word = bit_word(heap, addr), size = (size_t)run->pages * PAGE;
    uint64_t mask = bit_mask(addr);
    bool marked = heap->config.marks == GC_MARKS_HEADER
                      ? header_of((const void *)addr)->mark == heap->mark_value
                      : heap->marks[word] & mask;
    heap->marks[word] &= ~mask;
    if (marked) {
        heap->sweep_live += size;
        return;
    }
    uint32_t pages = run->pages;
    heap->alloc[word] &= ~mask;
    *run = (struct run){ 0 };
    heap->n_runs--;
    heap->freed_in_cycle += size;
    gc_unpoison(addr - GRANULE, size);
    if (heap->config.stress)
        memset((void *)(addr - GRANULE), POISON, size);
    gc_page_free(heap, page, pages);
}

/* From the cursor to the end of its chunk: a chunk may have become one of runs after
 * the sweep had passed blocks in it. A run that began earlier has no head here and is
 * skipped page by page. */
static void sweep_runs(struct gc_heap *heap, uint32_t chunk)
{
    unsigned at = heap->sweep_block % CHUNK_BLOCKS * BLOCK_PAGES;
    while ((at = gc_page_next(heap->chunks[chunk].free, at, false)) < CHUNK_PAGES) {
        uint32_t page = chunk * CHUNK_PAGES + at;
        uint32_t pages = heap->runs[page].pages;
        if (pages)
            sweep_run(heap, page);
        at += pages ? pages : 1;
    }
}

/* The next block, or the rest of a chunk of runs or of nothing. */
static void sweep_next(struct gc_heap *heap)
{
    uint32_t block = heap->sweep_block, chunk = block / CHUNK_BLOCKS;
    uint32_t kind = heap->summaries[chunk].kind;
    if (kind == CHUNK_OF_BLOCKS) {
        if (heap->blocks[block].use == BLOCK_OF_SLOTS)
            sweep_block(heap, block);
        heap->sweep_block++;
    } else {
        if (kind == CHUNK_OF_RUNS)
            sweep_runs(heap, chunk);
        heap->sweep_block = (chunk + 1) * CHUNK_BLOCKS;
    }
    if (heap->config.decay_ns == 0 && heap->sweep_block % CHUNK_BLOCKS == 0)
        heap->sweep_purge = chunk;
}

bool gc_sweep_some(struct gc_heap *heap, uint64_t blocks)
{
    if (heap->phase != GC_SWEEP)
        return false;
    if (heap->sweep_purge != NO_CHUNK) {
        if (gc_decay_chunk(heap, heap->sweep_purge, PURGE_PAGES))
            return true;
        heap->sweep_purge = NO_CHUNK;
    }
    uint32_t all = heap->chunks_used * CHUNK_BLOCKS;
    if (heap->sweep_block >= all)
        return false;
    uint64_t enough = heap->sweep_block + blocks;
    while (heap->sweep_block < enough && heap->sweep_block < all &&
           heap->sweep_purge == NO_CHUNK)
        sweep_next(heap);
    return true;
}
