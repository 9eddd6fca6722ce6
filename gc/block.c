/* SPDX-License-Identifier: MIT */
/* block.c - where small objects go.
 *
 * A free slot is a bit: starts[class] & ~alloc. There is no free list in the objects,
 * so neither freeing nor looking for room touches a page of the heap. A block is in one
 * of four places: under a cursor, in `avail` (it has holes), in `sealed` (it has holes,
 * but a fork has shared its pages), or nowhere (it is full, or waits for the sweep).
 *
 * Where the next block comes from, in this order:
 *   1 avail     holes, and, while a sweep is on, those that it finds in the next chunks
 *   2 sealed    holes, when they have become too large a part of the heap
 *   3 fresh     free pages
 *   4 swept     at the limit: what the sweep has not come to yet
 *   5 sealed    holes, when there is nothing else
 */
#define GC_IMPL
#include "gc/block.h"

#include "gc/cycle.h"
#include "gc/os.h"
#include "gc/page.h"
#include "gc/poison.h"
#include "gc/sweep.h"

/* Sealed holes beyond a quarter of the heap are used after all: copying those pages is
 * cheaper than doubling the heap. A child does not live that long, and does what it is
 * told. */
enum { SEALED_PART = 4 };
/* What one allocation does for a hole before it takes fresh pages: a slice of the
 * collector can wait, this cannot. */
enum {
    SWEEP_AHEAD = 8,  /* times it looks, */
    SWEEP_BLOCKS = 8, /* sweeping so many blocks each time */
    OPEN_TRIES = 16,  /* blocks whose holes may all be forbidden (reuse = page) */
};

unsigned gc_block_slots(const struct gc_heap *heap, unsigned class)
{
    return (BLOCK - HEADER) / heap->class_size[class];
}

/* 16 to 128 by 16, then four classes to each doubling, up to 8192. */
void gc_block_init(struct gc_heap *heap)
{
    unsigned size = 0, step = GRANULE;
    for (unsigned class = 0; class < CLASSES; class ++) {
        if (class >= 8 && class % 4 == 0)
            step = size / 4;
        size += step;
        heap->class_size[class] = (uint16_t)size;
        unsigned granules = size / GRANULE;
        for (unsigned s = 0; s < gc_block_slots(heap, class); s++) {
            unsigned at = 1 + s * granules;
            heap->starts[class][at / 64] |= UINT64_C(1) << at % 64;
        }
    }
    GC_CHECK(size == SMALL_MAX + HEADER);
    unsigned class = 0;
    for (unsigned g = 0; g <= (SMALL_MAX + HEADER) / GRANULE; g++) {
        if (g * GRANULE > heap->class_size[class])
            class ++;
        heap->class_of[g] = (uint8_t) class;
    }
    gc_block_drop_cursors(heap);
    gc_block_drop_lists(heap);
}

/* ---- lists --------------------------------------------------------------- */

static void push(struct gc_heap *heap, struct block_list *list, uint32_t block)
{
    heap->blocks[block].next = NO_BLOCK;
    if (list->head == NO_BLOCK)
        list->head = block;
    else
        heap->blocks[list->tail].next = block;
    list->tail = block;
}

static uint32_t pop(struct gc_heap *heap, struct block_list *list)
{
    uint32_t block = list->head;
    if (block != NO_BLOCK)
        list->head = heap->blocks[block].next;
    return block;
}

void gc_block_drop_cursors(struct gc_heap *heap)
{
    for (unsigned i = 0; i < CLASSES * 2; i++)
        heap->cursors[i / 2][i % 2] = (struct cursor){ .block = NO_BLOCK };
}

void gc_block_drop_lists(struct gc_heap *heap)
{
    for (unsigned i = 0; i < CLASSES * 2; i++) {
        heap->avail[i / 2][i % 2].head = NO_BLOCK;
        heap->sealed[i / 2][i % 2].head = NO_BLOCK;
    }
    heap->hole_bytes = 0;
}

/* ---- which pages of a block are free ------------------------------------- */

/* The pages under the slot whose payload is granule g of the block. */
static uint16_t slot_pages(unsigned g, unsigned size)
{
    unsigned start = g * GRANULE - HEADER;
    unsigned first = start >> PAGE_SHIFT, last = (start + size - 1) >> PAGE_SHIFT;
    return (uint16_t)((2u << last) - (1u << first));
}

/* Pages of the block that no object touches. */
static uint16_t free_pages(const struct gc_heap *heap, uint32_t block)
{
    const uint64_t *alloc = block_words(heap->alloc, block);
    unsigned size = heap->class_size[heap->blocks[block].class];
    uint16_t used = 0;
    for (unsigned w = 0; w < BLOCK_WORDS; w++)
        for (uint64_t bits = alloc[w]; bits; bits &= bits - 1)
            used |= slot_pages(w * 64 + (unsigned)__builtin_ctzll(bits), size);
    return (uint16_t)~used;
}

/* Of these slots, those that lie on allowed pages only. */
static uint64_t on_pages(uint64_t avail, unsigned w, unsigned size, uint16_t pages_ok)
{
    uint64_t keep = avail;
    for (uint64_t bits = avail; bits; bits &= bits - 1) {
        unsigned at = (unsigned)__builtin_ctzll(bits);
        if (slot_pages(w * 64 + at, size) & ~pages_ok)
            keep &= ~(UINT64_C(1) << at);
    }
    return keep;
}

/* Dead bytes of free pages go back, so that writing there copies nothing (rule 8). */
static void drop_pages(struct gc_heap *heap, uint32_t block, uint16_t pages)
{
    for (unsigned p = 0; p < BLOCK_PAGES; p++)
        if (pages >> p & 1)
            (void)gc_os_purge(block_addr(heap, block) + p * PAGE, PAGE,
                              heap->config.shared);
}

/* ---- the cursor ---------------------------------------------------------- */

static bool next_word(struct gc_heap *heap, struct cursor *cursor, unsigned class)
{
    if (cursor->block == NO_BLOCK)
        return false;
    const uint64_t *alloc = block_words(heap->alloc, cursor->block);
    for (unsigned w = (uint16_t)(cursor->at + 1); w < BLOCK_WORDS; w++) {
        uint64_t avail = heap->starts[class][w] & ~alloc[w];
        if (avail && cursor->pages_ok != 0xffff)
            avail = on_pages(avail, w, heap->class_size[class], cursor->pages_ok);
        if (!avail)
            continue;
        cursor->at = (uint16_t)w;
        cursor->avail = avail;
        cursor->word = block_words(heap->alloc, cursor->block) + w;
        cursor->word_addr = block_addr(heap, cursor->block) + w * 64 * GRANULE;
        return true;
    }
    cursor->block = NO_BLOCK;
    return false;
}

/* True when the block has a slot that may be used. */
static bool open_block(struct gc_heap *heap, struct cursor *cursor, unsigned class,
                       uint32_t block, bool forced)
{
    cursor->block = block;
    cursor->at = (uint16_t)-1;
    cursor->pages_ok = 0xffff;
    if (is_sealed(heap, &heap->blocks[block]) && !forced) {
        cursor->pages_ok = free_pages(heap, block);
        if (cursor->pages_ok)
            drop_pages(heap, block, cursor->pages_ok);
    }
    return next_word(heap, cursor, class);
}

static uint64_t holes_of(const struct gc_heap *heap, const struct block *b)
{
    return (uint64_t)(gc_block_slots(heap, b->class) - b->live) *
           heap->class_size[b->class];
}

static void seal(struct gc_heap *heap, uint32_t block)
{
    struct block *b = &heap->blocks[block];
    heap->hole_bytes += holes_of(heap, b);
    push(heap, &heap->sealed[b->class][b->traced], block);
}

void gc_block_seal_all(struct gc_heap *heap)
{
    for (unsigned i = 0; i < CLASSES * 2; i++) {
        uint32_t block;
        while ((block = pop(heap, &heap->avail[i / 2][i % 2])) != NO_BLOCK)
            seal(heap, block);
    }
}

void gc_block_unseal(struct gc_heap *heap)
{
    for (unsigned i = 0; i < CLASSES * 2; i++) {
        struct block_list *from = &heap->sealed[i / 2][i % 2];
        struct block_list *to = &heap->avail[i / 2][i % 2];
        if (from->head == NO_BLOCK)
            continue;
        if (to->head == NO_BLOCK)
            to->head = from->head;
        else
            heap->blocks[to->tail].next = from->head;
        to->tail = from->tail;
        from->head = NO_BLOCK;
    }
    heap->hole_bytes = 0;
}

static bool open_avail(struct gc_heap *heap, struct cursor *cursor, unsigned class,
                       bool traced)
{
    for (int i = 0; i < OPEN_TRIES; i++) {
        uint32_t block = pop(heap, &heap->avail[class][traced]);
        if (block == NO_BLOCK)
            return false;
        if (open_block(heap, cursor, class, block, false))
            return true;
        seal(heap, block); /* holes, but no whole page */
    }
    return false;
}

static bool open_sealed(struct gc_heap *heap, struct cursor *cursor, unsigned class,
                        bool traced)
{
    uint32_t block = pop(heap, &heap->sealed[class][traced]);
    if (block == NO_BLOCK)
        return false;
    heap->hole_bytes -= holes_of(heap, &heap->blocks[block]);
    return open_block(heap, cursor, class, block, true);
}

static bool open_fresh(struct gc_heap *heap, struct cursor *cursor, unsigned class,
                       bool traced)
{
    uint32_t page = gc_page_alloc(heap, BLOCK_PAGES, CHUNK_OF_BLOCKS);
    if (page == NO_PAGE)
        return false;
    uint32_t block = page / BLOCK_PAGES;
    heap->blocks[block] = (struct block){
        .next = NO_BLOCK,
        .birth = heap->fork_serial,
        .use = BLOCK_OF_SLOTS,
        .class = (uint8_t) class,
        .traced = traced,
        .fresh = gc_sweep_comes(heap, page),
    };
    heap->n_blocks++;
    if (!heap->config.shared)
        gc_poison(block_addr(heap, block), BLOCK);
    return open_block(heap, cursor, class, block, false);
}

static bool holes_are_many(const struct gc_heap *heap)
{
    uint64_t allowed = heap->held_pages * PAGE / SEALED_PART;
    if (allowed < heap->config.min_heap_bytes)
        allowed = heap->config.min_heap_bytes;
    return !heap->inherited && heap->hole_bytes > allowed;
}

bool gc_block_refill(struct gc_heap *heap, unsigned class, bool traced)
{
    struct cursor *cursor = &heap->cursors[class][traced];
    if (next_word(heap, cursor, class) || open_avail(heap, cursor, class, traced))
        return true;
    for (int i = 0; i < SWEEP_AHEAD && gc_sweep_some(heap, SWEEP_BLOCKS); i++)
        if (open_avail(heap, cursor, class, traced))
            return true;
    if (holes_are_many(heap) && open_sealed(heap, cursor, class, traced))
        return true;
    if (open_fresh(heap, cursor, class, traced))
        return true;
    bool found = false;
    if (heap->phase != GC_SWEEP)
        return open_sealed(heap, cursor, class, traced);
    struct gc_pause pause = gc_cycle_pause(heap);
    while (!found && gc_cycle_sweep_for_room(heap, &pause))
        found = open_avail(heap, cursor, class, traced) ||
                open_fresh(heap, cursor, class, traced);
    gc_cycle_resume(heap, &pause);
    return found || open_sealed(heap, cursor, class, traced);
}

/* ---- after the sweep of a block ------------------------------------------ */

static void free_block(struct gc_heap *heap, uint32_t block)
{
    heap->blocks[block] = (struct block){ .use = BLOCK_UNUSED };
    heap->n_blocks--;
    if (!heap->config.shared)
        gc_unpoison(block_addr(heap, block), BLOCK);
    gc_page_free(heap, block * BLOCK_PAGES, BLOCK_PAGES);
}

void gc_block_file(struct gc_heap *heap, uint32_t block, unsigned live)
{
    struct block *b = &heap->blocks[block];
    unsigned holes = gc_block_slots(heap, b->class) - live;
    b->live = (uint16_t)live;
    if (live == 0) {
        free_block(heap, block);
    } else if (holes) {
        bool may_fill = heap->config.reuse == GC_REUSE_PAGE &&
                        holes * heap->class_size[b->class] >= PAGE;
        if (is_sealed(heap, b) && !may_fill)
            seal(heap, block);
        else
            push(heap, &heap->avail[b->class][b->traced], block);
    }
}
