/* SPDX-License-Identifier: MIT */
/* timing.c - looks at page faults of this thread and tells what stood out; see
 * timing.h. */
#include "server/worker/timing.h"

#include <sys/resource.h>

#include "server/worker/worker_priv.h"

/* Adds what is new to the counters. */
static void look(struct worker *w)
{
    struct timing *t = &w->timing;
    struct rusage usage;

    getrusage(RUSAGE_THREAD, &usage); /* cannot fail */
    uint64_t minor = (uint64_t)usage.ru_minflt - t->minor;
    uint64_t major = (uint64_t)usage.ru_majflt - t->major;
    t->minor += minor;
    t->major += major;
    t->turn_minor += minor;
    t->turn_major += major;
    if (minor > 0)
        count(w->seat, COUNTER_minor_faults, minor);
    if (major > 0)
        count(w->seat, COUNTER_major_faults, major);
}

static void forget_turn(struct timing *t)
{
    t->turn_minor = 0;
    t->turn_major = 0;
}

void timing_init(struct worker *w)
{
    w->timing = (struct timing){ 0 };
    look(w); /* faults of the start belong to the slot, not to a turn */
    forget_turn(&w->timing);
}

void timing_turn(struct worker *w)
{
    struct timing *t = &w->timing;
    uint64_t took = w->now_ns - w->turn_ns;

    if (took < TIMING_LOOK_NS)
        return;
    look(w);
    if (t->turn_minor + t->turn_major >= TIMING_FAULTS_MANY)
        event_write(&w->events, EVENT_FAULTS, w->turn_ns, took, t->turn_minor,
                    t->turn_major);
    forget_turn(t);
    if (took < TIMING_STALL_NS)
        return;
    count(w->seat, COUNTER_loop_stalls, 1);
    event_write(&w->events, EVENT_STALL, w->turn_ns, took, w->callbacks, 0);
}

void timing_tick(struct worker *w)
{
    look(w);
}

struct timing_mark timing_mark(struct worker *w)
{
    look(w);
    return (struct timing_mark){ .start_ns = worker_clock(w),
                                 .minor = w->timing.minor,
                                 .gc_ns = w->collect.pause_total_ns };
}

size_t timing_line(struct worker *w, const struct timing_mark *mark, uint64_t queue_ns,
                   const char *cache, char to[RESPONSE_TIMING_MAX])
{
    look(w);
    const struct response_timing timing = {
        .slot = w->env->slot,
        .generation = w->env->generation,
        .queue_ns = queue_ns,
        .gc_ns = w->collect.pause_total_ns - mark->gc_ns,
        .faults = w->timing.minor - mark->minor,
        .app_ns = worker_clock(w) - mark->start_ns,
        .cache = cache,
    };

    return response_timing(to, &timing);
}
