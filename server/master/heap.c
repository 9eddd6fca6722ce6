/* SPDX-License-Identifier: MIT */
/* heap.c - see heap.h. */
#include "server/master/heap.h"

#include <errno.h>
#include <sys/random.h>

#include "server/base/clock.h"
#include "server/cache/cache.h"
#include "server/conf/options.h"
#include "server/master/signals.h"
#include "server/origin/synthetic.h"
#include "server/shared/region.h"

enum {
    PINS_MAX = 65536,   /* per seat: one for each connection that waits for room */
    PRELOAD_LOOK = 256, /* objects between two looks for a signal */
};

static void on_gc_event(void *arg, const struct gc_event *event)
{
    struct heap *heap = arg;

    if (heap->events.ring == NULL)
        return;
    switch (event->kind) {
    case GC_EVENT_SLICE:
        event_write(&heap->events, EVENT_GC_SLICE, event->start_ns, event->duration_ns,
                    (uint64_t)event->phase, event->bytes);
        return;
    case GC_EVENT_SWEEP:
        heap->freed = event->bytes;
        return;
    case GC_EVENT_CYCLE_END:
        event_write(&heap->events, EVENT_GC_CYCLE, event->start_ns, event->duration_ns,
                    event->bytes, heap->freed);
        return;
    case GC_EVENT_CYCLE_START:
    case GC_EVENT_DECAY:
    case GC_EVENT_LIMIT:
    case GC_EVENT_FORK:
    case GC_EVENT_SNAPSHOT_FORK:
    case GC_EVENT_SNAPSHOT_MARK:
    case GC_EVENT_SNAPSHOT_FAIL:
        return;
    }
}

static struct gc_config gc_settings(const struct options *o, struct heap *heap)
{
    return (struct gc_config){
        .percent = (unsigned)o->gc_percent,
        .pins_per_reader =
            (unsigned)(o->connections < PINS_MAX ? o->connections : PINS_MAX),
        .max_pause_ns = (uint64_t)o->gc_max_pause_us * CLOCK_NS_PER_US,
        .decay_ns =
            o->gc_decay_ms == 0 ? -1 : o->gc_decay_ms * (int64_t)CLOCK_NS_PER_MS,
        .marks = o->gc_marks == MARKS_HEADER ? GC_MARKS_HEADER : GC_MARKS_SIDE,
        .reuse = o->gc_reuse == REUSE_ANY    ? GC_REUSE_ANY
                 : o->gc_reuse == REUSE_PAGE ? GC_REUSE_PAGE
                                             : GC_REUSE_NONE,
        .schedule = o->gc_schedule == SCHEDULE_STW        ? GC_STW
                    : o->gc_schedule == SCHEDULE_SNAPSHOT ? GC_SNAPSHOT
                                                          : GC_INCREMENTAL,
        .thp = o->gc_thp == THP_NEVER    ? GC_THP_NEVER
               : o->gc_thp == THP_ALWAYS ? GC_THP_ALWAYS
                                         : GC_THP_DEFAULT,
        .after_fork = o->after_fork == AFTER_FORK_INHERIT ? GC_INHERIT : GC_ARENA,
        .shared = o->heap == HEAP_SHARED,
        .readers = SEATS_MAX,
        .stress = o->gc_stress,
        .on_event = on_gc_event,
        .arg = heap,
    };
}

int heap_open(struct heap *heap, const struct options *o, struct region *region,
              const char **ret_why)
{
    struct cache_config config = {
        .index = o->cache_index == INDEX_TABLE ? CACHE_TABLE : CACHE_HAMT,
        .recency = o->cache_recency == RECENCY_INLINE ? CACHE_INLINE : CACHE_SIDE,
        .bytes = (size_t)o->cache_bytes,
        .seats = SEATS_MAX,
        .heap = gc_settings(o, heap),
    };

    *heap = (struct heap){ .region = region };
    heap->events =
        (struct event_source){ &region->master.events, 1, UINT16_MAX, UINT16_MAX };
    heap->traffic =
        (struct event_source){ &region->master.traffic, 1, UINT16_MAX, UINT16_MAX };
    if (o->cache_bytes == 0)
        return 0;
    if (getrandom(config.hash_key, sizeof config.hash_key, 0) !=
        (ssize_t)sizeof config.hash_key) {
        *ret_why = "no random numbers from the kernel";
        return -EIO;
    }
    heap->cache = cache_new(&config, ret_why);
    return heap->cache == NULL ? -ENOMEM : 0;
}

void heap_close(struct heap *heap)
{
    cache_free(heap->cache);
    heap->cache = NULL;
}

void heap_leave(struct heap *heap)
{
    heap->events.ring = NULL;
}

static struct cache_record record_of(const struct origin_result *r, struct span key)
{
    return (struct cache_record){
        .key = key,
        .head = r->head,
        .body = { (const char *)r->body, r->length },
        .status = (uint16_t)r->status,
        .type = r->type,
        .etag = r->etag,
        .mtime_s = r->mtime_s,
    };
}

/* Filling makes next to no garbage: a collection after each few megabytes would find
 * nothing. There is one only when the heap is full. */
static bool preload_one(struct heap *heap, const struct cache_record *record,
                        uint64_t now_ns)
{
    int rc = cache_insert(heap->cache, record, now_ns);

    if (rc == -ENOSPC) {
        cache_collect(heap->cache);
        rc = cache_insert(heap->cache, record, now_ns);
    }
    return rc == 0;
}

uint64_t heap_preload(struct heap *heap, const struct options *o)
{
    const struct synthetic_config config = {
        .objects = (uint64_t)o->synthetic_objects,
        .median = (uint64_t)o->synthetic_median,
        .sigma = o->synthetic_sigma,
        .seed = (uint64_t)o->synthetic_seed,
        .object_max = (size_t)o->cache_object_max,
    };
    const uint64_t now_ns = clock_ns();
    struct cache_stats stats = { .evicted = 0 };
    uint64_t stored = 0;

    if (heap->cache == NULL || o->origin != ORIGIN_SYNTHETIC || !o->synthetic_preload)
        return 0;
    for (uint64_t i = 0; i < config.objects && stats.evicted == 0; i++) {
        if (i % PRELOAD_LOOK == 0 && signals_ask_to_end())
            break; /* what it would be filled for is not wanted any more */
        char path[SYNTHETIC_PATH_MAX];
        struct origin_result result = { .fd = -1 };
        struct cache_record record;

        synthetic_object(&config, i, &result);
        record = record_of(&result, synthetic_path(path, i));
        record.source = synthetic_source(&config);
        if (result.cacheable && result.status == 200 &&
            preload_one(heap, &record, now_ns))
            stored++;
        origin_result_free(&result);
        cache_get_stats(heap->cache, &stats);
    }
    cache_safepoint(heap->cache);
    return stored;
}

static void report(struct heap *heap, const struct cache_stats *stats, uint64_t now_ns)
{
    struct master_board *board = &heap->region->master;
    const void *start, *end;

    gc_range(cache_heap(heap->cache), &start, &end);
    board->heap_start = (uint64_t)(uintptr_t)start;
    board->heap_end = (uint64_t)(uintptr_t)end;
    board->heap_live = stats->heap.live_bytes;
    board->heap_limit = stats->heap.limit_bytes;
    board->gc_cycles = stats->heap.cycles;
    board->gc_slices = stats->heap.slices;
    board->gc_snapshots = stats->heap.snapshot_forks;
    board->gc_snapshot_failures = stats->heap.snapshot_failures;
    board->gc_pause_ns = stats->heap.pause_total_ns;
    board->gc_pause_max_ns = stats->heap.pause_max_ns;
    board->cache_entries = stats->entries;
    board->cache_bytes = stats->bytes;
    board->cache_limit = stats->bytes_limit;
    board->cache_evicted = stats->evicted;
    if (stats->heap.phase != GC_FINISH)
        heap->finish_since_ns = 0;
    else if (heap->finish_since_ns == 0)
        heap->finish_since_ns = now_ns;
    board->gc_lag_ns = heap_waits_ns(heap, now_ns);
}

uint64_t heap_waits_ns(const struct heap *heap, uint64_t now_ns)
{
    return heap->finish_since_ns == 0 ? 0 : now_ns - heap->finish_since_ns;
}

bool heap_waits_for(const struct heap *heap, unsigned seat)
{
    return heap->cache != NULL && gc_reader_lag(cache_heap(heap->cache), seat) > 0;
}

bool heap_tick(struct heap *heap, uint64_t budget_ns)
{
    struct cache_stats stats;
    uint64_t now_ns = clock_ns();

    if (heap->cache == NULL)
        return false;
    cache_safepoint(heap->cache);
    cache_tick(heap->cache, budget_ns);
    cache_get_stats(heap->cache, &stats);
    if (stats.evicted > heap->evicted)
        event_write(&heap->traffic, EVENT_EVICT, now_ns, 0,
                    stats.evicted - heap->evicted, stats.bytes);
    heap->evicted = stats.evicted;
    report(heap, &stats, now_ns);
    return stats.heap.phase != GC_IDLE;
}
