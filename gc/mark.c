/* SPDX-License-Identifier: MIT */
/* mark.c - the marker: bits first, objects only when they hold pointers.
 *
 * A reference passes a short ring, where its mark word is fetched into the cache, then
 * its mark is set; if its block holds pointers it goes on the mark stack. Objects
 * without pointers are never read. The stack has a fixed size: an object that finds it
 * full stays marked, its block is flagged, and all marked objects of flagged blocks are
 * traced again once the stack is empty. That ends, because only an object that was just
 * marked can fall off (rule 6).
 */
#define GC_IMPL
#include "gc/mark.h"

#include <string.h>

#include "gc/page.h"

enum { ARRAY_PIECE = 512 };

void gc_mark_reset(struct gc_heap *heap)
{
    heap->stack_n = 0;
    memset(heap->ring, 0, sizeof heap->ring);
    heap->overflow = false;
    heap->rescan_chunk = 0;
    heap->marked_bytes = heap->scanned_bytes = 0;
}

bool gc_mark_is_marked(const struct gc_heap *heap, uintptr_t addr)
{
    if (heap->config.marks == GC_MARKS_HEADER)
        return header_of((const void *)addr)->mark == heap->mark_value;
    return heap->marks[bit_word(heap, addr)] & bit_mask(addr);
}

/* True when this call set it. */
static bool set_mark(struct gc_heap *heap, uintptr_t addr)
{
    if (heap->config.marks == GC_MARKS_HEADER) {
        struct header *h = header_of((const void *)addr);
        if (h->mark == heap->mark_value)
            return false;
        h->mark = heap->mark_value;
        return true;
    }
    uint64_t *word = &heap->marks[bit_word(heap, addr)], mask = bit_mask(addr);
    if (*word & mask)
        return false;
    *word |= mask;
    return true;
}

static void push(struct gc_heap *heap, uintptr_t addr)
{
    if (heap->stack_n < heap->stack_max) {
        heap->stack[heap->stack_n++] = (struct mark_entry){ .addr = addr };
        return;
    }
    struct block *block = &heap->blocks[(addr - heap->base) >> BLOCK_SHIFT];
    if (block->use == BLOCK_OF_RUNS)
        heap->runs[(addr - heap->base) >> PAGE_SHIFT].rescan = true;
    block->rescan = true;
    if (!heap->overflow)
        heap->stats.mark_overflows++;
    heap->overflow = true;
}

static void mark_one(struct gc_heap *heap, uintptr_t addr)
{
    size_t offset = addr - heap->base;
    if (!set_mark(heap, addr))
        return;
    const struct block *block = &heap->blocks[offset >> BLOCK_SHIFT];
    bool traced = block->traced;
    if (block->use == BLOCK_OF_RUNS) {
        const struct run *run = &heap->runs[offset >> PAGE_SHIFT];
        traced = run->traced;
        heap->marked_bytes += (uint64_t)run->pages * PAGE;
    } else {
        heap->marked_bytes += heap->class_size[block->class];
    }
    if (traced) {
        __builtin_prefetch(header_of((const void *)addr));
        push(heap, addr);
    }
}

void gc_visit(struct gc_visitor *v, const void *ref)
{
    if (v->edge) {
        if (ref)
            v->edge(v, ref);
        return;
    }
    struct gc_heap *heap = v->heap;
    uintptr_t addr = (uintptr_t)ref;
    if (addr < heap->arena_start)
        return; /* NULL, or frozen: immortal, and it points to frozen objects only */
    GC_CHECK(addr - heap->base < (uintptr_t)heap->chunks_used << CHUNK_SHIFT);
    if (heap->config.marks == GC_MARKS_HEADER)
        __builtin_prefetch(header_of(ref), 1);
    else
        __builtin_prefetch(&heap->marks[bit_word(heap, addr)], 1);
    unsigned at = heap->ring_at++ % RING;
    uintptr_t old = heap->ring[at];
    heap->ring[at] = addr;
    if (old)
        mark_one(heap, old);
}

void gc_visit_array(struct gc_visitor *v, const void *const *refs, size_t n)
{
    struct gc_heap *heap = v->heap;
    if (!v->edge && n > ARRAY_PIECE && heap->stack_n < heap->stack_max) {
        heap->stack[heap->stack_n++] =
            (struct mark_entry){ .addr = (uintptr_t)refs, .refs = n };
        return;
    }
    for (size_t i = 0; i < n; i++)
        gc_visit(v, refs[i]);
}

static size_t trace(struct gc_heap *heap, uintptr_t addr)
{
    const struct header *h = header_of((const void *)addr);
    heap->types[h->type]->trace((const void *)addr, &heap->marker);
    return (size_t)header_size(h) + HEADER;
}

static size_t trace_piece(struct gc_heap *heap, struct mark_entry entry)
{
    const void *const *refs = (const void *const *)entry.addr;
    size_t n = entry.refs < ARRAY_PIECE ? entry.refs : ARRAY_PIECE;
    if (entry.refs > n) /* there is room: it was popped just now */
        heap->stack[heap->stack_n++] =
            (struct mark_entry){ .addr = entry.addr + n * sizeof *refs,
                                 .refs = entry.refs - n };
    for (size_t i = 0; i < n; i++)
        gc_visit(&heap->marker, refs[i]);
    return n * sizeof *refs;
}

static void flush_ring(struct gc_heap *heap)
{
    for (unsigned i = 0; i < RING; i++) {
        uintptr_t addr = heap->ring[i];
        heap->ring[i] = 0;
        if (addr)
            mark_one(heap, addr);
    }
}

/* ---- after an overflow --------------------------------------------------- */

static void rescan_block(struct gc_heap *heap, uint32_t block)
{
    heap->blocks[block].rescan = false;
    bool runs = heap->blocks[block].use == BLOCK_OF_RUNS;
    const uint64_t *alloc = block_words(heap->alloc, block);
    for (unsigned w = 0; w < BLOCK_WORDS; w++)
        for (uint64_t bits = alloc[w]; bits; bits &= bits - 1) {
            uintptr_t addr = block_addr(heap, block) +
                             (w * 64 + (unsigned)__builtin_ctzll(bits)) * GRANULE;
            struct run *run = &heap->runs[(addr - heap->base) >> PAGE_SHIFT];
            if (runs && !run->rescan)
                continue;
            if (runs)
                run->rescan = false;
            if (gc_mark_is_marked(heap, addr))
                heap->scanned_bytes += trace(heap, addr);
        }
}

/* One flagged block; false when there is none. */
static bool rescan_some(struct gc_heap *heap)
{
    if (!heap->overflow)
        return false;
    for (; heap->rescan_chunk < heap->chunks_used; heap->rescan_chunk++)
        for (uint32_t i = 0; i < CHUNK_BLOCKS; i++) {
            uint32_t block = heap->rescan_chunk * CHUNK_BLOCKS + i;
            if (!heap->blocks[block].rescan)
                continue;
            rescan_block(heap, block);
            return true;
        }
    /* Blocks before the cursor may have been flagged since: once more, until a whole
     * walk finds none. */
    heap->rescan_chunk = 0;
    heap->overflow = false;
    for (uint32_t block = 0; block < heap->chunks_used * CHUNK_BLOCKS; block++)
        heap->overflow |= heap->blocks[block].rescan;
    return heap->overflow;
}

bool gc_mark_some(struct gc_heap *heap, size_t bytes)
{
    uint64_t enough = heap->scanned_bytes + bytes;
    while (heap->scanned_bytes < enough) {
        if (heap->stack_n == 0)
            flush_ring(heap);
        if (heap->stack_n) {
            struct mark_entry entry = heap->stack[--heap->stack_n];
            heap->scanned_bytes +=
                entry.refs ? trace_piece(heap, entry) : trace(heap, entry.addr);
        } else if (!rescan_some(heap)) {
            return true;
        }
    }
    return false;
}

void gc_mark_roots(struct gc_heap *heap)
{
    struct gc_visitor *v = &heap->marker;
    gc_visit(v, gc_root(heap));
    for (size_t i = 0; i < heap->n_slots; i++)
        gc_visit(v, *heap->slots[i]);
    for (const struct gc_handle *h = heap->handles; h; h = h->next)
        gc_visit(v, h->ref);
    if (heap->config.shared)
        return;
    for (unsigned seat = 0; seat < heap->config.readers; seat++) {
        const struct gc_reader *reader = heap->readers[seat];
        for (unsigned i = 0; reader && i < reader->pins_max; i++)
            gc_visit(v, (const void *)atomic_load_explicit(&reader->pins[i],
                                                           memory_order_relaxed));
    }
}
