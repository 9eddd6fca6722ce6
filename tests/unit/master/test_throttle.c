/* SPDX-License-Identifier: MIT */
/* test_throttle.c - the gate of all forks, with time as a number. */
#include "server/master/throttle.h"

#include <string.h>

#include "server/base/clock.h"
#include "tests/test.h"

#define MS CLOCK_NS_PER_MS

static const struct throttle_limits none = { .rate = 0, .burst = 1 };

static enum throttle_reason ask(const struct throttle *t,
                                const struct throttle_limits *l, uint64_t now_ns,
                                unsigned unready, uint64_t available,
                                uint64_t *retry_ns)
{
    const struct throttle_state state = { now_ns, unready, available };

    *retry_ns = 0;
    return throttle_ask(t, l, &state, retry_ns);
}

static void without_limits_nothing_waits(void **state)
{
    struct throttle t = { 0 };
    uint64_t retry_ns;

    (void)state;
    for (int i = 0; i < 1000; i++) {
        check_int(ask(&t, &none, 0, 1000, 0, &retry_ns), THROTTLE_GO, "fork %d", i);
        throttle_take(&t, &none, 0);
    }
}

static void a_burst_passes_and_the_next_waits_for_the_rate(void **state)
{
    const struct throttle_limits limits = { .rate = 4, .burst = 3 };
    struct throttle t = { 0 };
    uint64_t now_ns = 1000 * MS, retry_ns;

    (void)state;
    for (int i = 0; i < 3; i++) {
        check_int(ask(&t, &limits, now_ns, 0, 0, &retry_ns), THROTTLE_GO, "fork %d", i);
        throttle_take(&t, &limits, now_ns);
    }
    check_int(ask(&t, &limits, now_ns, 0, 0, &retry_ns), THROTTLE_RATE);
    check_uint(retry_ns, 1250 * MS);
    check_int(ask(&t, &limits, retry_ns - 1, 0, 0, &retry_ns), THROTTLE_RATE);
    check_int(ask(&t, &limits, 1250 * MS, 0, 0, &retry_ns), THROTTLE_GO);
    throttle_take(&t, &limits, 1250 * MS);
    check_int(ask(&t, &limits, 1250 * MS, 0, 0, &retry_ns), THROTTLE_RATE);
    check_uint(retry_ns, 1500 * MS);
}

static void a_long_pause_gives_one_burst_and_no_more(void **state)
{
    const struct throttle_limits limits = { .rate = 10, .burst = 2 };
    struct throttle t = { 0 };
    uint64_t retry_ns, now_ns = 1;
    int passed = 0;

    (void)state;
    throttle_take(&t, &limits, now_ns);
    now_ns += 3600 * CLOCK_NS_PER_S;
    while (ask(&t, &limits, now_ns, 0, 0, &retry_ns) == THROTTLE_GO && passed < 100) {
        throttle_take(&t, &limits, now_ns);
        passed++;
    }
    check_int(passed, 2);
}

/* Over a long time the rate holds, whatever the moments at which it is asked. */
static void the_rate_holds_over_a_minute(void **state)
{
    const struct throttle_limits limits = { .rate = 7, .burst = 5 };
    struct throttle t = { 0 };
    uint64_t retry_ns;
    int passed = 0;

    (void)state;
    for (uint64_t now_ns = 0; now_ns < 60 * CLOCK_NS_PER_S; now_ns += 3 * MS) {
        if (ask(&t, &limits, now_ns, 0, 0, &retry_ns) != THROTTLE_GO)
            continue;
        throttle_take(&t, &limits, now_ns);
        passed++;
    }
    check_near(passed, 7 * 60 + 4, 2);
}

static void slots_that_start_and_memory_close_the_gate(void **state)
{
    static const struct {
        int64_t max_unready;
        uint64_t min_available;
        unsigned unready;
        uint64_t available;
        enum throttle_reason want;
        uint64_t retry_ns;
    } cases[] = {
        { 1, 0, 0, 0, THROTTLE_GO, 0 },
        { 1, 0, 1, 0, THROTTLE_UNREADY, UINT64_MAX },
        { 1, 0, 2, 0, THROTTLE_UNREADY, UINT64_MAX },
        { 3, 0, 2, 0, THROTTLE_GO, 0 },
        { 0, 100, 9, 100, THROTTLE_GO, 0 },
        { 0, 100, 9, 99, THROTTLE_MEMORY, 5 + 250 * MS },
        { 0, 100, 0, UINT64_MAX, THROTTLE_GO, 0 },
        { 1, 100, 1, 0, THROTTLE_UNREADY, UINT64_MAX },
    };

    (void)state;
    for (size_t i = 0; i < TEST_COUNT(cases); i++) {
        const struct throttle_limits limits = { 0, 1, cases[i].max_unready,
                                                cases[i].min_available };
        struct throttle t = { 0 };
        uint64_t retry_ns;

        check_int(ask(&t, &limits, 5, cases[i].unready, cases[i].available, &retry_ns),
                  cases[i].want, "case %zu", i);
        check_uint(retry_ns, cases[i].retry_ns, "case %zu", i);
    }
    check_true(strlen(throttle_reason_words(THROTTLE_MEMORY)) > 10);
}

TEST_MAIN(test(without_limits_nothing_waits),
          test(a_burst_passes_and_the_next_waits_for_the_rate),
          test(a_long_pause_gives_one_burst_and_no_more),
          test(the_rate_holds_over_a_minute),
          test(slots_that_start_and_memory_close_the_gate))
