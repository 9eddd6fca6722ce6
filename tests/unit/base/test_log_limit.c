/* SPDX-License-Identifier: MIT */
/* test_log_limit.c - which failure has a line, and where the others are counted. */
#include "server/base/log_limit.h"

#include "tests/test.h"

static uint64_t left_out;

static void the_first_has_a_line_and_the_next_after_the_period(void **state)
{
    struct log_limit limit = { 0 };
    const uint64_t begin = 5;

    (void)state;
    check_true(log_limit_pass(&limit, begin, &left_out));
    check_uint(left_out, 0);
    check_false(log_limit_pass(&limit, begin, &left_out));
    check_false(log_limit_pass(&limit, begin + LOG_LIMIT_NS - 1, &left_out));
    check_true(log_limit_pass(&limit, begin + LOG_LIMIT_NS, &left_out));
    check_uint(left_out, 2);
    check_false(log_limit_pass(&limit, begin + LOG_LIMIT_NS + 1, &left_out));
    check_true(log_limit_pass(&limit, begin + 3 * LOG_LIMIT_NS, &left_out));
    check_uint(left_out, 1, "each is counted once");
}

static void a_count_is_due_after_the_period_and_only_once(void **state)
{
    struct log_limit limit = { 0 };

    (void)state;
    check_false(log_limit_due(&limit, LOG_LIMIT_NS, &left_out), "nothing has failed");
    check_true(log_limit_pass(&limit, 0, &left_out));
    check_false(log_limit_due(&limit, LOG_LIMIT_NS, &left_out), "all have a line");
    check_false(log_limit_pass(&limit, 1, &left_out));
    check_false(log_limit_due(&limit, LOG_LIMIT_NS - 1, &left_out), "too early");
    check_true(log_limit_due(&limit, LOG_LIMIT_NS, &left_out));
    check_uint(left_out, 1);
    check_false(log_limit_due(&limit, LOG_LIMIT_NS, &left_out), "only once");
    check_false(log_limit_pass(&limit, LOG_LIMIT_NS + 1, &left_out),
                "the count was a line");
}

static void what_was_left_out_is_put_in_words(void **state)
{
    char out[LOG_LEFT_OUT_MAX];

    (void)state;
    check_str(log_left_out(out, 0), "");
    check_str(log_left_out(out, 7), " (and 7 more since the last such line)");
    check_str(log_left_out(out, UINT64_MAX),
              " (and 18446744073709551615 more since the last such line)");
}

TEST_MAIN(test(the_first_has_a_line_and_the_next_after_the_period),
          test(a_count_is_due_after_the_period_and_only_once),
          test(what_was_left_out_is_put_in_words))
