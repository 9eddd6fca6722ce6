/* SPDX-License-Identifier: MIT */
/* test_selfcheck.c - each check can fail, and is silent one step before. */
#include "loadtest/selfcheck.h"

#include "loadtest/quantile.h"
#include "loadtest/units.h"
#include "tests/test.h"

static const struct selfcheck_facts good = {
    .open_loop = true,
    .planned = 10000,
    .backlog = 100,
    .responses = 10000,
    .lag_ns = 100,
    .latency_ns = 1000,
    .hiccup_ns = SELFCHECK_HICCUP_NS,
    .busiest = 0.8,
    .connections = 10,
    .opened = 10,
};

static void a_run_at_every_limit_is_valid(void **state)
{
    (void)state;
    check_uint(selfcheck_run(&good).n, 0);
}

static void one_step_past_each_limit_is_invalid(void **state)
{
    (void)state;
    struct selfcheck_facts cases[7] = { good, good, good, good, good, good, good };
    static const char *const words[] = { "not sent in time", "late itself",
                                         "processor",        "connections",
                                         "whole response",   "idle threads",
                                         "idle threads" };
    cases[0].backlog = 101;
    cases[1].lag_ns = 101;
    cases[2].busiest = 0.801;
    cases[3].opened = 9;
    cases[4].responses = 0;
    cases[5].hiccup_ns = SELFCHECK_HICCUP_NS + 1;
    cases[6].hiccup_ns = 1001;
    cases[6].hiccup_limit_ns = 1000;
    for (size_t i = 0; i < TEST_COUNT(cases); i++) {
        struct selfcheck got = selfcheck_run(&cases[i]);
        check_uint(got.n, 1, "case %zu", i);
        check_uint(got.generator, i == 1 || i == 2 || i > 4, "case %zu: whose fault",
                   i);
        check_not_null(strstr(got.reasons[0], words[i]), "%s", got.reasons[0]);
    }
}

static void hiccups_may_be_a_tenth_of_what_is_measured(void **state)
{
    (void)state;
    struct selfcheck_facts facts = good;
    facts.latency_ns = 100 * SELFCHECK_HICCUP_NS;
    facts.hiccup_ns = 10 * SELFCHECK_HICCUP_NS;
    check_uint(selfcheck_run(&facts).n, 0);
    facts.hiccup_ns++;
    check_uint(selfcheck_run(&facts).n, 1);
}

static void a_closed_loop_has_no_plan_to_miss(void **state)
{
    (void)state;
    struct selfcheck_facts facts = good;
    facts.open_loop = false;
    facts.backlog = facts.planned;
    facts.lag_ns = facts.latency_ns;
    facts.busiest = 1;
    check_uint(selfcheck_run(&facts).n, 0);
    facts.opened = 0;
    facts.responses = 0;
    check_uint(selfcheck_run(&facts).n, 2, "but it has connections and responses");
}

static void one_request_on_its_way_is_no_backlog(void **state)
{
    (void)state;
    struct selfcheck_facts facts = good;
    facts.planned = 10;
    facts.backlog = 1;
    check_uint(selfcheck_run(&facts).n, 0);
    facts.backlog = 2;
    check_uint(selfcheck_run(&facts).n, 1);
}

static void a_percentile_needs_a_hundred_requests_beyond_it(void **state)
{
    (void)state;
    static const struct {
        const char *key;
        uint64_t needs;
    } cases[] = { { "p50", 200 },         { "p75", 400 },      { "p90", 1000 },
                  { "p99", 10000 },       { "p99_9", 100000 }, { "p99_99", 1000000 },
                  { "p99_999", 10000000 } };
    for (size_t i = 0; i < TEST_COUNT(cases); i++) {
        const struct quantile *q = quantile_find(cases[i].key);
        check_not_null(q, "%s", cases[i].key);
        check_uint(quantile_needs(q), cases[i].needs, "%s", cases[i].key);
        check_true(quantile_known(q, cases[i].needs), "%s", cases[i].key);
        check_false(quantile_known(q, cases[i].needs - 1), "%s", cases[i].key);
    }
    check_null(quantile_find("p42"));
}

static void numbers_read_as_in_wrk(void **state)
{
    (void)state;
    char text[UNITS_TEXT_MAX];
    check_str(units_time(text, 0), "0.00us");
    check_str(units_time(text, 250000), "250.00us");
    check_str(units_time(text, 999994), "999.99us");
    check_str(units_time(text, 999999), "1.00ms");
    check_str(units_time(text, 1.5e9), "1.50s");
    check_str(units_time(text, 90e9), "1.50m");
    check_str(units_metric(text, 999), "999.00");
    check_str(units_metric(text, 56200), "56.20k");
    check_str(units_binary(text, 1024), "1.00K");
    check_str(units_binary(text, 17.76 * (1 << 30)), "17.76G");
}

TEST_MAIN(test(a_run_at_every_limit_is_valid),
          test(one_step_past_each_limit_is_invalid),
          test(hiccups_may_be_a_tenth_of_what_is_measured),
          test(a_closed_loop_has_no_plan_to_miss),
          test(one_request_on_its_way_is_no_backlog),
          test(a_percentile_needs_a_hundred_requests_beyond_it),
          test(numbers_read_as_in_wrk))
