/* SPDX-License-Identifier: MIT */
#include "server/http/range.h"

#include "server/http/request.h"
#include "server/http/response.h"
#include "tests/test.h"

static void one_range_of_bytes_is_honoured(void **state)
{
    (void)state;
    static const struct {
        const char *value;
        uint64_t size;
        enum range_kind want;
        struct range range;
    } cases[] = {
        { "bytes=0-0", 10, RANGE_PART, { 0, 1 } },
        { "bytes=0-9", 10, RANGE_PART, { 0, 10 } },
        { "bytes=0-10", 10, RANGE_PART, { 0, 10 } },
        { "bytes=9-", 10, RANGE_PART, { 9, 1 } },
        { "bytes=10-", 10, RANGE_NONE, { 0, 0 } },
        { "bytes=10-20", 10, RANGE_NONE, { 0, 0 } },
        { "bytes=3-5", 10, RANGE_PART, { 3, 3 } },
        { "Bytes=3-5", 10, RANGE_PART, { 3, 3 } },
        { "bytes=-1", 10, RANGE_PART, { 9, 1 } },
        { "bytes=-10", 10, RANGE_PART, { 0, 10 } },
        { "bytes=-11", 10, RANGE_PART, { 0, 10 } },
        { "bytes=-0", 10, RANGE_NONE, { 0, 0 } },
        { "bytes=0-", 0, RANGE_NONE, { 0, 0 } },
        { "bytes=-5", 0, RANGE_NONE, { 0, 0 } },
        { "bytes=0-99999999999999999999999", 10, RANGE_PART, { 0, 10 } },
        { "bytes=99999999999999999999999-", 10, RANGE_NONE, { 0, 0 } },
        { "bytes=-99999999999999999999999", 10, RANGE_PART, { 0, 10 } },
        { "bytes=0-18446744073709551615", 10, RANGE_PART, { 0, 10 } },
        { "bytes=5-", UINT64_C(1) << 63, RANGE_PART, { 5, (UINT64_C(1) << 63) - 5 } },
        /* ignored */
        { "bytes=5-4", 10, RANGE_WHOLE, { 0, 0 } },
        { "bytes=0-1,3-4", 10, RANGE_WHOLE, { 0, 0 } },
        { "bytes=", 10, RANGE_WHOLE, { 0, 0 } },
        { "bytes=-", 10, RANGE_WHOLE, { 0, 0 } },
        { "bytes=a-b", 10, RANGE_WHOLE, { 0, 0 } },
        { "bytes=1", 10, RANGE_WHOLE, { 0, 0 } },
        { "bytes=1-2-3", 10, RANGE_WHOLE, { 0, 0 } },
        { "bytes=+1-2", 10, RANGE_WHOLE, { 0, 0 } },
        { "bytes=--2", 10, RANGE_WHOLE, { 0, 0 } },
        { "bytes 0-1", 10, RANGE_WHOLE, { 0, 0 } },
        { "items=0-1", 10, RANGE_WHOLE, { 0, 0 } },
        { "?", 10, RANGE_WHOLE, { 0, 0 } },
        { "", 10, RANGE_WHOLE, { 0, 0 } },
    };
    for (size_t i = 0; i < TEST_COUNT(cases); i++) {
        struct range r = { 0, 0 };
        check_int(range_parse(span_of(cases[i].value), cases[i].size, &r),
                  cases[i].want, "'%s' of %ju", cases[i].value,
                  (uintmax_t)cases[i].size);
        check_uint(r.first, cases[i].range.first, "'%s'", cases[i].value);
        check_uint(r.length, cases[i].range.length, "'%s'", cases[i].value);
    }
}

static void if_range_needs_the_very_same(void **state)
{
    (void)state;
    static const struct {
        const char *value, *etag;
        int64_t mtime_s;
        enum range_kind want;
    } cases[] = {
        { NULL, "\"a\"", 784111777, RANGE_PART },
        { "\"a\"", "\"a\"", 784111777, RANGE_PART },
        { "\"b\"", "\"a\"", 784111777, RANGE_WHOLE },
        { "W/\"a\"", "W/\"a\"", 784111777, RANGE_WHOLE },
        { "\"a\"", "W/\"a\"", 784111777, RANGE_WHOLE },
        { "\"\"", "", 784111777, RANGE_WHOLE },
        { "Sun, 06 Nov 1994 08:49:37 GMT", "\"a\"", 784111777, RANGE_PART },
        { "Sun, 06 Nov 1994 08:49:38 GMT", "\"a\"", 784111777, RANGE_WHOLE },
        { "Thu, 01 Jan 1970 00:00:00 GMT", "\"a\"", 0, RANGE_WHOLE },
        { "?", "\"a\"", 784111777, RANGE_WHOLE },
        { "", "", 784111777, RANGE_WHOLE },
    };
    for (size_t i = 0; i < TEST_COUNT(cases); i++) {
        struct request req = { .method = METHOD_GET };
        struct response_meta meta = { .etag = span_of(cases[i].etag),
                                      .mtime_s = cases[i].mtime_s,
                                      .length = 10 };
        struct range r;
        req.field[FIELD_RANGE] = SPAN("bytes=1-2");
        if (cases[i].value != NULL) {
            req.field[FIELD_IF_RANGE] = span_of(cases[i].value);
        }
        check_int(range_of(&req, &meta, &r), cases[i].want, "If-Range: %s, ETag: %s",
                  cases[i].value != NULL ? cases[i].value : "none", cases[i].etag);
    }
}

static void only_get_has_ranges(void **state)
{
    (void)state;
    struct request req = { .method = METHOD_HEAD };
    struct response_meta meta = { .length = 10 };
    struct range r;
    req.field[FIELD_RANGE] = SPAN("bytes=1-2");
    check_int(range_of(&req, &meta, &r), RANGE_WHOLE, "HEAD");
    req.method = METHOD_GET;
    check_int(range_of(&req, &meta, &r), RANGE_PART, "GET");
    req.field[FIELD_RANGE] = (struct span){ 0 };
    check_int(range_of(&req, &meta, &r), RANGE_WHOLE, "no Range");
}

TEST_MAIN(test(one_range_of_bytes_is_honoured), test(if_range_needs_the_very_same),
          test(only_get_has_ranges))
