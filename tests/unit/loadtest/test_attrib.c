/* SPDX-License-Identifier: MIT */
/* test_attrib.c - a made-up server whose tail has a known cause. */
#include "loadtest/attrib.h"

#include <math.h>
#include <stdlib.h>

#include "tests/test.h"

#define MS UINT64_C(1000000)

enum { BLOCKS = 4, PER_BLOCK = 20000, KEEP = 1000 };

/* In each block the only slot collects for 30 ms once a second; all requests that are
 * planned meanwhile wait for the end. Others take 0.1 ms, one in ten is a miss of 2 ms.
 */
struct world {
    struct attrib attrib;
    struct hist all;
};

static uint64_t latency_at(uint64_t planned_ns, bool miss)
{
    uint64_t in_second = planned_ns % (1000 * MS);
    uint64_t service = miss ? 2 * MS : MS / 10;
    return in_second < 30 * MS ? 30 * MS - in_second + service : service;
}

static void add_block(struct world *w, unsigned block)
{
    struct timeline_event pauses[20];
    struct timeline timeline = { .events = pauses, .n = 20, .longest_ns = 30 * MS };
    struct keeper keeper;
    check_int(keeper_init(&keeper, KEEP, block), 0);
    for (unsigned i = 0; i < 20; i++)
        pauses[i] = (struct timeline_event){ .kind = TIMELINE_GC,
                                             .start_ns = i * 1000 * MS,
                                             .end_ns = (i * 1000 + 30) * MS };
    for (uint64_t i = 0; i < PER_BLOCK; i++) {
        uint64_t planned = i * MS + block;
        bool miss = i % 10 == 0;
        uint64_t done = planned + latency_at(planned, miss);
        const struct tally_times times = { planned, planned, done };
        keeper_add(&keeper, &times, false,
                   miss ? SPAN("w;desc=\"0.0\", app;dur=2, cache;desc=miss")
                        : SPAN("w;desc=\"0.0\", cache;desc=hit"));
        hist_record(&w->all, done - planned);
    }
    check_int(attrib_add(&w->attrib, &keeper, &timeline, true, block), 0);
    keeper_free(&keeper);
}

static void open_world(struct world *w, unsigned blocks)
{
    *w = (struct world){ 0 };
    check_int(hist_init(&w->all, TALLY_LOWEST, TALLY_HIGHEST, TALLY_DIGITS), 0);
    for (unsigned b = 0; b < blocks; b++)
        add_block(w, b);
}

static void close_world(struct world *w)
{
    attrib_free(&w->attrib);
    hist_free(&w->all);
}

static void the_planted_cause_is_found_with_its_base_rate(void **state)
{
    (void)state;
    struct world w;
    struct attrib_summary s;
    open_world(&w, BLOCKS);
    check_int(attrib_summarize(&w.attrib, &w.all, &s), 0);
    const struct attrib_row *gc = &s.rows[CAUSE_GC], *miss = &s.rows[CAUSE_MISS];
    check_near(s.n_slow, BLOCKS * PER_BLOCK / 1000, 8);
    check_true(s.complete);
    check_near(s.explained, 1, 0.001);
    check_near(gc->slow_share, 1, 0.001);
    /* 3 % of the time, as all that are planned in it have it as their main cause but
     * for a few misses at its end */
    check_near(gc->base_share, 0.03, 0.01);
    /* the very slowest are misses at the beginning of a pause */
    check_near(gc->time_share, 30.0 / 32, 0.01);
    check_near(miss->base_share, 0.098, 0.02);
    check_near(miss->slow_share, 0, 0.001);
    check_true(gc->ratio > 100 && gc->low > 10, "%.1f from %.1f", gc->ratio, gc->low);
    check_true(gc->high >= gc->ratio && isfinite(gc->high));
    check_true(miss->high < 1, "%.3f to %.3f", miss->low, miss->high);
    close_world(&w);
}

/* Without the pauses the slowest are the misses: p99 is 2 ms. */
static void the_percentile_without_a_cause_is_what_it_would_have_been(void **state)
{
    (void)state;
    struct world w;
    struct attrib_summary s;
    open_world(&w, BLOCKS);
    check_int(attrib_summarize(&w.attrib, &w.all, &s), 0);
    check_near(s.without_p99[CAUSE_GC], 2 * MS, MS / 20);
    check_near(s.without_p999[CAUSE_GC], 2 * MS, MS / 20);
    /* without misses it is as it was */
    check_near(s.without_p999[CAUSE_MISS], hist_percentile(&w.all, 999, 1000), 2 * MS);
    close_world(&w);
}

static void too_few_blocks_give_no_interval(void **state)
{
    (void)state;
    struct world w;
    struct attrib_summary s;
    open_world(&w, 2);
    check_int(attrib_summarize(&w.attrib, &w.all, &s), 0);
    check_true(isinf(s.rows[CAUSE_GC].high));
    check_near(s.rows[CAUSE_GC].low, 0, 0);
    close_world(&w);
}

static void what_was_not_kept_is_told(void **state)
{
    (void)state;
    struct world w;
    struct attrib_summary s;
    open_world(&w, 1);
    w.attrib.floor_ns = 29 * MS + MS / 2; /* a heap that was too small */
    for (int i = 0; i < 100000; i++)
        hist_record(&w.all, 40 * MS);
    check_int(attrib_summarize(&w.attrib, &w.all, &s), 0);
    check_true(s.complete, "all that is above p99.9 was kept");
    w.attrib.floor_ns = 60 * MS;
    check_int(attrib_summarize(&w.attrib, &w.all, &s), 0);
    check_false(s.complete);
    check_uint(s.without_p99[CAUSE_GC], 0, "unknown: below what was kept");
    close_world(&w);
}

/* Latency jumps when the pause begins and falls while it goes on. */
static void curves_are_locked_to_the_event(void **state)
{
    (void)state;
    struct attrib attrib = { 0 };
    struct keeper keeper;
    struct timeline_event forks[10];
    struct timeline timeline = { .events = forks, .n = 10, .longest_ns = 30 * MS };
    check_int(keeper_init(&keeper, 10000, 1), 0);
    for (unsigned i = 0; i < 10; i++)
        forks[i] = (struct timeline_event){ .kind = TIMELINE_FORK,
                                            .slot = TIMELINE_MASTER,
                                            .start_ns = (i + 1) * 1000 * MS,
                                            .end_ns = ((i + 1) * 1000 + 30) * MS };
    for (uint64_t i = 0; i < 10000; i++) {
        uint64_t planned = 500 * MS + i * MS;
        const struct tally_times times = { planned, planned,
                                           planned + latency_at(planned, false) };
        keeper_add(&keeper, &times, false, SPAN(""));
    }
    check_int(attrib_add(&attrib, &keeper, &timeline, true, 0), 0);
    check_uint(attrib.curve_events[CURVE_FORK], 10);
    check_uint(attrib.curve_events[CURVE_READY], 0);
    struct curve_point before = attrib_curve(&attrib, CURVE_FORK, CURVE_BEFORE - 1);
    struct curve_point at = attrib_curve(&attrib, CURVE_FORK, CURVE_BEFORE);
    struct curve_point after = attrib_curve(&attrib, CURVE_FORK, CURVE_BEFORE + 3);
    check_near(before.p50_ns, MS / 10, 1000);
    check_near(at.p50_ns, 25 * MS, 2 * MS);
    check_near(at.p99_ns, 30 * MS, 2 * MS);
    check_near(after.p50_ns, MS / 10, 1000);
    check_uint(at.n, 100, "ten requests around each of ten forks");
    keeper_free(&keeper);
    attrib_free(&attrib);
}

TEST_MAIN(test(the_planted_cause_is_found_with_its_base_rate),
          test(the_percentile_without_a_cause_is_what_it_would_have_been),
          test(too_few_blocks_give_no_interval), test(what_was_not_kept_is_told),
          test(curves_are_locked_to_the_event))
