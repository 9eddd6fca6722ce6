/* SPDX-License-Identifier: MIT */
/* test_pace.c - the arithmetic of pacing, by table. */
#define GC_IMPL
#include "gc/pace.h"

#include "tests/test.h"

static const uint64_t MIB = 1 << 20;

static void the_goal_is_live_and_its_percent_between_minimum_and_limit(void **state)
{
    (void)state;
    const struct {
        struct gc_pace pace; /* live, min_heap, limit, percent */
        uint64_t want;
    } cases[] = {
        { { 0, 4 * MIB, 100 * MIB, 100 }, 4 * MIB },
        { { 10 * MIB, 4 * MIB, 100 * MIB, 100 }, 20 * MIB },
        { { 10 * MIB, 4 * MIB, 100 * MIB, 50 }, 15 * MIB },
        { { 10 * MIB, 4 * MIB, 15 * MIB, 100 }, 15 * MIB },
        /* no room below the limit: a little above live, or it would never stop
           collecting */
        { { 15 * MIB, 4 * MIB, 15 * MIB, 100 }, 15 * MIB + MIB / 4 },
        { { 10 * MIB, 4 * MIB, 100 * MIB, 1 }, 10 * MIB + MIB / 4 },
        { { UINT64_MAX / 2, 4 * MIB, UINT64_MAX, 10000 }, UINT64_MAX },
        { { UINT64_MAX, 4 * MIB, UINT64_MAX, 100 }, UINT64_MAX },
    };
    for (size_t i = 0; i < TEST_COUNT(cases); i++)
        check_uint(gc_pace_goal(&cases[i].pace), cases[i].want, "case %zu", i);
}

static void an_incremental_cycle_begins_as_early_as_the_last_ones_needed(void **state)
{
    (void)state;
    const struct gc_pace pace = { .live = 100 * MIB,
                                  .min_heap = MIB,
                                  .limit = 1000 * MIB };
    const struct {
        uint64_t goal, in_cycle, want;
    } cases[] = {
        { 200 * MIB, 0, 195 * MIB },         /* at least 5 % of the room */
        { 200 * MIB, 8 * MIB, 190 * MIB },   /* 1.25 times what a cycle allocates */
        { 200 * MIB, 500 * MIB, 170 * MIB }, /* at most 30 % */
        { 100 * MIB, 500 * MIB, 100 * MIB }, /* no room at all */
        { 50 * MIB, 500 * MIB, 50 * MIB },   { 200 * MIB, UINT64_MAX, 170 * MIB },
    };
    for (size_t i = 0; i < TEST_COUNT(cases); i++)
        check_uint(gc_pace_trigger(&pace, cases[i].goal, cases[i].in_cycle),
                   cases[i].want, "case %zu", i);
}

static void tracing_keeps_ahead_of_allocation(void **state)
{
    (void)state;
    const struct {
        uint64_t allocated, runway, expected, done, want;
    } cases[] = {
        { 0, 100, 1000, 0, 0 },
        { 50, 100, 1000, 0, 550 },
        { 50, 100, 1000, 550, 0 },
        { 50, 100, 1000, 500, 50 },
        { 100, 100, 1000, 0, 1100 }, /* all done a tenth before the goal */
        { 200, 100, 1000, 1100, 1100 },
        { 7, 0, 1000, 0, 7700 }, /* no runway: at once */
        { 50, 100, 0, 0, 0 },    /* the first cycle expects nothing */
        { UINT64_MAX, 1, UINT64_MAX, 0, UINT64_MAX },
    };
    for (size_t i = 0; i < TEST_COUNT(cases); i++)
        check_uint(gc_pace_work(cases[i].allocated, cases[i].runway, cases[i].expected,
                                cases[i].done),
                   cases[i].want, "case %zu", i);
}

static void a_goal_is_missed_by_more_than_a_part_of_its_room(void **state)
{
    (void)state;
    const struct {
        uint64_t live, goal, size, want;
    } cases[] = {
        { 100, 260, 0, 0 },   { 100, 260, 260, 0 },
        { 100, 260, 270, 0 }, { 100, 260, 271, 11 },
        { 100, 100, 100, 0 }, { 100, 100, 101, 1 },
        { 300, 260, 261, 1 }, { 0, UINT64_MAX, UINT64_MAX, 0 },
    };
    for (size_t i = 0; i < TEST_COUNT(cases); i++) {
        const struct gc_pace pace = { .live = cases[i].live };
        check_uint(gc_pace_over(&pace, cases[i].goal, cases[i].size), cases[i].want,
                   "case %zu", i);
    }
}

static void a_step_does_what_a_sixteenth_of_the_budget_allows(void **state)
{
    (void)state;
    const struct {
        uint64_t quantum, took, budget, want; /* between 10 and 10000 */
    } cases[] = {
        { 100, 100, 1600, 100 },  { 100, 51, 1600, 100 }, { 100, 50, 1600, 200 },
        { 100, 0, 1600, 200 },    { 100, 200, 1600, 50 }, { 100, 1000000, 1600, 10 },
        { 6000, 0, 1600, 10000 }, { 10, 1, 0, 10 },       { 10, 0, 0, 20 },
        { 10, 0, 15, 20 },
    };
    for (size_t i = 0; i < TEST_COUNT(cases); i++)
        check_uint(gc_pace_quantum(cases[i].quantum, cases[i].took, cases[i].budget, 10,
                                   10000),
                   cases[i].want, "case %zu", i);
}

TEST_MAIN(test(the_goal_is_live_and_its_percent_between_minimum_and_limit),
          test(an_incremental_cycle_begins_as_early_as_the_last_ones_needed),
          test(tracing_keeps_ahead_of_allocation),
          test(a_goal_is_missed_by_more_than_a_part_of_its_room),
          test(a_step_does_what_a_sixteenth_of_the_budget_allows))
