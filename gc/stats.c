/* SPDX-License-Identifier: MIT */
/* stats.c - what a heap says about itself. */
#define GC_IMPL
#include "gc/snapshot.h"

const char *gc_reason_name(enum gc_reason reason)
{
    static const char *const names[] = {
        [GC_REASON_GOAL] = "goal",
        [GC_REASON_LIMIT] = "limit",
        [GC_REASON_ASKED] = "asked",
        [GC_REASON_STRESS] = "stress",
        [GC_REASON_SOFT_LIMIT] = "soft_limit",
    };
    return names[reason];
}

const char *gc_phase_name(enum gc_phase phase)
{
    static const char *const names[] = {
        [GC_IDLE] = "idle",
        [GC_MARK] = "mark",
        [GC_FINISH] = "finish",
        [GC_SWEEP] = "sweep",
    };
    return names[phase];
}

const char *gc_event_name(enum gc_event_kind kind)
{
    static const char *const names[] = {
        [GC_EVENT_CYCLE_START] = "cycle_start",
        [GC_EVENT_CYCLE_END] = "cycle_end",
        [GC_EVENT_SLICE] = "slice",
        [GC_EVENT_SWEEP] = "sweep",
        [GC_EVENT_DECAY] = "decay",
        [GC_EVENT_LIMIT] = "limit",
        [GC_EVENT_FORK] = "fork",
        [GC_EVENT_SNAPSHOT_FORK] = "snapshot_fork",
        [GC_EVENT_SNAPSHOT_MARK] = "snapshot_mark",
        [GC_EVENT_SNAPSHOT_FAIL] = "snapshot_fail",
    };
    return names[kind];
}

static uint64_t metadata_per_chunk(void)
{
    return CHUNK / GRANULE / 8 * 2 + CHUNK_BLOCKS * sizeof(struct block) +
           CHUNK_PAGES * sizeof(struct run) + sizeof(struct chunk) +
           sizeof(struct summary) + sizeof(struct group) / GROUP_CHUNKS;
}

void gc_get_stats(const struct gc_heap *heap, struct gc_stats *ret_stats)
{
    struct gc_stats s = heap->stats;
    s.phase = heap->phase;
    s.live_bytes = heap->live_bytes + heap->since_mark;
    s.held_bytes = heap->held_pages * PAGE;
    s.committed_bytes = (uint64_t)heap->chunks_ready << CHUNK_SHIFT;
    s.limit_bytes = heap->limit_pages * PAGE;
    s.goal_bytes = heap->goal;
    s.frozen_bytes = heap->frozen_pages * PAGE;
    s.metadata_bytes = heap->chunks_used * metadata_per_chunk() + sizeof *heap +
                       heap->stack_max * sizeof *heap->stack;
    s.hole_bytes = heap->hole_bytes;
    s.blocks = heap->n_blocks;
    s.runs = heap->n_runs;
    s.snapshot_processes = gc_snapshot_children(heap);
    *ret_stats = s;
}
