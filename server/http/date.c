/* SPDX-License-Identifier: MIT */
/* date.c - civil dates by arithmetic.
 *
 * Days are counted in years that begin in March, so that the leap day is the last one
 * of its year: H. Hinnant, "chrono-compatible low-level date algorithms" (2013).
 */
#include "server/http/date.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>

static const char day_names[] = "SunMonTueWedThuFriSat";
static const char month_names[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
static const char *const long_days[] = { "Sunday",   "Monday", "Tuesday", "Wednesday",
                                         "Thursday", "Friday", "Saturday" };

enum { DAY_S = 86400, ERA_DAYS = 146097, EPOCH_SHIFT = 719468 };
#define DATE_MAX INT64_C(253402300799) /* the end of 9999 */

struct civil {
    int64_t year;
    int month, day; /* from 1 */
    int hour, minute, second;
};

static int64_t days_from_civil(int64_t year, int month, int day)
{
    year -= month <= 2;
    int64_t era = (year >= 0 ? year : year - 399) / 400;
    int64_t of_era = year - era * 400;
    int64_t of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
    return era * ERA_DAYS + of_era * 365 + of_era / 4 - of_era / 100 + of_year -
           EPOCH_SHIFT;
}

/* For days since 1970 that are not negative. */
static void civil_from_days(int64_t days, struct civil *ret)
{
    days += EPOCH_SHIFT;
    int64_t era = days / ERA_DAYS;
    int64_t doe = days % ERA_DAYS;
    int64_t yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365;
    int64_t doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
    int64_t mp = (5 * doy + 2) / 153;

    ret->day = (int)(doy - (153 * mp + 2) / 5 + 1);
    ret->month = (int)(mp < 10 ? mp + 3 : mp - 9);
    ret->year = yoe + era * 400 + (ret->month <= 2);
}

static char *put2(char *to, int v)
{
    to[0] = (char)('0' + v / 10);
    to[1] = (char)('0' + v % 10);
    return to + 2;
}

static char *put_bytes(char *to, const char *from, size_t n)
{
    memcpy(to, from, n);
    return to + n;
}

void date_format(char *to, int64_t s)
{
    s = s < 0 ? 0 : s > DATE_MAX ? DATE_MAX : s;
    struct civil c;
    int64_t days = s / DAY_S;
    int in_day = (int)(s % DAY_S);

    civil_from_days(days, &c);
    to = put_bytes(to, day_names + 3 * ((days + 4) % 7), 3);
    to = put_bytes(to, ", ", 2);
    to = put2(to, c.day);
    *to++ = ' ';
    to = put_bytes(to, month_names + 3 * (c.month - 1), 3);
    *to++ = ' ';
    to = put2(to, (int)(c.year / 100));
    to = put2(to, (int)(c.year % 100));
    *to++ = ' ';
    to = put2(to, in_day / 3600);
    *to++ = ':';
    to = put2(to, in_day / 60 % 60);
    *to++ = ':';
    to = put2(to, in_day % 60);
    put_bytes(to, " GMT", 4);
}

/* --- parsing: each reader takes something off the front of the text, or says no --- */

static bool take(struct span *text, struct span what)
{
    if (!span_starts(*text, what)) {
        return false;
    }
    *text = span_skip(*text, what.n);
    return true;
}

static bool take_number(struct span *text, size_t digits, int *ret)
{
    int v = 0;

    if (text->n < digits) {
        return false;
    }
    for (size_t i = 0; i < digits; i++) {
        char c = text->p[i];
        if (c < '0' || c > '9') {
            return false;
        }
        v = v * 10 + (c - '0');
    }
    *text = span_skip(*text, digits);
    *ret = v;
    return true;
}

/* One of the three-letter names in `names`; its index. */
static bool take_name(struct span *text, const char *names, size_t count, int *ret)
{
    for (size_t i = 0; i < count; i++) {
        if (take(text, (struct span){ names + 3 * i, 3 })) {
            *ret = (int)i;
            return true;
        }
    }
    return false;
}

static bool take_month(struct span *text, struct civil *c)
{
    if (!take_name(text, month_names, 12, &c->month)) {
        return false;
    }
    c->month++;
    return true;
}

static bool take_time(struct span *text, struct civil *c)
{
    return take_number(text, 2, &c->hour) && take(text, SPAN(":")) &&
           take_number(text, 2, &c->minute) && take(text, SPAN(":")) &&
           take_number(text, 2, &c->second);
}

static bool take_year(struct span *text, struct civil *c)
{
    int year;

    if (!take_number(text, 4, &year)) {
        return false;
    }
    c->year = year;
    return true;
}

/* "Sun, 06 Nov 1994 08:49:37 GMT", behind the day name */
static bool parse_imf(struct span text, struct civil *c)
{
    return take(&text, SPAN(", ")) && take_number(&text, 2, &c->day) &&
           take(&text, SPAN(" ")) && take_month(&text, c) && take(&text, SPAN(" ")) &&
           take_year(&text, c) && take(&text, SPAN(" ")) && take_time(&text, c) &&
           take(&text, SPAN(" GMT")) && text.n == 0;
}

/* "Sun Nov  6 08:49:37 1994", behind the day name */
static bool parse_asctime(struct span text, struct civil *c)
{
    if (!take(&text, SPAN(" ")) || !take_month(&text, c) || !take(&text, SPAN(" "))) {
        return false;
    }
    size_t digits = take(&text, SPAN(" ")) ? 1 : 2;
    return take_number(&text, digits, &c->day) && take(&text, SPAN(" ")) &&
           take_time(&text, c) && take(&text, SPAN(" ")) && take_year(&text, c) &&
           text.n == 0;
}

/* "Sunday, 06-Nov-94 08:49:37 GMT", all of it */
static bool parse_rfc850(struct span text, int64_t now_s, struct civil *c)
{
    struct civil now;
    int year;
    size_t i = 0;

    while (i < 7 && !take(&text, span_of(long_days[i]))) {
        i++;
    }
    if (i == 7 || !take(&text, SPAN(", ")) || !take_number(&text, 2, &c->day) ||
        !take(&text, SPAN("-")) || !take_month(&text, c) || !take(&text, SPAN("-")) ||
        !take_number(&text, 2, &year) || !take(&text, SPAN(" ")) ||
        !take_time(&text, c) || !take(&text, SPAN(" GMT")) || text.n != 0) {
        return false;
    }
    civil_from_days(now_s < 0 ? 0 : now_s / DAY_S, &now);
    c->year = now.year - now.year % 100 + year;
    if (c->year > now.year + 50) {
        c->year -= 100;
    } else if (c->year <= now.year - 50) {
        c->year += 100;
    }
    return true;
}

static bool in_calendar(const struct civil *c)
{
    static const int days[] = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };
    bool leap = c->year % 4 == 0 && (c->year % 100 != 0 || c->year % 400 == 0);
    int last = days[c->month - 1] + (leap && c->month == 2);

    return c->day >= 1 && c->day <= last && c->hour <= 23 && c->minute <= 59 &&
           c->second <= 60; /* a leap second */
}

int date_parse(struct span text, int64_t now_s, int64_t *ret_s)
{
    struct civil c = { 0 };
    struct span rest = text;
    int day;

    bool ok = take_name(&rest, day_names, 7, &day) &&
              (parse_imf(rest, &c) || parse_asctime(rest, &c));
    if ((!ok && !parse_rfc850(text, now_s, &c)) || !in_calendar(&c)) {
        return -EINVAL;
    }
    *ret_s = days_from_civil(c.year, c.month, c.day) * DAY_S + c.hour * 3600 +
             c.minute * 60 + c.second;
    return 0;
}
