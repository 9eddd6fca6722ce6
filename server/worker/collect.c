/* SPDX-License-Identifier: MIT */
/* collect.c - lets the collector of an own heap run and reports its pauses; see
 * collect.h. */
#include "server/worker/collect.h"

#include "server/base/clock.h"
#include "server/cache/cache.h"
#include "server/worker/worker_priv.h"

enum { NOTICED_NS = 2000, TICK_BUDGET_NS = 500 * 1000 };

static void report_cycles(struct worker *w, const struct gc_stats *now, uint64_t start)
{
    struct collect *c = &w->collect;

    if (now->cycles == c->cycles)
        return;
    count(w->seat, COUNTER_gc_cycles, now->cycles - c->cycles);
    event_write(&w->events, EVENT_GC_CYCLE, start, w->now_ns - start, now->live_bytes,
                now->freed_bytes - c->freed);
    c->cycles = now->cycles;
    c->freed = now->freed_bytes;
}

static void report_snapshots(struct worker *w, const struct gc_stats *now)
{
    struct collect *c = &w->collect;

    count(w->seat, COUNTER_gc_snapshots, now->snapshot_forks - c->snapshots);
    count(w->seat, COUNTER_gc_snapshot_failures,
          now->snapshot_failures - c->snapshot_failures);
    c->snapshots = now->snapshot_forks;
    c->snapshot_failures = now->snapshot_failures;
}

/* What the collector did since the last look, which began at `start`. */
static void report(struct worker *w, uint64_t start)
{
    struct collect *c = &w->collect;
    struct gc_stats now;

    gc_get_stats(cache_heap(w->cache), &now);
    count_set(w->seat, COUNTER_gc_live, now.live_bytes);
    if (now.slices == c->slices)
        return;
    uint64_t paused = now.pause_total_ns - c->pause_total_ns;
    count(w->seat, COUNTER_gc_slices, now.slices - c->slices);
    count(w->seat, COUNTER_gc_pause_ns, paused);
    event_write(&w->events, EVENT_GC_SLICE, start, paused, (uint64_t)now.phase, 0);
    if (paused > c->pause_max_ns) {
        c->pause_max_ns = paused;
        count_set(w->seat, COUNTER_gc_pause_max_ns, paused);
    }
    c->slices = now.slices;
    c->pause_total_ns = now.pause_total_ns;
    report_snapshots(w, &now);
    report_cycles(w, &now, start);
}

void collect_init(struct worker *w)
{
    struct gc_stats now;

    gc_get_stats(cache_heap(w->cache), &now); /* the master's history is not ours */
    w->collect = (struct collect){ .pause_total_ns = now.pause_total_ns,
                                   .slices = now.slices,
                                   .cycles = now.cycles,
                                   .freed = now.freed_bytes,
                                   .snapshots = now.snapshot_forks,
                                   .snapshot_failures = now.snapshot_failures };
    count_set(w->seat, COUNTER_gc_pause_max_ns, 0);
}

void collect_safepoint(struct worker *w)
{
    uint64_t start = worker_clock(w);

    cache_safepoint(w->cache);
    if (worker_clock(w) - start >= NOTICED_NS)
        report(w, start);
}

void collect_tick(struct worker *w)
{
    uint64_t start = worker_clock(w);
    struct cache_stats stats;

    cache_tick(w->cache, TICK_BUDGET_NS);
    worker_clock(w);
    report(w, start);
    cache_get_stats(w->cache, &stats);
    count_set(w->seat, COUNTER_cache_entries, stats.entries);
}

void collect_all(struct worker *w)
{
    uint64_t start = worker_clock(w);

    cache_collect(w->cache);
    worker_clock(w);
    report(w, start);
}
