/* SPDX-License-Identifier: MIT */
#include "loadtest/status.h"

#include <errno.h>

#include "loadtest/shed.h"
#include "tests/test.h"

static const char two_slots[] =
    "{\"mode\":\"naive\",\"slots\":["
    "{\"requests\":10,\"hits\":8,\"faults\":3,\"inherited_pages\":100,\"copied_pages\":"
    "7,"
    "\"pss\":4096,\"gc\":{\"slices\":2,\"pause_max_us\":50}},"
    "{\"requests\":5,\"hits\":5,\"faults\":1,\"inherited_pages\":100,\"copied_pages\":"
    "1,"
    "\"pss\":100,\"gc\":null}],"
    "\"gc\":{\"slices\":1,\"pause_max_us\":70},"
    "\"forks\":{\"count\":4,\"last_us\":300,\"max_us\":900}}";

static void slots_are_added_up_and_the_longest_pause_kept(void **state)
{
    (void)state;
    struct status s;
    check_int(status_parse(two_slots, strlen(two_slots), &s), 0);
    check_uint(s.requests, 15);
    check_uint(s.hits, 13);
    check_uint(s.faults, 4);
    check_uint(s.inherited_pages, 200);
    check_uint(s.copied_pages, 8);
    check_uint(s.pss_bytes, 4196);
    check_uint(s.gc_pauses, 3, "the master's as well");
    check_uint(s.gc_pause_max_ns, 70000);
    check_uint(s.forks, 4);
    check_uint(s.fork_max_ns, 900000);
}

static void what_is_no_status_is_refused(void **state)
{
    (void)state;
    static const char *const cases[] = { "", "{", "[]", "{}", "null", "{\"slots\":1}" };
    for (size_t i = 0; i < TEST_COUNT(cases); i++) {
        struct status s = { .requests = 77 };
        check_int(status_parse(cases[i], strlen(cases[i]), &s), -EBADMSG, "'%s'",
                  cases[i]);
        check_uint(s.requests, 77, "'%s': output touched", cases[i]);
    }
}

static void numbers_that_make_no_sense_count_as_zero(void **state)
{
    (void)state;
    static const char text[] = "{\"slots\":[{\"requests\":-5,\"faults\":\"x\"},7]}";
    struct status s;
    check_int(status_parse(text, strlen(text), &s), 0);
    check_uint(s.requests + s.faults, 0);
}

static void totals_are_differences_and_levels_are_the_last(void **state)
{
    (void)state;
    struct status before = {
        .requests = 100, .faults = 50, .copied_pages = 9, .gc_pause_max_ns = 8
    };
    struct status after = {
        .requests = 160, .faults = 20, .copied_pages = 4, .gc_pause_max_ns = 10
    };
    struct status got = status_between(&before, &after);
    check_uint(got.requests, 60);
    check_uint(got.faults, 20, "a total that went back began again");
    check_uint(got.copied_pages, 4);
    check_uint(got.gc_pause_max_ns, 10);
    status_add(&got, &before);
    check_uint(got.requests, 160);
    check_uint(got.copied_pages, 9, "the larger level");
    check_uint(got.gc_pause_max_ns, 10);
}

static void the_ready_line_is_read_field_by_field(void **state)
{
    (void)state;
    static const char line[] =
        "ready listen=127.0.0.1:8080 admin=[::1]:81 mode=shared slots=2 pid=4711\n";
    static const struct {
        const char *key, *want;
    } cases[] = { { "listen", "127.0.0.1:8080" },
                  { "admin", "[::1]:81" },
                  { "pid", "4711" },
                  { "lots", NULL },
                  { "isten", NULL },
                  { "ready", NULL } };
    for (size_t i = 0; i < TEST_COUNT(cases); i++) {
        char out[SHED_ADDRESS_MAX] = "";
        bool got = shed_ready_field(line, cases[i].key, out, sizeof out);
        check_true(got == (cases[i].want != NULL), "%s", cases[i].key);
        if (got)
            check_str(out, cases[i].want, "%s", cases[i].key);
    }
    char small[5];
    check_false(shed_ready_field(line, "listen", small, sizeof small), "too long");
    check_true(shed_ready_field(line, "pid", small, sizeof small), "just fits");
    check_false(shed_ready_field("x pid= y", "pid", small, sizeof small), "empty");
}

TEST_MAIN(test(slots_are_added_up_and_the_longest_pause_kept),
          test(what_is_no_status_is_refused),
          test(numbers_that_make_no_sense_count_as_zero),
          test(totals_are_differences_and_levels_are_the_last),
          test(the_ready_line_is_read_field_by_field))
