/* SPDX-License-Identifier: MIT */
/* test_tail.c - percentiles of the difference of two lists. */
#include "server/ctl/tail.h"

#include "tests/test.h"

static json_t *list(const char *text)
{
    json_t *made = json_loads(text, 0, NULL);

    check_not_null(made, "%s", text);
    return made;
}

static void a_percentile_is_the_nearest_rank_of_what_was_gained(void **state)
{
    static const struct {
        const char *before, *now;
        uint64_t total, p50, p99, most;
    } cases[] = {
        { NULL, "[]", 0, 0, 0, 0 },
        { "[]", "[[10,1]]", 1, 10, 10, 10 },
        { NULL, "[[10,99],[20,1]]", 100, 10, 10, 20 },
        { NULL, "[[10,98],[20,2]]", 100, 10, 20, 20 },
        { "[[10,98],[20,2]]", "[[10,98],[20,2]]", 0, 0, 0, 0 },
        { "[[10,98],[20,2]]", "[[5,1],[10,98],[20,2],[30,1]]", 2, 5, 30, 30 },
        { "[[20,7]]", "[[10,3],[20,7],[40,1]]", 4, 10, 40, 40 },
        { "[[5,1],[10,1],[15,1]]", "[[5,1],[12,2]]", 2, 12, 12, 12 },
        { "[[10,50]]", "[[10,3],[20,1]]", 1, 20, 20, 20 },
        { "[[10]]", "[[10,\"x\"],[20,-4],7,[30,2]]", 2, 30, 30, 30 },
    };

    (void)state;
    for (size_t i = 0; i < TEST_COUNT(cases); i++) {
        json_t *before = cases[i].before != NULL ? list(cases[i].before) : NULL;
        json_t *now = list(cases[i].now);
        const struct tail t = { before, now };

        check_uint(tail_total(&t), cases[i].total, "case %zu", i);
        check_uint(tail_percentile(&t, 1, 2), cases[i].p50, "case %zu", i);
        check_uint(tail_percentile(&t, 99, 100), cases[i].p99, "case %zu", i);
        check_uint(tail_percentile(&t, 1, 1), cases[i].most, "case %zu", i);
        json_decref(before);
        json_decref(now);
    }
}

TEST_MAIN(test(a_percentile_is_the_nearest_rank_of_what_was_gained))
