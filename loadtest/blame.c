/* SPDX-License-Identifier: MIT */
/* blame.c - taking events from the time of a request; see blame.h. */
#include "loadtest/blame.h"

#define CAUSE(name, label, text) { label, text },
static const struct {
    const char *label, *text;
} words[] = {
#include "loadtest/causes.def"
    { "unexplained", "none of these, or less than half of the time" },
};
#undef CAUSE

const char *cause_label(enum cause cause)
{
    return words[cause].label;
}

const char *cause_text(enum cause cause)
{
    return words[cause].text;
}

enum { PIECES = 128 };

struct piece {
    uint64_t from, to;
};

/* What is left of the line; beyond PIECES short rests are given up as unexplained. */
struct line {
    struct piece at[PIECES];
    size_t n;
};

/* Removes [from, to); returns how much of it was there. */
static uint64_t take(struct line *line, uint64_t from, uint64_t to)
{
    uint64_t taken = 0;
    size_t n = line->n;
    for (size_t i = 0; i < n; i++) {
        struct piece *p = &line->at[i];
        uint64_t begin = from > p->from ? from : p->from, end = to < p->to ? to : p->to;
        if (begin >= end)
            continue;
        taken += end - begin;
        if (p->to > end && p->from < begin && line->n < PIECES)
            line->at[line->n++] = (struct piece){ end, p->to };
        if (p->from < begin)
            p->to = begin;
        else
            p->from = end < p->to ? end : p->to;
    }
    return taken;
}

/* Up to `most` of what is left, wherever it is. */
static uint64_t take_any(struct line *line, uint64_t most)
{
    uint64_t taken = 0;
    for (size_t i = 0; i < line->n && taken < most; i++) {
        struct piece *p = &line->at[i];
        uint64_t length = p->to - p->from, part = most - taken;
        part = part < length ? part : length;
        p->from += part;
        taken += part;
    }
    return taken;
}

static bool is_own(const struct kept *kept, const struct timeline_event *event)
{
    return event->slot == kept->timing.slot &&
           event->generation == kept->timing.generation;
}

/* The cause that an event is for a request which is in the hands of a worker, or of
 * nobody yet. CAUSES: none. */
static enum cause cause_of(const struct blame_scene *scene, const struct kept *kept,
                           bool has_worker, const struct timeline_event *event)
{
    bool own = has_worker ? is_own(kept, event) : event->slot != TIMELINE_MASTER;
    enum cause other = scene->one_processor ? CAUSE_NEIGHBOUR : CAUSES;
    switch (event->kind) {
    case TIMELINE_GC:
        return own ? CAUSE_GC : other;
    case TIMELINE_PRETOUCH:
        return own ? CAUSE_PRETOUCH : other;
    case TIMELINE_FAULTS:
        return own ? CAUSE_FAULTS : other;
    case TIMELINE_STALL:
        return own ? CAUSE_STALL : other;
    case TIMELINE_FORK:
        return scene->one_processor || !has_worker ? CAUSE_FORK : CAUSES;
    case TIMELINE_CYCLE:
    case TIMELINE_READY:
    case TIMELINE_RECYCLE:
    case TIMELINE_KINDS:
        break;
    }
    return CAUSES;
}

static void take_events(const struct blame_scene *scene, const struct kept *kept,
                        enum cause cause, struct line *line, struct blame *blame)
{
    const struct tally_times *t = &kept->times;
    const struct timeline *timeline = scene->timeline;
    for (size_t i = timeline_seek(timeline, t->planned_ns);
         i < timeline->n && timeline->events[i].start_ns < t->done_ns; i++) {
        const struct timeline_event *e = &timeline->events[i];
        uint64_t sent = kept->timing.known ? t->sent_ns : t->done_ns;
        if (cause_of(scene, kept, false, e) == cause)
            blame->ns[cause] +=
                take(line, e->start_ns, e->end_ns < sent ? e->end_ns : sent);
        if (kept->timing.known && cause_of(scene, kept, true, e) == cause)
            blame->ns[cause] +=
                take(line, e->start_ns > sent ? e->start_ns : sent, e->end_ns);
    }
}

/* The generator was late between the plan and the sending. */
static void take_stalls(const struct blame_scene *scene, const struct kept *kept,
                        struct line *line, struct blame *blame)
{
    for (size_t i = 0; i < scene->n_stalls; i++) {
        const struct kept_stall *stall = &scene->stalls[i];
        if (stall->from_ns >= kept->times.sent_ns)
            return;
        if (stall->to_ns > kept->times.planned_ns)
            blame->ns[CAUSE_GENERATOR] += take(line, stall->from_ns, stall->to_ns);
    }
}

static enum cause main_cause(const struct blame *blame)
{
    enum cause most = CAUSE_GENERATOR;
    uint64_t sum = 0;
    for (unsigned c = 0; c < CAUSES; c++) {
        sum += blame->ns[c];
        if (blame->ns[c] > blame->ns[most])
            most = (enum cause)c;
    }
    return sum * 2 >= blame->latency_ns && sum > 0 ? most : CAUSES;
}

struct blame blame_request(const struct blame_scene *scene, const struct kept *kept)
{
    struct blame blame = { .latency_ns = kept_latency(kept) };
    struct line line = { .at = { { kept->times.planned_ns, kept->times.done_ns } },
                         .n = 1 };
    take_stalls(scene, kept, &line, &blame);
    for (unsigned c = CAUSE_GENERATOR + 1; c < CAUSE_MISS; c++)
        take_events(scene, kept, (enum cause)c, &line, &blame);
    if (kept->timing.miss)
        blame.ns[CAUSE_MISS] = take_any(&line, kept->timing.app_ns);
    blame.ns[CAUSE_QUEUE] = take_any(&line, kept->timing.queue_ns);
    blame.main = main_cause(&blame);
    return blame;
}
