/* SPDX-License-Identifier: MIT */
/* timeline.c - reading /events: one JSON object a line. */
#include "loadtest/timeline.h"

#include <errno.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "loadtest/fetch.h"
#include "server/base/clock.h"
#include "server/base/span.h"

#define TIMEOUT_NS (20 * CLOCK_NS_PER_S)

enum { RING = 4096, SOURCES = 1024 }; /* events that the server keeps of each slot */

static const char *const names[TIMELINE_KINDS] = {
    [TIMELINE_GC] = "gc_slice",       [TIMELINE_CYCLE] = "gc_cycle",
    [TIMELINE_FORK] = "fork",         [TIMELINE_READY] = "ready",
    [TIMELINE_PRETOUCH] = "pretouch", [TIMELINE_FAULTS] = "faults",
    [TIMELINE_STALL] = "stall",       [TIMELINE_RECYCLE] = "recycle",
};

const char *timeline_name(enum timeline_kind kind)
{
    return names[kind];
}

/* Kinds that the server keeps in a ring of their own, where many are lost. */
static bool is_traffic(const char *kind)
{
    return strcmp(kind, "publish") == 0 || strcmp(kind, "evict") == 0;
}

/* 2: a kind that matters; 1: another one; 0: traffic; -EBADMSG. */
static int read_line(struct span line, struct timeline_event *event)
{
    json_int_t start, end, generation;
    const char *kind;
    json_t *slot, *root = json_loadb(line.p, line.n, 0, NULL);
    int found = -EBADMSG;
    if (root != NULL && json_unpack(root, "{s:s, s:o, s:I, s:I, s:I}", "kind", &kind,
                                    "slot", &slot, "generation", &generation,
                                    "start_ns", &start, "end_ns", &end) == 0) {
        *event = (struct timeline_event){
            .start_ns = (uint64_t)start,
            .end_ns = (uint64_t)end,
            .slot = json_is_integer(slot) ? (uint16_t)json_integer_value(slot)
                                          : TIMELINE_MASTER,
            .generation = (uint32_t)generation,
        };
        found = !is_traffic(kind);
        for (unsigned k = 0; k < TIMELINE_KINDS && found < 2; k++) {
            event->kind = (enum timeline_kind)k;
            if (strcmp(kind, names[k]) == 0)
                found = 2;
        }
    }
    json_decref(root);
    return found;
}

static int by_start(const void *a, const void *b)
{
    const struct timeline_event *x = a, *y = b;
    return (x->start_ns > y->start_ns) - (x->start_ns < y->start_ns);
}

/* As many lines of one slot as the server keeps: it has overwritten older ones. */
static void count_source(uint32_t counts[SOURCES], const struct timeline_event *event,
                         bool *ret_lost)
{
    uint32_t *count = &counts[(event->slot * 31u + event->generation) % SOURCES];
    if (++*count >= RING)
        *ret_lost = true;
}

static int add(struct timeline *timeline, size_t *room,
               const struct timeline_event *event)
{
    if (timeline->n == *room) {
        size_t more = *room * 2 + 256;
        struct timeline_event *events =
            reallocarray(timeline->events, more, sizeof *events);
        if (events == NULL)
            return -ENOMEM;
        timeline->events = events;
        *room = more;
    }
    timeline->events[timeline->n++] = *event;
    if (event->end_ns - event->start_ns > timeline->longest_ns)
        timeline->longest_ns = event->end_ns - event->start_ns;
    return 0;
}

int timeline_parse(const char *bytes, size_t n, struct timeline *ret_timeline)
{
    struct timeline timeline = { 0 };
    struct span line, rest = span_make(bytes, n);
    uint32_t counts[SOURCES] = { 0 };
    size_t room = 0;
    int err = 0;
    while (rest.n > 0 && err >= 0) {
        struct timeline_event event;
        span_cut(rest, '\n', &line, &rest);
        if (line.n == 0)
            continue;
        err = read_line(line, &event);
        if (err > 0)
            count_source(counts, &event, &timeline.lost);
        if (err > 1)
            err = event.end_ns < event.start_ns ? -EBADMSG
                                                : add(&timeline, &room, &event);
    }
    if (err < 0) {
        timeline_free(&timeline);
        return err;
    }
    if (timeline.n > 0)
        qsort(timeline.events, timeline.n, sizeof *timeline.events, by_start);
    *ret_timeline = timeline;
    return 0;
}

int timeline_read(const char *address, uint64_t since_ns, struct timeline *ret_timeline)
{
    char path[96];
    struct buf body;
    snprintf(path, sizeof path, "/events?since=%" PRIu64 "&limit=1000000", since_ns);
    int err = fetch_get(address, path, TIMEOUT_NS, &body);
    if (err == 0)
        err = timeline_parse(buf_span(&body).p, buf_span(&body).n, ret_timeline);
    buf_free(&body);
    return err;
}

void timeline_free(struct timeline *timeline)
{
    free(timeline->events);
    *timeline = (struct timeline){ 0 };
}

size_t timeline_seek(const struct timeline *timeline, uint64_t from_ns)
{
    uint64_t earliest =
        from_ns > timeline->longest_ns ? from_ns - timeline->longest_ns : 0;
    size_t low = 0, high = timeline->n;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (timeline->events[middle].start_ns < earliest)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}
