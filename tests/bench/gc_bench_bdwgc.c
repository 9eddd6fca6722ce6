/* SPDX-License-Identifier: MIT */
/* The programs on the Boehm-Demers-Weiser collector. Modes: `stw`, its default, and
 * `incremental`.
 *
 * It gets what helps it: memory without pointers is atomic, pointers into the middle of
 * objects are not looked for (as in the other heap, no program has any), its parallel
 * markers are on, and a child may collect. Typed allocation does not help here: it
 * costs a word for each object, and all words of these objects are pointers but one.
 */
#include "tests/bench/gc_bench.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define GC_THREADS
#include <gc/gc.h> /* of bdwgc: this file is compiled without -I. */

static bool incremental;
static struct mem_report counted;
static uint64_t pause_begin_ns;

/* By default a collection is one call in which the program stands still, from START to
 * END. The incremental collector works in many small calls, and tells of the pauses in
 * which it stops the world only; the rest shows in the longest operation. */
static void on_event(GC_EventType event)
{
    GC_EventType begin = incremental ? GC_EVENT_PRE_STOP_WORLD : GC_EVENT_START;
    GC_EventType end = incremental ? GC_EVENT_POST_START_WORLD : GC_EVENT_END;
    if (event == begin)
        pause_begin_ns = bench_now();
    if (event == end && pause_begin_ns) {
        uint64_t pause = bench_now() - pause_begin_ns;
        pause_begin_ns = 0;
        counted.pauses++;
        counted.pause_total_ns += pause;
        if (pause > counted.pause_max_ns)
            counted.pause_max_ns = pause;
    }
}

bool mem_start(const char *mode)
{
    if (strcmp(mode, "stw") != 0 && strcmp(mode, "incremental") != 0) {
        fprintf(stderr, "bdwgc has no mode %s: stw, incremental\n", mode);
        return false;
    }
    counted.collector = "bdwgc";
    counted.mode = mode;
    GC_set_all_interior_pointers(0);
    GC_set_handle_fork(1);
    GC_INIT();
    if (!strcmp(mode, "incremental")) {
        GC_enable_incremental();
        incremental = GC_is_incremental_mode() != 0;
        if (!incremental) {
            fprintf(stderr, "bdwgc cannot collect incrementally here\n");
            return false;
        }
    }
    GC_set_on_collection_event(on_event);
    return true;
}

void *mem_alloc(enum mem_type type, size_t bytes)
{
    void *obj = type == MEM_BYTES ? GC_MALLOC_ATOMIC(bytes) : GC_MALLOC(bytes);
    if (!obj) {
        fprintf(stderr, "no room for %zu bytes\n", bytes);
        abort();
    }
    return obj;
}

void mem_safepoint(void)
{
    /* it collects when it allocates */
}

void mem_root(void **slot)
{
    (void)slot; /* it looks at all static memory */
}

void mem_store(void *obj, void *field, void *value)
{
    (void)obj; /* in incremental mode the kernel tells which pages are written */
    *(void **)field = value;
}

void mem_collect(void)
{
    GC_gcollect();
}

pid_t mem_fork(void)
{
    return fork();
}

void mem_report(struct mem_report *ret_report)
{
    *ret_report = counted;
    ret_report->collections = GC_get_gc_no();
    ret_report->heap_peak = GC_get_heap_size();
}
