/* SPDX-License-Identifier: MIT */
/* verify.c - checks that the heap is what gc/README.md says it is.
 *
 * The tables are walked page by page, and reachability is worked out anew by a marker
 * that has nothing in common with mark.c: its own bits, its own stack, no shortcuts.
 */
#define GC_IMPL
#include "gc/verify.h"

#include <stdlib.h>
#include <string.h>

#include "gc/block.h"
#include "gc/final.h"
#include "gc/page.h"
#include "gc/poison.h"

struct check {
    struct gc_visitor v; /* first: the callback gets its address */
    struct gc_heap *heap;
    gc_report_fn *report;
    void *arg;
    unsigned faults;
    uint64_t *seen;
    uintptr_t *stack;
    size_t n, cap;
    uintptr_t from; /* the object that is being traced; 0: a root */
    bool marks;     /* also: whoever is seen must be marked */
};

static void fault(struct check *check, const char *rule, uintptr_t where)
{
    check->faults++;
    if (check->report)
        check->report(check->arg, rule, (const void *)where);
}

/* ---- tables -------------------------------------------------------------- */

static void check_object(struct check *check, uintptr_t addr, bool traced, size_t room)
{
    const struct gc_heap *heap = check->heap;
    const struct header *h = header_of((const void *)addr);
    if (h->magic != HEADER_MAGIC || h->type >= heap->n_types)
        fault(check, "rule 1: an allocated object has a header", addr);
    else if (header_size(h) + HEADER > room)
        fault(check, "rule 1: an object fits its slot", addr);
    else if ((heap->types[h->type]->trace != NULL) != traced)
        fault(check, "rule 2: a block holds traced objects or none", addr);
}

static void check_idle_mark(struct check *check, uint64_t marks, uintptr_t addr)
{
    if (marks && check->heap->phase == GC_IDLE)
        fault(check, "rule 4: no mark is left when no cycle runs", addr);
}

static void check_block(struct check *check, uint32_t block)
{
    struct gc_heap *heap = check->heap;
    const struct block *b = &heap->blocks[block];
    const uint64_t *alloc = block_words(heap->alloc, block);
    const uint64_t *marks = block_words(heap->marks, block);
    if (b->class >= CLASSES) {
        fault(check, "rule 2: a block has a class", block_addr(heap, block));
        return;
    }
    for (unsigned w = 0; w < BLOCK_WORDS; w++) {
        uintptr_t addr = block_addr(heap, block) + w * 64 * GRANULE;
        if (alloc[w] & ~heap->starts[b->class][w])
            fault(check, "rule 2: objects lie in the slots of their class", addr);
        if (marks[w] & ~alloc[w])
            fault(check, "rule 4: only objects are marked", addr);
        check_idle_mark(check, marks[w], addr);
        for (uint64_t bits = alloc[w] & heap->starts[b->class][w]; bits;
             bits &= bits - 1)
            check_object(check, addr + (uintptr_t)__builtin_ctzll(bits) * GRANULE,
                         b->traced, heap->class_size[b->class]);
    }
}

static void check_free_words(struct check *check, uint32_t page, unsigned n)
{
    size_t words = PAGE / GRANULE / 64;
    for (size_t w = page * words; w < (page + n) * words; w++)
        if (check->heap->alloc[w] | check->heap->marks[w])
            fault(check, "rule 3: a free page holds no object",
                  check->heap->base + w * 64 * GRANULE);
}

static unsigned check_run(struct check *check, uint32_t page)
{
    struct gc_heap *heap = check->heap;
    uintptr_t addr = heap->base + ((uintptr_t)page << PAGE_SHIFT) + GRANULE;
    const struct run *run = &heap->runs[page];
    if (!(heap->alloc[bit_word(heap, addr)] & bit_mask(addr)))
        fault(check, "rule 2: a run holds one object", addr);
    else
        check_object(check, addr, run->traced,
                     (size_t)run->pages * PAGE - (GRANULE - HEADER));
    check_idle_mark(check, heap->marks[bit_word(heap, addr)] & bit_mask(addr), addr);
    return run->pages;
}

/* Walks one chunk; adds to what was found. `tail`: pages of a run that began earlier.
 */
static void check_chunk(struct check *check, uint32_t c, uint64_t *held,
                        uint64_t *n_blocks, uint64_t *n_runs, uint32_t *tail)
{
    struct gc_heap *heap = check->heap;
    const struct chunk *chunk = &heap->chunks[c];
    unsigned at = 0;
    while (at < CHUNK_PAGES) {
        uint32_t page = c * CHUNK_PAGES + at;
        bool is_free = chunk->free[at / 64] >> at % 64 & 1;
        unsigned n = 1;
        if (is_free) {
            check_free_words(check, page, 1);
        } else if (*tail) {
            --*tail;
        } else if (heap->summaries[c].kind == CHUNK_OF_BLOCKS) {
            check_block(check, page / BLOCK_PAGES);
            ++*n_blocks;
            n = BLOCK_PAGES;
        } else if (heap->runs[page].pages) {
            *tail = check_run(check, page) - 1;
            ++*n_runs;
        } else {
            fault(check, "rule 2: a page in use belongs to a block or a run",
                  chunk_addr(heap, c) + at * PAGE);
        }
        if (is_free && *tail)
            fault(check, "rule 2: the pages of a run are in use",
                  chunk_addr(heap, c) + at * PAGE);
        *held += is_free ? 0 : n;
        at += n;
    }
}

/* Searches look where the summaries and groups say; decay looks at dirty pages. */
static void check_room(struct check *check, uint32_t c, uint64_t *dirty)
{
    const struct gc_heap *heap = check->heap;
    const struct chunk *chunk = &heap->chunks[c];
    const struct summary *s = &heap->summaries[c];
    const struct group *group = &heap->groups[c / GROUP_CHUNKS];
    unsigned longest = gc_page_longest(chunk, s->kind);
    bool exact =
        s->kind == CHUNK_OF_RUNS ? s->longest >= longest : s->longest == longest;
    if (!exact || (c >= heap->first_chunk && group->longest[s->kind] < s->longest))
        fault(check, "rule 3: free room is where a search finds it",
              chunk_addr(heap, c));
    for (unsigned w = 0; w < CHUNK_WORDS; w++) {
        if (chunk->dirty[w] & ~chunk->free[w] || chunk->young[w] & ~chunk->dirty[w] ||
            (chunk->dirty[w] && !group->dirty))
            fault(check, "rule 14: dirty pages are free, and decay finds them",
                  chunk_addr(heap, c) + w * 64 * PAGE);
        *dirty += (unsigned)__builtin_popcountll(chunk->dirty[w]);
    }
}

static void check_cursors(struct check *check)
{
    for (unsigned i = 0; i < CLASSES * 2; i++) {
        const struct cursor *cursor = &check->heap->cursors[i / 2][i % 2];
        if (cursor->avail && cursor->avail & *cursor->word)
            fault(check, "rule 3: a cursor offers free slots only", cursor->word_addr);
    }
}

static void check_tables(struct check *check)
{
    struct gc_heap *heap = check->heap;
    uint64_t held = 0, n_blocks = 0, n_runs = 0, dirty = 0;
    uint32_t tail = 0;
    uint32_t first = (uint32_t)((heap->arena_start - heap->base) >> CHUNK_SHIFT);
    for (uint32_t c = first; c < heap->chunks_used; c++) {
        check_chunk(check, c, &held, &n_blocks, &n_runs, &tail);
        check_room(check, c, &dirty);
    }
    if (held != heap->held_pages || n_blocks != heap->n_blocks ||
        n_runs != heap->n_runs)
        fault(check, "rule 3: pages, blocks and runs are counted", 0);
    if (dirty != heap->dirty_pages)
        fault(check, "rule 14: dirty pages are counted", 0);
    check_cursors(check);
}

/* ---- reachability -------------------------------------------------------- */

static bool is_object(const struct gc_heap *heap, uintptr_t addr)
{
    return addr >= heap->base && addr % GRANULE == 0 &&
           addr < chunk_addr(heap, heap->chunks_used) &&
           heap->alloc[bit_word(heap, addr)] & bit_mask(addr);
}

static bool is_marked(const struct gc_heap *heap, uintptr_t addr)
{
    if (heap->config.marks == GC_MARKS_HEADER)
        return header_of((const void *)addr)->mark == heap->mark_value;
    return heap->marks[bit_word(heap, addr)] & bit_mask(addr);
}

static void see(struct gc_visitor *v, const void *ref)
{
    struct check *check = (struct check *)v;
    const struct gc_heap *heap = check->heap;
    uintptr_t addr = (uintptr_t)ref;
    if (!is_object(heap, addr)) {
        fault(check, "rule 5: what is reachable is an allocated object", check->from);
        return;
    }
    if (check->from && gc_frozen(heap, (const void *)check->from) &&
        !gc_frozen(heap, ref))
        fault(check, "rule 9: a frozen object points to frozen objects", check->from);
    uint64_t *word = &check->seen[bit_word(heap, addr)], mask = bit_mask(addr);
    if (*word & mask)
        return;
    *word |= mask;
    if (check->marks && addr >= heap->arena_start && !is_marked(heap, addr))
        fault(check, "rule 6: what is reachable is marked", addr);
    if (check->n == check->cap) {
        size_t cap = check->cap ? check->cap * 2 : 1024;
        uintptr_t *stack = realloc(check->stack, cap * sizeof *stack);
        if (!stack) {
            fault(check, "out of memory while verifying", addr);
            return;
        }
        check->stack = stack;
        check->cap = cap;
    }
    check->stack[check->n++] = addr;
}

static void see_roots(struct check *check)
{
    struct gc_heap *heap = check->heap;
    struct gc_visitor *v = &check->v;
    gc_visit(v, gc_root(heap));
    for (size_t i = 0; i < heap->n_slots; i++)
        gc_visit(v, *heap->slots[i]);
    for (const struct gc_handle *h = heap->handles; h; h = h->next)
        gc_visit(v, h->ref);
    gc_final_each(heap, v);
    for (unsigned r = 0; heap->readers && r < heap->config.readers; r++)
        for (unsigned i = 0; heap->readers[r] && i < heap->readers[r]->pins_max; i++)
            gc_visit(v, (const void *)atomic_load(&heap->readers[r]->pins[i]));
}

static void check_reachable(struct check *check)
{
    const struct gc_heap *heap = check->heap;
    size_t bits = (size_t)heap->chunks_used << (CHUNK_SHIFT - GRANULE_SHIFT);
    check->seen = calloc(bits / 8 + 8, 1);
    if (!check->seen) {
        fault(check, "out of memory while verifying", 0);
        return;
    }
    see_roots(check);
    while (check->n) {
        check->from = check->stack[--check->n];
        const struct header *h = header_of((const void *)check->from);
        const struct gc_type *type =
            h->type < heap->n_types ? heap->types[h->type] : NULL;
        if (type && type->trace)
            type->trace((const void *)check->from, &check->v);
    }
    free(check->seen);
    free(check->stack);
}

/* ---- frozen bytes -------------------------------------------------------- */

/* Free slots count too, although nobody else may look at them. */
__attribute__((no_sanitize("address"))) static int add_to_sum(void *arg, uintptr_t addr,
                                                              size_t bytes)
{
    uint64_t *sum = arg;
    const uint64_t *words = (const uint64_t *)addr;
    for (size_t i = 0; i < bytes / sizeof *words; i++)
        *sum = (*sum ^ words[i]) * UINT64_C(0x9e3779b97f4a7c15);
    return 0;
}

struct frozen_sum {
    const struct gc_heap *heap;
    uint64_t sum;
};

static int add_frozen(void *arg, uintptr_t addr, size_t bytes)
{
    struct frozen_sum *f = arg;
    if (addr >= f->heap->arena_start)
        return 1; /* the end of the walk, not an error */
    return add_to_sum(&f->sum, addr, bytes);
}

uint64_t gc_verify_frozen_sum(const struct gc_heap *heap)
{
    struct frozen_sum f = { .heap = heap };
    gc_poison_ignore(true);
    gc_page_each_used(heap, 0, add_frozen, &f);
    gc_poison_ignore(false);
    gc_poison_known(&f.sum, sizeof f.sum);
    return f.sum;
}

/* ---- doors --------------------------------------------------------------- */

unsigned gc_verify(struct gc_heap *heap, int level, gc_report_fn *report, void *arg)
{
    struct check check = {
        .v = { .heap = heap, .edge = see }, .heap = heap, .report = report, .arg = arg
    };
    if (!heap->owner)
        return 0; /* the tables are the owner's */
    check_tables(&check);
    if (level >= 2)
        check_reachable(&check);
    if (level >= 3 && heap->config.verify && heap->arena_start > heap->base &&
        gc_verify_frozen_sum(heap) != heap->frozen_sum)
        fault(&check, "rule 9: frozen bytes do not change", heap->base);
    return check.faults;
}

static void die(void *arg, const char *rule, const void *where)
{
    (void)arg;
    (void)where;
    gc_bug("gc/verify.c", 0, rule);
}

void gc_verify_marks(struct gc_heap *heap)
{
    struct check check = {
        .v = { .heap = heap, .edge = see }, .heap = heap, .report = die, .marks = true
    };
    check_reachable(&check);
}

void gc_verify_or_die(struct gc_heap *heap)
{
    gc_verify(heap, 3, die, NULL);
}
