/* SPDX-License-Identifier: MIT */
/* cycle.c - the collector: one state machine, whatever the schedule.
 *
 *   IDLE    nothing to do           start() reads the roots       -> MARK
 *   MARK    traces what they reach                                -> FINISH
 *   FINISH  waits until no reader is left in an older epoch, then
 *           reads the pins, once, and traces what they reach      -> SWEEP
 *   SWEEP   frees what has no mark, chunk by chunk                -> IDLE
 *
 * From IDLE to SWEEP new objects are born marked. A stop-the-world collector runs the
 * machine to the end at one safepoint, unless FINISH has to wait; the incremental one
 * works for a slice. It needs no barrier for objects that never change, and gc_store()
 * for those that do.
 */
#define GC_IMPL
#include "gc/cycle.h"

#include <errno.h>

#include "gc/block.h"
#include "gc/mark.h"
#include "gc/os.h"
#include "gc/pace.h"
#include "gc/page.h"
#include "gc/reader.h"
#include "gc/sweep.h"
#include "gc/verify.h"

enum {
    STEP_BYTES = 16 << 10, /* traced between two looks at the clock */
    REST = 4, /* without work due, slices take 1 / (1 + REST) of the time */
};

enum outcome { MORE, BLOCKED, DONE };

void gc_cycle_event(struct gc_heap *heap, enum gc_event_kind kind, uint64_t start_ns,
                    uint64_t duration_ns, uint64_t bytes)
{
    if (!heap->config.on_event)
        return;
    struct gc_event event = { .kind = kind,
                              .reason = heap->reason,
                              .phase = heap->phase,
                              .start_ns = start_ns,
                              .duration_ns = duration_ns,
                              .bytes = bytes };
    heap->config.on_event(heap->config.arg, &event);
}

void gc_cycle_pace(struct gc_heap *heap)
{
    struct gc_pace pace = { .live = heap->live_bytes,
                            .min_heap = heap->config.min_heap_bytes,
                            .limit = heap->limit_pages * PAGE,
                            .percent = heap->config.percent };
    heap->goal = gc_pace_goal(&pace);
    heap->trigger = heap->config.schedule == GC_STW
                        ? heap->goal
                        : gc_pace_trigger(&pace, heap->goal, heap->in_cycle_avg);
}

static void start(struct gc_heap *heap, enum gc_reason reason)
{
    heap->reason = reason;
    heap->wanted = false;
    heap->cycle_start_ns = now_ns(heap);
    gc_mark_reset(heap);
    heap->mark_value = heap->mark_value == UINT8_MAX ? 1 : heap->mark_value + 1;
    heap->black = true;
    heap->pins_in = false;
    heap->in_cycle = 0;
    heap->freed_in_cycle = 0;
    heap->runway = heap->goal > heap->live_bytes + heap->since_mark
                       ? heap->goal - heap->live_bytes - heap->since_mark
                       : 0;
    heap->phase = GC_MARK;
    gc_cycle_event(heap, GC_EVENT_CYCLE_START, heap->cycle_start_ns, 0,
                   heap->live_bytes + heap->since_mark);
    gc_reader_new_epoch(heap);
    gc_mark_roots(heap);
}

static void end_mark(struct gc_heap *heap)
{
    if (heap->config.verify)
        gc_verify_marks(heap);
    heap->live_bytes = heap->marked_bytes;
    gc_sweep_start(heap);
    heap->phase = GC_SWEEP;
}

static void end_sweep(struct gc_heap *heap)
{
    GC_CHECK(heap->sweep_live == heap->marked_bytes);
    uint64_t now = now_ns(heap), size = heap->live_bytes + heap->since_mark;
    heap->phase = GC_IDLE;
    if (heap->want_reason == GC_REASON_LIMIT)
        heap->wanted = false; /* this cycle was for it */
    heap->scan_expected = heap->scanned_bytes;
    heap->in_cycle_avg = (heap->in_cycle_avg + heap->in_cycle) / 2;
    heap->cycle_end_ns = now;
    heap->cycle_ns = now - heap->cycle_start_ns;
    heap->stats.cycles++;
    heap->stats.freed_bytes += heap->freed_in_cycle;
    heap->stats.last_reason = heap->reason;
    heap->stats.last_marked_bytes = heap->marked_bytes;
    if (size > heap->goal && size - heap->goal > heap->stats.overshoot_bytes)
        heap->stats.overshoot_bytes = size - heap->goal;
    gc_cycle_pace(heap);
    gc_cycle_event(heap, GC_EVENT_SWEEP, now, 0, heap->freed_in_cycle);
    gc_cycle_event(heap, GC_EVENT_CYCLE_END, heap->cycle_start_ns, heap->cycle_ns,
                   heap->live_bytes);
    if (heap->config.verify)
        gc_verify_or_die(heap);
}

/* One bounded piece of work. */
static enum outcome step(struct gc_heap *heap)
{
    switch (heap->phase) {
    case GC_IDLE:
        return DONE;
    case GC_MARK:
        if (gc_mark_some(heap, STEP_BYTES))
            heap->phase = GC_FINISH;
        return MORE;
    case GC_FINISH:
        if (!heap->pins_in) {
            if (!gc_reader_grace_over(heap))
                return BLOCKED;
            gc_reader_mark_pins(heap);
            heap->pins_in = true;
        }
        if (gc_mark_some(heap, STEP_BYTES))
            end_mark(heap);
        return MORE;
    case GC_SWEEP:
        if (!gc_sweep_some(heap))
            end_sweep(heap);
        return MORE;
    }
    GC_CHECK(!"a phase that does not exist");
    return DONE;
}

/* One pause: works until the cycle is over, a reader holds it up, or time and work are
 * used up. */
static enum outcome slice(struct gc_heap *heap, uint64_t budget_ns, uint64_t work_bytes)
{
    uint64_t begin = now_ns(heap), now = begin;
    uint64_t enough = heap->scanned_bytes + work_bytes;
    enum outcome outcome;
    heap->busy = true;
    heap->slice_begin_ns = begin;
    if (work_bytes == UINT64_MAX)
        enough = UINT64_MAX;
    do {
        outcome = step(heap);
        if (budget_ns == UINT64_MAX)
            continue;
        now = now_ns(heap);
        if (now - begin >= budget_ns ||
            (heap->phase == GC_MARK && heap->scanned_bytes >= enough))
            break;
    } while (outcome == MORE);
    heap->busy = false;
    now = now_ns(heap);
    heap->slice_end_ns = now;
    heap->stats.slices++;
    heap->stats.pause_last_ns = now - begin;
    heap->stats.pause_total_ns += now - begin;
    if (now - begin > heap->stats.pause_max_ns)
        heap->stats.pause_max_ns = now - begin;
    gc_cycle_event(heap, GC_EVENT_SLICE, begin, now - begin, heap->scanned_bytes);
    return outcome;
}

/* Whether a cycle should begin, and why. */
static bool is_due(const struct gc_heap *heap, enum gc_reason *ret_reason)
{
    if (heap->wanted) {
        *ret_reason = heap->want_reason;
        /* At the limit collections alternate with as much time for the owner, so that a
         * heap that is full of live objects does not stop the program. */
        return heap->want_reason != GC_REASON_LIMIT ||
               now_ns(heap) - heap->cycle_end_ns >= heap->cycle_ns;
    }
    *ret_reason = heap->config.stress ? GC_REASON_STRESS : GC_REASON_GOAL;
    if (heap->config.stress)
        return heap->allocated;
    return heap->live_bytes + heap->since_mark >= heap->trigger;
}

static bool runs_to_the_end(const struct gc_heap *heap)
{
    return heap->config.schedule == GC_STW || heap->wanted ||
           heap->reason == GC_REASON_LIMIT ||
           (heap->config.stress && heap->reason == GC_REASON_STRESS);
}

static bool waits_for_readers(struct gc_heap *heap)
{
    if (heap->phase != GC_FINISH || heap->pins_in || gc_reader_grace_over(heap))
        return false;
    heap->stats.grace_waits++;
    return true;
}

void gc_safepoint(struct gc_heap *heap)
{
    enum gc_reason reason;
    if (!heap->owner)
        return;
    GC_CHECK(!heap->busy);
    if (heap->phase == GC_IDLE) {
        if (!is_due(heap, &reason))
            return;
        start(heap, reason);
    }
    heap->allocated = false;
    if (waits_for_readers(heap))
        return;
    if (runs_to_the_end(heap)) {
        slice(heap, UINT64_MAX, UINT64_MAX);
        return;
    }
    uint64_t work = gc_pace_work(heap->in_cycle, heap->runway, heap->scan_expected,
                                 heap->scanned_bytes);
    if (work == 0 &&
        now_ns(heap) - heap->slice_end_ns < REST * heap->config.max_pause_ns)
        return;
    slice(heap, heap->config.max_pause_ns, work ? work : UINT64_MAX);
}

static enum outcome run(struct gc_heap *heap)
{
    enum outcome outcome = MORE;
    while (outcome == MORE)
        outcome = slice(heap, UINT64_MAX, UINT64_MAX);
    heap->stats.grace_waits += outcome == BLOCKED;
    return outcome;
}

int gc_collect(struct gc_heap *heap, enum gc_reason reason)
{
    if (!heap->owner)
        return -EPERM;
    GC_CHECK(!heap->busy);
    heap->allocated = false;
    if (heap->phase != GC_IDLE && run(heap) == BLOCKED) {
        heap->wanted =
            true; /* what died since this cycle began goes with the next one */
        heap->want_reason = reason;
        return -EAGAIN;
    }
    start(heap, reason);
    return run(heap) == BLOCKED ? -EAGAIN : 0;
}

static void decay(struct gc_heap *heap)
{
    if (heap->config.decay_ns < 0 || heap->dirty_pages == 0)
        return;
    uint64_t begin = now_ns(heap), age = (uint64_t)heap->config.decay_ns;
    if (begin - heap->decayed_ns < age / 4)
        return;
    heap->decayed_ns = begin;
    uint64_t bytes = gc_page_decay(heap, age);
    if (bytes)
        gc_cycle_event(heap, GC_EVENT_DECAY, begin, now_ns(heap) - begin, bytes);
}

bool gc_step(struct gc_heap *heap, uint64_t budget_ns)
{
    enum gc_reason reason;
    if (!heap->owner)
        return false;
    GC_CHECK(!heap->busy);
    decay(heap);
    if (heap->phase == GC_IDLE) {
        if (!is_due(heap, &reason))
            return false;
        start(heap, reason);
    }
    heap->allocated = false;
    if (!waits_for_readers(heap))
        slice(heap, runs_to_the_end(heap) ? UINT64_MAX : budget_ns, UINT64_MAX);
    return heap->phase != GC_IDLE;
}

void gc_cycle_finish_sweep(struct gc_heap *heap)
{
    while (heap->phase == GC_SWEEP)
        step(heap);
}

void gc_cycle_abandon(struct gc_heap *heap)
{
    gc_mark_reset(heap);
    heap->phase = GC_IDLE;
    heap->black = false;
    heap->busy = false;
}
