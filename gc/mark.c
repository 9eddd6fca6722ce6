/* SPDX-License-Identifier: MIT */
/* mark.c - the marker: bits first, objects only when they hold pointers.
 *
 * A reference passes a short ring, where its mark word is fetched into the cache, then
 * its mark is set; if its block holds pointers it goes on the mark stack. Objects
 * without pointers are never read. The stack has a fixed size: an object that finds it
 * full stays marked, its block is flagged, and all marked objects of flagged blocks are
 * traced again once the stack is empty. That ends, because only an object that was just
 * marked can fall off (rule 6).
 *
 * A long array goes on the stack as a piece of work of its own, from which a little is
 * taken at a time. If the stack is full its object is flagged in the same way; when
 * that is traced again the stack is empty, and has room for it.
 */
#define GC_IMPL
#include "gc/mark.h"

#include <string.h>

#include "gc/final.h"
#include "gc/os.h"
#include "gc/page.h"

enum {
    ARRAY_PIECE = 128,
    RESCAN_LOOK = 256, /* blocks that are looked at for a flag in one go */
};

void gc_mark_reset(struct gc_heap *heap)
{
    for (uint32_t b = 0; heap->rescans && b < heap->chunks_used * CHUNK_BLOCKS; b++) {
        heap->rescans -= heap->blocks[b].rescan;
        heap->blocks[b].rescan = false;
    }
    heap->stack_n = 0;
    memset(heap->ring, 0, sizeof heap->ring);
    heap->rescan_block = 0;
    heap->rescan_open = false;
    heap->marked_bytes = heap->scanned_bytes = 0;
}

void gc_mark_wipe(struct gc_heap *heap)
{
    size_t bytes = (size_t)heap->chunks_used * (CHUNK / GRANULE / 8);
    if (bytes && gc_os_purge((uintptr_t)heap->marks, bytes, false))
        memset(heap->marks, 0, bytes);
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

/* The object will be traced (again) when the stack is empty. */
static void flag(struct gc_heap *heap, uintptr_t addr)
{
    struct block *block = &heap->blocks[(addr - heap->base) >> BLOCK_SHIFT];
    if (block->use == BLOCK_OF_RUNS)
        heap->runs[(addr - heap->base) >> PAGE_SHIFT].rescan = true;
    if (block->rescan)
        return;
    if (!heap->rescans)
        heap->stats.mark_overflows++;
    block->rescan = true;
    heap->rescans++;
}

static void push(struct gc_heap *heap, uintptr_t addr)
{
    if (heap->stack_n < heap->stack_max)
        heap->stack[heap->stack_n++] = (struct mark_entry){ .addr = addr };
    else
        flag(heap, addr);
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
    if (v->edge || n <= ARRAY_PIECE) {
        for (size_t i = 0; i < n; i++)
            gc_visit(v, refs[i]);
        return;
    }
    /* It is read later: it has to be a part of the object that is traced. */
    GC_CHECK((uintptr_t)refs >= heap->tracing &&
             (uintptr_t)(refs + n) <=
                 heap->tracing + header_size(header_of((const void *)heap->tracing)));
    heap->put_off += n * sizeof *refs;
    if (heap->stack_n < heap->stack_max)
        heap->stack[heap->stack_n++] =
            (struct mark_entry){ .addr = (uintptr_t)refs, .refs = n };
    else
        flag(heap, heap->tracing);
}

static size_t trace(struct gc_heap *heap, uintptr_t addr)
{
    const struct header *h = header_of((const void *)addr);
    GC_CHECK(h->magic == HEADER_MAGIC);
    heap->tracing = addr;
    heap->put_off = 0;
    heap->types[h->type]->trace((const void *)addr, &heap->marker);
    size_t bytes = (size_t)header_size(h) + HEADER;
    return heap->put_off < bytes ? bytes - heap->put_off : 0;
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

/* Traces the marked objects in one word of a block's bitmap. */
static size_t rescan_word(struct gc_heap *heap, uint32_t block, unsigned w)
{
    bool runs = heap->blocks[block].use == BLOCK_OF_RUNS;
    uint64_t bits = block_words(heap->alloc, block)[w];
    size_t traced = 0;
    for (; bits; bits &= bits - 1) {
        uintptr_t addr = block_addr(heap, block) +
                         (w * 64 + (unsigned)__builtin_ctzll(bits)) * GRANULE;
        struct run *run = &heap->runs[(addr - heap->base) >> PAGE_SHIFT];
        if (runs && !run->rescan)
            continue;
        if (runs)
            run->rescan = false;
        if (gc_mark_is_marked(heap, addr))
            traced += trace(heap, addr);
    }
    return traced;
}

/* Moves rescan_block to the next flagged block and opens it, if one is near. */
static void find_flagged(struct gc_heap *heap)
{
    uint32_t all = heap->chunks_used * CHUNK_BLOCKS;
    for (unsigned i = 0; i < RESCAN_LOOK; i++) {
        if (++heap->rescan_block >= all)
            heap->rescan_block = 0;
        struct block *block = &heap->blocks[heap->rescan_block];
        if (!block->rescan)
            continue;
        /* Before its objects are traced: they may flag it once more. */
        block->rescan = false;
        heap->rescans--;
        heap->rescan_open = true;
        heap->rescan_word = 0;
        return;
    }
}

/* A little of the work of an overflow, adding what was traced; false when none is left.
 */
static bool rescan_some(struct gc_heap *heap)
{
    if (!heap->rescan_open && !heap->rescans)
        return false;
    if (!heap->rescan_open) {
        find_flagged(heap);
        return true;
    }
    heap->scanned_bytes += rescan_word(heap, heap->rescan_block, heap->rescan_word++);
    if (heap->rescan_word == BLOCK_WORDS)
        heap->rescan_open = false;
    return true;
}

/* Work is counted in bytes of objects; what flags need counts as some of them. */
bool gc_mark_some(struct gc_heap *heap, size_t bytes)
{
    for (size_t done = 0; done < bytes;) {
        uint64_t before = heap->scanned_bytes;
        if (heap->stack_n == 0)
            flush_ring(heap);
        if (heap->stack_n) {
            struct mark_entry entry = heap->stack[--heap->stack_n];
            heap->scanned_bytes +=
                entry.refs ? trace_piece(heap, entry) : trace(heap, entry.addr);
        } else if (rescan_some(heap)) {
            done += RESCAN_LOOK;
        } else {
            return true;
        }
        done += heap->scanned_bytes - before;
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
    gc_final_each(heap, v);
    if (heap->config.shared)
        return;
    for (unsigned seat = 0; seat < heap->config.readers; seat++) {
        const struct gc_reader *reader = heap->readers[seat];
        for (unsigned i = 0; reader && i < reader->pins_high; i++)
            gc_visit(v, (const void *)atomic_load_explicit(&reader->pins[i],
                                                           memory_order_relaxed));
    }
}
