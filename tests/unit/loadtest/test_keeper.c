/* SPDX-License-Identifier: MIT */
#include "loadtest/keeper.h"

#include <stdlib.h>

#include "tests/test.h"

static void add(struct keeper *keeper, uint64_t planned_ns, uint64_t latency_ns)
{
    const struct tally_times times = { planned_ns, planned_ns,
                                       planned_ns + latency_ns };
    keeper_add(keeper, &times, false, SPAN("w;desc=\"1.2\""));
}

static int descending(const void *a, const void *b)
{
    const uint64_t *x = a, *y = b;
    return (*x < *y) - (*x > *y);
}

static void the_slowest_are_kept_and_no_others(void **state)
{
    (void)state;
    enum { N = 5000, MAX = 64 };
    static uint64_t all[N];
    struct keeper keeper;
    struct prng prng;
    uint64_t kept[MAX];
    check_int(keeper_init(&keeper, MAX, 1), 0);
    prng_seed(&prng, 3);
    for (int i = 0; i < N; i++) {
        all[i] = prng_below(&prng, 1000000);
        add(&keeper, (uint64_t)i * 10, all[i]);
    }
    qsort(all, N, sizeof *all, descending);
    check_uint(keeper.n_slow, MAX);
    for (size_t i = 0; i < MAX; i++)
        kept[i] = kept_latency(&keeper.slow[i]);
    check_uint(kept[0], all[MAX - 1], "the fastest of them is on top");
    qsort(kept, MAX, sizeof *kept, descending);
    for (size_t i = 0; i < MAX; i++)
        check_uint(kept[i], all[i], "rank %zu", i);
    check_true(keeper.slow[0].timing.known);
    check_uint(keeper.seen, N);
    keeper_free(&keeper);
}

/* Each request is in the sample with the same probability, early or late. */
static void the_sample_is_uniform(void **state)
{
    (void)state;
    enum { N = 2000, MAX = 20, RUNS = 2000, PARTS = 4 };
    unsigned in_part[PARTS] = { 0 };
    for (uint64_t run = 0; run < RUNS; run++) {
        struct keeper keeper;
        check_int(keeper_init(&keeper, MAX, run), 0);
        for (uint64_t i = 0; i < N; i++)
            add(&keeper, i, 1);
        check_uint(keeper.n_sample, MAX);
        for (size_t i = 0; i < MAX; i++)
            in_part[keeper.sample[i].times.planned_ns * PARTS / N]++;
        keeper_free(&keeper);
    }
    /* 10000 expected in each quarter, deviation 87 */
    for (int i = 0; i < PARTS; i++)
        check_near(in_part[i], RUNS * MAX / PARTS, 400, "part %d", i);
}

static void fewer_requests_than_room_are_all_there(void **state)
{
    (void)state;
    struct keeper keeper;
    check_int(keeper_init(&keeper, 100, 1), 0);
    for (uint64_t i = 0; i < 99; i++)
        add(&keeper, i, i);
    check_uint(keeper.n_slow, 99);
    check_uint(keeper.n_sample, 99);
    keeper_reset(&keeper);
    check_uint(keeper.n_slow + keeper.n_sample + keeper.seen, 0);
    add(&keeper, 1, 1);
    check_uint(keeper.n_slow, 1);
    keeper_free(&keeper);
}

static void who_wants_nothing_keeps_nothing(void **state)
{
    (void)state;
    struct keeper keeper;
    check_int(keeper_init(&keeper, 0, 1), 0);
    add(&keeper, 1, 1);
    keeper_stall(&keeper, 0, 1000000000);
    check_uint(keeper.n_slow + keeper.n_sample + keeper.n_stalls + keeper.seen, 0);
    keeper_free(&keeper);
}

static void stalls_are_noted_from_a_tenth_of_a_millisecond_on(void **state)
{
    (void)state;
    struct keeper keeper;
    check_int(keeper_init(&keeper, 1, 1), 0);
    keeper_stall(&keeper, 1000, 1000 + 99999);
    check_uint(keeper.n_stalls, 0);
    for (int i = 0; i < KEEPER_STALLS + 3; i++)
        keeper_stall(&keeper, 1000, 1000 + 100000);
    check_uint(keeper.n_stalls, KEEPER_STALLS);
    check_uint(keeper.lost_stalls, 3);
    keeper_free(&keeper);
}

TEST_MAIN(test(the_slowest_are_kept_and_no_others), test(the_sample_is_uniform),
          test(fewer_requests_than_room_are_all_there),
          test(who_wants_nothing_keeps_nothing),
          test(stalls_are_noted_from_a_tenth_of_a_millisecond_on))
