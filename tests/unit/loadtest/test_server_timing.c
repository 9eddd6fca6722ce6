/* SPDX-License-Identifier: MIT */
#include "loadtest/server_timing.h"

#include "tests/test.h"

static void the_header_of_cowshed_is_read(void **state)
{
    (void)state;
    struct server_timing t = server_timing_parse(
        SPAN("w;desc=\"3.12\", q;dur=0.012, gc;dur=1.5, cow;desc=\"7\", app;dur=2.25, "
             "cache;desc=miss"));
    check_true(t.known);
    check_uint(t.slot, 3);
    check_uint(t.generation, 12);
    check_uint(t.queue_ns, 12000);
    check_uint(t.gc_ns, 1500000);
    check_uint(t.faults, 7);
    check_uint(t.app_ns, 2250000);
    check_true(t.miss);
}

static void what_is_missing_malformed_or_foreign_is_zero(void **state)
{
    (void)state;
    static const char *const values[] = {
        "",
        ",",
        ";;,;",
        "w",
        "w;desc=3",
        "w;desc=\"3.\"",
        "w;desc=\"65536.1\"",
        "w;desc=\"1.4294967296\"",
        "q;dur=",
        "q;dur=-1",
        "q;dur=nan",
        "q;dur=\"",
        "db;dur=53",
        "cow;desc=\"-1\"",
        "app;desc=2.0",
        "cache;desc=hit",
        "cache;desc=\"missing\"",
    };
    for (size_t i = 0; i < TEST_COUNT(values); i++) {
        struct server_timing t = server_timing_parse(span_of(values[i]));
        check_false(t.known, "'%s'", values[i]);
        check_uint(t.slot + t.generation + t.faults, 0, "'%s'", values[i]);
        check_uint(t.queue_ns + t.gc_ns + t.app_ns, 0, "'%s'", values[i]);
        check_false(t.miss, "'%s'", values[i]);
    }
}

static void spaces_case_and_order_do_not_matter(void **state)
{
    (void)state;
    struct server_timing t = server_timing_parse(
        SPAN("cache ; desc = miss ,  q;x=1;DUR=2 ,w;desc=\"1.2\";dur=9"));
    check_true(t.miss);
    check_uint(t.queue_ns, 2000000);
    check_true(t.known);
    check_uint(t.slot, 1);
}

TEST_MAIN(test(the_header_of_cowshed_is_read),
          test(what_is_missing_malformed_or_foreign_is_zero),
          test(spaces_case_and_order_do_not_matter))
