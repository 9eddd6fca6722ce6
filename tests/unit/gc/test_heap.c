/* SPDX-License-Identifier: MIT */
/* test_heap.c - objects, sizes, limits and one collection at a time. */
#include "tests/unit/gc/heap_test.h"

#include <errno.h>
#include <stdlib.h>

/* rule 1 */
static void payloads_are_aligned_and_keep_what_is_written(void **state)
{
    (void)state;
    struct gc_heap *heap = heap_test_new(&(struct gc_config){ .verify = true });
    static const size_t sizes[] = { 0,    1,     7,       8,       9,      15,
                                    16,   17,    120,     121,     4096,   8184,
                                    8185, 65536, 2097152, 2097137, 5000000 };
    void *keep[TEST_COUNT(sizes)];
    int node = gc_type_add(heap, &heap_test_node);
    check_true(node > 0);
    for (size_t i = 0; i < TEST_COUNT(sizes); i++) {
        keep[i] = gc_alloc(heap, GC_BYTES, sizes[i]);
        check_not_null(keep[i], "%zu bytes", sizes[i]);
        check_uint((uintptr_t)keep[i] % 16, 0, "%zu bytes", sizes[i]);
        check_uint(gc_size(keep[i]), sizes[i], "size");
        memset(keep[i], (int)i + 1, sizes[i]);
        gc_root_add(heap, &keep[i]);
    }
    check_int(gc_collect(heap, GC_REASON_ASKED), 0);
    for (size_t i = 0; i < TEST_COUNT(sizes); i++)
        for (size_t b = 0; b < sizes[i]; b++)
            if (((unsigned char *)keep[i])[b] != i + 1)
                check_true(false, "byte %zu of %zu changed", b, sizes[i]);
    gc_free(heap);
}

static void the_cost_of_an_object_is_what_the_heap_counts(void **state)
{
    (void)state;
    struct gc_heap *heap = heap_test_new(&(struct gc_config){ 0 });
    for (size_t bytes = 0; bytes < 20000; bytes += bytes < 600 ? 1 : 97) {
        struct gc_stats before, after;
        gc_get_stats(heap, &before);
        check_not_null(gc_alloc(heap, GC_BYTES, bytes));
        gc_get_stats(heap, &after);
        check_uint(after.allocated_bytes - before.allocated_bytes, gc_cost(bytes),
                   "%zu bytes", bytes);
        check_true(gc_cost(bytes) >= bytes + 8, "%zu bytes", bytes);
    }
    gc_free(heap);
}

static void what_is_unreachable_is_freed_and_its_room_used_again(void **state)
{
    (void)state;
    struct gc_heap *heap = heap_test_new(&(struct gc_config){ .verify = true });
    int node = gc_type_add(heap, &heap_test_node);
    struct gc_stats first, last;
    for (int round = 0; round < 5; round++) {
        for (int i = 0; i < 20000; i++)
            gc_publish(heap, heap_test_cons(heap, node, i % 3 ? NULL : gc_root(heap)));
        gc_publish(heap, NULL);
        check_int(gc_collect(heap, GC_REASON_ASKED), 0);
        gc_get_stats(heap, round ? &last : &first);
        check_uint((round ? &last : &first)->live_bytes, 0, "round %d", round);
    }
    check_uint(last.held_bytes, 0);
    check_uint(last.committed_bytes, first.committed_bytes);
    gc_free(heap);
}

static void roots_slots_handles_and_pins_each_keep_an_object(void **state)
{
    (void)state;
    struct gc_heap *heap =
        heap_test_new(&(struct gc_config){ .verify = true, .readers = 2 });
    struct gc_stats stats;
    void *slot = gc_alloc(heap, GC_BYTES, 100);
    gc_root_add(heap, &slot);
    struct gc_handle *handle = gc_handle_new(heap, gc_alloc(heap, GC_BYTES, 100));
    struct gc_reader *reader = gc_reader_open(heap, 1);
    check_null(gc_reader_open(heap, 1), "the seat is taken");
    check_null(gc_reader_open(heap, 2), "no such seat");
    int pin = gc_pin(reader, gc_alloc(heap, GC_BYTES, 100));
    gc_publish(heap, gc_alloc(heap, GC_BYTES, 100));
    check_true(gc_reader_enter(reader) == gc_root(heap));
    gc_reader_leave(reader);
    for (unsigned left = 4; left <= 4; left--) {
        check_int(gc_collect(heap, GC_REASON_ASKED), 0);
        gc_get_stats(heap, &stats);
        check_uint(stats.live_bytes, left * gc_cost(100), "%u left", left);
        if (left == 4)
            gc_root_remove(heap, &slot);
        else if (left == 3)
            gc_handle_free(heap, handle);
        else if (left == 2)
            gc_unpin(reader, pin);
        else
            gc_publish(heap, NULL);
    }
    gc_reader_close(reader);
    gc_free(heap);
}

/* No time passes, so no collection has to wait because the last one took long. */
static uint64_t stopped_clock(void *arg)
{
    (void)arg;
    return 0;
}

static void the_limit_holds_and_is_left_again_by_a_collection(void **state)
{
    (void)state;
    static const size_t sizes[] = { 24, 1000, 8184, 9000, 300000 };
    for (size_t i = 0; i < TEST_COUNT(sizes); i++) {
        const size_t limit = 8 << 20;
        struct gc_heap *heap = heap_test_new(&(struct gc_config){
            .verify = true, .limit_bytes = limit, .clock_ns = stopped_clock });
        int node = gc_type_add(heap, &heap_test_node);
        unsigned n = 0, again = 0;
        struct gc_stats stats;
        while (heap_test_push(heap, node, sizes[i]))
            n++;
        gc_get_stats(heap, &stats);
        check_true(stats.held_bytes <= limit, "size %zu", sizes[i]);
        check_true(stats.held_bytes + gc_cost(sizes[i]) + 65536 > limit, "size %zu",
                   sizes[i]);
        check_uint(stats.limit_hits, 1);
        gc_safepoint(heap);
        check_null(heap_test_push(heap, node, sizes[i]), "everything still lives");
        gc_publish(heap, NULL);
        gc_safepoint(heap);
        while (heap_test_push(heap, node, sizes[i]))
            again++;
        check_uint(again, n, "size %zu", sizes[i]);
        gc_free(heap);
    }
}

static void combinations_that_cannot_work_are_refused_with_a_reason(void **state)
{
    (void)state;
    static const struct gc_config bad[] = {
        { .shared = true, .marks = GC_MARKS_HEADER },
        { .reserve_bytes = ((size_t)1 << 40) + 1 },
        { .reserve_bytes = SIZE_MAX },
    };
    for (size_t i = 0; i < TEST_COUNT(bad); i++) {
        const char *why = NULL;
        check_null(gc_new(&bad[i], &why), "case %zu", i);
        check_not_null(why, "case %zu", i);
        check_int(errno, EINVAL, "case %zu", i);
    }
}

/* rule 6 */
static void a_full_mark_stack_costs_time_and_loses_nothing(void **state)
{
    (void)state;
    struct gc_heap *heap =
        heap_test_new(&(struct gc_config){ .verify = true, .mark_stack = 4 });
    int node = gc_type_add(heap, &heap_test_node);
    int array = gc_type_add(heap, &heap_test_array);
    const size_t n = 5000;
    void **wide = gc_alloc(heap, array, n * sizeof *wide);
    gc_publish(heap, wide);
    for (size_t i = 0; i < n; i++) {
        struct heap_test_node *a = heap_test_cons(heap, node, NULL);
        a->other = heap_test_cons(heap, node, NULL);
        a->other->next = heap_test_cons(heap, node, NULL);
        wide[i] = a;
    }
    check_int(gc_collect(heap, GC_REASON_ASKED), 0);
    struct gc_stats stats;
    gc_get_stats(heap, &stats);
    check_true(stats.mark_overflows > 0, "the test must meet the overflow");
    check_uint(stats.live_bytes, gc_cost(n * sizeof *wide) +
                                     3 * n * gc_cost(sizeof(struct heap_test_node)));
    gc_free(heap);
}

/* In more chunks than one group of a search has. */
static void room_is_found_at_the_lowest_address_that_has_it(void **state)
{
    (void)state;
    enum { N = 150, MIB = 1 << 20 };
    struct gc_heap *heap = heap_test_new(&(struct gc_config){ .verify = true });
    void *objs[N];
    for (int i = 0; i < N; i++) {
        objs[i] = gc_alloc(heap, GC_BYTES, 2 * MIB - 16);
        check_not_null(objs[i]);
        gc_root_add(heap, &objs[i]);
    }
    void *low = objs[20], *high = objs[100], *three = objs[110];
    objs[20] = objs[100] = objs[110] = objs[111] = objs[112] = objs[N - 1] = NULL;
    check_int(gc_collect(heap, GC_REASON_ASKED), 0);
    const void *base, *before, *after;
    gc_range(heap, &base, &before);
    check_true(gc_alloc(heap, GC_BYTES, 5 * MIB) == three);
    check_true(gc_alloc(heap, GC_BYTES, 2 * MIB - 16) == low);
    check_true(gc_alloc(heap, GC_BYTES, 100) == high);
    /* A run over the end of the prefix takes what is empty there first. */
    check_true(gc_alloc(heap, GC_BYTES, 3 * MIB) == (char *)objs[N - 2] + 2 * MIB);
    gc_range(heap, &base, &after);
    check_int((const char *)after - (const char *)before, 2 * MIB);
    check_uint(gc_verify(heap, 2, NULL, NULL), 0);
    gc_free(heap);
}

static void stress_collects_at_each_safepoint_after_an_allocation(void **state)
{
    (void)state;
    struct gc_heap *heap =
        heap_test_new(&(struct gc_config){ .verify = true, .stress = true });
    struct gc_stats stats;
    unsigned char *dead = gc_alloc(heap, GC_BYTES, 64);
    memset(dead, 1, 64);
    gc_safepoint(heap);
    gc_safepoint(heap);
    gc_get_stats(heap, &stats);
    check_uint(stats.cycles, 1, "one allocation, one cycle");
    check_uint(stats.live_bytes, 0);
    gc_alloc(heap, GC_BYTES, 64);
    gc_safepoint(heap);
    gc_get_stats(heap, &stats);
    check_uint(stats.cycles, 2);
    gc_free(heap);
}

static void a_second_heap_in_the_process_is_another_world(void **state)
{
    (void)state;
    struct gc_heap *a = heap_test_new(&(struct gc_config){ .verify = true });
    struct gc_heap *b = heap_test_new(&(struct gc_config){ .verify = true });
    gc_publish(a, gc_alloc(a, GC_BYTES, 10));
    gc_publish(b, gc_alloc(b, GC_BYTES, 10));
    gc_free(a);
    check_int(gc_collect(b, GC_REASON_ASKED), 0);
    check_uint(gc_size(gc_root(b)), 10);
    gc_free(b);
}

TEST_MAIN(test(payloads_are_aligned_and_keep_what_is_written),
          test(the_cost_of_an_object_is_what_the_heap_counts),
          test(what_is_unreachable_is_freed_and_its_room_used_again),
          test(roots_slots_handles_and_pins_each_keep_an_object),
          test(the_limit_holds_and_is_left_again_by_a_collection),
          test(combinations_that_cannot_work_are_refused_with_a_reason),
          test(a_full_mark_stack_costs_time_and_loses_nothing),
          test(room_is_found_at_the_lowest_address_that_has_it),
          test(stress_collects_at_each_safepoint_after_an_allocation),
          test(a_second_heap_in_the_process_is_another_world))
