/* SPDX-License-Identifier: MIT */
/* test_purge_log.c - may a record that was fetched before a purge be stored? */
#include "server/master/purge_log.h"

#include "tests/test.h"

enum { A = 1, B = 2 };

static void a_record_of_the_purged_key_must_be_younger(void **state)
{
    struct purge_log log = { 0 };

    (void)state;
    check_true(purge_log_allows(&log, 0, A));
    check_uint(purge_log_add(&log, false, A), 1);
    check_false(purge_log_allows(&log, 0, A));
    check_true(purge_log_allows(&log, 1, A));
    check_true(purge_log_allows(&log, 0, B), "another key");
}

static void a_purge_of_everything_refuses_all_that_is_older(void **state)
{
    struct purge_log log = { 0 };

    (void)state;
    purge_log_add(&log, true, 0);
    check_false(purge_log_allows(&log, 0, A));
    check_true(purge_log_allows(&log, 1, A));
}

static void a_number_from_the_future_is_a_lie(void **state)
{
    struct purge_log log = { 0 };

    (void)state;
    check_false(purge_log_allows(&log, 1, A));
    check_false(purge_log_allows(&log, UINT64_MAX, A));
}

static void what_is_older_than_the_log_is_refused(void **state)
{
    struct purge_log log = { 0 };

    (void)state;
    for (unsigned i = 0; i < PURGE_LOG_MAX; i++)
        purge_log_add(&log, false, 1000 + i);
    check_true(purge_log_allows(&log, 0, A), "all purges are remembered");
    check_false(purge_log_allows(&log, 0, 1000), "the oldest too");
    purge_log_add(&log, false, 5000);
    check_false(purge_log_allows(&log, 0, A),
                "one is forgotten: it may have been of A");
    check_true(purge_log_allows(&log, 1, A));
}

TEST_MAIN(test(a_record_of_the_purged_key_must_be_younger),
          test(a_purge_of_everything_refuses_all_that_is_older),
          test(a_number_from_the_future_is_a_lie),
          test(what_is_older_than_the_log_is_refused))
