/* SPDX-License-Identifier: MIT */
/* test_hiccup.c - what a thread that only sleeps notices. */
#include "loadtest/hiccup.h"

#include <time.h>

#include "loadtest/tally.h"
#include "server/base/clock.h"
#include "tests/test.h"

#define MS CLOCK_NS_PER_MS

static struct hist empty(void)
{
    struct hist hist;
    check_int(hist_init(&hist, TALLY_LOWEST, TALLY_HIGHEST, TALLY_DIGITS), 0);
    return hist;
}

static void a_stall_counts_as_all_the_wakeups_that_it_covers(void **state)
{
    (void)state;
    static const struct {
        uint64_t late_ns, samples, half; /* and the median of these */
    } cases[] = {
        { 0, 1, 0 },           { MS - 1, 1, MS - 1 },      { MS + 1, 1, MS + 1 },
        { 3 * MS, 3, 2 * MS }, { 100 * MS, 100, 50 * MS },
    };
    for (size_t i = 0; i < TEST_COUNT(cases); i++) {
        struct hist hist = empty();
        uint64_t due = 7 * MS, now = due + cases[i].late_ns;
        check_uint(hiccup_note(&hist, due, now), now + MS, "case %zu", i);
        check_uint(hist.total, cases[i].samples, "case %zu", i);
        check_uint(hist.max, cases[i].late_ns, "case %zu", i);
        check_near(hist_percentile(&hist, 1, 2), cases[i].half,
                   (double)cases[i].half / 500 + 1, "case %zu", i);
        hist_free(&hist);
    }
}

static void a_clock_that_is_early_is_no_hiccup(void **state)
{
    (void)state;
    struct hist hist = empty();
    check_uint(hiccup_note(&hist, 7 * MS, 7 * MS - 5), 8 * MS);
    check_uint(hist.max, 0);
    hist_free(&hist);
}

static void pass(uint64_t ns)
{
    struct timespec length = { .tv_sec = 0, .tv_nsec = (long)ns };
    (void)nanosleep(&length, NULL);
}

static void threads_record_only_when_they_are_told(void **state)
{
    (void)state;
    for (unsigned recording = 0; recording < 2; recording++) {
        struct hiccups hiccups;
        struct hist hist = empty();
        check_int(hiccups_start(&hiccups, 2, NULL, 0), 0);
        if (recording)
            hiccups_record(&hiccups);
        uint64_t begun = clock_ns();
        pass(50 * MS); /* what is tested is that time passes */
        hiccups_stop(&hiccups);
        uint64_t passed = clock_ns() - begun;
        hiccups_merge(&hiccups, &hist);
        if (recording)
            check_true(hist.total > 0 && hist.total <= 2 * (passed / MS + 1), "%llu",
                       (unsigned long long)hist.total);
        else
            check_uint(hist.total, 0, "before it was told");
        hist_free(&hist);
        hiccups_free(&hiccups);
    }
}

static void nothing_that_was_started_can_be_freed(void **state)
{
    (void)state;
    struct hiccups hiccups = { 0 };
    hiccups_stop(&hiccups);
    hiccups_free(&hiccups);
    hiccups_free(&hiccups);
}

TEST_MAIN(test(a_stall_counts_as_all_the_wakeups_that_it_covers),
          test(a_clock_that_is_early_is_no_hiccup),
          test(threads_record_only_when_they_are_told),
          test(nothing_that_was_started_can_be_freed))
