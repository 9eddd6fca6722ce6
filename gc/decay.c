/* SPDX-License-Identifier: MIT */
/* decay.c - free pages go back to the kernel, after a while and a few at a time.
 *
 * A page that was freed stays with the heap for config.decay_ns: whatever is allocated
 * next, a large object most of all, takes it without a fault. A chunk knows the age of
 * its dirty pages by two sets: the old ones, none of which was freed after old_ns, and
 * the young ones. When no old page is left, the young become old. So a page goes back
 * after decay_ns at the earliest, and soon after twice that even where others around it
 * come and go all the time (rule 14).
 *
 * Giving back is the slowest thing that a heap asks of the kernel, up to some us for
 * each page: calls are for few pages at a time, as many as fit the budget by what the
 * last ones took.
 */
#define GC_IMPL
#include "gc/decay.h"

#include "gc/cycle.h"
#include "gc/os.h"
#include "gc/pace.h"
#include "gc/page.h"

enum {
    LOOKS = 4, /* in the time that a page has to be free */
    PAGES_LEAST = 4,
    PAGES_MOST = CHUNK_PAGES,
};

/* The first of these dirty pages, as many as are neighbours, at most n: how many went.
 */
static uint32_t give_back(struct gc_heap *heap, uint32_t c, const uint64_t *which,
                          uint32_t n)
{
    struct chunk *chunk = &heap->chunks[c];
    unsigned at = gc_page_next(which, 0, true);
    if (at == CHUNK_PAGES)
        return 0;
    unsigned end = gc_page_next(which, at, false);
    if (end - at > n)
        end = at + n;
    size_t bytes = (size_t)(end - at) * PAGE;
    if (gc_os_purge(chunk_addr(heap, c) + (uintptr_t)at * PAGE, bytes,
                    heap->config.shared))
        return 0; /* the pages stay dirty, and are tried again */
    gc_page_set(chunk->dirty, at, end - at, false);
    gc_page_set(chunk->young, at, end - at, false);
    heap->dirty_pages -= end - at;
    heap->stats.decayed_bytes += bytes;
    return end - at;
}

uint32_t gc_decay_chunk(struct gc_heap *heap, uint32_t chunk, uint32_t n)
{
    uint32_t went = 0, now;
    while (went < n &&
           (now = give_back(heap, chunk, heap->chunks[chunk].dirty, n - went)))
        went += now;
    return went;
}

static uint32_t first_chunk(const struct gc_heap *heap)
{
    return (uint32_t)((heap->arena_start - heap->base) >> CHUNK_SHIFT);
}

/* From c on, the first chunk that may have dirty pages. */
static uint32_t next_dirty(const struct gc_heap *heap, uint32_t c)
{
    while (c < heap->chunks_used && !heap->groups[c / GROUP_CHUNKS].dirty)
        c = (c / GROUP_CHUNKS + 1) * GROUP_CHUNKS;
    return c;
}

uint64_t gc_decay_all(struct gc_heap *heap)
{
    uint64_t pages = 0;
    uint32_t c = first_chunk(heap);
    while (heap->dirty_pages && (c = next_dirty(heap, c)) < heap->chunks_used)
        pages += gc_decay_chunk(heap, c++, CHUNK_PAGES);
    return pages * PAGE;
}

/* The old pages of a chunk, if their time has come. */
static bool ripe_pages(struct chunk *chunk, uint64_t now, uint64_t age,
                       uint64_t ret_pages[CHUNK_WORDS])
{
    uint64_t any_old = 0;
    for (unsigned w = 0; w < CHUNK_WORDS; w++)
        any_old |= chunk->dirty[w] & ~chunk->young[w];
    if (!any_old) {
        for (unsigned w = 0; w < CHUNK_WORDS; w++)
            chunk->young[w] = 0;
        chunk->old_ns = chunk->young_ns;
    }
    for (unsigned w = 0; w < CHUNK_WORDS; w++)
        ret_pages[w] = chunk->dirty[w] & ~chunk->young[w];
    return now - chunk->old_ns >= age;
}

/* One call to the kernel for chunk c, or none: how many pages went. */
static uint32_t step(struct gc_heap *heap, uint32_t c, uint64_t now)
{
    uint64_t pages[CHUNK_WORDS];
    if (!ripe_pages(&heap->chunks[c], now, (uint64_t)heap->config.decay_ns, pages))
        return 0;
    return give_back(heap, c, pages, (uint32_t)heap->decay_pages);
}

/* Whether a whole group has turned out to be clean. */
static void look_at_group(struct gc_heap *heap, uint32_t g)
{
    uint64_t any = 0;
    uint32_t end = (g + 1) * GROUP_CHUNKS;
    for (uint32_t c = g * GROUP_CHUNKS; c < end && c < heap->chunks_used; c++)
        for (unsigned w = 0; w < CHUNK_WORDS; w++)
            any |= heap->chunks[c].dirty[w];
    heap->groups[g].dirty = any != 0;
}

/* True when the walk has come to the end. */
static bool walk(struct gc_heap *heap, uint64_t begin, uint64_t budget_ns)
{
    uint64_t at = begin;
    uint32_t c = heap->decay_chunk;
    while ((c = next_dirty(heap, c)) < heap->chunks_used) {
        uint32_t went = step(heap, c, begin);
        if (!went) {
            c++;
            if (c % GROUP_CHUNKS)
                continue; /* that took no time */
            look_at_group(heap, c / GROUP_CHUNKS - 1);
        }
        uint64_t now = now_ns(heap), took = now - at;
        at = now;
        if (went)
            heap->decay_pages = gc_pace_quantum(heap->decay_pages, took, budget_ns,
                                                PAGES_LEAST, PAGES_MOST);
        if (now - begin + took > budget_ns) {
            heap->decay_chunk = c;
            return false;
        }
    }
    return true;
}

void gc_decay_some(struct gc_heap *heap, uint64_t budget_ns)
{
    if (heap->config.decay_ns < 0 || heap->dirty_pages == 0)
        return;
    uint64_t begin = now_ns(heap), before = heap->stats.decayed_bytes;
    if (!heap->decaying) {
        if (begin - heap->decayed_ns < (uint64_t)heap->config.decay_ns / LOOKS)
            return;
        heap->decayed_ns = begin;
        heap->decay_chunk = first_chunk(heap);
    }
    heap->decaying = !walk(heap, begin, budget_ns);
    uint64_t bytes = heap->stats.decayed_bytes - before;
    if (bytes)
        gc_cycle_event(heap, GC_EVENT_DECAY, begin, now_ns(heap) - begin, bytes);
}
