/* SPDX-License-Identifier: MIT */
/* test_policy.c - the arithmetic of the byte limit, at its edges. */
#include "server/cache/policy.h"

#include <errno.h>

#include "gc/gc.h"
#include "server/cache/entry.h"
#include "tests/test.h"

static void a_body_costs_an_object_of_its_own_and_no_body_none(void **state)
{
    uint64_t bare = entry_cost(10, 100, 0);

    (void)state;
    check_uint(bare, gc_cost(sizeof(struct entry) + 110) + POLICY_ENTRY_SHARE);
    check_uint(entry_cost(10, 100, 1), bare + 16);
    check_uint(entry_cost(10, 100, 100000), bare + 102400);
}

static void what_must_go_is_exact_at_the_limit(void **state)
{
    static const struct {
        uint64_t held, replaced, cost, limit;
        int want;
        uint64_t excess;
    } cases[] = {
        { 0, 0, 100, 100, 0, 0 },
        { 0, 0, 101, 100, -E2BIG, 99 },
        { 1, 0, 100, 100, 0, 1 },
        { 100, 0, 1, 101, 0, 0 },
        { 100, 0, 2, 101, 0, 1 },
        { 100, 100, 100, 100, 0, 0 },
        { 100, 40, 41, 100, 0, 1 },
        { 100, 40, 10, 100, 0, 0 },
        { UINT64_MAX, 0, 1, UINT64_MAX, 0, 1 },
        { 0, 0, UINT64_MAX, UINT64_MAX, 0, 0 },
    };

    (void)state;
    for (size_t i = 0; i < TEST_COUNT(cases); i++) {
        uint64_t excess = 99;

        check_int(policy_admit(cases[i].held, cases[i].replaced, cases[i].cost,
                               cases[i].limit, &excess),
                  cases[i].want, "case %zu", i);
        check_uint(excess, cases[i].excess, "case %zu", i);
    }
}

static void the_heap_has_room_for_the_goal_and_more(void **state)
{
    static const size_t sizes[] = { 1, 1 << 20, 64 << 20, (size_t)1 << 40 };
    static const unsigned percents[] = { 1, 100, 400, 10000 };

    (void)state;
    for (size_t i = 0; i < TEST_COUNT(sizes); i++)
        for (size_t k = 0; k < TEST_COUNT(percents); k++) {
            size_t limit = policy_heap_limit(sizes[i], percents[k]);
            size_t used = percents[k] > 400 ? 400 : percents[k];

            check_true(limit > sizes[i] + sizes[i] / 100 * used, "%zu bytes, %u %%",
                       sizes[i], percents[k]);
            check_uint(limit % (2 << 20), 0);
        }
}

static void there_are_numbers_for_the_smallest_entries(void **state)
{
    size_t bytes = 1000 * entry_cost(1, 0, 0);

    (void)state;
    check_uint(policy_ids(bytes), 1002);
    check_uint(policy_ids(0), 2);
    check_uint(policy_ids(SIZE_MAX), 1u << 30);
}

TEST_MAIN(test(a_body_costs_an_object_of_its_own_and_no_body_none),
          test(what_must_go_is_exact_at_the_limit),
          test(the_heap_has_room_for_the_goal_and_more),
          test(there_are_numbers_for_the_smallest_entries))
