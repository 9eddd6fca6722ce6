/* SPDX-License-Identifier: MIT */
#include "server/http/conditional.h"

#include "server/http/request.h"
#include "server/http/response.h"
#include "tests/test.h"

#define BEFORE "Sun, 06 Nov 1994 08:49:36 GMT"
#define SAME   "Sun, 06 Nov 1994 08:49:37 GMT"
#define AFTER  "Sun, 06 Nov 1994 08:49:38 GMT"

static void tags_are_found_in_lists(void **state)
{
    (void)state;
    static const struct {
        const char *list, *etag;
        bool weak, strong; /* wanted */
    } cases[] = {
        { "\"a\"", "\"a\"", true, true },
        { "\"b\"", "\"a\"", false, false },
        { "\"b\", \"a\"", "\"a\"", true, true },
        { "\"b\",\"a\",\"c\"", "\"a\"", true, true },
        { " , ,\"a\"\t,", "\"a\"", true, true },
        { "W/\"a\"", "\"a\"", true, false },
        { "\"a\"", "W/\"a\"", true, false },
        { "W/\"a\"", "W/\"a\"", true, false },
        { "W/\"a\", \"a\"", "\"a\"", true, true },
        { "*", "\"a\"", true, true },
        { " * ", "\"a\"", true, true },
        { "*", "", true, true },
        { "\"a,b\"", "\"a,b\"", true, true },
        { "\"a\\\"", "\"a\\\"", true, true }, /* no escapes in tags */
        { "\"\"", "\"\"", true, true },
        { "\"A\"", "\"a\"", false, false },
        { "w/\"a\"", "\"a\"", false, false },
        { "a", "\"a\"", false, false },
        { "\"a", "\"a\"", false, false },
        { "\"", "\"a\"", false, false },
        { "W/", "\"a\"", false, false },
        { "\"b\" \"a\"", "\"a\"", false, false },
        { "\"a\"x", "\"a\"", false, false },
        { "x, \"a\"", "\"a\"", false, false },
        { "", "\"a\"", false, false },
        { "\"a\"", "", false, false },
    };
    for (size_t i = 0; i < TEST_COUNT(cases); i++) {
        struct span list = span_of(cases[i].list), etag = span_of(cases[i].etag);
        check_int(conditional_list_has(list, etag, false), cases[i].weak,
                  "weak: %s has %s", cases[i].list, cases[i].etag);
        check_int(conditional_list_has(list, etag, true), cases[i].strong,
                  "strong: %s has %s", cases[i].list, cases[i].etag);
    }
}

static void preconditions_follow_their_order(void **state)
{
    (void)state;
    static const struct {
        const char *match, *unmodified, *none_match, *modified;
        unsigned want;
    } cases[] = {
        { NULL, NULL, NULL, NULL, 200 },
        { "\"a\"", NULL, NULL, NULL, 200 },
        { "\"b\"", NULL, NULL, NULL, 412 },
        { "*", NULL, NULL, NULL, 200 },
        { NULL, BEFORE, NULL, NULL, 412 },
        { NULL, SAME, NULL, NULL, 200 },
        { NULL, AFTER, NULL, NULL, 200 },
        { NULL, "?", NULL, NULL, 200 },
        { NULL, NULL, "\"a\"", NULL, 304 },
        { NULL, NULL, "W/\"a\"", NULL, 304 },
        { NULL, NULL, "\"b\"", NULL, 200 },
        { NULL, NULL, "*", NULL, 304 },
        { NULL, NULL, NULL, BEFORE, 200 },
        { NULL, NULL, NULL, SAME, 304 },
        { NULL, NULL, NULL, AFTER, 304 },
        { NULL, NULL, NULL, "?", 200 },
        /* If-Match makes If-Unmodified-Since void, If-None-Match If-Modified-Since */
        { "\"a\"", BEFORE, NULL, NULL, 200 },
        { "\"b\"", AFTER, NULL, NULL, 412 },
        { NULL, NULL, "\"b\"", SAME, 200 },
        { NULL, NULL, "\"a\"", BEFORE, 304 },
        /* 412 comes before 304 */
        { "\"b\"", NULL, "\"a\"", NULL, 412 },
        { NULL, BEFORE, "\"a\"", NULL, 412 },
        { "\"a\"", NULL, "\"a\"", NULL, 304 },
        { NULL, SAME, NULL, SAME, 304 },
    };
    for (size_t i = 0; i < TEST_COUNT(cases); i++) {
        struct request req = { .method = METHOD_GET };
        struct response_meta meta = { .etag = SPAN("\"a\""), .mtime_s = 784111777 };
        const struct {
            enum request_field id;
            const char *value;
        } fields[] = { { FIELD_IF_MATCH, cases[i].match },
                       { FIELD_IF_UNMODIFIED_SINCE, cases[i].unmodified },
                       { FIELD_IF_NONE_MATCH, cases[i].none_match },
                       { FIELD_IF_MODIFIED_SINCE, cases[i].modified } };
        for (size_t f = 0; f < TEST_COUNT(fields); f++) {
            if (fields[f].value != NULL) {
                req.field[fields[f].id] = span_of(fields[f].value);
            }
        }
        check_uint(conditional_status(&req, &meta), cases[i].want, "case %zu", i);
    }
}

static void without_validators_there_is_nothing_to_compare(void **state)
{
    (void)state;
    struct request req = { .method = METHOD_GET };
    struct response_meta meta = { 0 };
    req.field[FIELD_IF_MODIFIED_SINCE] = SPAN(AFTER);
    check_uint(conditional_status(&req, &meta), 200, "no Last-Modified");
    req.field[FIELD_IF_UNMODIFIED_SINCE] = SPAN("Thu, 01 Jan 1970 00:00:00 GMT");
    check_uint(conditional_status(&req, &meta), 200, "no Last-Modified");
    req.field[FIELD_IF_NONE_MATCH] = SPAN("\"a\"");
    check_uint(conditional_status(&req, &meta), 200, "no ETag");
    req.field[FIELD_IF_MATCH] = SPAN("\"a\"");
    check_uint(conditional_status(&req, &meta), 412, "no ETag");
}

TEST_MAIN(test(tags_are_found_in_lists), test(preconditions_follow_their_order),
          test(without_validators_there_is_nothing_to_compare))
