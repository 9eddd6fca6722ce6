/* SPDX-License-Identifier: MIT */
/* test_hist.c - the vectors come from the libraries of the HdrHistogram family. */
#include "server/base/hist.h"

#include <errno.h>

#include "tests/test.h"

static void the_shape_has_the_known_number_of_slots(void **state)
{
    (void)state;
    static const struct {
        uint64_t lowest, highest;
        unsigned digits;
        uint32_t slots;
    } cases[] = {
        { 1, 3600000000, 3, 23552 },
        { 1, 60000000000, 3, 27648 },
        { 1000, 60000000000, 3, 18432 },
        { 1, 60000000, 3, 17408 },
        { 1, 60000000000, 2, 3840 },
        { 1, 3600000000000, 4, 475136 },
        { 1, 2, 1, 32 },
    };
    for (size_t i = 0; i < TEST_COUNT(cases); i++) {
        struct hist_shape s;
        check_int(
            hist_shape_init(&s, cases[i].lowest, cases[i].highest, cases[i].digits), 0,
            "case %zu", i);
        check_uint(s.counts_len, cases[i].slots, "case %zu", i);
    }
}

static void the_constant_for_the_server_is_the_computed_length(void **state)
{
    (void)state;
    struct hist_shape s;
    check_int(hist_shape_init(&s, HIST_SERVER_LOWEST, HIST_SERVER_HIGHEST,
                              HIST_SERVER_DIGITS),
              0);
    check_uint(s.counts_len, HIST_SERVER_COUNTS_LEN);
}

static void impossible_shapes_are_refused(void **state)
{
    (void)state;
    static const struct {
        uint64_t lowest, highest;
        unsigned digits;
        int want;
    } cases[] = {
        { 0, 100, 3, -EINVAL },
        { 1, 1, 3, -EINVAL },
        { 1, 2, 3, 0 },
        { 1, 100, 0, -EINVAL },
        { 1, 100, 6, -EINVAL },
        { 1, 100, 5, 0 },
        { UINT64_C(1) << 51, INT64_MAX, 3, 0 },
        { UINT64_C(1) << 52, INT64_MAX, 3, -EINVAL },
        { 1, INT64_MAX, 3, 0 },
        { 1, (uint64_t)INT64_MAX + 1, 3, -EINVAL },
        { UINT64_MAX, UINT64_MAX, 3, -EINVAL },
    };
    for (size_t i = 0; i < TEST_COUNT(cases); i++) {
        struct hist_shape s = { .digits = 77 };
        check_int(
            hist_shape_init(&s, cases[i].lowest, cases[i].highest, cases[i].digits),
            cases[i].want, "case %zu", i);
        if (cases[i].want < 0)
            check_uint(s.digits, 77, "case %zu: output touched", i);
    }
}

static void values_fall_into_the_known_slots(void **state)
{
    (void)state;
    static const struct {
        uint64_t value;
        uint32_t slot;
        uint64_t low, high;
    } cases[] = {
        { 0, 0, 0, 0 },
        { 1000, 1000, 1000, 1000 },
        { 2047, 2047, 2047, 2047 },
        { 2048, 2048, 2048, 2049 },
        { 2049, 2048, 2048, 2049 },
        { 4095, 3071, 4094, 4095 },
        { 4096, 3072, 4096, 4099 },
        { 100000, 7706, 99968, 100031 },
        { 1000000, 11169, 999936, 1000447 },
        { 3600000000, 23220, 3598712832, 3600809983 },
    };
    struct hist_shape s;
    check_int(hist_shape_init(&s, 1, 3600000000, 3), 0);
    for (size_t i = 0; i < TEST_COUNT(cases); i++) {
        uintmax_t v = cases[i].value;
        uint32_t slot = hist_index(&s, cases[i].value);
        check_uint(slot, cases[i].slot, "value %ju", v);
        check_uint(hist_slot_lowest(&s, slot), cases[i].low, "value %ju", v);
        check_uint(hist_slot_highest(&s, slot), cases[i].high, "value %ju", v);
    }
}

/* Every slot, not samples: each begins where the one before ends. */
static void the_slots_tile_the_range_without_gap_or_overlap(void **state)
{
    (void)state;
    static const struct {
        uint64_t lowest, highest;
        unsigned digits;
    } cases[] = { { 1, 3600000000, 3 }, { 1000, 60000000000, 3 }, { 1, INT64_MAX, 2 } };
    for (size_t c = 0; c < TEST_COUNT(cases); c++) {
        struct hist_shape s;
        check_int(
            hist_shape_init(&s, cases[c].lowest, cases[c].highest, cases[c].digits), 0);
        uint64_t next = 0;
        for (uint32_t i = 0; i <= hist_index(&s, s.highest); i++) {
            uint64_t low = hist_slot_lowest(&s, i);
            uint64_t high = hist_slot_highest(&s, i);
            uint64_t middle = hist_slot_median(&s, i);
            check_uint(low, next, "case %zu, slot %u", c, i);
            check_uint(hist_index(&s, low), i, "case %zu, lowest of slot %u", c, i);
            check_uint(hist_index(&s, high), i, "case %zu, highest of slot %u", c, i);
            check_true(low <= middle && middle <= high, "case %zu, slot %u", c, i);
            next = high + 1;
        }
    }
}

static void a_value_above_the_highest_is_clamped_and_counted_apart(void **state)
{
    (void)state;
    struct hist h;
    check_int(hist_init(&h, 1, 1000000, 3), 0);
    hist_record(&h, 1000000);
    check_uint(h.above, 0);
    hist_record(&h, 1000001);
    hist_record(&h, UINT64_MAX);
    check_uint(h.above, 2);
    check_uint(h.total, 3);
    check_uint(h.max, UINT64_MAX);
    check_uint(hist_count_total(&h.shape, h.counts), 3);
    check_uint(hist_percentile(&h, 1, 1), UINT64_MAX);
    hist_free(&h);
}

static void counters_of_the_caller_say_when_a_value_was_too_large(void **state)
{
    (void)state;
    static uint64_t counts[HIST_SERVER_COUNTS_LEN];
    struct hist_shape s;
    check_int(hist_shape_init(&s, HIST_SERVER_LOWEST, HIST_SERVER_HIGHEST,
                              HIST_SERVER_DIGITS),
              0);
    check_uint(hist_count_percentile(&s, counts, 1, 2), 0, "empty");
    check_true(hist_count(&s, counts, HIST_SERVER_HIGHEST));
    check_false(hist_count(&s, counts, HIST_SERVER_HIGHEST + 1));
    check_true(hist_count(&s, counts, 0));
    check_uint(hist_count_total(&s, counts), 3);
    check_uint(hist_count_percentile(&s, counts, 1, 3), 0);
    check_true(hist_count_percentile(&s, counts, 2, 3) >= HIST_SERVER_HIGHEST);
}

static void ranks_are_exact_where_floating_point_is_not(void **state)
{
    (void)state;
    static const struct {
        uint64_t n, num, den, want;
    } cases[] = {
        { 1000, 999, 1000, 999 },
        { 1001, 999, 1000, 1000 },
        { 100, 50, 100, 50 },
        { 101, 50, 100, 51 },
        { 1, 1, 100000, 1 },
        { 10, 1, 1, 10 },
        { 10, 0, 1, 0 },
        { UINT64_MAX, 1, 1, UINT64_MAX },
        { UINT64_MAX, 99999, 100000, UINT64_C(18446559606268814520) },
    };
    for (size_t i = 0; i < TEST_COUNT(cases); i++)
        check_uint(hist_rank(cases[i].n, cases[i].num, cases[i].den), cases[i].want,
                   "case %zu", i);
}

static void percentiles_are_the_nearest_rank(void **state)
{
    (void)state;
    static const struct {
        uint64_t num, den, want;
    } cases[] = {
        { 0, 1, 1 },      { 1, 100000, 1 },   { 50, 100, 500 }, { 501, 1000, 501 },
        { 99, 100, 990 }, { 999, 1000, 999 }, { 1, 1, 1000 },   { 9999, 10000, 1000 },
    };
    struct hist h;
    check_int(hist_init(&h, 1, 3600000000, 3), 0);
    check_uint(hist_percentile(&h, 1, 2), 0, "empty");
    for (uint64_t v = 1; v <= 1000; v++)
        hist_record(&h, v);
    for (size_t i = 0; i < TEST_COUNT(cases); i++)
        check_uint(hist_percentile(&h, cases[i].num, cases[i].den), cases[i].want,
                   "percentile %ju/%ju", (uintmax_t)cases[i].num,
                   (uintmax_t)cases[i].den);
    check_uint(hist_beyond(&h, 990), 10);
    check_uint(hist_beyond(&h, 1000), 0);
    hist_free(&h);
}

static void a_percentile_is_never_above_the_maximum(void **state)
{
    (void)state;
    struct hist h;
    check_int(hist_init(&h, 1, 3600000000, 3), 0);
    hist_record(&h, 1000000); /* its slot ends at 1000447 */
    check_uint(hist_percentile(&h, 1, 2), 1000000);
    hist_free(&h);
}

static void merging_equals_recording_into_one(void **state)
{
    (void)state;
    struct hist a, b, both, other;
    check_int(hist_init(&a, 1, 60000000000, 3), 0);
    check_int(hist_init(&b, 1, 60000000000, 3), 0);
    check_int(hist_init(&both, 1, 60000000000, 3), 0);
    check_int(hist_init(&other, 1, 60000000000, 2), 0);
    for (uint64_t v = 7; v < UINT64_C(100000000000); v = v * 3 + 1) {
        hist_record(v % 2 ? &a : &b, v);
        hist_record(&both, v);
    }
    check_int(hist_merge(&a, &other), -EINVAL);
    check_int(hist_merge(&a, &b), 0);
    check_mem(a.counts, a.shape.counts_len * sizeof *a.counts, both.counts,
              both.shape.counts_len * sizeof *both.counts);
    check_uint(a.total, both.total);
    check_uint(a.above, both.above);
    check_uint(a.min, both.min);
    check_uint(a.max, both.max);
    hist_reset(&a);
    check_uint(a.total + a.above + a.max + hist_count_total(&a.shape, a.counts), 0);
    hist_free(&a);
    hist_free(&b);
    hist_free(&both);
    hist_free(&other);
}

static void mean_and_variance_follow_the_closed_form(void **state)
{
    (void)state;
    struct hist h;
    check_int(hist_init(&h, 1, 3600000000, 3), 0);
    check_near(hist_mean(&h), 0, 0, "empty");
    for (uint64_t v = 1; v <= 1001; v++) /* uniform: (n^2 - 1) / 12 */
        hist_record(&h, v);
    check_near(hist_mean(&h), 501, 1e-9);
    check_near(hist_variance(&h), (1001.0 * 1001.0 - 1) / 12, 1e-6);
    hist_free(&h);
}

static void a_stall_counts_what_a_periodic_observer_missed(void **state)
{
    (void)state;
    struct hist h;
    check_int(hist_init(&h, 1, 3600000000, 3), 0);
    hist_record_expected(&h, 1000, 100); /* 1000, 900, ... 100 */
    check_uint(h.total, 10);
    check_uint(h.min, 100);
    check_near(hist_mean(&h), 550, 1e-9);
    hist_reset(&h);
    hist_record_expected(&h, 199, 100);
    check_uint(h.total, 1);
    hist_free(&h);
}

TEST_MAIN(test(the_shape_has_the_known_number_of_slots),
          test(the_constant_for_the_server_is_the_computed_length),
          test(impossible_shapes_are_refused), test(values_fall_into_the_known_slots),
          test(the_slots_tile_the_range_without_gap_or_overlap),
          test(a_value_above_the_highest_is_clamped_and_counted_apart),
          test(counters_of_the_caller_say_when_a_value_was_too_large),
          test(ranks_are_exact_where_floating_point_is_not),
          test(percentiles_are_the_nearest_rank),
          test(a_percentile_is_never_above_the_maximum),
          test(merging_equals_recording_into_one),
          test(mean_and_variance_follow_the_closed_form),
          test(a_stall_counts_what_a_periodic_observer_missed))
