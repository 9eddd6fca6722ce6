/* SPDX-License-Identifier: MIT */
/* test_cycle.c - when cycles run, how long a pause is, what goes back to the kernel. */
#include "tests/unit/gc/heap_test.h"

#include <stdlib.h>

enum { EVENTS = 20000 };

struct diary {
    uint64_t time_ns, tick_ns;
    struct gc_event events[EVENTS];
    size_t n;
};

static uint64_t read_clock(void *arg)
{
    struct diary *diary = arg;
    return diary->time_ns += diary->tick_ns;
}

static void write_down(void *arg, const struct gc_event *event)
{
    struct diary *diary = arg;
    if (diary->n < EVENTS)
        diary->events[diary->n++] = *event;
}

static size_t count(const struct diary *diary, enum gc_event_kind kind)
{
    size_t n = 0;
    for (size_t i = 0; i < diary->n; i++)
        n += diary->events[i].kind == kind;
    return n;
}

static struct gc_heap *watched_heap(struct diary **ret_diary, int *ret_node,
                                    struct gc_config config)
{
    struct diary *diary = calloc(1, sizeof *diary);
    config.arg = diary;
    config.clock_ns = read_clock;
    config.on_event = write_down;
    struct gc_heap *heap = heap_test_new(&config);
    *ret_node = gc_type_add(heap, &heap_test_node);
    *ret_diary = diary;
    return heap;
}

static void a_cycle_begins_when_the_heap_has_grown_by_percent(void **state)
{
    (void)state;
    struct diary *diary;
    int node;
    struct gc_heap *heap = watched_heap(
        &diary, &node,
        (struct gc_config){ .min_heap_bytes = 1 << 16, .percent = 50, .verify = true });
    struct gc_stats stats;
    for (int i = 0; i < 3000; i++)
        heap_test_push(heap, node, 1000);
    check_int(gc_collect(heap, GC_REASON_ASKED), 0);
    gc_get_stats(heap, &stats);
    uint64_t live = stats.live_bytes, cycles = stats.cycles;
    check_near(stats.goal_bytes, live + live / 2, 1);
    do {
        gc_alloc(heap, GC_BYTES, 1000);
        gc_safepoint(heap);
        live += gc_cost(1000);
        gc_get_stats(heap, &stats);
    } while (stats.cycles == cycles);
    check_near(live, stats.goal_bytes, gc_cost(1000));
    check_int(stats.last_reason, GC_REASON_GOAL);
    gc_free(heap);
    free(diary);
}

/* rule 13 */
static void slices_keep_to_their_budget_and_the_cycle_to_its_goal(void **state)
{
    (void)state;
    struct diary *diary;
    int node;
    const uint64_t max_pause = 100000, tick = 10000;
    struct gc_heap *heap = watched_heap(&diary, &node,
                                        (struct gc_config){ .schedule = GC_INCREMENTAL,
                                                            .max_pause_ns = max_pause,
                                                            .min_heap_bytes = 1 << 20,
                                                            .verify = true });
    struct gc_stats stats;
    diary->tick_ns = tick;
    for (int i = 0; i < 30000; i++)
        heap_test_push(heap, node, 200);
    gc_collect(heap, GC_REASON_ASKED);
    gc_get_stats(heap, &stats);
    uint64_t cycles = stats.cycles, slices = stats.slices, most = 0;
    diary->n = 0;
    do {
        gc_alloc(heap, GC_BYTES, 200);
        gc_safepoint(heap);
        gc_get_stats(heap, &stats);
        if (stats.live_bytes > most)
            most = stats.live_bytes;
    } while (stats.cycles < cycles + 3);
    check_true(stats.slices > slices + 30, "%ju slices", (uintmax_t)stats.slices);
    for (size_t i = 0; i < diary->n; i++)
        if (diary->events[i].kind == GC_EVENT_SLICE)
            check_true(diary->events[i].duration_ns <= max_pause + 2 * tick, "%ju ns",
                       (uintmax_t)diary->events[i].duration_ns);
    check_true(most < stats.goal_bytes + stats.goal_bytes / 20, "%ju of %ju",
               (uintmax_t)most, (uintmax_t)stats.goal_bytes);
    check_uint(count(diary, GC_EVENT_CYCLE_START), 3);
    check_uint(count(diary, GC_EVENT_CYCLE_END), 3);
    check_uint(count(diary, GC_EVENT_SWEEP), 3);
    gc_free(heap);
    free(diary);
}

/* One array of a million pointers must not make one slice of a million steps. */
static void a_long_array_is_traced_in_pieces(void **state)
{
    (void)state;
    struct diary *diary;
    int node;
    struct gc_heap *heap = watched_heap(
        &diary, &node,
        (struct gc_config){ .schedule = GC_INCREMENTAL, .max_pause_ns = 1000 });
    const size_t n = 1 << 20;
    int array = gc_type_add(heap, &heap_test_array);
    void **wide = gc_alloc(heap, array, n * sizeof *wide);
    for (size_t i = 0; i < n; i++)
        wide[i] = wide;
    gc_publish(heap, wide);
    struct gc_stats stats;
    diary->tick_ns = 1000;
    heap_test_cons(heap, node, NULL);
    for (int i = 0; i < 200000; i++)
        gc_alloc(heap, GC_BYTES, 100);
    while (gc_step(heap, 1000))
        continue;
    gc_get_stats(heap, &stats);
    check_true(stats.slices >= n * sizeof *wide / (16 << 10), "%ju slices",
               (uintmax_t)stats.slices);
    gc_free(heap);
    free(diary);
}

/* rule 14 */
static void free_pages_go_back_after_decay_and_not_before(void **state)
{
    (void)state;
    for (int shared = 0; shared <= 1; shared++) {
        struct diary *diary;
        int node;
        struct gc_heap *heap = watched_heap(
            &diary, &node, (struct gc_config){ .decay_ns = 1000000, .shared = shared });
        for (int i = 0; i < 3000; i++)
            heap_test_push(heap, node, i % 2 ? 1000 : 20000);
        const void *start, *end;
        gc_range(heap, &start, &end);
        gc_publish(heap, NULL);
        gc_collect(heap, GC_REASON_ASKED);
        long before = heap_test_present_pages(start, end);
        check_true(before > 1500, "%ld pages", before);
        diary->time_ns += 999999;
        gc_step(heap, 0);
        check_int(heap_test_present_pages(start, end), before);
        diary->time_ns += 1000000 / 4; /* how often it looks */
        gc_step(heap, 0);
        struct gc_stats stats;
        gc_get_stats(heap, &stats);
        check_int(heap_test_present_pages(start, end), 0, "shared %d", shared);
        check_true(stats.decayed_bytes / 4096 >= (uint64_t)before);
        check_uint(count(diary, GC_EVENT_DECAY), 1);
        check_true(heap_test_push(heap, node, 20000) != NULL);
        gc_free(heap);
        free(diary);
    }
}

/* rule 14: large objects come and go beside one that went for good: its pages are given
 * back all the same, and no page before its time. */
static void each_page_decays_by_its_own_age(void **state)
{
    (void)state;
    struct diary *diary;
    int node;
    const uint64_t age = 1000000;
    struct gc_heap *heap =
        watched_heap(&diary, &node, (struct gc_config){ .decay_ns = (int64_t)age });
    struct gc_stats stats;
    gc_publish(heap, gc_alloc(heap, GC_BYTES, 100));
    gc_alloc(heap, GC_BYTES, 300000);
    gc_collect(heap, GC_REASON_ASKED);
    uint64_t begin = diary->time_ns, gone = 0;
    while (diary->time_ns < begin + 10 * age) {
        gc_alloc(heap, GC_BYTES, 20000);
        gc_collect(heap, GC_REASON_ASKED);
        diary->time_ns += age / 10;
        gc_step(heap, 0);
        gc_get_stats(heap, &stats);
        if (!gone && stats.decayed_bytes >= 270000)
            gone = diary->time_ns - begin;
        check_true(diary->time_ns - begin >= age || !stats.decayed_bytes, "too early");
    }
    check_true(gone > 0 && gone <= 3 * age, "given back after %ju ns", (uintmax_t)gone);
    gc_free(heap);
    free(diary);
}

static void decay_can_be_never(void **state)
{
    (void)state;
    struct diary *diary;
    int node;
    struct gc_heap *heap =
        watched_heap(&diary, &node, (struct gc_config){ .decay_ns = -1 });
    struct gc_stats stats;
    heap_test_push(heap, node, 100000);
    gc_publish(heap, NULL);
    gc_collect(heap, GC_REASON_ASKED);
    diary->time_ns += UINT64_C(1) << 60;
    gc_step(heap, 0);
    gc_get_stats(heap, &stats);
    check_uint(stats.held_bytes, 0);
    check_uint(stats.decayed_bytes, 0);
    gc_free(heap);
    free(diary);
}

static void a_full_heap_does_not_collect_all_the_time(void **state)
{
    (void)state;
    struct diary *diary;
    int node;
    struct gc_heap *heap =
        watched_heap(&diary, &node,
                     (struct gc_config){ .limit_bytes = 1 << 20, .min_heap_bytes = 1 });
    diary->tick_ns = 1000;
    while (heap_test_push(heap, node, 1000))
        continue;
    uint64_t begin = diary->time_ns;
    for (int i = 0; i < 3000; i++) {
        gc_alloc(heap, GC_BYTES, 1000);
        gc_safepoint(heap);
    }
    struct gc_stats stats;
    gc_get_stats(heap, &stats);
    check_true(stats.cycles >= 2, "it goes on trying");
    check_true(stats.pause_total_ns <= (diary->time_ns - begin) * 6 / 10,
               "%ju of %ju ns", (uintmax_t)stats.pause_total_ns,
               (uintmax_t)(diary->time_ns - begin));
    gc_free(heap);
    free(diary);
}

static void names_exist_for_all_reasons_phases_and_events(void **state)
{
    (void)state;
    check_str(gc_reason_name(GC_REASON_STRESS), "stress");
    check_str(gc_reason_name(GC_REASON_SOFT_LIMIT), "soft_limit");
    check_str(gc_phase_name(GC_FINISH), "finish");
    check_str(gc_event_name(GC_EVENT_FORK), "fork");
}

static void huge_pages_can_be_asked_for_or_forbidden(void **state)
{
    (void)state;
    for (int thp = GC_THP_DEFAULT; thp <= GC_THP_ALWAYS; thp++) {
        struct gc_heap *heap = heap_test_new(
            &(struct gc_config){ .thp = (enum gc_thp)thp, .verify = true });
        int node = gc_type_add(heap, &heap_test_node);
        for (int i = 0; i < 1000; i++)
            heap_test_push(heap, node, 5000);
        check_int(gc_collect(heap, GC_REASON_ASKED), 0);
        gc_free(heap);
    }
}

TEST_MAIN(test(a_cycle_begins_when_the_heap_has_grown_by_percent),
          test(slices_keep_to_their_budget_and_the_cycle_to_its_goal),
          test(a_long_array_is_traced_in_pieces),
          test(free_pages_go_back_after_decay_and_not_before),
          test(each_page_decays_by_its_own_age), test(decay_can_be_never),
          test(a_full_heap_does_not_collect_all_the_time),
          test(names_exist_for_all_reasons_phases_and_events),
          test(huge_pages_can_be_asked_for_or_forbidden))
