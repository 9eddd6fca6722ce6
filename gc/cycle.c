/* SPDX-License-Identifier: MIT */
/* cycle.c - the collector: one state machine, whatever the schedule.
 *
 *   IDLE    nothing to do           start() reads the roots       -> MARK
 *   MARK    traces what they reach                                -> FINISH
 *   FINISH  waits until no reader is left in an older epoch, then
 *           reads the pins, once, and traces what they reach;
 *           then finds the dead that somebody wants to see        -> SWEEP
 *   SWEEP   frees what has no mark, block by block                -> IDLE
 *
 * From IDLE to SWEEP new objects are born marked. A stop-the-world collector runs the
 * machine to the end at one safepoint, unless FINISH has to wait; the incremental one
 * works for a slice. It needs no barrier for objects that never change, and gc_store()
 * for those that do. With schedule = snapshot a child does the work of MARK, and the
 * owner takes its marks over (snapshot.c).
 *
 * A slice is made of steps. How much a step does follows from how long the last one
 * took, so that a slice looks at the clock some 16 times whatever the machine and the
 * objects are like, and it ends when there is no time for another such step (rule 13).
 */
#define GC_IMPL
#include "gc/cycle.h"

#include <errno.h>

#include "gc/block.h"
#include "gc/decay.h"
#include "gc/final.h"
#include "gc/mark.h"
#include "gc/os.h"
#include "gc/pace.h"
#include "gc/page.h"
#include "gc/reader.h"
#include "gc/snapshot.h"
#include "gc/sweep.h"
#include "gc/verify.h"

enum {
    REST = 4,   /* without work due, slices take 1 / (1 + REST) of the time */
    PINS = 256, /* read in one step */
    /* One object that is looked at costs as much as so many bytes that are traced. */
    FINAL_BYTES = 64,
};

/* Between these is what one step does: bytes to trace, blocks to sweep. */
static const struct {
    uint64_t least, most;
} quanta[] = {
    [GC_IDLE] = { 1, 1 },
    [GC_MARK] = { 1 << 10, 64 << 10 },
    [GC_FINISH] = { 1 << 10, 64 << 10 },
    [GC_SWEEP] = { 1, 8 * CHUNK_BLOCKS },
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
    uint64_t soft = heap->config.soft_limit_bytes;
    heap->goal = gc_pace_goal(&pace);
    heap->soft = soft && soft < heap->goal;
    if (heap->soft) {
        pace.limit = soft;
        heap->goal = gc_pace_goal(&pace);
    }
    heap->over = false;
    heap->paced_live = heap->live_bytes;
    heap->trigger = heap->config.schedule == GC_STW
                        ? heap->goal
                        : gc_pace_trigger(&pace, heap->goal, heap->in_cycle_avg);
}

void gc_cycle_init(struct gc_heap *heap)
{
    for (unsigned phase = GC_IDLE; phase <= GC_SWEEP; phase++)
        heap->quantum[phase] = quanta[phase].least;
    heap->decay_pages = 1;
    gc_cycle_pace(heap);
}

/* One callback has allocated more than pacing could answer: it is counted. */
static void note_overshoot(struct gc_heap *heap)
{
    struct gc_pace pace = { .live = heap->paced_live };
    uint64_t over =
        gc_pace_over(&pace, heap->goal, heap->live_bytes + heap->since_mark);
    if (over && !heap->over)
        heap->stats.overshoots++;
    if (over)
        heap->over = true;
    if (over > heap->stats.overshoot_bytes)
        heap->stats.overshoot_bytes = over;
}

static bool runs_to_the_end(const struct gc_heap *heap)
{
    return heap->config.schedule == GC_STW ||
           (heap->config.stress && heap->reason == GC_REASON_STRESS);
}

/* Reads the roots, or makes a child that does. At the limit nothing can be allocated
 * meanwhile, and nothing is won by going on. */
static void begin_marking(struct gc_heap *heap)
{
    gc_mark_reset(heap);
    heap->in_cycle = 0;
    heap->runway = heap->goal > heap->live_bytes + heap->since_mark
                       ? heap->goal - heap->live_bytes - heap->since_mark
                       : 0;
    if (heap->reason == GC_REASON_LIMIT || !gc_snapshot_start(heap))
        gc_mark_roots(heap);
}

/* The child that marked is lost or given up: the same cycle once more, here. */
static void mark_again(struct gc_heap *heap)
{
    bool stay = heap->stay;
    heap->stay = true;
    gc_mark_wipe(heap);
    begin_marking(heap);
    heap->stay = stay;
}

/* MARK, away: whether the owner has something to do again. An owner that cannot go on
 * sleeps meanwhile, which is shorter than marking, and leaves its processor. */
static bool is_back(struct gc_heap *heap, uint64_t sleep_ns)
{
    if (sleep_ns)
        gc_snapshot_wait(heap, sleep_ns);
    if (gc_snapshot_is_lost(heap))
        mark_again(heap);
    return !heap->away || gc_snapshot_is_done(heap);
}

static void start(struct gc_heap *heap)
{
    heap->wanted = false;
    heap->cycle_start_ns = heap->slice_begin_ns;
    heap->mark_value = heap->mark_value == UINT8_MAX ? 1 : heap->mark_value + 1;
    heap->black = true;
    heap->pins_in = false;
    heap->pin_seat = heap->pin_at = 0;
    heap->freed_in_cycle = 0;
    gc_final_begin(heap);
    heap->phase = GC_MARK;
    gc_cycle_event(heap, GC_EVENT_CYCLE_START, heap->cycle_start_ns, 0,
                   heap->live_bytes + heap->since_mark);
    gc_reader_new_epoch(heap);
    begin_marking(heap);
}

static void end_mark(struct gc_heap *heap)
{
    if (heap->config.verify)
        gc_verify_marks(heap);
    heap->live_bytes = heap->marked_bytes;
    gc_final_end(heap);
    gc_sweep_start(heap);
    heap->phase = GC_SWEEP;
}

static void end_sweep(struct gc_heap *heap)
{
    GC_CHECK(heap->sweep_live == heap->marked_bytes);
    uint64_t now = now_ns(heap);
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
    gc_cycle_pace(heap);
    gc_snapshot_reap(heap);
    gc_cycle_event(heap, GC_EVENT_SWEEP, now, 0, heap->freed_in_cycle);
    gc_cycle_event(heap, GC_EVENT_CYCLE_END, heap->cycle_start_ns, heap->cycle_ns,
                   heap->live_bytes);
    if (heap->config.verify)
        gc_verify_or_die(heap);
}

/* FINISH, once nobody is left in an older epoch. */
static void finish(struct gc_heap *heap)
{
    if (!heap->pins_in)
        heap->pins_in = gc_reader_mark_pins(heap, PINS);
    else if (gc_mark_some(heap, heap->quantum[GC_FINISH]) &&
             gc_final_some(heap, heap->quantum[GC_FINISH] / FINAL_BYTES))
        end_mark(heap);
}

/* One bounded piece of work. */
static enum outcome step(struct gc_heap *heap)
{
    switch (heap->phase) {
    case GC_IDLE:
        return DONE;
    case GC_MARK:
        if (heap->away && !is_back(heap, runs_to_the_end(heap) ? UINT64_MAX : 0))
            return BLOCKED;
        if (heap->away ? gc_snapshot_merge(heap, heap->quantum[GC_MARK])
                       : gc_mark_some(heap, heap->quantum[GC_MARK]))
            heap->phase = GC_FINISH;
        return MORE;
    case GC_FINISH:
        if (!heap->pins_in && !gc_reader_grace_over(heap))
            return BLOCKED;
        finish(heap);
        return MORE;
    case GC_SWEEP:
        if (!gc_sweep_some(heap, heap->quantum[GC_SWEEP]))
            end_sweep(heap);
        return MORE;
    }
    GC_CHECK(!"a phase that does not exist");
    return DONE;
}

struct gc_pause gc_cycle_pause(struct gc_heap *heap)
{
    heap->slice_begin_ns = now_ns(heap);
    return (struct gc_pause){ .begin_ns = heap->slice_begin_ns };
}

void gc_cycle_resume(struct gc_heap *heap, const struct gc_pause *pause)
{
    heap->slice_end_ns = now_ns(heap);
    uint64_t took = heap->slice_end_ns - pause->begin_ns;
    heap->stats.slices++;
    heap->stats.pause_last_ns = took;
    heap->stats.pause_total_ns += took;
    if (took > heap->stats.pause_max_ns)
        heap->stats.pause_max_ns = took;
    gc_cycle_event(heap, GC_EVENT_SLICE, pause->begin_ns, took, heap->scanned_bytes);
}

bool gc_cycle_sweep_for_room(struct gc_heap *heap, const struct gc_pause *pause)
{
    if (heap->config.schedule != GC_STW &&
        now_ns(heap) - pause->begin_ns >= heap->config.max_pause_ns)
        return false;
    return gc_sweep_some(heap, heap->quantum[GC_SWEEP]);
}

/* A step, and how much the next one of its kind shall do. Returns how long it took. */
static uint64_t timed_step(struct gc_heap *heap, uint64_t *now, uint64_t budget_ns,
                           enum outcome *ret_outcome)
{
    enum gc_phase phase = heap->phase;
    *ret_outcome = step(heap);
    uint64_t end = now_ns(heap), took = end - *now;
    *now = end;
    heap->quantum[phase] = gc_pace_quantum(heap->quantum[phase], took, budget_ns,
                                           quanta[phase].least, quanta[phase].most);
    return took;
}

/* One pause: works until the cycle is over, a reader holds it up, or time and work are
 * used up. In IDLE it begins a cycle. */
static enum outcome slice(struct gc_heap *heap, uint64_t budget_ns, uint64_t work_bytes)
{
    struct gc_pause pause = gc_cycle_pause(heap);
    uint64_t now = pause.begin_ns, took;
    enum outcome outcome;
    heap->busy = true;
    note_overshoot(heap);
    if (heap->phase == GC_IDLE)
        start(heap);
    uint64_t enough =
        work_bytes == UINT64_MAX ? UINT64_MAX : heap->scanned_bytes + work_bytes;
    do {
        if (budget_ns == UINT64_MAX) {
            outcome = step(heap);
            continue;
        }
        took = timed_step(heap, &now, budget_ns, &outcome);
        if (now - pause.begin_ns + took > budget_ns ||
            (heap->phase == GC_MARK && heap->scanned_bytes >= enough))
            break;
    } while (outcome == MORE);
    heap->busy = false;
    gc_cycle_resume(heap, &pause);
    return outcome;
}

/* At the limit, the soft one too, collections alternate with as much time for the
 * owner, so that a heap that is full of live objects does not stop the program. */
static bool has_rested(const struct gc_heap *heap)
{
    return now_ns(heap) - heap->cycle_end_ns >= heap->cycle_ns;
}

/* Whether a cycle should begin, and why. */
static bool is_due(const struct gc_heap *heap, enum gc_reason *ret_reason)
{
    if (heap->wanted) {
        *ret_reason = heap->want_reason;
        return heap->want_reason != GC_REASON_LIMIT || has_rested(heap);
    }
    *ret_reason = heap->config.stress ? GC_REASON_STRESS
                  : heap->soft        ? GC_REASON_SOFT_LIMIT
                                      : GC_REASON_GOAL;
    if (heap->config.stress)
        return heap->allocated;
    return heap->live_bytes + heap->since_mark >= heap->trigger &&
           (!heap->soft || has_rested(heap));
}

static bool waits_for_readers(struct gc_heap *heap)
{
    if (heap->phase != GC_FINISH || heap->pins_in || gc_reader_grace_over(heap))
        return false;
    heap->stats.grace_waits++;
    return true;
}

/* Somebody waits for this cycle: it works at each safepoint. */
static bool is_urgent(const struct gc_heap *heap)
{
    return heap->wanted || heap->reason == GC_REASON_LIMIT || heap->phase == GC_IDLE;
}

static bool waits_for_child(struct gc_heap *heap, uint64_t budget_ns)
{
    if (!heap->away || runs_to_the_end(heap)) /* then the slice sleeps */
        return false;
    bool sleeps = is_urgent(heap);
    struct gc_pause pause = gc_cycle_pause(heap);
    bool back = is_back(heap, sleeps ? budget_ns : 0);
    if (sleeps || !heap->away)
        gc_cycle_resume(heap, &pause);
    return !back;
}

/* A cycle is under way or begins with the next slice, and nobody holds it up. */
static bool has_work(struct gc_heap *heap, uint64_t budget_ns)
{
    enum gc_reason reason;
    GC_CHECK(!heap->busy);
    if (heap->phase == GC_IDLE) {
        if (!is_due(heap, &reason))
            return false;
        heap->reason = reason;
    }
    heap->allocated = false;
    return !waits_for_child(heap, budget_ns) && !waits_for_readers(heap);
}

void gc_safepoint(struct gc_heap *heap)
{
    if (!heap->owner || !has_work(heap, heap->config.max_pause_ns))
        return;
    if (runs_to_the_end(heap)) {
        slice(heap, UINT64_MAX, UINT64_MAX);
        return;
    }
    uint64_t work = UINT64_MAX;
    if (!is_urgent(heap)) {
        work = gc_pace_work(heap->in_cycle, heap->runway, heap->scan_expected,
                            heap->scanned_bytes);
        if (work == 0 &&
            now_ns(heap) - heap->slice_end_ns < REST * heap->config.max_pause_ns)
            return;
    }
    slice(heap, heap->config.max_pause_ns, work ? work : UINT64_MAX);
}

/* The world is stopped: no child could be faster. */
static enum outcome run(struct gc_heap *heap)
{
    enum outcome outcome = MORE;
    heap->stay = true;
    while (outcome == MORE)
        outcome = slice(heap, UINT64_MAX, UINT64_MAX);
    heap->stay = false;
    heap->stats.grace_waits += outcome == BLOCKED;
    return outcome;
}

int gc_collect(struct gc_heap *heap, enum gc_reason reason)
{
    if (!heap->owner)
        return -EPERM;
    GC_CHECK(!heap->busy);
    heap->allocated = false;
    if (heap->away && gc_snapshot_cancel(heap)) {
        heap->reason = reason;
        mark_again(heap);
        run(heap); /* what died since this cycle began goes with it; no reader blocks */
        return 0;
    }
    if (heap->phase != GC_IDLE && run(heap) == BLOCKED) {
        heap->wanted =
            true; /* what died since this cycle began goes with the next one */
        heap->want_reason = reason;
        return -EAGAIN;
    }
    heap->reason = reason;
    return run(heap) == BLOCKED ? -EAGAIN : 0;
}

bool gc_step(struct gc_heap *heap, uint64_t budget_ns)
{
    if (!heap->owner)
        return false;
    uint64_t begin = now_ns(heap);
    gc_decay_some(heap, budget_ns);
    uint64_t used = now_ns(heap) - begin;
    uint64_t left = budget_ns > used ? budget_ns - used : 0;
    gc_snapshot_reap(heap);
    if (has_work(heap, left))
        slice(heap, runs_to_the_end(heap) ? UINT64_MAX : left, UINT64_MAX);
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
