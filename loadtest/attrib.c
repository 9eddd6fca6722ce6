/* SPDX-License-Identifier: MIT */
/* attrib.c - adding requests and their causes up; see attrib.h. */
#include "loadtest/attrib.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>

#include "loadtest/stats.h"

enum { BLOCKS_LEAST = 3 }; /* for an interval */

/* --- adding --- */

static int list_add(struct attributed_list *list, const struct attributed *more)
{
    if (list->n == list->room) {
        size_t room = list->room * 2 + 1024;
        struct attributed *at = reallocarray(list->at, room, sizeof *at);
        if (at == NULL)
            return -ENOMEM;
        list->at = at;
        list->room = room;
    }
    list->at[list->n++] = *more;
    return 0;
}

static int add_kept(struct attributed_list *list, const struct blame_scene *scene,
                    const struct kept *kept, size_t n, unsigned block)
{
    int err = 0;
    for (size_t i = 0; i < n && err == 0; i++) {
        struct attributed one = { .blame = blame_request(scene, &kept[i]),
                                  .planned_ns = kept[i].times.planned_ns,
                                  .block = block };
        err = list_add(list, &one);
    }
    return err;
}

static int curve_add(struct curve_samples *samples, uint64_t ns)
{
    if (samples->n == samples->room) {
        size_t room = samples->room * 2 + 64;
        uint64_t *more = reallocarray(samples->ns, room, sizeof *more);
        if (more == NULL)
            return -ENOMEM;
        samples->ns = more;
        samples->room = room;
    }
    samples->ns[samples->n++] = ns;
    return 0;
}

static int by_planned(const void *a, const void *b)
{
    const struct attributed *x = a, *y = b;
    return (x->planned_ns > y->planned_ns) - (x->planned_ns < y->planned_ns);
}

/* Around one event, all requests of the sample, which is in the order of their plan. */
static int curve_around(struct curve_samples bins[CURVE_BINS],
                        const struct attributed *sample, size_t n, uint64_t event_ns)
{
    uint64_t before = CURVE_BEFORE * CURVE_BIN_NS;
    uint64_t from = event_ns > before ? event_ns - before : 0;
    size_t low = 0, high = n;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (sample[middle].planned_ns < from)
            low = middle + 1;
        else
            high = middle;
    }
    int err = 0;
    for (size_t i = low; i < n && err == 0; i++) {
        uint64_t bin = (sample[i].planned_ns - from) / CURVE_BIN_NS;
        if (bin >= CURVE_BINS)
            break;
        err = curve_add(&bins[bin], sample[i].blame.latency_ns);
    }
    return err;
}

static const enum timeline_kind curve_kinds[CURVE_COUNT] = {
#define X(name, kind, text) [CURVE_##name] = kind,
    CURVES(X)
#undef X
};

const char *curve_text(enum curve curve)
{
    static const char *const texts[CURVE_COUNT] = {
#define X(name, kind, text) [CURVE_##name] = text,
        CURVES(X)
#undef X
    };
    return texts[curve];
}

static int add_curves(struct attrib *attrib, const struct timeline *timeline,
                      struct attributed *sample, size_t n)
{
    int err = 0;
    if (n == 0)
        return 0;
    qsort(sample, n, sizeof *sample, by_planned);
    for (size_t i = 0; i < timeline->n && err == 0; i++) {
        const struct timeline_event *e = &timeline->events[i];
        for (unsigned c = 0; c < CURVE_COUNT && err == 0; c++) {
            uint64_t at = c == CURVE_READY ? e->end_ns : e->start_ns;
            if (e->kind != curve_kinds[c] || at < sample[0].planned_ns)
                continue;
            attrib->curve_events[c]++;
            err = curve_around(attrib->curves[c], sample, n, at);
        }
    }
    return err;
}

int attrib_add(struct attrib *attrib, const struct keeper *keeper,
               const struct timeline *timeline, bool one_processor, unsigned block)
{
    const struct blame_scene scene = { .timeline = timeline,
                                       .stalls = keeper->stalls,
                                       .n_stalls = keeper->n_stalls,
                                       .one_processor = one_processor };
    size_t first = attrib->sample.n;
    attrib->all_seen += keeper->seen;
    attrib->lost_events |= timeline->lost;
    attrib->lost_stalls += keeper->lost_stalls;
    if (block + 1 > attrib->blocks)
        attrib->blocks = block + 1;
    if (keeper->n_slow == keeper->max && keeper->n_slow > 0 &&
        kept_latency(&keeper->slow[0]) > attrib->floor_ns)
        attrib->floor_ns = kept_latency(&keeper->slow[0]);
    int err = add_kept(&attrib->slow, &scene, keeper->slow, keeper->n_slow, block);
    if (err == 0)
        err =
            add_kept(&attrib->sample, &scene, keeper->sample, keeper->n_sample, block);
    if (err == 0)
        err = add_curves(attrib, timeline, attrib->sample.at + first,
                         attrib->sample.n - first);
    return err;
}

void attrib_show(struct attrib *attrib, struct timeline *timeline, unsigned block,
                 uint64_t start_ns)
{
    timeline_free(&attrib->shown);
    attrib->shown = *timeline;
    attrib->shown_block = block;
    attrib->shown_start_ns = start_ns;
    *timeline = (struct timeline){ 0 };
}

void attrib_free(struct attrib *attrib)
{
    timeline_free(&attrib->shown);
    free(attrib->slow.at);
    free(attrib->sample.at);
    for (unsigned c = 0; c < CURVE_COUNT; c++) {
        for (unsigned b = 0; b < CURVE_BINS; b++)
            free(attrib->curves[c][b].ns);
    }
    *attrib = (struct attrib){ 0 };
}

/* --- the odds --- */

/* Requests with and without a cause, among the slowest and in the sample. */
struct table {
    double slow_with, slow_without, base_with, base_without;
};

static double log_odds_ratio(const struct table *t)
{
    return log((t->slow_with + 0.5) * (t->base_without + 0.5) /
               ((t->slow_without + 0.5) * (t->base_with + 0.5)));
}

/* Leaves out block `without`; UINT_MAX: none. */
static struct table count(const struct attrib *attrib, uint64_t threshold_ns,
                          unsigned cause, unsigned without)
{
    struct table t = { 0 };
    for (size_t i = 0; i < attrib->slow.n; i++) {
        const struct attributed *a = &attrib->slow.at[i];
        if (a->block == without || a->blame.latency_ns < threshold_ns)
            continue;
        *(a->blame.main == cause ? &t.slow_with : &t.slow_without) += 1;
    }
    for (size_t i = 0; i < attrib->sample.n; i++) {
        const struct attributed *a = &attrib->sample.at[i];
        if (a->block != without)
            *(a->blame.main == cause ? &t.base_with : &t.base_without) += 1;
    }
    return t;
}

/* Jackknife: Efron and Stein 1981. */
static void put_interval(const struct attrib *attrib, uint64_t threshold_ns,
                         unsigned cause, double value, struct attrib_row *row)
{
    double n = (double)attrib->blocks, mean = 0, sum = 0;
    row->low = 0;
    row->high = HUGE_VAL;
    if (attrib->blocks < BLOCKS_LEAST)
        return;
    for (int pass = 0; pass < 2; pass++) {
        for (unsigned b = 0; b < attrib->blocks; b++) {
            struct table t = count(attrib, threshold_ns, cause, b);
            double x = log_odds_ratio(&t);
            if (pass == 0)
                mean += x / n;
            else
                sum += (x - mean) * (x - mean);
        }
    }
    double half = stats_normal_quantile(0.975) * sqrt((n - 1) / n * sum);
    row->low = exp(value - half);
    row->high = exp(value + half);
}

static void put_row(const struct attrib *attrib, uint64_t threshold_ns, unsigned cause,
                    struct attrib_row *row)
{
    struct table t = count(attrib, threshold_ns, cause, UINT32_MAX);
    double slow = t.slow_with + t.slow_without, base = t.base_with + t.base_without;
    double value = log_odds_ratio(&t);
    row->slow = (uint64_t)t.slow_with;
    row->sample = (uint64_t)t.base_with;
    row->slow_share = slow > 0 ? t.slow_with / slow : 0;
    row->base_share = base > 0 ? t.base_with / base : 0;
    row->ratio = exp(value);
    put_interval(attrib, threshold_ns, cause, value, row);
}

static void put_time_shares(const struct attrib *attrib, uint64_t threshold_ns,
                            struct attrib_summary *summary)
{
    double all = 0, known = 0, of[CAUSES] = { 0 };
    for (size_t i = 0; i < attrib->slow.n; i++) {
        const struct blame *blame = &attrib->slow.at[i].blame;
        if (blame->latency_ns < threshold_ns)
            continue;
        all += (double)blame->latency_ns;
        for (unsigned c = 0; c < CAUSES; c++)
            of[c] += (double)blame->ns[c];
    }
    for (unsigned c = 0; c < CAUSES; c++) {
        summary->rows[c].time_share = all > 0 ? of[c] / all : 0;
        known += of[c];
    }
    summary->rows[CAUSES].time_share = all > 0 ? 1 - known / all : 0;
}

/* --- what if --- */

static int descending(const void *a, const void *b)
{
    const uint64_t *x = a, *y = b;
    return (*x < *y) - (*x > *y);
}

/* The value with `beyond` of all requests above it, when each request is shorter by
 * what it waited for the cause. What was not kept is below the floor, and stays there.
 */
static uint64_t rank_without(const struct attrib *attrib, unsigned cause,
                             uint64_t *scratch, uint64_t beyond)
{
    for (size_t i = 0; i < attrib->slow.n; i++)
        scratch[i] =
            attrib->slow.at[i].blame.latency_ns - attrib->slow.at[i].blame.ns[cause];
    qsort(scratch, attrib->slow.n, sizeof *scratch, descending);
    if (beyond >= attrib->slow.n || scratch[beyond] < attrib->floor_ns)
        return 0;
    return scratch[beyond];
}

static int put_counterfactuals(const struct attrib *attrib,
                               struct attrib_summary *summary)
{
    uint64_t *scratch = calloc(attrib->slow.n + 1, sizeof *scratch);
    if (scratch == NULL)
        return -ENOMEM;
    for (unsigned c = 0; c < CAUSES; c++) {
        summary->without_p99[c] =
            rank_without(attrib, c, scratch, attrib->all_seen / 100);
        summary->without_p999[c] =
            rank_without(attrib, c, scratch, attrib->all_seen / 1000);
    }
    free(scratch);
    return 0;
}

int attrib_summarize(const struct attrib *attrib, const struct hist *all,
                     struct attrib_summary *ret_summary)
{
    struct attrib_summary s = { .n_sample = attrib->sample.n };
    s.threshold_ns = hist_percentile(all, 999, 1000);
    s.complete = attrib->floor_ns <= s.threshold_ns;
    for (size_t i = 0; i < attrib->slow.n; i++)
        s.n_slow += attrib->slow.at[i].blame.latency_ns >= s.threshold_ns;
    for (unsigned c = 0; c <= CAUSES; c++)
        put_row(attrib, s.threshold_ns, c, &s.rows[c]);
    put_time_shares(attrib, s.threshold_ns, &s);
    s.explained = s.n_slow > 0 ? 1 - s.rows[CAUSES].slow_share : 0;
    int err = put_counterfactuals(attrib, &s);
    if (err == 0)
        *ret_summary = s;
    return err;
}

/* --- curves --- */

struct curve_point attrib_curve(const struct attrib *attrib, enum curve curve,
                                unsigned bin)
{
    const struct curve_samples *s = &attrib->curves[curve][bin];
    struct curve_point point = { .n = s->n };
    if (s->n == 0)
        return point;
    qsort(s->ns, s->n, sizeof *s->ns, descending);
    point.p50_ns = s->ns[s->n / 2];
    point.p99_ns = s->ns[s->n / 100];
    return point;
}
