/* SPDX-License-Identifier: MIT */
/* alloc.c - gc_alloc() and what a header knows.
 *
 * The fast path takes a bit out of the cursor's word, sets it in the allocation bitmap
 * and writes the header. While a cycle marks, objects are born marked (rule 5).
 */
#define GC_IMPL
#include "gc/block.h"
#include "gc/cycle.h"
#include "gc/page.h"
#include "gc/poison.h"
#include "gc/sweep.h"

static void *dress(struct gc_heap *heap, uintptr_t addr, int type, size_t bytes,
                   size_t cost)
{
    *header_of((void *)addr) = (struct header){
        .size_lo = (uint32_t)bytes,
        .size_hi = (uint8_t)(bytes >> 32),
        .type = (uint8_t)type,
        .magic = HEADER_MAGIC,
    };
    if (heap->black) {
        heap->marked_bytes += cost;
        if (heap->config.marks == GC_MARKS_HEADER)
            header_of((void *)addr)->mark = heap->mark_value;
        else
            heap->marks[bit_word(heap, addr)] |= bit_mask(addr);
    }
    heap->since_mark += cost;
    heap->in_cycle += cost;
    heap->stats.allocated_bytes += cost;
    heap->stats.allocated_objects++;
    heap->allocated = true;
    return (void *)addr;
}

static void *at_limit(struct gc_heap *heap, size_t bytes)
{
    heap->wanted = true;
    heap->want_reason = GC_REASON_LIMIT;
    heap->stats.limit_hits++;
    if (heap->config.on_event) {
        struct gc_event event = { .kind = GC_EVENT_LIMIT,
                                  .reason = GC_REASON_LIMIT,
                                  .phase = heap->phase,
                                  .start_ns = now_ns(heap),
                                  .bytes = bytes };
        heap->config.on_event(heap->config.arg, &event);
    }
    return NULL;
}

static size_t large_pages(size_t bytes)
{
    return (bytes + GRANULE + PAGE - 1) / PAGE;
}

/* At the limit, what a sweep has not come to yet may give room. */
static uint32_t run_of_pages(struct gc_heap *heap, uint32_t n)
{
    uint32_t page = gc_page_alloc(heap, n, CHUNK_OF_RUNS);
    if (page != NO_PAGE || heap->phase != GC_SWEEP)
        return page;
    struct gc_pause pause = gc_cycle_pause(heap);
    while (page == NO_PAGE && gc_cycle_sweep_for_room(heap, &pause))
        page = gc_page_alloc(heap, n, CHUNK_OF_RUNS);
    gc_cycle_resume(heap, &pause);
    return page;
}

/* The payload begins one granule into its run, behind the header. */
static void *alloc_large(struct gc_heap *heap, int type, bool traced, size_t bytes)
{
    if (bytes > heap->reserve)
        return at_limit(heap, bytes);
    uint32_t n = (uint32_t)large_pages(bytes);
    uint32_t page = run_of_pages(heap, n);
    if (page == NO_PAGE)
        return at_limit(heap, bytes);
    heap->runs[page] = (struct run){ .pages = n,
                                     .traced = traced,
                                     .fresh = gc_sweep_comes(heap, page) };
    heap->blocks[page / BLOCK_PAGES].use = BLOCK_OF_RUNS;
    heap->n_runs++;
    uintptr_t addr = heap->base + ((uintptr_t)page << PAGE_SHIFT) + GRANULE;
    heap->alloc[bit_word(heap, addr)] |= bit_mask(addr);
    if (!heap->config.shared) {
        gc_poison(addr - GRANULE, (size_t)n * PAGE);
        gc_unpoison(addr - HEADER, HEADER + bytes);
    }
    return dress(heap, addr, type, bytes, (size_t)n * PAGE);
}

void *gc_alloc(struct gc_heap *heap, int type, size_t bytes)
{
    GC_CHECK(heap->owner && !heap->busy);
    GC_CHECK((unsigned)type < heap->n_types);
    bool traced = heap->types[type]->trace != NULL;
    if (bytes > SMALL_MAX)
        return alloc_large(heap, type, traced, bytes);
    unsigned class = heap->class_of[(bytes + HEADER + GRANULE - 1) / GRANULE];
    struct cursor *cursor = &heap->cursors[class][traced];
    if (!cursor->avail && !gc_block_refill(heap, class, traced))
        return at_limit(heap, bytes);
    unsigned at = (unsigned)__builtin_ctzll(cursor->avail);
    cursor->avail &= cursor->avail - 1;
    *cursor->word |= UINT64_C(1) << at;
    uintptr_t addr = cursor->word_addr + at * GRANULE;
    if (!heap->config.shared)
        gc_unpoison(addr - HEADER, HEADER + bytes);
    return dress(heap, addr, type, bytes, heap->class_size[class]);
}

/* The same classes as in gc_block_init(), without a heap to look them up in. */
size_t gc_cost(size_t bytes)
{
    if (bytes > SMALL_MAX)
        return large_pages(bytes) * PAGE;
    size_t slot = bytes + HEADER, step = GRANULE;
    while (slot > step * 8)
        step *= 2;
    return (slot + step - 1) / step * step;
}

size_t gc_size(const void *obj)
{
    const struct header *h = header_of(obj);
    GC_CHECK(h->magic == HEADER_MAGIC);
    return (size_t)header_size(h);
}

int gc_type_of(const void *obj)
{
    const struct header *h = header_of(obj);
    GC_CHECK(h->magic == HEADER_MAGIC);
    return h->type;
}
