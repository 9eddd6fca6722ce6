/* SPDX-License-Identifier: MIT */
/* test_final.c - rule 19: who died is handed out once, whole, and nobody else is. */
#include "tests/unit/gc/heap_test.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "server/base/prng.h"

/* Under every schedule and both kinds of marks. */
static const struct kind {
    const char *name;
    struct gc_config config;
} kinds[] = {
    { "stw", { .schedule = GC_STW } },
    { "stw, headers", { .schedule = GC_STW, .marks = GC_MARKS_HEADER } },
    { "incremental", { .schedule = GC_INCREMENTAL, .max_pause_ns = 1 } },
    { "incremental, tiny stack",
      { .schedule = GC_INCREMENTAL, .max_pause_ns = 1, .mark_stack = 4 } },
    { "snapshot", { .schedule = GC_SNAPSHOT, .max_pause_ns = 1000 } },
    { "shared", { .schedule = GC_INCREMENTAL, .max_pause_ns = 1, .shared = true } },
    { "stress", { .schedule = GC_INCREMENTAL, .stress = true } },
};

static struct gc_heap *heap_of(const struct kind *kind, int *ret_node)
{
    struct gc_config config = kind->config;
    config.min_heap_bytes = 1 << 16;
    config.verify = true;
    struct gc_heap *heap = heap_test_new(&config);
    *ret_node = gc_type_add(heap, &heap_test_node);
    return heap;
}

static struct heap_test_node *numbered(struct gc_heap *heap, int node, void *next,
                                       uint64_t value)
{
    struct heap_test_node *n = heap_test_cons(heap, node, next);
    check_not_null(n);
    n->value = value;
    return n;
}

static struct gc_stats stats_of(const struct gc_heap *heap)
{
    struct gc_stats stats;
    gc_get_stats(heap, &stats);
    return stats;
}

/* The value of the next one; 0 when there is none. */
static uint64_t next_value(struct gc_heap *heap)
{
    const struct heap_test_node *n = gc_finalize_next(heap);
    return n ? n->value : 0;
}

static void who_died_is_handed_out_once_and_who_lives_is_not(void **state)
{
    (void)state;
    for (size_t k = 0; k < TEST_COUNT(kinds); k++) {
        int node;
        struct gc_heap *heap = heap_of(&kinds[k], &node);
        struct heap_test_node *live = numbered(heap, node, NULL, 1);
        struct gc_handle *handle = gc_handle_new(heap, live);
        check_int(gc_finalize(heap, live), 0);
        check_int(gc_finalize(heap, numbered(heap, node, live, 2)), 0);
        check_uint(next_value(heap), 0, "%s: before a collection", kinds[k].name);
        check_uint(stats_of(heap).finalizers, 2);
        gc_collect(heap, GC_REASON_ASKED);
        check_uint(stats_of(heap).finalizers_due, 1, "%s", kinds[k].name);
        check_uint(next_value(heap), 2, "%s", kinds[k].name);
        check_uint(next_value(heap), 0, "%s: once", kinds[k].name);
        gc_collect(heap, GC_REASON_ASKED);
        check_uint(next_value(heap), 0, "%s: it was not registered again",
                   kinds[k].name);
        gc_handle_free(heap, handle);
        gc_collect(heap, GC_REASON_ASKED);
        check_uint(next_value(heap), 1, "%s", kinds[k].name);
        gc_collect(heap, GC_REASON_ASKED);
        check_uint(stats_of(heap).live_bytes, 0, "%s: all is free", kinds[k].name);
        check_uint(stats_of(heap).finalizers + stats_of(heap).finalizers_due, 0);
        gc_free(heap);
    }
}

static void what_died_together_is_found_together_the_newest_first(void **state)
{
    (void)state;
    for (size_t k = 0; k < TEST_COUNT(kinds); k++) {
        int node;
        struct gc_heap *heap = heap_of(&kinds[k], &node);
        struct heap_test_node *chain = NULL;
        /* no safepoint: raw pointers are good */
        for (uint64_t i = 1; i <= 1000; i++) {
            chain = numbered(heap, node, chain, i);
            chain->bytes = gc_alloc(heap, GC_BYTES, 40);
            memset(chain->bytes, (int)i, 40);
            check_int(gc_finalize(heap, chain), 0);
        }
        gc_collect(heap, GC_REASON_ASKED);
        for (uint64_t i = 1000; i > 0; i--) {
            const struct heap_test_node *n = gc_finalize_next(heap);
            check_not_null(n, "%s", kinds[k].name);
            check_uint(n->value, i, "%s", kinds[k].name);
            const unsigned char *bytes = n->bytes;
            check_int(bytes[0], (int)(i & 255), "%s: all it leads to is whole",
                      kinds[k].name);
            check_int(bytes[39], (int)(i & 255));
            if (i % 100 == 0)
                gc_collect(heap, GC_REASON_ASKED); /* who waits is kept */
        }
        check_null(gc_finalize_next(heap));
        gc_collect(heap, GC_REASON_ASKED);
        check_uint(stats_of(heap).live_bytes, 0, "%s", kinds[k].name);
        gc_free(heap);
    }
}

static void who_was_handed_out_may_live_on_and_be_registered_again(void **state)
{
    (void)state;
    for (size_t k = 0; k < TEST_COUNT(kinds); k++) {
        int node;
        struct gc_heap *heap = heap_of(&kinds[k], &node);
        gc_finalize(heap, numbered(heap, node, NULL, 7));
        for (int times = 0; times < 3; times++) {
            gc_collect(heap, GC_REASON_ASKED);
            struct heap_test_node *again = gc_finalize_next(heap);
            check_not_null(again, "%s, time %d", kinds[k].name, times);
            struct gc_handle *handle = gc_handle_new(heap, again);
            check_int(gc_finalize(heap, again), 0);
            gc_collect(heap, GC_REASON_ASKED);
            check_uint(next_value(heap), 0);
            again = gc_handle_get(handle);
            check_uint(again->value, 7);
            gc_handle_free(heap, handle);
        }
        gc_free(heap);
    }
}

/* ---- random programs ----------------------------------------------------- */

enum { THINGS = 400, STEPS = 6000 };

struct program {
    struct gc_heap *heap;
    int node;
    struct prng prng;
    struct gc_handle *held[THINGS]; /* NULL: let go */
    bool registered[THINGS], seen[THINGS];
};

static void make(struct program *p, uint64_t i)
{
    if (p->held[i] || p->registered[i])
        return;
    void *next = prng_below(&p->prng, 2) ? gc_root(p->heap) : NULL;
    struct heap_test_node *n = numbered(p->heap, p->node, next, i + 1);
    p->held[i] = gc_handle_new(p->heap, n);
    p->registered[i] = prng_below(&p->prng, 3) > 0;
    p->seen[i] = false;
    if (p->registered[i])
        check_int(gc_finalize(p->heap, n), 0);
}

static void let_go(struct program *p, uint64_t i)
{
    gc_handle_free(p->heap, p->held[i]);
    p->held[i] = NULL;
}

static void take(struct program *p, const char *name)
{
    uint64_t value;
    while ((value = next_value(p->heap)) != 0) {
        uint64_t i = value - 1;
        check_true(i < THINGS && p->registered[i] && !p->held[i] && !p->seen[i],
                   "%s: thing %ju", name, (uintmax_t)i);
        p->seen[i] = true;
        p->registered[i] = false;
    }
}

static void act(struct program *p, const char *name)
{
    uint64_t i = prng_below(&p->prng, THINGS);
    switch (prng_below(&p->prng, 8)) {
    case 0:
    case 1:
    case 2:
        make(p, i);
        break;
    case 3:
    case 4:
        let_go(p, i);
        break;
    case 5:
        gc_safepoint(p->heap);
        break;
    case 6:
        gc_step(p->heap, 1 + prng_below(&p->prng, 20000));
        break;
    default:
        take(p, name);
    }
}

static void random_programs_see_each_death_and_nothing_else(void **state)
{
    (void)state;
    for (size_t k = 0; k < TEST_COUNT(kinds); k++) {
        struct program p = { 0 };
        p.heap = heap_of(&kinds[k], &p.node);
        prng_seed(&p.prng, k + 1);
        for (int i = 0; i < STEPS; i++)
            act(&p, kinds[k].name);
        for (uint64_t i = 0; i < THINGS; i++)
            let_go(&p, i);
        for (int i = 0; i < 2; i++)
            gc_collect(p.heap, GC_REASON_ASKED);
        take(&p, kinds[k].name);
        for (uint64_t i = 0; i < THINGS; i++)
            check_false(p.registered[i], "%s: thing %ju was never handed out",
                        kinds[k].name, (uintmax_t)i);
        gc_collect(p.heap, GC_REASON_ASKED);
        check_uint(stats_of(p.heap).live_bytes, 0, "%s", kinds[k].name);
        gc_free(p.heap);
    }
}

/* ---- slices -------------------------------------------------------------- */

struct watch {
    uint64_t now_ns;
    unsigned finish_slices;
};

/* A clock that moves on when it is read, as a slice does after each of its steps. */
static uint64_t tick(void *arg)
{
    struct watch *watch = arg;
    return watch->now_ns += 1000;
}

static void note(void *arg, const struct gc_event *event)
{
    struct watch *watch = arg;
    watch->finish_slices += event->kind == GC_EVENT_SLICE && event->phase == GC_FINISH;
}

/* Slices that ended in FINISH, in a cycle that has `many` registered objects to look
 * at. */
static unsigned finish_slices(int many)
{
    struct watch watch = { 0 };
    const struct gc_config config = { .schedule = GC_INCREMENTAL,
                                      .max_pause_ns = 20000,
                                      .min_heap_bytes = 1 << 20,
                                      .clock_ns = tick,
                                      .on_event = note,
                                      .arg = &watch };
    struct gc_heap *heap = heap_test_new(&config);
    int node = gc_type_add(heap, &heap_test_node);
    for (int i = 0; i < many; i++) {
        struct heap_test_node *n = numbered(heap, node, gc_root(heap), 1);
        gc_finalize(heap, n);
        gc_publish(heap, n);
    }
    while (stats_of(heap).cycles == 0)
        gc_safepoint(heap);
    check_uint(stats_of(heap).finalizers_due, 0);
    gc_free(heap);
    return watch.finish_slices;
}

/* rule 13: some 20 steps in a slice, each of them looks at 1024 objects at the most */
static void many_registered_objects_are_looked_at_in_pieces(void **state)
{
    (void)state;
    enum { MANY = 200000, SLICES = MANY / 1024 / 20 };
    unsigned walk = finish_slices(MANY);
    check_true(walk >= SLICES, "%u slices", walk);
}

/* ---- forks and readers --------------------------------------------------- */

static int expect_none(struct gc_heap *heap, void *arg)
{
    (void)arg;
    void *own = gc_alloc(heap, GC_BYTES, 8);
    gc_finalize(heap, own);
    gc_collect(heap, GC_REASON_ASKED);
    return gc_finalize_next(heap) == own && !gc_finalize_next(heap) ? 0 : 1;
}

static int expect_two(struct gc_heap *heap, void *arg)
{
    (void)arg;
    gc_collect(heap, GC_REASON_ASKED);
    return gc_finalize_next(heap) && gc_finalize_next(heap) && !gc_finalize_next(heap)
               ? 0
               : 1;
}

static int forget_them(struct gc_heap *heap, void *arg)
{
    gc_finalize_forget(heap);
    return expect_none(heap, arg);
}

/* One is queued and one is still registered when the heap is forked. */
static void a_frozen_heap_leaves_them_to_its_parent_a_copy_has_its_own(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        enum gc_after_fork after_fork;
        int (*child)(struct gc_heap *heap, void *arg);
    } cases[] = {
        { "arena", GC_ARENA, expect_none },
        { "inherit", GC_INHERIT, expect_two },
        { "inherit and forget", GC_INHERIT, forget_them },
    };
    for (size_t i = 0; i < TEST_COUNT(cases); i++) {
        const struct gc_config config = { .after_fork = cases[i].after_fork,
                                          .verify = true };
        struct gc_heap *heap = heap_test_new(&config);
        int node = gc_type_add(heap, &heap_test_node);
        gc_finalize(heap, numbered(heap, node, NULL, 1));
        gc_collect(heap, GC_REASON_ASKED);
        gc_finalize(heap, numbered(heap, node, NULL, 2));
        check_int(heap_test_in_child(heap, cases[i].child, NULL), 0, "%s",
                  cases[i].name);
        check_int(expect_two(heap, NULL), 0, "%s: the parent", cases[i].name);
        gc_free(heap);
    }
}

/* A child gives up the cycle of its parent, also between the walk and SWEEP. */
static void a_fork_in_the_middle_of_a_cycle_loses_none(void **state)
{
    (void)state;
    bool over = false;
    for (unsigned steps = 1; !over; steps++) {
        const struct gc_config config = { .schedule = GC_INCREMENTAL,
                                          .max_pause_ns = 1,
                                          .min_heap_bytes = 1 << 16,
                                          .verify = true };
        struct gc_heap *heap = heap_test_new(&config);
        int node = gc_type_add(heap, &heap_test_node);
        gc_finalize(heap, numbered(heap, node, NULL, 1));
        gc_finalize(heap, numbered(heap, node, NULL, 2));
        while (stats_of(heap).live_bytes < stats_of(heap).goal_bytes)
            heap_test_push(heap, node, 100);
        for (unsigned i = 0; i < steps; i++)
            gc_step(heap, 1);
        over = stats_of(heap).cycles > 0;
        check_int(heap_test_in_child(heap, expect_two, NULL), 0, "%u steps", steps);
        check_int(expect_two(heap, NULL), 0, "%u steps: the parent", steps);
        gc_free(heap);
    }
}

static void what_a_reader_pins_is_not_dead(void **state)
{
    (void)state;
    const struct gc_config config = { .shared = true, .readers = 1, .verify = true };
    struct gc_heap *heap = heap_test_new(&config);
    int node = gc_type_add(heap, &heap_test_node);
    struct gc_reader *reader = gc_reader_open(heap, 0);
    struct heap_test_node *n = numbered(heap, node, NULL, 1);
    gc_finalize(heap, n);
    gc_publish(heap, n);
    gc_reader_enter(reader);
    int pin = gc_pin(reader, n);
    gc_reader_leave(reader);
    gc_publish(heap, NULL);
    gc_collect(heap, GC_REASON_ASKED);
    check_uint(next_value(heap), 0, "it is pinned");
    gc_unpin(reader, pin);
    gc_collect(heap, GC_REASON_ASKED);
    check_uint(next_value(heap), 1);
    gc_reader_close(reader);
    gc_free(heap);
}

static int register_one(struct gc_heap *heap, void *arg)
{
    return gc_finalize(heap, arg) == -EPERM && !gc_finalize_next(heap) ? 0 : 1;
}

static void a_reader_of_a_shared_heap_registers_nothing(void **state)
{
    (void)state;
    const struct gc_config config = { .shared = true, .readers = 1 };
    struct gc_heap *heap = heap_test_new(&config);
    void *obj = gc_alloc(heap, GC_BYTES, 8);
    gc_finalize(heap, obj);
    check_int(heap_test_in_child(heap, register_one, obj), 0);
    gc_free(heap);
}

TEST_MAIN(test(who_died_is_handed_out_once_and_who_lives_is_not),
          test(what_died_together_is_found_together_the_newest_first),
          test(who_was_handed_out_may_live_on_and_be_registered_again),
          test(random_programs_see_each_death_and_nothing_else),
          test(many_registered_objects_are_looked_at_in_pieces),
          test(a_frozen_heap_leaves_them_to_its_parent_a_copy_has_its_own),
          test(a_fork_in_the_middle_of_a_cycle_loses_none),
          test(what_a_reader_pins_is_not_dead),
          test(a_reader_of_a_shared_heap_registers_nothing))
