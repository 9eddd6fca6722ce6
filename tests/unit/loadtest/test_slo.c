/* SPDX-License-Identifier: MIT */
/* test_slo.c - goals as text, and searches against servers that exist on paper. */
#include "loadtest/slo.h"

#include <errno.h>
#include <math.h>

#include "server/base/prng.h"
#include "tests/test.h"

static void goals_are_a_percentile_and_a_time(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        uint64_t num, den, limit_ns, samples;
        const char *label;
    } cases[] = {
        { "99,10ms", 99, 100, 10000000, 3000, "p99 <= 10ms" },
        { "99.9,500us", 999, 1000, 500000, 30000, "p99.9 <= 500us" },
        { "99.05,1s", 9905, 10000, 1000000000, 3158, "p99.05 <= 1s" },
        { "50,2", 50, 100, 2000000000, 60, "p50 <= 2s" },
    };
    for (size_t i = 0; i < TEST_COUNT(cases); i++) {
        struct slo_goal goal;
        check_int(slo_parse(&goal, cases[i].text), 0, "%s", cases[i].text);
        check_uint(goal.num, cases[i].num, "%s", cases[i].text);
        check_uint(goal.den, cases[i].den, "%s", cases[i].text);
        check_uint(goal.limit_ns, cases[i].limit_ns, "%s", cases[i].text);
        check_uint(slo_samples(&goal), cases[i].samples, "%s", cases[i].text);
        check_str(goal.label, cases[i].label);
    }
    static const char *const bad[] = {
        "",       "99",           "99,",    ",10ms", "100,1s", "0,1s", "99.99999,1s",
        "99.,1s", "99,10parsecs", "p99,1s", "99,0",  "99,2h"
    };
    for (size_t i = 0; i < TEST_COUNT(bad); i++) {
        struct slo_goal goal;
        check_int(slo_parse(&goal, bad[i]), -EINVAL, "%s", bad[i]);
    }
}

/* The highest rate that passes, found with that many questions. */
static double find(double limit, double guess, double step, unsigned *ret_questions)
{
    struct rate_search s = {
        .floor = 10, .ceiling = 100000, .precision = 0.03, .guess = guess, .step = step
    };
    *ret_questions = 0;
    while (!s.over) {
        double rate = rate_search_next(&s);
        check_true(rate >= s.floor && rate <= s.ceiling, "%f is beyond", rate);
        rate_search_tell(&s, rate <= limit);
        check_true(++*ret_questions < 100, "it ends");
    }
    return s.passes;
}

static void a_search_ends_just_below_the_limit_from_any_guess(void **state)
{
    (void)state;
    unsigned questions;
    for (double limit = 11; limit < 90000; limit *= 1.7) {
        for (double guess = 10; guess <= 100000; guess *= 3.1) {
            double found = find(limit, guess, 1.5, &questions);
            check_true(found <= limit && found >= limit / 1.03,
                       "%.1f for a limit of %.1f from %.1f", found, limit, guess);
            check_true(questions <= 20, "%u questions", questions);
        }
    }
    (void)find(1000, 1010, 1.06, &questions);
    check_true(questions <= 5, "%u questions from a good guess", questions);
}

static void a_search_says_when_nothing_or_everything_passes(void **state)
{
    (void)state;
    unsigned questions;
    check_near(find(5, 400, 1.5, &questions), 0, 1e-9);
    check_near(find(1e9, 400, 1.5, &questions), 100000, 1e-9);
    check_near(find(10, 10, 1.5, &questions), 10, 1e-9);
}

/* Repeated, noisy searches: the interval holds the truth as often as it says. */
static void the_interval_holds_the_median_of_noisy_searches(void **state)
{
    (void)state;
    struct prng prng;
    unsigned held = 0;
    prng_seed(&prng, 3);
    for (unsigned round = 0; round < 1000; round++) {
        double rates[6];
        for (unsigned i = 0; i < 6; i++)
            rates[i] = 1000 * exp(0.1 * prng_normal(&prng));
        struct slo_estimate e = slo_estimate(rates, 6);
        check_true(e.low <= e.median && e.median <= e.high);
        check_near(e.confidence, 0.96875, 1e-9);
        held += e.low <= 1000 && 1000 <= e.high;
    }
    check_true(held >= 950 && held <= 985, "%u of 1000, should be 969", held);
    struct slo_estimate none = slo_estimate(NULL, 0);
    check_near(none.median, 0, 1e-9);
}

TEST_MAIN(test(goals_are_a_percentile_and_a_time),
          test(a_search_ends_just_below_the_limit_from_any_guess),
          test(a_search_says_when_nothing_or_everything_passes),
          test(the_interval_holds_the_median_of_noisy_searches))
