/* SPDX-License-Identifier: MIT */
/* page.c - the pages of the heap.
 *
 * A chunk holds blocks or runs, never both, so that small objects do not scatter
 * between large ones; it is free for either when all its pages are. A run longer than a
 * chunk takes whole chunks and the first pages of the one after. Search is first fit
 * from the low end: what is free gathers at the high end, where whole chunks become
 * empty and go back to the kernel. It goes by groups of chunks, so that an allocation
 * in a heap of many GiB does not walk all of them.
 *
 * A free page is dirty while the kernel may still hold memory for it (decay.c). After a
 * fork a dirty page may also be somebody else's: it is given back before it is written
 * again, which makes the write a fresh zero page instead of a copy of dead bytes
 * (rule 8).
 */
#define GC_IMPL
#include "gc/page.h"

#include <string.h>

#include "gc/os.h"

enum { COMMIT_CHUNKS = 16 };

unsigned gc_page_next(const uint64_t *bits, unsigned from, bool set)
{
    while (from < CHUNK_PAGES) {
        uint64_t word = set ? bits[from / 64] : ~bits[from / 64];
        word &= ~UINT64_C(0) << (from % 64);
        if (word)
            return (from & ~63u) + (unsigned)__builtin_ctzll(word);
        from = (from & ~63u) + 64;
    }
    return CHUNK_PAGES;
}

void gc_page_set(uint64_t *bits, unsigned from, unsigned n, bool on)
{
    while (n) {
        unsigned bit = from % 64, take = 64 - bit < n ? 64 - bit : n;
        uint64_t mask = (take == 64 ? ~UINT64_C(0) : (UINT64_C(1) << take) - 1) << bit;
        bits[from / 64] = on ? bits[from / 64] | mask : bits[from / 64] & ~mask;
        from += take;
        n -= take;
    }
}

static unsigned count_bits(const uint64_t *bits)
{
    unsigned n = 0;
    for (unsigned w = 0; w < CHUNK_WORDS; w++)
        n += (unsigned)__builtin_popcountll(bits[w]);
    return n;
}

/* First run of n free pages in a chunk, or CHUNK_PAGES; the longest that was met on the
 * way. */
static unsigned find_run(const struct chunk *chunk, unsigned n, unsigned *ret_longest)
{
    unsigned longest = 0, at = 0;
    while ((at = gc_page_next(chunk->free, at, true)) < CHUNK_PAGES) {
        unsigned end = gc_page_next(chunk->free, at, false);
        if (end - at > longest)
            longest = end - at;
        if (longest >= n)
            break;
        at = end;
    }
    *ret_longest = longest;
    return at;
}

static bool block_is_free(const struct chunk *chunk, unsigned block)
{
    return (uint16_t)(chunk->free[block / 4] >> (block % 4 * 16)) == 0xffff;
}

static unsigned find_block(const struct chunk *chunk)
{
    for (unsigned b = 0; b < CHUNK_BLOCKS; b++)
        if (block_is_free(chunk, b))
            return b * BLOCK_PAGES;
    return CHUNK_PAGES;
}

unsigned gc_page_longest(const struct chunk *chunk, enum chunk_kind kind)
{
    unsigned longest = 0;
    if (kind != CHUNK_OF_BLOCKS) {
        find_run(chunk, CHUNK_PAGES, &longest);
        return longest;
    }
    for (unsigned b = 0; b < CHUNK_BLOCKS; b++)
        longest += block_is_free(chunk, b) ? BLOCK_PAGES : 0;
    return longest;
}

/* What became free in chunk c can be found. */
static void raise_group(struct gc_heap *heap, uint32_t c)
{
    const struct summary *s = &heap->summaries[c];
    uint16_t *longest = &heap->groups[c / GROUP_CHUNKS].longest[s->kind];
    if (*longest < s->longest)
        *longest = s->longest;
}

/* Pages [at, at + n) of one chunk leave the pool. */
static void take(struct gc_heap *heap, uint32_t c, unsigned at, unsigned n,
                 enum chunk_kind kind)
{
    struct chunk *chunk = &heap->chunks[c];
    uint64_t used[CHUNK_WORDS] = { 0 };
    unsigned dirty = 0;
    gc_page_set(used, at, n, true);
    for (unsigned w = 0; w < CHUNK_WORDS; w++)
        dirty += (unsigned)__builtin_popcountll(chunk->dirty[w] & used[w]);
    if (dirty && heap->sharing)
        (void)gc_os_purge(chunk_addr(heap, c) + (uintptr_t)at * PAGE, (size_t)n * PAGE,
                          heap->config.shared);
    gc_page_set(chunk->dirty, at, n, false);
    gc_page_set(chunk->young, at, n, false);
    heap->dirty_pages -= dirty;
    gc_page_set(chunk->free, at, n, false);
    struct summary *s = &heap->summaries[c];
    if (kind == CHUNK_OF_BLOCKS || s->kind == CHUNK_FREE)
        s->longest = (uint16_t)(s->longest - n);
    s->kind = (uint8_t)kind;
    raise_group(heap, c);
    heap->held_pages += n;
}

static bool commit(struct gc_heap *heap, uint32_t chunks)
{
    if (chunks <= heap->chunks_ready)
        return true;
    uint32_t all = (uint32_t)(heap->reserve >> CHUNK_SHIFT);
    if (chunks > all)
        return false;
    uint32_t upto = chunks + COMMIT_CHUNKS < all ? chunks + COMMIT_CHUNKS : all;
    uintptr_t start = chunk_addr(heap, heap->chunks_ready);
    if (gc_os_commit(start, chunk_addr(heap, upto) - start))
        return false;
    heap->chunks_ready = upto;
    return true;
}

/* n more chunks at the end of the prefix: the number of the first, or NO_PAGE. */
static uint32_t grow(struct gc_heap *heap, uint32_t n)
{
    uint32_t first = heap->chunks_used;
    if (first < heap->first_chunk)
        first = heap->first_chunk;
    if (!commit(heap, first + n))
        return NO_PAGE;
    for (uint32_t c = first; c < first + n; c++) {
        memset(heap->chunks[c].free, 0xff, sizeof heap->chunks[c].free);
        heap->summaries[c] =
            (struct summary){ .longest = CHUNK_PAGES, .kind = CHUNK_FREE };
        raise_group(heap, c);
    }
    heap->chunks_used = first + n;
    return first;
}

static unsigned find_room(struct gc_heap *heap, uint32_t c, uint32_t n,
                          enum chunk_kind kind)
{
    struct summary *s = &heap->summaries[c];
    if (s->kind != kind || s->longest < n)
        return CHUNK_PAGES;
    unsigned longest = s->longest;
    unsigned at = kind == CHUNK_OF_BLOCKS ? find_block(&heap->chunks[c])
                                          : find_run(&heap->chunks[c], n, &longest);
    if (at == CHUNK_PAGES)
        s->longest = (uint16_t)longest;
    return at;
}

/* The first place in a group; otherwise the bound of the group becomes exact. */
static uint32_t search_group(struct gc_heap *heap, uint32_t g, uint32_t n,
                             enum chunk_kind kind)
{
    uint32_t c = g * GROUP_CHUNKS, end = c + GROUP_CHUNKS;
    uint16_t longest = 0;
    for (c = c < heap->first_chunk ? heap->first_chunk : c;
         c < end && c < heap->chunks_used; c++) {
        unsigned at = find_room(heap, c, n, kind);
        if (at < CHUNK_PAGES)
            return c * CHUNK_PAGES + at;
        if (heap->summaries[c].kind == kind && heap->summaries[c].longest > longest)
            longest = heap->summaries[c].longest;
    }
    heap->groups[g].longest[kind] = longest;
    return NO_PAGE;
}

/* First fit among the chunks of one kind. */
static uint32_t search(struct gc_heap *heap, uint32_t n, enum chunk_kind kind)
{
    uint32_t g = heap->first_chunk / GROUP_CHUNKS;
    for (; g * GROUP_CHUNKS < heap->chunks_used; g++) {
        if (heap->groups[g].longest[kind] < n)
            continue;
        uint32_t page = search_group(heap, g, n, kind);
        if (page != NO_PAGE)
            return page;
    }
    return NO_PAGE;
}

/* A place in a chunk of this kind, best a used one; grows the prefix at need. */
static uint32_t alloc_within(struct gc_heap *heap, uint32_t n, enum chunk_kind kind)
{
    uint32_t page = search(heap, n, kind);
    if (page == NO_PAGE)
        page = search(heap, CHUNK_PAGES, CHUNK_FREE);
    if (page == NO_PAGE) {
        uint32_t c = grow(heap, 1);
        if (c == NO_PAGE)
            return NO_PAGE;
        page = c * CHUNK_PAGES;
    }
    take(heap, page / CHUNK_PAGES, page % CHUNK_PAGES, n, kind);
    return page;
}

static bool begins_free(const struct gc_heap *heap, uint32_t c, unsigned n)
{
    return n == 0 || (heap->summaries[c].kind != CHUNK_OF_BLOCKS &&
                      gc_page_next(heap->chunks[c].free, 0, false) >= n);
}

/* A run over several chunks: empty ones, and the first pages of the one after. Looks at
 * each summary once, which is little beside the faults on what it finds. */
static uint32_t alloc_across(struct gc_heap *heap, uint32_t n)
{
    uint32_t whole = n / CHUNK_PAGES, all = (n + CHUNK_PAGES - 1) / CHUNK_PAGES;
    uint32_t c = heap->first_chunk, empty = 0; /* in a row, up to c */
    for (; c < heap->chunks_used; c++) {
        if (empty >= whole && begins_free(heap, c, n % CHUNK_PAGES))
            break;
        empty = heap->summaries[c].kind == CHUNK_FREE ? empty + 1 : 0;
    }
    uint32_t first = c - (empty < whole ? empty : whole);
    if (c == heap->chunks_used && c - first < all &&
        grow(heap, all - (c - first)) == NO_PAGE)
        return NO_PAGE;
    for (uint32_t i = first, left = n; left; i++) {
        unsigned part = left < CHUNK_PAGES ? left : CHUNK_PAGES;
        take(heap, i, 0, part, CHUNK_OF_RUNS);
        left -= part;
    }
    return first * CHUNK_PAGES;
}

uint32_t gc_page_alloc(struct gc_heap *heap, uint32_t n, enum chunk_kind kind)
{
    if (heap->held_pages + n > heap->limit_pages)
        return NO_PAGE;
    return n > CHUNK_PAGES ? alloc_across(heap, n) : alloc_within(heap, n, kind);
}

static void free_part(struct gc_heap *heap, uint32_t c, unsigned at, unsigned n)
{
    struct chunk *chunk = &heap->chunks[c];
    struct summary *s = &heap->summaries[c];
    gc_page_set(chunk->free, at, n, true);
    gc_page_set(chunk->dirty, at, n, true);
    gc_page_set(chunk->young, at, n, true);
    chunk->young_ns = heap->slice_begin_ns; /* of the sweep; no clock per run */
    heap->groups[c / GROUP_CHUNKS].dirty = true;
    unsigned free = count_bits(chunk->free);
    if (free == CHUNK_PAGES)
        s->kind = CHUNK_FREE;
    /* Of a chunk of runs only a bound: the next search measures it. */
    s->longest = (uint16_t)(s->kind == CHUNK_OF_BLOCKS ? s->longest + n : free);
    raise_group(heap, c);
}

void gc_page_free(struct gc_heap *heap, uint32_t page, uint32_t n)
{
    heap->held_pages -= n;
    heap->dirty_pages += n;
    while (n) {
        unsigned at = page % CHUNK_PAGES;
        unsigned part = CHUNK_PAGES - at < n ? CHUNK_PAGES - at : n;
        free_part(heap, page / CHUNK_PAGES, at, part);
        page += part;
        n -= part;
    }
}

int gc_page_each_used(const struct gc_heap *heap, uint32_t from_chunk, gc_page_fn *fn,
                      void *arg)
{
    for (uint32_t c = from_chunk; c < heap->chunks_used; c++) {
        const struct chunk *chunk = &heap->chunks[c];
        unsigned at = 0;
        while ((at = gc_page_next(chunk->free, at, false)) < CHUNK_PAGES) {
            unsigned end = gc_page_next(chunk->free, at, true);
            int err = fn(arg, chunk_addr(heap, c) + (uintptr_t)at * PAGE,
                         (size_t)(end - at) * PAGE);
            if (err)
                return err;
            at = end;
        }
    }
    return 0;
}
