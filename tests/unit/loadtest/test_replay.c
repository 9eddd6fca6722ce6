/* SPDX-License-Identifier: MIT */
/* test_replay.c - access logs into requests and times. */
#include "loadtest/replay.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "loadtest/plan.h"
#include "loadtest/target.h"
#include "tests/test.h"

#define AT "h - - [10/Oct/2000:13:55:36 -0700] "

static void a_line_is_a_time_and_a_request(void **state)
{
    (void)state;
    static const struct {
        const char *line;
        int64_t second;
        const char *method, *path;
    } cases[] = {
        { AT "\"GET /a?b=c HTTP/1.0\" 200 2326", 971211336, "GET", "/a?b=c" },
        { "::1 - me [01/Jan/1970:01:00:00 +0100] \"HEAD / HTTP/1.1\" 200 - \"r\" "
          "\"ua\"",
          0, "HEAD", "/" },
        { AT "\"POST /a HTTP/1.0\" 200 1", 971211336, "", "" },
        { AT "\"-\" 408 0", 971211336, "", "" },
        { AT "\"\\x16\\x03\" 400 0", 971211336, "", "" },
        { AT "\"GET http://a/ HTTP/1.1\" 400 0", 971211336, "", "" },
        { AT "\"GET /a\\x22b HTTP/1.1\" 400 0", 971211336, "", "" },
        { AT "\"GET /old\" 200 0", 971211336, "", "" },
    };
    for (size_t i = 0; i < TEST_COUNT(cases); i++) {
        struct replay_line line;
        const char *wrong = replay_parse(span_of(cases[i].line), &line);
        check_null(wrong, "%s: %s", cases[i].line, wrong);
        check_true(line.second == cases[i].second, "%s: %lld", cases[i].line,
                   (long long)line.second);
        check_span(line.method, cases[i].method, "%s", cases[i].line);
        check_span(line.path, cases[i].path, "%s", cases[i].line);
    }
}

static void a_line_of_another_kind_is_refused(void **state)
{
    (void)state;
    static const struct {
        const char *line, *words;
    } cases[] = {
        { "", "[time]" },
        { "h - - GET /", "[time]" },
        { "h - - [2000-10-10T13:55:36] \"GET / HTTP/1.0\"", "the time is not like" },
        { "h - - [10/Foo/2000:13:55:36 -0700] \"GET / HTTP/1.0\"", "the time is not" },
        { "h - - [10/Oct/2000:13:55:36 0700] \"GET / HTTP/1.0\"", "the time is not" },
        { AT "GET / HTTP/1.0 200", "\"request\"" },
        { AT "\"GET / HTTP/1.0 200", "\"request\"" },
    };
    for (size_t i = 0; i < TEST_COUNT(cases); i++) {
        struct replay_line line;
        const char *wrong = replay_parse(span_of(cases[i].line), &line);
        check_not_null(wrong, "%s", cases[i].line);
        check_not_null(strstr(wrong, cases[i].words), "%s: %s", cases[i].line, wrong);
    }
}

static char log_path[] = "/tmp/cowload-log-XXXXXX";

static void write_log(const char *text)
{
    strcpy(log_path + sizeof log_path - 7, "XXXXXX");
    int fd = mkstemp(log_path);
    check_true(fd >= 0);
    check_int(write(fd, text, strlen(text)), strlen(text));
    close(fd);
}

#define LINE(second, path) \
    "h - - [10/Oct/2000:13:55:" second " +0000] \"GET " path " HTTP/1.1\" 200 1\n"

static void requests_of_one_second_are_spread_over_it(void **state)
{
    (void)state;
    write_log(LINE("10", "/a") LINE("10", "/b") LINE("12", "/a")
                  LINE("11", "/late") /* written when it ended */
              "h - - [10/Oct/2000:13:55:12 +0000] \"POST / HTTP/1.1\" 200 1\n");
    struct target_config config = { .url = "http://127.0.0.1/",
                                    .replay_path = log_path };
    struct target target;
    char error[TARGET_ERROR_MAX];
    static char request[TARGET_REQUEST_MAX];
    check_int(target_init(&target, &config, error), 0, "%s", error);
    const struct replay *replay = &target.replay;
    static const uint64_t ms[] = { 250, 750, 2250, 2750 };
    static const char *const paths[] = { "/a", "/b", "/a", "/late" };
    check_uint(replay->n, 4);
    check_uint(replay->skipped, 1);
    check_uint(replay->length_ns, UINT64_C(3000000000));
    check_uint(target.n_templates, 3, "each request once");
    for (size_t i = 0; i < 4; i++) {
        struct target_pick pick;
        char want[64];
        check_uint(replay->at_ns[i], ms[i] * 1000000, "line %zu", i);
        size_t n = target_replay(&target, i, request, &pick);
        snprintf(want, sizeof want, "GET %s HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n",
                 paths[i]);
        check_mem(request, n, want, strlen(want), "line %zu", i);
    }
    for (unsigned stream = 0; stream < 2; stream++) { /* twice as fast, two threads */
        struct plan_config plan_config = { .stream = stream,
                                           .streams = 2,
                                           .rate = 1,
                                           .list_ns = replay->at_ns,
                                           .list_n = replay->n,
                                           .speed = 2 };
        struct plan plan;
        plan_init(&plan, &plan_config);
        for (unsigned i = stream; i < 4; i += 2, plan_advance(&plan))
            check_uint(plan_next_ns(&plan), ms[i] * 500000, "line %u", i);
        check_true(plan.at_ns >= 1e18, "no more");
    }
    target_free(&target);
    unlink(log_path);
}

static void many_requests_are_told_apart(void **state)
{
    (void)state;
    FILE *out;
    write_log("");
    out = fopen(log_path, "w");
    check_not_null(out);
    for (unsigned i = 0; i < 6000; i++)
        fprintf(out, LINE("10", "/o/%u"), i % 3000);
    fclose(out);
    struct target_config config = { .url = "http://127.0.0.1/",
                                    .replay_path = log_path };
    struct target target;
    char error[TARGET_ERROR_MAX];
    check_int(target_init(&target, &config, error), 0, "%s", error);
    check_uint(target.n_templates, 3000);
    for (unsigned i = 0; i < 6000; i++)
        check_uint(target.replay.which[i], i % 3000, "line %u", i);
    target_free(&target);
    unlink(log_path);
}

static void a_log_that_is_wrong_is_refused_with_its_line(void **state)
{
    (void)state;
    static const struct {
        const char *text, *words;
    } cases[] = { { LINE("10", "/") "what?\n", ":2: there is no [time]" },
                  { "", "holds no GET or HEAD" } };
    for (size_t i = 0; i < TEST_COUNT(cases); i++) {
        write_log(cases[i].text);
        struct target_config config = { .url = "http://127.0.0.1/",
                                        .replay_path = log_path };
        struct target target;
        char error[TARGET_ERROR_MAX];
        check_true(target_init(&target, &config, error) < 0);
        check_not_null(strstr(error, cases[i].words), "%s", error);
        unlink(log_path);
    }
}

TEST_MAIN(test(a_line_is_a_time_and_a_request), test(a_line_of_another_kind_is_refused),
          test(requests_of_one_second_are_spread_over_it),
          test(many_requests_are_told_apart),
          test(a_log_that_is_wrong_is_refused_with_its_line))
