/* SPDX-License-Identifier: MIT */
#include "server/http/response.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "server/http/request.h"
#include "tests/test.h"

#define S "Server: cowshed\r\n"

static const struct response_meta full = {
    .status = 200,
    .type = { "text/plain", 10 },
    .etag = { "\"e\"", 3 },
    .mtime_s = 784111777,
    .length = 1234,
    .ranges = true,
};

static void heads_say_what_their_status_allows(void **state)
{
    (void)state;
    struct response_meta part = full, same = full, none = full, moved = { 0 },
                         bare = { 0 };
    part.status = 206;
    part.part = (struct range){ 1000, 234 };
    same.status = 304;
    none.status = 416;
    moved.status = 301;
    moved.location = SPAN("/a/");
    bare.status = 200;
    bare.more = SPAN("X: y\r\n");
    const struct {
        const struct response_meta *meta;
        const char *want;
    } cases[] = {
        { &full, "HTTP/1.1 200 OK\r\n" S "Content-Type: text/plain\r\n"
                 "Content-Length: 1234\r\n"
                 "Last-Modified: Sun, 06 Nov 1994 08:49:37 GMT\r\nETag: \"e\"\r\n"
                 "Accept-Ranges: bytes\r\n" },
        { &part, "HTTP/1.1 206 Partial Content\r\n" S "Content-Type: text/plain\r\n"
                 "Content-Range: bytes 1000-1233/1234\r\nContent-Length: 234\r\n"
                 "Last-Modified: Sun, 06 Nov 1994 08:49:37 GMT\r\nETag: \"e\"\r\n"
                 "Accept-Ranges: bytes\r\n" },
        { &same, "HTTP/1.1 304 Not Modified\r\n" S
                 "Last-Modified: Sun, 06 Nov 1994 08:49:37 GMT\r\nETag: \"e\"\r\n" },
        { &none, "HTTP/1.1 416 Range Not Satisfiable\r\n" S
                 "Content-Range: bytes */1234\r\nContent-Length: 0\r\n"
                 "Last-Modified: Sun, 06 Nov 1994 08:49:37 GMT\r\nETag: \"e\"\r\n"
                 "Accept-Ranges: bytes\r\n" },
        { &moved, "HTTP/1.1 301 Moved Permanently\r\n" S
                  "Content-Length: 0\r\nLocation: /a/\r\n" },
        { &bare, "HTTP/1.1 200 OK\r\n" S "Content-Length: 0\r\nX: y\r\n" },
    };
    for (size_t i = 0; i < TEST_COUNT(cases); i++) {
        char to[RESPONSE_HEAD_MAX];
        struct response_head head;
        check_int(response_format(to, sizeof to, cases[i].meta, &head), 0);
        check_mem(to, head.n, cases[i].want, strlen(cases[i].want), "status %u",
                  cases[i].meta->status);
        if (head.etag.n > 0) {
            check_span(head.etag, "\"e\"");
            check_true(head.etag.p > to && head.etag.p + head.etag.n < to + head.n);
        }
        if (head.type.n > 0) {
            check_span(head.type, "text/plain");
        }
    }
}

/* Memory of exactly the size, so that a sanitizer sees one byte too many. */
static void a_head_fits_to_the_byte_or_not_at_all(void **state)
{
    (void)state;
    char to[RESPONSE_HEAD_MAX];
    struct response_head head;
    check_int(response_format(to, sizeof to, &full, &head), 0);
    for (size_t room = 0; room <= head.n; room++) {
        char *exact = malloc(room + (room == 0));
        struct response_head got;
        check_int(response_format(exact, room, &full, &got),
                  room < head.n ? -ENOBUFS : 0, "room %zu", room);
        free(exact);
    }
}

static void numbers_are_written_to_the_last_digit(void **state)
{
    (void)state;
    struct response_meta meta = { .status = 200, .length = UINT64_MAX };
    char to[RESPONSE_HEAD_MAX];
    struct response_head head;
    check_int(response_format(to, sizeof to, &meta, &head), 0);
    check_mem(
        to, head.n, "HTTP/1.1 200 OK\r\n" S "Content-Length: 18446744073709551615\r\n",
        strlen("HTTP/1.1 200 OK\r\n" S "Content-Length: 18446744073709551615\r\n"));
}

static void errors_explain_themselves(void **state)
{
    (void)state;
    struct response_error e;
    response_error(405, SPAN(""), &e);
    check_span(e.head,
               "HTTP/1.1 405 Method Not Allowed\r\n" S
               "Content-Type: text/html; charset=utf-8\r\nContent-Length: 86\r\n"
               "Allow: GET, HEAD\r\n");
    check_span(e.body, "<!doctype html>\n<title>405 Method Not Allowed</title>\n"
                       "<h1>405 Method Not Allowed</h1>\n");
    response_error(503, SPAN("X: y\r\n"), &e);
    check_true(memmem(e.head.p, e.head.n, "\r\nRetry-After: 1\r\nX: y\r\n", 24) !=
               NULL);
    response_error(599, SPAN(""), &e);
    check_true(span_starts(e.head, SPAN("HTTP/1.1 599 Unknown\r\n")));
}

static void every_error_states_its_length_and_has_room(void **state)
{
    (void)state;
    static const unsigned statuses[] = {
#define STATUS(code, reason, fields) code,

#include "server/http/statuses.def"
#undef STATUS
    };
    char more[257];
    memset(more, 'x', sizeof more);
    for (size_t i = 0; i < TEST_COUNT(statuses); i++) {
        struct response_error e;
        char length[64];
        response_error(statuses[i], (struct span){ more, 256 }, &e);
        snprintf(length, sizeof length, "\r\nContent-Length: %zu\r\n", e.body.n);
        check_true(memmem(e.head.p, e.head.n, length, strlen(length)) != NULL, "%u",
                   statuses[i]);
        check_true(span_ends(e.head, (struct span){ more, 256 }), "%u", statuses[i]);
        response_error(statuses[i], (struct span){ more, 257 }, &e);
        check_true(span_ends(e.head, SPAN("\r\n")), "too much is left out: %u",
                   statuses[i]);
    }
}

static void the_tail_is_that_of_its_second(void **state)
{
    (void)state;
    struct response_clock clock = { 0 };
    static const struct {
        int64_t s;
        enum response_connection how;
        const char *want;
    } cases[] = {
        { 0, RESPONSE_KEEP, "Date: Thu, 01 Jan 1970 00:00:00 GMT\r\n\r\n" },
        { 784111777, RESPONSE_KEEP, "Date: Sun, 06 Nov 1994 08:49:37 GMT\r\n\r\n" },
        { 784111777, RESPONSE_CLOSE,
          "Date: Sun, 06 Nov 1994 08:49:37 GMT\r\nConnection: close\r\n\r\n" },
        { 784111778, RESPONSE_KEEP_10,
          "Date: Sun, 06 Nov 1994 08:49:38 GMT\r\nConnection: keep-alive\r\n\r\n" },
        { 784111777, RESPONSE_KEEP, "Date: Sun, 06 Nov 1994 08:49:37 GMT\r\n\r\n" },
    };
    for (size_t i = 0; i < TEST_COUNT(cases); i++) {
        check_span(response_tail(&clock, cases[i].s, cases[i].how), cases[i].want);
    }
}

static void a_connection_lives_when_both_want_it(void **state)
{
    (void)state;
    check_int(response_connection(1, true, false), RESPONSE_KEEP);
    check_int(response_connection(0, true, false), RESPONSE_KEEP_10);
    check_int(response_connection(1, false, false), RESPONSE_CLOSE);
    check_int(response_connection(0, true, true), RESPONSE_CLOSE);
    check_int(response_connection(1, true, true), RESPONSE_CLOSE);
}

static void tags_and_timings_have_room_for_the_largest(void **state)
{
    (void)state;
    char tag[RESPONSE_ETAG_MAX], line[RESPONSE_TIMING_MAX];
    check_span(response_etag(tag, 0x1234, 0), "\"1234-0\"");
    check_span(response_etag(tag, -1, UINT64_MAX),
               "\"ffffffffffffffff-ffffffffffffffff\"");
    struct response_timing t = { 3, 12, 1234567, 999, 7, 10000000, "hit" };
    size_t n = response_timing(line, &t);
    check_span(((struct span){ line, n }),
               "Server-Timing: w;desc=\"3.12\", q;dur=1.234, gc;dur=0.000, "
               "cow;desc=\"7\", app;dur=10.000, cache;desc=hit\r\n");
    t = (struct response_timing){ UINT32_MAX, UINT32_MAX, UINT64_MAX,   UINT64_MAX,
                                  UINT64_MAX, UINT64_MAX, "revalidated" };
    check_true(response_timing(line, &t) <= sizeof line);
}

TEST_MAIN(test(heads_say_what_their_status_allows),
          test(a_head_fits_to_the_byte_or_not_at_all),
          test(numbers_are_written_to_the_last_digit), test(errors_explain_themselves),
          test(every_error_states_its_length_and_has_room),
          test(the_tail_is_that_of_its_second),
          test(a_connection_lives_when_both_want_it),
          test(tags_and_timings_have_room_for_the_largest))
