/* SPDX-License-Identifier: MIT */
/* test_pacer.c - latency counts from the plan, whoever stood still. In virtual time. */
#include "loadtest/pacer.h"

#include "loadtest/tally.h"
#include "server/base/clock.h"
#include "tests/test.h"

#define MS     CLOCK_NS_PER_MS
#define SECOND CLOCK_NS_PER_S

static const struct plan_config per_ms = { .rate = 1000,
                                           .constant = true,
                                           .streams = 1 };

struct world {
    struct pacer pacer;
    struct tally tally;
};

static void begin(struct world *world, const struct plan_config *plan, uint64_t start,
                  uint64_t end)
{
    check_int(tally_init(&world->tally), 0);
    pacer_init(&world->pacer, plan, start, end);
}

/* What a dispatcher with free connections does at `now`, to a server that takes 1 ms.
 */
static void serve_all(struct world *world, uint64_t now)
{
    uint64_t planned;
    world->tally.counts.planned += pacer_notice(&world->pacer, now, &world->tally.lag);
    while (pacer_take(&world->pacer, now, &planned)) {
        struct tally_times times = { planned, now, now + MS };
        world->tally.counts.sent++;
        tally_response(&world->tally, &times, 200, 100 * SECOND);
    }
}

/* The dispatcher looks every ms but for one stall of 5 s in 10 s. Of the response times
 * the p-quantile is then 5 - (1 - p) * 10 seconds for p above a half, and the lag says
 * that it was the generator. */
static void a_stall_of_the_dispatcher_is_in_the_latency_and_in_the_lag(void **state)
{
    (void)state;
    static const struct {
        uint64_t num, den;
        double want_s;
    } cases[] = {
        { 75, 100, 2.5 }, { 90, 100, 4 }, { 99, 100, 4.9 }, { 999, 1000, 4.99 }
    };
    struct world world;
    begin(&world, &per_ms, SECOND, 11 * SECOND);
    for (uint64_t now = SECOND; now <= 11 * SECOND; now += MS) {
        bool stalled = now > 3 * SECOND && now < 8 * SECOND;
        if (!stalled)
            serve_all(&world, now);
    }
    check_uint(world.tally.ok.total, 10000, "all requests");
    for (size_t i = 0; i < TEST_COUNT(cases); i++) {
        uint64_t response =
            hist_percentile(&world.tally.ok, cases[i].num, cases[i].den);
        uint64_t lag = hist_percentile(&world.tally.lag, cases[i].num, cases[i].den);
        check_near((double)response / 1e9, cases[i].want_s, 0.01, "response, case %zu",
                   i);
        check_near((double)lag / 1e9, cases[i].want_s, 0.01, "lag, case %zu", i);
    }
    check_true(hist_percentile(&world.tally.service, 1, 1) == MS,
               "service time hides the stall, which is why it is not the headline");
    tally_free(&world.tally);
}

/* The server holds all connections for 5 s while the generator looks every ms: that is
 * in the latency and *not* in the lag. */
static void waiting_for_a_connection_is_latency_but_not_lag(void **state)
{
    (void)state;
    struct world world;
    begin(&world, &per_ms, 0, 10 * SECOND);
    for (uint64_t now = 0; now <= 10 * SECOND; now += MS) {
        if (now > 2 * SECOND && now < 7 * SECOND)
            world.tally.counts.planned +=
                pacer_notice(&world.pacer, now, &world.tally.lag);
        else
            serve_all(&world, now);
        if (now == 5 * SECOND)
            check_uint(pacer_waiting(&world.pacer), 3000, "queue");
    }
    check_uint(world.tally.ok.total, 10000, "all requests");
    check_near((double)hist_percentile(&world.tally.ok, 90, 100) / 1e9, 4, 0.01, "p90");
    check_uint(world.tally.lag.max, 0, "lag");
    tally_free(&world.tally);
}

static void nothing_is_planned_at_or_after_the_end(void **state)
{
    (void)state;
    struct world world;
    begin(&world, &per_ms, 0, 10 * MS);
    check_uint(pacer_notice(&world.pacer, 10 * MS - 1, &world.tally.lag), 10, "0 to 9");
    check_uint(pacer_notice(&world.pacer, SECOND, &world.tally.lag), 0, "after");
    check_uint(pacer_next_ns(&world.pacer), UINT64_MAX, "never again");
    tally_free(&world.tally);
}

static void the_next_arrival_is_told_for_sleeping(void **state)
{
    (void)state;
    struct world world;
    begin(&world, &per_ms, 500, SECOND);
    check_uint(pacer_next_ns(&world.pacer), 500);
    (void)pacer_notice(&world.pacer, 500, &world.tally.lag);
    check_uint(pacer_next_ns(&world.pacer), 500 + MS);
    tally_free(&world.tally);
}

static void requests_are_taken_in_the_order_of_the_plan(void **state)
{
    (void)state;
    struct world world;
    uint64_t planned = 0;
    begin(&world, &per_ms, 0, SECOND);
    check_false(pacer_take(&world.pacer, 5 * MS, &planned), "nothing noticed yet");
    (void)pacer_notice(&world.pacer, 3 * MS, &world.tally.lag);
    for (uint64_t i = 0; i <= 3; i++) {
        check_true(pacer_take(&world.pacer, 5 * MS, &planned));
        check_uint(planned, i * MS);
    }
    check_false(pacer_take(&world.pacer, 5 * MS, &planned), "all taken");
    tally_free(&world.tally);
}

static void an_interrupt_ends_the_plan_but_keeps_the_queue(void **state)
{
    (void)state;
    struct world world;
    uint64_t planned;
    unsigned dropped = 0;
    begin(&world, &per_ms, 0, SECOND);
    (void)pacer_notice(&world.pacer, 9 * MS, &world.tally.lag);
    pacer_stop(&world.pacer, 5 * MS);
    pacer_stop(&world.pacer, 7 * MS); /* the first one counts */
    check_uint(world.pacer.end_ns, 5 * MS);
    check_uint(pacer_notice(&world.pacer, SECOND, &world.tally.lag), 0, "no more");
    while (pacer_drop(&world.pacer, &planned))
        dropped++;
    check_uint(dropped, 10);
    tally_free(&world.tally);
}

static void a_closed_loop_sends_whenever_a_connection_is_free(void **state)
{
    (void)state;
    struct world world;
    uint64_t planned = 0;
    begin(&world, NULL, 100, 200);
    check_false(pacer_take(&world.pacer, 99, &planned), "before the start");
    check_true(pacer_take(&world.pacer, 100, &planned));
    check_uint(planned, 100, "its latency is service time");
    check_true(pacer_take(&world.pacer, 199, &planned));
    check_false(pacer_take(&world.pacer, 200, &planned), "at the end");
    check_uint(pacer_notice(&world.pacer, 150, &world.tally.lag), 0);
    check_uint(pacer_waiting(&world.pacer), 0);
    tally_free(&world.tally);
}

TEST_MAIN(test(a_stall_of_the_dispatcher_is_in_the_latency_and_in_the_lag),
          test(waiting_for_a_connection_is_latency_but_not_lag),
          test(nothing_is_planned_at_or_after_the_end),
          test(the_next_arrival_is_told_for_sleeping),
          test(requests_are_taken_in_the_order_of_the_plan),
          test(an_interrupt_ends_the_plan_but_keeps_the_queue),
          test(a_closed_loop_sends_whenever_a_connection_is_free))
