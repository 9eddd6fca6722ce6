/* SPDX-License-Identifier: MIT */
/* gc_bench PROGRAM MODE [PERCENT] - runs one program on the collector that this binary
 * is linked with, and prints one line of JSON. */
#include "tests/bench/gc_bench.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* Durations of operations, in 16 parts of each doubling: within 6 %. */
enum { PARTS = 16, BUCKETS = 48 * PARTS };
static uint32_t buckets[BUCKETS];
static uint64_t n_ticks, last_tick_ns, longest_ns;
/* At the end of the operations: what is timed after them is no pause of theirs. */
static struct mem_report report;

uint64_t bench_now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static unsigned bucket_of(uint64_t ns)
{
    if (ns < PARTS)
        return (unsigned)ns;
    unsigned log = 63 - (unsigned)__builtin_clzll(ns);
    unsigned at = (log - 3) * PARTS + (unsigned)(ns >> (log - 4)) % PARTS;
    return at < BUCKETS ? at : BUCKETS - 1;
}

static uint64_t bucket_end(unsigned at)
{
    if (at < PARTS)
        return at;
    return (((uint64_t)PARTS + at % PARTS + 1) << (at / PARTS - 1)) - 1;
}

void bench_ticks_start(void)
{
    memset(buckets, 0, sizeof buckets);
    n_ticks = longest_ns = 0;
    last_tick_ns = bench_now();
}

void bench_tick(void)
{
    uint64_t now = bench_now(), took = now - last_tick_ns;
    last_tick_ns = now;
    buckets[bucket_of(took)]++;
    n_ticks++;
    if (took > longest_ns)
        longest_ns = took;
}

void bench_ticks_end(struct outcome *o)
{
    uint64_t beyond = n_ticks / 10000, seen = 0;
    unsigned at = BUCKETS;
    while (at > 0 && seen <= beyond)
        seen += buckets[--at];
    o->tick_p9999 = bucket_end(at) < longest_ns ? bucket_end(at) : longest_ns;
    o->tick_max_ns = longest_ns;
    mem_report(&report);
}

static void print(const char *program, const struct outcome *o)
{
    struct mem_report r = report;
    printf("{\"collector\": \"%s\", \"mode\": \"%s\", \"program\": \"%s\"", r.collector,
           r.mode, program);
#define FIELD(name, value) printf(", \"" name "\": %" PRIu64, (uint64_t)(value))
    FIELD("operations", o->operations);
    FIELD("total_ns", o->total_ns);
    FIELD("alloc_ps", o->alloc_ps);
    FIELD("live_objects", o->live_objects);
    FIELD("collect_ns", o->collect_ns);
    FIELD("tick_max_ns", o->tick_max_ns);
    FIELD("tick_p9999_ns", o->tick_p9999);
    FIELD("collections", r.collections);
    FIELD("pauses", r.pauses);
    FIELD("pause_max_ns", r.pause_max_ns);
    FIELD("pause_total_ns", r.pause_total_ns);
    FIELD("heap_peak", r.heap_peak);
    FIELD("metadata_bytes", r.metadata_bytes);
    FIELD("peak_rss", pages_peak());
    FIELD("rss", pages_rss());
    FIELD("pss", pages_pss());
    FIELD("fork_ns", o->fork_ns);
    FIELD("fork_pages", o->fork_pages);
    FIELD("idle_copied", o->idle_copied);
    FIELD("copied", o->copied);
    FIELD("added", o->added);
    FIELD("pair_pss", o->pair_pss);
#undef FIELD
    printf("}\n");
}

static const struct program *program_named(const char *name)
{
    for (const struct program *p = bench_programs; p->name; p++)
        if (!strcmp(p->name, name))
            return p;
    return NULL;
}

int main(int argc, char **argv)
{
    const struct program *program = argc >= 3 ? program_named(argv[1]) : NULL;
    int percent = argc >= 4 ? atoi(argv[3]) : 100;
    struct outcome o = { 0 };
    if (!program || argc > 4 || percent < 1 || percent > 1000) {
        fprintf(stderr,
                "usage: %s PROGRAM MODE [PERCENT OF THE SIZE]\nprograms:", argv[0]);
        for (const struct program *p = bench_programs; p->name; p++)
            fprintf(stderr, " %s", p->name);
        fprintf(stderr, "\n");
        return 1;
    }
    if (!mem_start(argv[2]))
        return 1;
    program->run((unsigned)percent, &o);
    print(program->name, &o);
    return 0;
}
