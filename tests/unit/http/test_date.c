/* SPDX-License-Identifier: MIT */
#include "server/http/date.h"

#include <errno.h>
#include <time.h>

#include "tests/test.h"

enum { NOW = 1700000000 }; /* 14 November 2023 */

static void the_three_forms_mean_the_same(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int64_t want;
    } cases[] = {
        { "Sun, 06 Nov 1994 08:49:37 GMT", 784111777 },
        { "Sunday, 06-Nov-94 08:49:37 GMT", 784111777 },
        { "Sun Nov  6 08:49:37 1994", 784111777 },
        { "Sun Nov 16 08:49:37 1994", 784975777 },
        { "Thu, 01 Jan 1970 00:00:00 GMT", 0 },
        { "Wed, 31 Dec 1969 23:59:59 GMT", -1 },
        { "Tue, 29 Feb 2000 00:00:00 GMT", 951782400 },
        { "Thu, 29 Feb 2024 12:00:00 GMT", 1709208000 },
        { "Fri, 31 Dec 9999 23:59:59 GMT", 253402300799 },
        { "Sat, 31 Dec 2016 23:59:60 GMT", 1483228800 },
        /* two digits: at most fifty years ahead of now */
        { "Sunday, 01-Jan-73 00:00:00 GMT", 3250454400 },
        { "Tuesday, 01-Jan-74 00:00:00 GMT", 126230400 },
        { "Monday, 01-Jan-24 00:00:00 GMT", 1704067200 },
    };
    for (size_t i = 0; i < TEST_COUNT(cases); i++) {
        int64_t s = -77;
        check_int(date_parse(span_of(cases[i].text), NOW, &s), 0, "%s", cases[i].text);
        check_int(s, cases[i].want, "%s", cases[i].text);
    }
}

static void what_is_no_date_is_refused(void **state)
{
    (void)state;
    static const char *const cases[] = {
        "",
        "?",
        "0",
        "now",
        "Sun, 06 Nov 1994 08:49:37",
        "Sun, 06 Nov 1994 08:49:37 UTC",
        "Sun, 06 Nov 1994 08:49:37 GMT ",
        " Sun, 06 Nov 1994 08:49:37 GMT",
        "sun, 06 nov 1994 08:49:37 gmt",
        "Xyz, 06 Nov 1994 08:49:37 GMT",
        "Sun, 6 Nov 1994 08:49:37 GMT",
        "Sun, 06 Nov 94 08:49:37 GMT",
        "Sun, 00 Nov 1994 08:49:37 GMT",
        "Sun, 31 Nov 1994 08:49:37 GMT",
        "Sun, 29 Feb 1900 08:49:37 GMT",
        "Sun, 29 Feb 2023 08:49:37 GMT",
        "Sun, 06 Nov 1994 24:00:00 GMT",
        "Sun, 06 Nov 1994 08:60:00 GMT",
        "Sun, 06 Nov 1994 08:49:61 GMT",
        "Sun, 06 Nov 1994 8:49:37 GMT",
        "Sunday, 06-Nov-1994 08:49:37 GMT",
        "Sun, 06-Nov-94 08:49:37 GMT",
        "Sun Nov 06 08:49:37 1994 GMT",
        "Sun Nov 6 08:49:37 1994",
        "Sun, 06 Nov 1994 08:49:37 GMT, Sun, 06 Nov 1994 08:49:37 GMT",
    };
    for (size_t i = 0; i < TEST_COUNT(cases); i++) {
        int64_t s = -77;
        check_int(date_parse(span_of(cases[i]), NOW, &s), -EINVAL, "'%s'", cases[i]);
        check_int(s, -77, "untouched: '%s'", cases[i]);
    }
}

/* libc is the oracle; the step is a prime number of seconds, so all fields move. */
static void dates_agree_with_libc_and_read_back(void **state)
{
    (void)state;
    for (int64_t s = 0; s < 253402300800; s += 7777781) {
        char got[DATE_LEN], want[64];
        time_t t = (time_t)s;
        struct tm tm;
        int64_t back = -1;
        gmtime_r(&t, &tm);
        strftime(want, sizeof want, "%a, %d %b %Y %H:%M:%S GMT", &tm);
        date_format(got, s);
        check_mem(got, sizeof got, want, strlen(want), "%lld", (long long)s);
        check_int(date_parse((struct span){ got, sizeof got }, NOW, &back), 0, "%s",
                  want);
        check_int(back, s, "%s", want);
    }
}

static void dates_out_of_range_are_clamped(void **state)
{
    (void)state;
    char to[DATE_LEN];
    date_format(to, -1);
    check_mem(to, DATE_LEN, "Thu, 01 Jan 1970 00:00:00 GMT", DATE_LEN);
    date_format(to, INT64_MAX);
    check_mem(to, DATE_LEN, "Fri, 31 Dec 9999 23:59:59 GMT", DATE_LEN);
}

TEST_MAIN(test(the_three_forms_mean_the_same), test(what_is_no_date_is_refused),
          test(dates_agree_with_libc_and_read_back),
          test(dates_out_of_range_are_clamped))
