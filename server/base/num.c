/* SPDX-License-Identifier: MIT */
/* num.c - strict numbers: every digit and every multiplication is checked. */
#include "server/base/num.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "server/base/clock.h"

struct unit {
    const char *name;
    uint64_t factor;
};

/* Largest first: the formatters take the first that fits. */
static const struct unit size_units[] = {
    { "t", UINT64_C(1) << 40 },
    { "g", UINT64_C(1) << 30 },
    { "m", UINT64_C(1) << 20 },
    { "k", UINT64_C(1) << 10 },
};

static const struct unit time_units[] = {
    { "d", 86400 * CLOCK_NS_PER_S },
    { "h", 3600 * CLOCK_NS_PER_S },
    { "m", 60 * CLOCK_NS_PER_S },
    { "s", CLOCK_NS_PER_S },
    { "ms", CLOCK_NS_PER_MS },
    { "us", CLOCK_NS_PER_US },
    { "ns", 1 },
};

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* Cuts the leading digits off *s.  More digits than fit are still digits: they are
 * read to the end, and the answer is -ERANGE. */
static int take_digits(struct span *s, uint64_t *ret_value)
{
    uint64_t value = 0;
    bool overflow = false;
    size_t n = 0;

    for (; n < s->n && is_digit(s->p[n]); n++) {
        overflow |= __builtin_mul_overflow(value, UINT64_C(10), &value);
        overflow |= __builtin_add_overflow(value, (uint64_t)(s->p[n] - '0'), &value);
    }
    if (n == 0)
        return -EINVAL;
    *s = span_skip(*s, n);
    *ret_value = value;
    return overflow ? -ERANGE : 0;
}

static int in_range(uint64_t value, uint64_t min, uint64_t max, uint64_t *ret_value)
{
    if (value < min || value > max)
        return -ERANGE;
    *ret_value = value;
    return 0;
}

int num_parse_u64(struct span s, uint64_t min, uint64_t max, uint64_t *ret_value)
{
    uint64_t value = 0;
    int err = take_digits(&s, &value);

    if (err == -EINVAL || s.n != 0)
        return -EINVAL;
    return err != 0 ? err : in_range(value, min, max, ret_value);
}

int num_parse_i64(struct span s, int64_t min, int64_t max, int64_t *ret_value)
{
    bool negative = span_starts(s, SPAN("-"));
    uint64_t limit = negative ? (uint64_t)INT64_MAX + 1 : (uint64_t)INT64_MAX;
    uint64_t magnitude = 0;
    int err = num_parse_u64(span_skip(s, negative ? 1 : 0), 0, limit, &magnitude);

    if (err != 0)
        return err;
    int64_t value;
    if (!negative)
        value = (int64_t)magnitude;
    else if (magnitude == limit)
        value = INT64_MIN;
    else
        value = -(int64_t)magnitude;
    if (value < min || value > max)
        return -ERANGE;
    *ret_value = value;
    return 0;
}

/* digits, or digits '.' digits, with one '-' in front */
static bool looks_decimal(struct span s)
{
    struct span whole, fraction;

    if (span_starts(s, SPAN("-")))
        s = span_skip(s, 1);
    bool point = span_cut(s, '.', &whole, &fraction);
    if (whole.n == 0 || (point && fraction.n == 0))
        return false;
    for (size_t i = 0; i < whole.n; i++) {
        if (!is_digit(whole.p[i]))
            return false;
    }
    for (size_t i = 0; i < fraction.n; i++) {
        if (!is_digit(fraction.p[i]))
            return false;
    }
    return true;
}

int num_parse_double(struct span s, double min, double max, double *ret_value)
{
    char text[64];

    if (!looks_decimal(s) || span_to_cstr(s, text, sizeof text) != 0)
        return -EINVAL;
    /* No program here calls setlocale(): the point is a point. */
    double value = strtod(text, NULL);
    if (!(value >= min && value <= max))
        return -ERANGE;
    *ret_value = value;
    return 0;
}

static int hex_digit(char c)
{
    if (is_digit(c))
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

int num_parse_hex(struct span s, uint64_t max, uint64_t *ret_value)
{
    uint64_t value = 0;

    if (s.n == 0)
        return -EINVAL;
    for (size_t i = 0; i < s.n; i++) {
        if (hex_digit(s.p[i]) < 0)
            return -EINVAL;
    }
    if (s.n > 16)
        return -ERANGE;
    for (size_t i = 0; i < s.n; i++)
        value = value << 4 | (uint64_t)hex_digit(s.p[i]);
    return in_range(value, 0, max, ret_value);
}

static const struct unit *find_unit(const struct unit *units, size_t n,
                                    struct span name)
{
    for (size_t i = 0; i < n; i++) {
        if (span_eq_nocase(name, span_of(units[i].name)))
            return &units[i];
    }
    return NULL;
}

static int scaled(uint64_t value, int digits_err, uint64_t factor, uint64_t min,
                  uint64_t max, uint64_t *ret_value)
{
    if (digits_err != 0 || __builtin_mul_overflow(value, factor, &value))
        return -ERANGE;
    return in_range(value, min, max, ret_value);
}

int num_parse_size(struct span s, uint64_t min, uint64_t max, uint64_t *ret_bytes)
{
    uint64_t value = 0;
    int err = take_digits(&s, &value);
    const struct unit *unit = find_unit(size_units, COUNT(size_units), s);

    if (err == -EINVAL || (s.n > 0 && unit == NULL))
        return -EINVAL;
    return scaled(value, err, s.n > 0 ? unit->factor : 1, min, max, ret_bytes);
}

int num_parse_time(struct span s, uint64_t bare_unit_ns, uint64_t min_ns,
                   uint64_t max_ns, uint64_t *ret_ns)
{
    uint64_t value = 0;
    int err = take_digits(&s, &value);
    const struct unit *unit = find_unit(time_units, COUNT(time_units), s);

    if (err == -EINVAL || (s.n > 0 && unit == NULL))
        return -EINVAL;
    if (s.n == 0 && bare_unit_ns == 0 && (err != 0 || value != 0))
        return -EINVAL;
    return scaled(value, err, s.n > 0 ? unit->factor : bare_unit_ns, min_ns, max_ns,
                  ret_ns);
}

static char *format_exact(char *out, uint64_t value, const struct unit *units, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (value != 0 && value % units[i].factor == 0) {
            snprintf(out, NUM_TEXT_MAX, "%llu%s",
                     (unsigned long long)(value / units[i].factor), units[i].name);
            return out;
        }
    }
    snprintf(out, NUM_TEXT_MAX, "%llu", (unsigned long long)value);
    return out;
}

char *num_format_size(char out[NUM_TEXT_MAX], uint64_t bytes)
{
    return format_exact(out, bytes, size_units, COUNT(size_units));
}

char *num_format_time(char out[NUM_TEXT_MAX], uint64_t ns)
{
    return format_exact(out, ns, time_units, COUNT(time_units));
}

static char *format_human(char *out, uint64_t value, const struct unit *units, size_t n,
                          const char *bare)
{
    for (size_t i = 0; i < n; i++) {
        double x = (double)value / (double)units[i].factor;

        if (value < units[i].factor || units[i].factor == 1)
            continue;
        snprintf(out, NUM_TEXT_MAX, "%.*f%s",
                 x < 10    ? 2
                 : x < 100 ? 1
                           : 0,
                 x, units[i].name);
        return out;
    }
    snprintf(out, NUM_TEXT_MAX, "%llu%s", (unsigned long long)value, bare);
    return out;
}

char *num_human_size(char out[NUM_TEXT_MAX], uint64_t bytes)
{
    return format_human(out, bytes, size_units, COUNT(size_units), "");
}

char *num_human_time(char out[NUM_TEXT_MAX], uint64_t ns)
{
    return format_human(out, ns, time_units, COUNT(time_units), "ns");
}
