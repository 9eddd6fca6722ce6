/* SPDX-License-Identifier: MIT */
/* attrib.h - why the tail of an arm is slow: causes of the slowest requests, and how
 * often the same causes are met by requests at large (README rule 20). */
#ifndef LOADTEST_ATTRIB_H
#define LOADTEST_ATTRIB_H

#include "loadtest/blame.h"
#include "server/base/hist.h"

/* A request with what it waited for, and where it belongs. */
struct attributed {
    struct blame blame;
    uint64_t planned_ns;
    unsigned block;
};

struct attributed_list {
    struct attributed *at; /* owned */
    size_t n, room;
};

/* Latency against the time since something happened, over all times that it happened.
 */
enum {
    CURVE_BINS = 50,
    CURVE_BEFORE = 10, /* bins before it */
};
#define CURVE_BIN_NS UINT64_C(10000000)

struct curve_samples {
    uint64_t *ns; /* owned */
    size_t n, room;
};

#define CURVES(X)                                       \
    X(COLLECTION, TIMELINE_CYCLE, "a collection began") \
    X(FORK, TIMELINE_FORK, "a fork began")              \
    X(READY, TIMELINE_READY, "a new worker began to serve")
#define X(name, kind, text) CURVE_##name,
enum curve { CURVES(X) CURVE_COUNT };
#undef X

struct attrib {
    struct attributed_list slow, sample;
    uint64_t all_seen; /* requests that slow and sample were chosen from */
    uint64_t floor_ns; /* everything slower than this was kept, in every block */
    struct curve_samples curves[CURVE_COUNT][CURVE_BINS];
    uint64_t curve_events[CURVE_COUNT];
    uint64_t blocks, lost_stalls;
    struct timeline shown; /* owned: of the last block that was added */
    unsigned shown_block;
    uint64_t shown_start_ns;
    bool lost_events;
};

void attrib_free(struct attrib *attrib);

/* Adds what a client thread has kept in a block. 0 or -ENOMEM. */
int attrib_add(struct attrib *attrib, const struct keeper *keeper,
               const struct timeline *timeline, bool one_processor, unsigned block);

/* Keeps the events of a block for a picture of it; takes the timeline over. */
void attrib_show(struct attrib *attrib, struct timeline *timeline, unsigned block,
                 uint64_t start_ns);

/* One cause, in numbers. The ratio is that of the odds of being slow with and without
 * it, which for rare slowness is the relative risk; its interval is a jackknife over
 * the blocks, because requests that one pause hits are one event. */
struct attrib_row {
    uint64_t slow, sample; /* requests that waited for it most */
    double slow_share, base_share, time_share;
    double ratio, low, high; /* 0 and infinity when too few blocks tell */
};

/* The slowest: those above p99.9 of `all`. */
struct attrib_summary {
    uint64_t threshold_ns;
    size_t n_slow, n_sample;
    bool complete; /* all of the slowest were kept */
    struct attrib_row rows[CAUSES + 1];
    double explained; /* share of the slowest with a known cause */
    /* percentiles if the time of one cause had not passed: a model, no measurement. 0:
     * below what was kept */
    uint64_t without_p99[CAUSES], without_p999[CAUSES];
};

int attrib_summarize(const struct attrib *attrib, const struct hist *all,
                     struct attrib_summary *ret_summary);

/* p50 and p99 of a bin, and how many requests are in it. Sorts the bin. */
struct curve_point {
    size_t n;
    uint64_t p50_ns, p99_ns;
};
struct curve_point attrib_curve(const struct attrib *attrib, enum curve curve,
                                unsigned bin);
const char *curve_text(enum curve curve);

#endif
