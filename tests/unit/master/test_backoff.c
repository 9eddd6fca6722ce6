/* SPDX-License-Identifier: MIT */
/* test_backoff.c - delays after deaths, and when to give up. */
#include "server/master/backoff.h"

#include "tests/test.h"

#define MS CLOCK_NS_PER_MS
#define S  CLOCK_NS_PER_S

static void the_delay_doubles_from_100_ms_to_30_s(void **state)
{
    static const uint64_t want_ms[] = { 100,  200,   400,   800,   1600, 3200,
                                        6400, 12800, 25600, 30000, 30000 };
    struct backoff b = { 0 };
    uint64_t now_ns = 7 * S;

    (void)state;
    for (size_t i = 0; i < TEST_COUNT(want_ms); i++) {
        uint64_t next_ns = backoff_failed(&b, now_ns);

        check_uint(next_ns - now_ns, want_ms[i] * MS, "death %zu", i);
        now_ns = next_ns; /* it dies at once */
    }
}

static void a_quiet_minute_begins_again(void **state)
{
    struct backoff b = { 0 };
    uint64_t now_ns = S;

    (void)state;
    for (int i = 0; i < 4; i++)
        now_ns = backoff_failed(&b, now_ns);
    now_ns += 60 * S - 1;
    check_uint(backoff_failed(&b, now_ns) - now_ns, 1600 * MS, "a moment too early");
    now_ns += 1600 * MS + 60 * S;
    check_uint(backoff_failed(&b, now_ns) - now_ns, 100 * MS);
}

static void the_breaker_counts_deaths_in_a_row(void **state)
{
    struct breaker b = { 0 };

    (void)state;
    check_false(breaker_death(&b, 3));
    check_false(breaker_death(&b, 3));
    breaker_ready(&b);
    check_false(breaker_death(&b, 3));
    check_false(breaker_death(&b, 3));
    check_true(breaker_death(&b, 3));
    b = (struct breaker){ 0 };
    check_true(breaker_death(&b, 1));
}

TEST_MAIN(test(the_delay_doubles_from_100_ms_to_30_s),
          test(a_quiet_minute_begins_again), test(the_breaker_counts_deaths_in_a_row))
