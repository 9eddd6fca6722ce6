/* SPDX-License-Identifier: MIT */
/* test_verify.c - the verifier finds what is broken on purpose.
 *
 * Each case breaks one rule of gc/README.md in a sound heap, looks for the report of
 * that rule, repairs it and looks for silence.
 */
#define GC_IMPL
#include "gc/heap.h"

#include "tests/unit/gc/heap_test.h"

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

struct scene {
    struct gc_heap *heap;
    struct heap_test_node *first, *second;
    void *bytes, *large;
    uint64_t saved;
};

static void remember(void *arg, const char *rule, const void *where)
{
    const char **first = arg;
    (void)where;
    if (!*first)
        *first = rule;
}

static struct scene make_scene(void)
{
    struct scene s = { .heap = heap_test_new(&(struct gc_config){ 0 }) };
    int node = gc_type_add(s.heap, &heap_test_node);
    s.first = heap_test_push(s.heap, node, 20);
    s.second = heap_test_push(s.heap, node, 20000);
    s.bytes = s.first->bytes;
    s.large = s.second->bytes;
    check_int(gc_collect(s.heap, GC_REASON_ASKED), 0);
    return s;
}

static uint64_t *alloc_word(struct scene *s, const void *obj)
{
    return &s->heap->alloc[bit_word(s->heap, (uintptr_t)obj)];
}

static void smash_magic(struct scene *s, bool broken)
{
    header_of(s->bytes)->magic = broken ? 0 : HEADER_MAGIC;
}

static void grow_size(struct scene *s, bool broken)
{
    header_of(s->bytes)->size_lo = broken ? 25 : 20;
}

static void grow_large(struct scene *s, bool broken)
{
    header_of(s->large)->size_lo = broken ? 20000 + 480 - 15 : 20000;
}

static void change_type(struct scene *s, bool broken)
{
    header_of(s->first)->type = broken ? 0 : 1;
}

static void lose_alloc_bit(struct scene *s, bool broken)
{
    if (broken)
        *alloc_word(s, s->bytes) &= ~bit_mask((uintptr_t)s->bytes);
    else
        *alloc_word(s, s->bytes) |= bit_mask((uintptr_t)s->bytes);
}

static void lose_run(struct scene *s, bool broken)
{
    if (broken)
        *alloc_word(s, s->large) &= ~bit_mask((uintptr_t)s->large);
    else
        *alloc_word(s, s->large) |= bit_mask((uintptr_t)s->large);
}

static void allocate_between_slots(struct scene *s, bool broken)
{
    uintptr_t between = (uintptr_t)s->first + GRANULE;
    if (broken)
        *alloc_word(s, (void *)between) |= bit_mask(between);
    else
        *alloc_word(s, (void *)between) &= ~bit_mask(between);
}

static void leave_a_mark(struct scene *s, bool broken)
{
    uint64_t *word = &s->heap->marks[bit_word(s->heap, (uintptr_t)s->first)];
    *word = broken ? bit_mask((uintptr_t)s->first) : 0;
}

static void mark_a_free_page(struct scene *s, bool broken)
{
    uintptr_t end = chunk_addr(s->heap, s->heap->chunks_used) - PAGE;
    s->heap->alloc[bit_word(s->heap, end)] = broken;
}

static void miscount(struct scene *s, bool broken)
{
    s->heap->held_pages += broken ? 1 : (uint64_t)-1;
}

static void hide_a_group(struct scene *s, bool broken)
{
    s->heap->groups[0].longest[CHUNK_OF_BLOCKS] = broken ? 0 : CHUNK_PAGES;
}

static void hide_a_chunk(struct scene *s, bool broken)
{
    uint32_t c = (uint32_t)(((uintptr_t)s->first - s->heap->base) >> CHUNK_SHIFT);
    struct summary *room = &s->heap->summaries[c];
    room->longest = (uint16_t)(room->longest + (broken ? -BLOCK_PAGES : BLOCK_PAGES));
}

static void dirty_a_page_in_use(struct scene *s, bool broken)
{
    struct chunk *chunk = &s->heap->chunks[0];
    s->heap->groups[0].dirty = true;
    chunk->dirty[0] = broken ? ~chunk->free[0] : 0;
}

static void miscount_dirty_pages(struct scene *s, bool broken)
{
    s->heap->dirty_pages += broken ? 1 : (uint64_t)-1;
}

static void point_to_nowhere(struct scene *s, bool broken)
{
    s->first->other = broken ? (void *)((uintptr_t)s->second + GRANULE) : NULL;
}

static void point_outside(struct scene *s, bool broken)
{
    s->first->other = broken ? (void *)s : NULL;
}

static void point_askew(struct scene *s, bool broken)
{
    s->first->other = broken ? (void *)((uintptr_t)s->second + 1) : NULL;
}

static void offer_a_taken_slot(struct scene *s, bool broken)
{
    gc_alloc(s->heap, GC_BYTES, 20); /* opens a cursor on that class */
    struct cursor *cursor = &s->heap->cursors[s->heap->class_of[2]][0];
    if (broken) {
        s->saved = cursor->avail;
        cursor->avail |= *cursor->word;
    } else {
        cursor->avail = s->saved;
    }
}

static void every_broken_rule_is_reported_and_named(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        void (*change)(struct scene *, bool broken);
        const char *rule;
    } cases[] = {
        { "magic", smash_magic, "rule 1" },
        { "size", grow_size, "rule 1" },
        { "size of a large object", grow_large, "rule 1" },
        { "type", change_type, "rule 2" },
        { "allocation bit", lose_alloc_bit, "rule 5" },
        { "allocation bit of a run", lose_run, "rule 2" },
        { "bit between slots", allocate_between_slots, "rule 2" },
        { "mark in IDLE", leave_a_mark, "rule 4" },
        { "object in a free page", mark_a_free_page, "rule 3" },
        { "page count", miscount, "rule 3" },
        { "room in a group", hide_a_group, "rule 3" },
        { "room in a chunk", hide_a_chunk, "rule 3" },
        { "dirty page in use", dirty_a_page_in_use, "rule 14" },
        { "dirty page count", miscount_dirty_pages, "rule 14" },
        { "pointer into an object", point_to_nowhere, "rule 5" },
        { "pointer out of the heap", point_outside, "rule 5" },
        { "odd pointer", point_askew, "rule 5" },
        { "cursor", offer_a_taken_slot, "rule 3" },
    };
    struct scene s = make_scene();
    for (size_t i = 0; i < TEST_COUNT(cases); i++) {
        const char *rule = NULL;
        check_uint(gc_verify(s.heap, 2, remember, &rule), 0, "before: %s",
                   cases[i].name);
        cases[i].change(&s, true);
        check_true(gc_verify(s.heap, 2, remember, &rule) > 0, "%s", cases[i].name);
        size_t n = strlen(cases[i].rule);
        check_true(rule && !strncmp(rule, cases[i].rule, n) && rule[n] == ':', "%s: %s",
                   cases[i].name, rule);
        cases[i].change(&s, false);
    }
    check_uint(gc_verify(s.heap, 2, NULL, NULL), 0);
    gc_free(s.heap);
}

/* In the middle of a cycle the only pointer to an object moves from one that is not
 * traced yet to one that is. gc_store() keeps it alive; a plain store loses it, and the
 * verifier of marks must say so. */
static int move_pointer(bool with_barrier)
{
    struct gc_heap *heap = heap_test_new(&(struct gc_config){
        .schedule = GC_INCREMENTAL, .verify = true, .min_heap_bytes = 1 << 30 });
    int node = gc_type_add(heap, &heap_test_node);
    struct heap_test_node *seen = heap_test_cons(heap, node, NULL);
    struct heap_test_node *list = NULL;
    struct heap_test_node *last = heap_test_cons(heap, node, NULL);
    last->other = heap_test_cons(heap, node, NULL);
    list = last;
    for (int i = 0; i < 5000; i++)
        list = heap_test_cons(heap, node, list);
    gc_publish(heap, list);
    struct gc_handle *handle = gc_handle_new(heap, seen);
    heap->wanted = true; /* begin a cycle, but do not run it to the end */
    heap->want_reason = GC_REASON_ASKED;
    gc_step(heap, 1); /* one step: the handle's object, and a part of the list */
    struct heap_test_node *moved = last->other;
    if (heap->phase != GC_MARK)
        return 3;
    if (with_barrier) {
        gc_store(heap, seen, &seen->other, moved);
        gc_store(heap, last, &last->other, NULL);
    } else {
        seen->other = moved;
        last->other = NULL;
    }
    while (gc_step(heap, 1000000))
        continue;
    int result = seen->other == moved && gc_handle_get(handle) == seen ? 0 : 4;
    gc_free(heap);
    return result;
}

static int in_child(bool with_barrier)
{
    int status = -1;
    pid_t pid = fork();
    if (pid == 0)
        _exit(move_pointer(with_barrier));
    check_int(waitpid(pid, &status, 0), pid);
    return status;
}

static void a_store_without_the_barrier_is_caught(void **state)
{
    (void)state;
    check_int(in_child(true), 0);
    int status = in_child(false);
    check_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT, "status %d", status);
}

static void *unrelated[1000];

static void trace_askew(const void *obj, struct gc_visitor *v)
{
    gc_visit(v, (const char *)obj + GRANULE);
}

static void trace_askew_bytes(const void *obj, struct gc_visitor *v)
{
    gc_visit(v, *(char *const *)obj + GRANULE);
}

static void trace_elsewhere(const void *obj, struct gc_visitor *v)
{
    (void)obj;
    gc_visit_array(v, (const void *const *)unrelated, TEST_COUNT(unrelated));
}

static int collect_one(void (*trace)(const void *obj, struct gc_visitor *v))
{
    const struct gc_type type = { .name = "bad", .trace = trace };
    struct gc_heap *heap = heap_test_new(&(struct gc_config){ 0 });
    void **obj = gc_alloc(heap, gc_type_add(heap, &type), 2000);
    *obj = gc_alloc(heap, GC_BYTES, 2000);
    gc_publish(heap, obj);
    return gc_collect(heap, GC_REASON_ASKED);
}

/* Without config.verify too: what the sweep found is not what was marked. */
static void a_type_that_shows_what_is_no_object_is_caught(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        void (*trace)(const void *obj, struct gc_visitor *v);
    } cases[] = { { "into an object", trace_askew },
                  { "into bytes", trace_askew_bytes },
                  { "an array outside of its object", trace_elsewhere } };
    for (size_t i = 0; i < TEST_COUNT(cases); i++) {
        int status = -1;
        pid_t pid = fork();
        if (pid == 0)
            _exit(collect_one(cases[i].trace));
        check_int(waitpid(pid, &status, 0), pid);
        check_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT, "%s: status %d",
                   cases[i].name, status);
    }
}

TEST_MAIN(test(every_broken_rule_is_reported_and_named),
          test(a_store_without_the_barrier_is_caught),
          test(a_type_that_shows_what_is_no_object_is_caught))
