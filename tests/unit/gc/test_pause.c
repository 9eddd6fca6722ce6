/* SPDX-License-Identifier: MIT */
/* test_pause.c - whatever the heap is like, no stop of its owner takes longer than it
 * may.
 *
 * The clock of these heaps runs by the work that is done: a ns for each byte traced, 8
 * for a reference met, 500 for a block swept, 1000 for a page given back, 20 for a pin
 * read, 50 for the look at the clock. So a pause is as long as its work, on any
 * machine, and what is not cut into pieces shows.
 */
#define GC_IMPL
#include "gc/heap.h"

#include "tests/unit/gc/heap_test.h"

#include <stdlib.h>

enum { MAX_PAUSE = 100000, SEATS = 8, SEAT_PINS = 1024 };

struct toll {
    struct gc_heap *heap;
    int node, array, lump;
    uint64_t ns;
    uint64_t scanned, met, swept, given_back, pins, looked;
    uint64_t slices, worst_slice, decays, worst_decay;
    uint64_t soft_cycles, limit_cycles, cycles;
};

/* What a counter has grown by; it may have begun anew. */
static uint64_t grown(uint64_t *last, uint64_t now)
{
    uint64_t by = now >= *last ? now - *last : now;
    *last = now;
    return by;
}

static uint64_t clock_of_work(void *arg)
{
    struct toll *t = arg;
    const struct gc_heap *heap = t->heap; /* NULL until gc_new() is back */
    t->ns += 50;
    if (!heap)
        return t->ns;
    t->ns += grown(&t->scanned, heap->scanned_bytes);
    t->ns += grown(&t->met, heap->ring_at) * 8;
    t->ns += grown(&t->swept, heap->sweep_block) * 500;
    t->ns += grown(&t->given_back, heap->stats.decayed_bytes / PAGE) * 1000;
    t->ns += grown(&t->pins, heap->pin_seat * SEAT_PINS + heap->pin_at) * 20;
    t->ns += grown(&t->looked, heap->rescan_block) * 2;
    return t->ns;
}

static void note(void *arg, const struct gc_event *event)
{
    struct toll *t = arg;
    bool slice = event->kind == GC_EVENT_SLICE, decay = event->kind == GC_EVENT_DECAY;
    t->slices += slice;
    t->decays += decay;
    if (slice && event->duration_ns > t->worst_slice)
        t->worst_slice = event->duration_ns;
    if (decay && event->duration_ns > t->worst_decay)
        t->worst_decay = event->duration_ns;
    if (event->kind == GC_EVENT_CYCLE_START) {
        t->cycles++;
        t->soft_cycles += event->reason == GC_REASON_SOFT_LIMIT;
        t->limit_cycles += event->reason == GC_REASON_LIMIT;
    }
}

/* An array that is shown pointer by pointer, as no large object should be. */
static void trace_lump(const void *obj, struct gc_visitor *v)
{
    for (size_t i = 0; i < gc_size(obj) / sizeof(void *); i++)
        gc_visit(v, ((void *const *)obj)[i]);
}

static const struct gc_type lump = { .name = "lump", .trace = trace_lump };

static struct toll *toll_new(struct gc_config config)
{
    struct toll *t = calloc(1, sizeof *t);
    config.schedule = GC_INCREMENTAL;
    config.max_pause_ns = MAX_PAUSE;
    config.clock_ns = clock_of_work;
    config.on_event = note;
    config.arg = t;
    t->heap = heap_test_new(&config);
    t->node = gc_type_add(t->heap, &heap_test_node);
    t->array = gc_type_add(t->heap, &heap_test_array);
    t->lump = gc_type_add(t->heap, &lump);
    return t;
}

static void toll_free(struct toll *t)
{
    gc_free(t->heap);
    free(t);
}

/* ---- shapes -------------------------------------------------------------- */

static void a_long_list(struct toll *t)
{
    for (int i = 0; i < 20000; i++)
        heap_test_push(t->heap, t->node, 100);
}

static void *array_of(struct toll *t, int type, size_t n)
{
    void **a = gc_alloc(t->heap, type, n * sizeof *a);
    memset(a, 0, n * sizeof *a);
    return a;
}

static void one_wide_array(struct toll *t)
{
    void **wide = array_of(t, t->array, 1 << 17);
    gc_publish(t->heap, wide);
    for (size_t i = 0; i < 1 << 17; i++)
        wide[i] = i % 8 ? (void *)wide : heap_test_cons(t->heap, t->node, NULL);
}

/* More arrays than the mark stack holds, found all at once. */
static void arrays_in_an_array(struct toll *t)
{
    void **wide = array_of(t, t->array, 60);
    gc_publish(t->heap, wide);
    for (size_t i = 0; i < 60; i++)
        wide[i] = array_of(t, t->array, 1 << (10 + i % 6));
}

static void one_lump(struct toll *t)
{
    gc_publish(t->heap, array_of(t, t->lump, 1 << 17));
}

static void only_garbage(struct toll *t)
{
    for (int i = 0; i < 200000; i++)
        gc_alloc(t->heap, GC_BYTES, i % 100 ? 300 : 20000);
}

static void as_many_pins_as_there_are(struct toll *t)
{
    a_long_list(t);
    const struct heap_test_node *at = gc_root(t->heap);
    for (unsigned seat = 0; seat < SEATS; seat++) {
        struct gc_reader *reader = gc_reader_open(t->heap, seat);
        gc_reader_enter(reader);
        for (int i = 0; i < SEAT_PINS; i++, at = at->next)
            check_true(gc_pin(reader, at) >= 0);
        gc_reader_leave(reader);
        free(reader->free_pins); /* as a reader that died: its pins stay */
        free(reader);
    }
}

static void let_it_run(struct toll *t)
{
    for (int cycles = 0; cycles < 2; cycles++) {
        t->heap->wanted = true;
        t->heap->want_reason = GC_REASON_ASKED;
        do {
            gc_alloc(t->heap, GC_BYTES, 50);
            gc_safepoint(t->heap);
        } while (t->heap->phase != GC_IDLE);
    }
    for (int i = 0; i < 1000 && t->heap->dirty_pages; i++) {
        t->ns += 1000000;
        gc_step(t->heap, MAX_PAUSE);
    }
}

static const struct shape {
    const char *name;
    void (*make)(struct toll *t);
    struct gc_config config;
    bool too_long;
} shapes[] = {
    { "list", a_long_list, { 0 }, false },
    { "list, full stack", a_long_list, { .mark_stack = 1 }, false },
    { "list, marks in headers", a_long_list, { .marks = GC_MARKS_HEADER }, false },
    { "wide array", one_wide_array, { 0 }, false },
    { "wide array, full stack", one_wide_array, { .mark_stack = 2 }, false },
    { "arrays", arrays_in_an_array, { 0 }, false },
    { "arrays, full stack", arrays_in_an_array, { .mark_stack = 2 }, false },
    { "garbage", only_garbage, { .decay_ns = -1 }, false },
    { "garbage, decay at once", only_garbage, { .decay_ns = 0 }, false },
    { "garbage, decay", only_garbage, { .decay_ns = 1000000 }, false },
    { "garbage, decay, shared",
      only_garbage,
      { .decay_ns = 1000000, .shared = true },
      false },
    { "pins",
      as_many_pins_as_there_are,
      { .shared = true, .readers = SEATS, .pins_per_reader = SEAT_PINS },
      false },
    { "lump", one_lump, { 0 }, true },
};

/* rule 13 */
static void no_stop_takes_longer_than_it_may_whatever_the_heap_is_like(void **state)
{
    (void)state;
    for (size_t i = 0; i < TEST_COUNT(shapes); i++) {
        const struct shape *shape = &shapes[i];
        struct gc_config config = shape->config;
        config.min_heap_bytes = 1 << 30;
        struct toll *t = toll_new(config);
        shape->make(t);
        let_it_run(t);
        check_true(t->slices > 3, "%s: %ju slices", shape->name, (uintmax_t)t->slices);
        check_true((t->worst_slice > MAX_PAUSE / 5 * 6) == shape->too_long,
                   "%s: a slice of %ju ns", shape->name, (uintmax_t)t->worst_slice);
        check_true(t->worst_decay <= MAX_PAUSE / 5 * 6, "%s: decay of %ju ns",
                   shape->name, (uintmax_t)t->worst_decay);
        check_true(shape->config.decay_ns <= 0 || t->decays > 1, "%s", shape->name);
        check_uint(gc_verify(t->heap, 2, NULL, NULL), 0, "%s", shape->name);
        toll_free(t);
    }
}

/* ---- rule 18: at the limits ---------------------------------------------- */

/* Full, everything dead, marked and not yet swept: what one allocation does then. */
static void an_allocation_at_the_limit_sweeps_no_longer_than_a_slice(void **state)
{
    (void)state;
    struct toll *t = toll_new((struct gc_config){
        .limit_bytes = 64 << 20, .min_heap_bytes = 1 << 30, .decay_ns = -1 });
    while (gc_alloc(t->heap, GC_BYTES, 300))
        continue;
    t->ns += UINT64_C(1) << 40;
    while (t->heap->phase != GC_SWEEP)
        gc_safepoint(t->heap);
    t->slices = t->worst_slice = 0;
    unsigned tries = 0;
    while (!gc_alloc(t->heap, GC_BYTES, 40 << 20))
        tries++;
    check_true(tries > 0, "so much is not swept in one slice");
    check_uint(t->slices, tries + 1);
    check_true(t->worst_slice <= MAX_PAUSE / 5 * 6, "%ju ns",
               (uintmax_t)t->worst_slice);
    toll_free(t);
}

static void an_incremental_cycle_is_not_one_pause_because_room_ran_out(void **state)
{
    (void)state;
    struct toll *t = toll_new(
        (struct gc_config){ .limit_bytes = 16 << 20, .min_heap_bytes = 1 << 30 });
    while (heap_test_push(t->heap, t->node, 100))
        continue;
    t->worst_slice = 0;
    while (t->heap->stats.cycles == 0)
        gc_safepoint(t->heap);
    check_uint(t->limit_cycles, 1);
    check_true(t->slices > 20, "%ju slices", (uintmax_t)t->slices);
    check_true(t->worst_slice <= MAX_PAUSE / 5 * 6, "%ju ns",
               (uintmax_t)t->worst_slice);
    toll_free(t);
}

static void live_stays_below_the_soft_limit_while_it_can(void **state)
{
    (void)state;
    struct toll *t = toll_new((struct gc_config){
        .soft_limit_bytes = 6 << 20, .percent = 1000, .min_heap_bytes = 1 << 20 });
    struct gc_stats s;
    uint64_t most = 0;
    for (int i = 0; i < 4000; i++)
        heap_test_push(t->heap, t->node, 1000);
    for (int i = 0; i < 30000; i++) {
        gc_alloc(t->heap, GC_BYTES, 1000);
        t->ns += 2000;
        gc_safepoint(t->heap);
        gc_get_stats(t->heap, &s);
        if (s.live_bytes > most)
            most = s.live_bytes;
    }
    check_true(t->soft_cycles > 5, "%ju cycles", (uintmax_t)t->soft_cycles);
    check_uint(t->cycles, t->soft_cycles + 1, "the first is for min_heap_bytes");
    check_true(most <= 6 << 20, "%ju bytes", (uintmax_t)most);
    check_uint(s.overshoots, 1, "filling it was one callback");
    toll_free(t);
}

/* It is soft: nothing is refused, and the owner keeps half of the time. */
static void a_heap_that_lives_beyond_its_soft_limit_is_not_stopped(void **state)
{
    (void)state;
    struct toll *t = toll_new(
        (struct gc_config){ .soft_limit_bytes = 2 << 20, .min_heap_bytes = 1 << 20 });
    for (int i = 0; i < 8000; i++)
        check_not_null(heap_test_push(t->heap, t->node, 1000));
    uint64_t begin = t->ns, paused = t->heap->stats.pause_total_ns;
    for (int i = 0; i < 20000; i++) {
        check_not_null(gc_alloc(t->heap, GC_BYTES, 1000));
        t->ns += 1000;
        gc_safepoint(t->heap);
    }
    paused = t->heap->stats.pause_total_ns - paused;
    check_true(t->soft_cycles > 0);
    check_true(paused <= (t->ns - begin) * 6 / 10, "%ju of %ju ns", (uintmax_t)paused,
               (uintmax_t)(t->ns - begin));
    toll_free(t);
}

static void a_callback_that_allocates_past_the_goal_is_counted(void **state)
{
    (void)state;
    struct toll *t = toll_new((struct gc_config){ .min_heap_bytes = 1 << 20 });
    struct gc_stats s;
    for (int callback = 0; callback < 3; callback++) {
        gc_collect(t->heap, GC_REASON_ASKED);
        gc_get_stats(t->heap, &s);
        check_uint(s.overshoots, (unsigned)callback);
        for (int i = 0; i < 3000; i++)
            gc_alloc(t->heap, GC_BYTES, 1000);
        for (int i = 0; i < 3; i++)
            gc_safepoint(t->heap);
        gc_get_stats(t->heap, &s);
        check_uint(s.overshoots, (unsigned)callback + 1);
        check_uint(s.overshoot_bytes, 3000 * gc_cost(1000) - (1 << 20));
    }
    toll_free(t);
}

TEST_MAIN(test(no_stop_takes_longer_than_it_may_whatever_the_heap_is_like),
          test(an_allocation_at_the_limit_sweeps_no_longer_than_a_slice),
          test(an_incremental_cycle_is_not_one_pause_because_room_ran_out),
          test(live_stays_below_the_soft_limit_while_it_can),
          test(a_heap_that_lives_beyond_its_soft_limit_is_not_stopped),
          test(a_callback_that_allocates_past_the_goal_is_counted))
