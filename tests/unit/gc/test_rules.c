/* SPDX-License-Identifier: MIT */
/* test_rules.c - rules of gc/README.md that the other tests meet only in passing: what
 * a collection does not touch, what stress mode shows, how many mappings a heap is. */
#include "tests/unit/gc/heap_test.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

enum { OBJECTS = 3000, BROKEN = 101, POISON = 0xdb };

static uint64_t live(const struct gc_heap *heap)
{
    struct gc_stats stats;
    gc_get_stats(heap, &stats);
    return stats.live_bytes;
}

static int protect(const struct gc_heap *heap, int how)
{
    const void *start, *end;
    gc_range(heap, &start, &end);
    return mprotect((void *)(uintptr_t)start,
                    (size_t)((const char *)end - (const char *)start), how);
}

/* ---- rules 2 and 3: neither marking nor freeing looks at what has no pointers */

static size_t size_of(int i)
{
    return i % 100 ? 16 + (size_t)i % 500 : 20000;
}

/* Half of the objects die; nobody may read or write any of them meanwhile. */
static int collect_behind_closed_doors(struct gc_heap *heap, void *arg)
{
    struct gc_handle **handles = arg;
    uint64_t want = 0;
    for (int i = 0; i < OBJECTS; i += 2) {
        gc_handle_set(handles[i], NULL);
        want += gc_cost(size_of(i + 1));
    }
    if (protect(heap, PROT_NONE))
        return BROKEN;
    if (gc_collect(heap, GC_REASON_ASKED) || live(heap) != want)
        return BROKEN;
    return protect(heap, PROT_READ | PROT_WRITE) ? BROKEN : 0;
}

static int collect_unseen(struct gc_config config)
{
    struct gc_handle *handles[OBJECTS];
    struct gc_heap *heap = heap_test_new(&config);
    for (int i = 0; i < OBJECTS; i++)
        handles[i] = gc_handle_new(heap, gc_alloc(heap, GC_BYTES, size_of(i)));
    int status = heap_test_in_child(heap, collect_behind_closed_doors, handles);
    gc_free(heap);
    return status;
}

static void a_collection_touches_no_object_without_pointers(void **state)
{
    (void)state;
    check_int(collect_unseen((struct gc_config){ .decay_ns = -1 }), 0);
    check_int(collect_unseen((struct gc_config){ .decay_ns = 0 }), 0);
    check_int(collect_unseen((struct gc_config){ .schedule = GC_INCREMENTAL }), 0);
}

static void marks_in_headers_touch_every_object(void **state)
{
    (void)state;
    int status = collect_unseen((struct gc_config){ .marks = GC_MARKS_HEADER });
    /* SIGSEGV, or what a sanitizer makes of it */
    check_true(status != 0 && !(WIFEXITED(status) && WEXITSTATUS(status) == BROKEN),
               "status %d", status);
}

/* ---- rule 11: between safepoints nothing is freed, at one in stress mode at once */

static void a_pointer_that_outlives_a_safepoint_shows_in_stress_mode(void **state)
{
    (void)state;
    /* Shared, so that AddressSanitizer lets us look; a living neighbour, so that the
     * block stays. */
    struct gc_heap *heap = heap_test_new(
        &(struct gc_config){ .stress = true, .shared = true, .decay_ns = -1 });
    gc_publish(heap, gc_alloc(heap, GC_BYTES, 64));
    unsigned char *kept = gc_alloc(heap, GC_BYTES, 64);
    memset(kept, 1, 64);
    for (int i = 0; i < 1000; i++)
        gc_alloc(heap, GC_BYTES, 64);
    for (int i = 0; i < 64; i++)
        check_int(kept[i], 1, "before the safepoint");
    gc_safepoint(heap);
    for (int i = 0; i < 64; i++)
        check_int(kept[i], POISON, "after it");
    gc_free(heap);
}

/* ---- rule 12 ------------------------------------------------------------- */

static long count_maps(void)
{
    FILE *f = fopen("/proc/self/maps", "r");
    long n = 0;
    int c;
    while (f && (c = getc(f)) != EOF)
        n += c == '\n';
    if (f)
        fclose(f);
    return n;
}

static void a_heap_full_of_holes_is_a_handful_of_mappings(void **state)
{
    (void)state;
    for (int shared = 0; shared <= 1; shared++) {
        struct gc_handle *handles[OBJECTS];
        long before = count_maps();
        struct gc_heap *heap = heap_test_new(&(struct gc_config){ .shared = shared });
        struct gc_stats stats;
        for (int i = 0; i < OBJECTS; i++)
            handles[i] = gc_handle_new(heap, gc_alloc(heap, GC_BYTES, 20000));
        for (int i = 0; i < OBJECTS; i += 2)
            gc_handle_set(handles[i], NULL);
        check_int(gc_collect(heap, GC_REASON_ASKED), 0);
        gc_step(heap, 1000000);
        gc_get_stats(heap, &stats);
        check_true(stats.decayed_bytes >= OBJECTS / 2 * 20000, "%lu bytes given back",
                   (unsigned long)stats.decayed_bytes);
        /* objects, seven tables, control; the allocator of the C library may add some
         */
        check_true(count_maps() <= before + 16, "%ld mappings, %ld before",
                   count_maps(), before);
        gc_free(heap);
    }
}

TEST_MAIN(test(a_collection_touches_no_object_without_pointers),
          test(marks_in_headers_touch_every_object),
          test(a_pointer_that_outlives_a_safepoint_shows_in_stress_mode),
          test(a_heap_full_of_holes_is_a_handful_of_mappings))
