/* SPDX-License-Identifier: MIT */
/* option_table.c - the table, and one value at a time. */
#include "server/conf/option_table.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "server/base/buf.h"
#include "server/base/check.h"
#include "server/base/clock.h"
#include "server/base/num.h"
#include "server/conf/options.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

#define SPELLING(constant, spelling) [constant] = spelling,
#define SPELLINGS(type, values) \
    static const char *const names_##type[] = { values(SPELLING) };
ENUMS(SPELLINGS)

#define NAME_FUNCTION(type, values)                                         \
    const char *option_name_##type(enum opt_##type value)                   \
    {                                                                       \
        CHECK((size_t)value < COUNT(names_##type));                         \
        return names_##type[value] != NULL ? names_##type[value] : "unset"; \
    }
ENUMS(NAME_FUNCTION)

#define DESC(label, k, f, w, h)                                       \
    .name = #label, .kind = k, .offset = offsetof(struct options, f), \
    .when = OPTION_##w, .help = h

#define RANGE(d, lo, hi) .def = (d), .min = (lo), .max = (hi)

#define STR(name, field, initial, when, help) \
    { DESC(name, OPTION_STR, field, when, help), .def_text = initial },
#define BOOL(name, field, initial, when, help) \
    { DESC(name, OPTION_BOOL, field, when, help), RANGE(initial, 0, 1) },
#define INT(name, field, initial, min, max, when, help) \
    { DESC(name, OPTION_INT, field, when, help), RANGE(initial, min, max) },
#define AUTO(name, field, max, when, help)                         \
    { DESC(name, OPTION_INT, field, when, help), RANGE(0, 0, max), \
      .word_for_0 = "auto" },
#define NUM(name, field, initial, min, max, when, help)                                \
    { DESC(name, OPTION_NUM, field, when, help), .def_real = initial, .min_real = min, \
      .max_real = max },
#define SIZE(name, field, initial, min, max, when, help) \
    { DESC(name, OPTION_SIZE, field, when, help), RANGE(initial, min, max) },
#define MSEC(name, field, initial, min, max, when, help) \
    { DESC(name, OPTION_MSEC, field, when, help), RANGE(initial, min, max) },
#define USEC(name, field, initial, min, max, when, help) \
    { DESC(name, OPTION_USEC, field, when, help), RANGE(initial, min, max) },
#define ENUM(name, field, type, initial, when, help)              \
    { DESC(name, OPTION_ENUM, field, when, help), .def = initial, \
      .values = names_##type, .values_n = COUNT(names_##type) },
#define KNOB(name, field, type, when, help)                     \
    { DESC(name, OPTION_ENUM, field, when, help), .knob = true, \
      .values = names_##type, .values_n = COUNT(names_##type) },
#define KINT(name, field, min, max, when, help)                \
    { DESC(name, OPTION_INT, field, when, help), .knob = true, \
      RANGE(OPTION_UNSET, min, max) },

const struct option_desc option_table[] = {
#include "server/conf/options.def"
};
const size_t option_count = COUNT(option_table);

/* All enums are stored and read as int. */
_Static_assert(sizeof(enum opt_mode) == sizeof(int), "enum fields are read as int");

const struct option_desc *option_find(const char *name)
{
    for (size_t i = 0; i < option_count; i++) {
        if (strcmp(option_table[i].name, name) == 0)
            return &option_table[i];
    }
    return NULL;
}

enum { NAME_MAX_COMPARED = 40 };

/* Levenshtein's distance; long names are as far as can be. */
static size_t distance(const char *a, const char *b)
{
    size_t row[NAME_MAX_COMPARED + 1];
    size_t n = strlen(b);

    if (n > NAME_MAX_COMPARED || strlen(a) > NAME_MAX_COMPARED)
        return NAME_MAX_COMPARED;
    for (size_t j = 0; j <= n; j++)
        row[j] = j;
    for (size_t i = 1; a[i - 1] != '\0'; i++) {
        size_t diagonal = row[0];

        row[0] = i;
        for (size_t j = 1; j <= n; j++) {
            size_t change = diagonal + (a[i - 1] != b[j - 1]);
            size_t best = row[j] < row[j - 1] ? row[j] + 1 : row[j - 1] + 1;

            diagonal = row[j];
            row[j] = change < best ? change : best;
        }
    }
    return row[n];
}

/* Both the whole name and the part behind the dot count: people forget the section. */
const char *option_nearest(const char *name)
{
    const char *best = NULL;
    size_t best_distance = strlen(name) < 6 ? 2 : 3;

    for (size_t i = 0; i < option_count; i++) {
        const char *dot = strchr(option_table[i].name, '.');
        size_t d = distance(name, option_table[i].name);

        if (dot != NULL && distance(name, dot + 1) < d)
            d = distance(name, dot + 1);
        if (d < best_distance) {
            best = option_table[i].name;
            best_distance = d;
        }
    }
    return best;
}

void *option_field(struct options *o, const struct option_desc *d)
{
    return (char *)o + d->offset;
}

const void *option_field_const(const struct options *o, const struct option_desc *d)
{
    return (const char *)o + d->offset;
}

static int64_t get_int(const struct options *o, const struct option_desc *d)
{
    return *(const int64_t *)option_field_const(o, d);
}

static const char *get_str(const struct options *o, const struct option_desc *d)
{
    return *(char *const *)option_field_const(o, d);
}

static bool get_bool(const struct options *o, const struct option_desc *d)
{
    return *(const bool *)option_field_const(o, d);
}

static double get_num(const struct options *o, const struct option_desc *d)
{
    return *(const double *)option_field_const(o, d);
}

int option_enum(const struct options *o, const struct option_desc *d)
{
    int value;

    CHECK(d->kind == OPTION_ENUM);
    memcpy(&value, option_field_const(o, d), sizeof value);
    return value;
}

static void set_enum(struct options *o, const struct option_desc *d, int value)
{
    memcpy(option_field(o, d), &value, sizeof value);
}

/* Strings stay NULL here: options_new() copies them, as that can fail. */
void option_set_default(struct options *o, const struct option_desc *d)
{
    switch (d->kind) {
    case OPTION_STR:
        break;
    case OPTION_BOOL:
        *(bool *)option_field(o, d) = d->def != 0;
        break;
    case OPTION_INT:
    case OPTION_SIZE:
    case OPTION_MSEC:
    case OPTION_USEC:
        *(int64_t *)option_field(o, d) = d->def;
        break;
    case OPTION_NUM:
        *(double *)option_field(o, d) = d->def_real;
        break;
    case OPTION_ENUM:
        set_enum(o, d, (int)d->def);
        break;
    }
}

static int parse_str(struct options *o, const struct option_desc *d, const char *text)
{
    char **field = option_field(o, d);

    if (text[0] == '\0' && d->def_text[0] != '\0')
        return -EINVAL;
    for (const char *p = text; *p != '\0'; p++) {
        if ((unsigned char)*p < 0x20 || *p == 0x7f)
            return -EINVAL;
    }
    char *copy = strdup(text);
    if (copy == NULL)
        return -ENOMEM;
    free(*field);
    *field = copy;
    return 0;
}

static int parse_bool(struct options *o, const struct option_desc *d, const char *text)
{
    bool on = strcmp(text, "on") == 0;

    if (!on && strcmp(text, "off") != 0)
        return -EINVAL;
    *(bool *)option_field(o, d) = on;
    return 0;
}

static int parse_enum(struct options *o, const struct option_desc *d, const char *text)
{
    for (size_t i = 1; i < d->values_n; i++) {
        if (strcmp(d->values[i], text) == 0) {
            set_enum(o, d, (int)i);
            return 0;
        }
    }
    return -EINVAL;
}

static uint64_t unit_ns(const struct option_desc *d)
{
    return d->kind == OPTION_MSEC ? CLOCK_NS_PER_MS : CLOCK_NS_PER_US;
}

static int parse_time(const struct option_desc *d, struct span text,
                      uint64_t *ret_value)
{
    uint64_t ns = 0;
    int err = num_parse_time(text, 0, 0, UINT64_MAX, &ns);

    if (err != 0)
        return err;
    if (ns % unit_ns(d) != 0)
        return -EINVAL;
    ns /= unit_ns(d);
    if (ns < (uint64_t)d->min || ns > (uint64_t)d->max)
        return -ERANGE;
    *ret_value = ns;
    return 0;
}

/* INT, SIZE, MSEC, USEC: none of them has a negative minimum. */
static int parse_int(struct options *o, const struct option_desc *d, const char *text)
{
    bool is_word = d->word_for_0 != NULL && strcmp(text, d->word_for_0) == 0;
    struct span s = span_of(is_word ? "0" : text);
    uint64_t min = (uint64_t)d->min;
    uint64_t max = (uint64_t)d->max;
    uint64_t value = 0;
    int err;

    if (d->kind == OPTION_INT)
        err = num_parse_u64(s, min, max, &value);
    else if (d->kind == OPTION_SIZE)
        err = num_parse_size(s, min, max, &value);
    else
        err = parse_time(d, s, &value);
    if (err == 0)
        *(int64_t *)option_field(o, d) = (int64_t)value;
    return err;
}

static int parse_num(struct options *o, const struct option_desc *d, const char *text)
{
    return num_parse_double(span_of(text), d->min_real, d->max_real,
                            option_field(o, d));
}

typedef int parse_fn(struct options *o, const struct option_desc *d, const char *text);

int option_parse(struct options *o, const struct option_desc *d, const char *text,
                 struct option_error *ret_why)
{
    static parse_fn *const parsers[] = {
        [OPTION_STR] = parse_str,  [OPTION_BOOL] = parse_bool,
        [OPTION_INT] = parse_int,  [OPTION_NUM] = parse_num,
        [OPTION_SIZE] = parse_int, [OPTION_MSEC] = parse_int,
        [OPTION_USEC] = parse_int, [OPTION_ENUM] = parse_enum,
    };
    int err = parsers[d->kind](o, d, text);

    if (err == 0)
        return 0;
    if (err == -ENOMEM) {
        snprintf(ret_why->text, sizeof ret_why->text, "out of memory");
        return err;
    }
    struct buf allowed;
    buf_init(&allowed, sizeof ret_why->text);
    option_print_allowed(d, &allowed); /* what did not fit is missing in the message */
    snprintf(ret_why->text, sizeof ret_why->text, "allowed: %.*s",
             SPAN_ARG(buf_span(&allowed)));
    buf_free(&allowed);
    return err;
}

bool option_is_set(const struct options *o, const struct option_desc *d)
{
    if (d->kind == OPTION_ENUM)
        return option_enum(o, d) != 0;
    return !d->knob || get_int(o, d) != OPTION_UNSET;
}

bool option_equal(const struct options *a, const struct options *b,
                  const struct option_desc *d)
{
    switch (d->kind) {
    case OPTION_STR:
        return strcmp(get_str(a, d), get_str(b, d)) == 0;
    case OPTION_BOOL:
        return get_bool(a, d) == get_bool(b, d);
    case OPTION_INT:
    case OPTION_SIZE:
    case OPTION_MSEC:
    case OPTION_USEC:
        return get_int(a, d) == get_int(b, d);
    case OPTION_NUM:
        return memcmp(option_field_const(a, d), option_field_const(b, d),
                      sizeof(double)) == 0;
    case OPTION_ENUM:
        return option_enum(a, d) == option_enum(b, d);
    }
    CHECK(!"a kind of option");
    return false;
}

/* In double quotes whenever libConfuse could read something else into it. */
static int print_str(const char *text, struct buf *out)
{
    static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                "0123456789./_-:[]";
    int err = 0;

    if (text[0] != '\0' && strspn(text, plain) == strlen(text) &&
        strstr(text, "//") == NULL) /* that begins a comment */
        return buf_append_str(out, text);
    err = buf_append_str(out, "\"");
    for (const char *p = text; *p != '\0' && err == 0; p++) {
        if (*p == '"' || *p == '\\' || *p == '$')
            err = buf_append_str(out, "\\");
        if (err == 0)
            err = buf_append(out, p, 1);
    }
    return err != 0 ? err : buf_append_str(out, "\"");
}

static char *format_int(char out[NUM_TEXT_MAX], const struct option_desc *d,
                        int64_t value)
{
    CHECK(value >= 0);
    if (d->kind == OPTION_SIZE)
        return num_format_size(out, (uint64_t)value);
    if (d->kind == OPTION_MSEC || d->kind == OPTION_USEC)
        return num_format_time(out, (uint64_t)value * unit_ns(d));
    snprintf(out, NUM_TEXT_MAX, "%lld", (long long)value);
    return out;
}

/* The shortest decimal that reads back as the same double, always with a point. */
static char *format_real(char out[NUM_TEXT_MAX], double value)
{
    for (int digits = 1; digits <= 17; digits++) {
        snprintf(out, NUM_TEXT_MAX, "%.*f", digits, value);
        if (strtod(out, NULL) == value)
            break;
    }
    return out;
}

int option_print(const struct options *o, const struct option_desc *d, struct buf *out)
{
    char text[NUM_TEXT_MAX];

    CHECK(option_is_set(o, d));
    switch (d->kind) {
    case OPTION_STR:
        return print_str(get_str(o, d), out);
    case OPTION_BOOL:
        return buf_append_str(out, get_bool(o, d) ? "on" : "off");
    case OPTION_INT:
    case OPTION_SIZE:
    case OPTION_MSEC:
    case OPTION_USEC:
        return buf_append_str(out, format_int(text, d, get_int(o, d)));
    case OPTION_NUM:
        return buf_append_str(out, format_real(text, get_num(o, d)));
    case OPTION_ENUM:
        return buf_append_str(out, d->values[option_enum(o, d)]);
    }
    CHECK(!"a kind of option");
    return -EINVAL;
}

static int print_range(const struct option_desc *d, const char *what, struct buf *out)
{
    char min[NUM_TEXT_MAX];
    char max[NUM_TEXT_MAX];

    if (d->kind == OPTION_NUM) {
        format_real(min, d->min_real);
        format_real(max, d->max_real);
    } else {
        format_int(min, d, d->min);
        format_int(max, d, d->max);
    }
    return buf_printf(out, "%s from %s to %s", what, min, max);
}

int option_print_allowed(const struct option_desc *d, struct buf *out)
{
    int err = 0;

    switch (d->kind) {
    case OPTION_STR:
        return buf_append_str(out, d->def_text[0] != '\0'
                                       ? "text without control characters, not empty"
                                       : "text without control characters");
    case OPTION_BOOL:
        return buf_append_str(out, "on, off");
    case OPTION_INT:
        return print_range(d, "a number", out);
    case OPTION_NUM:
        return print_range(d, "a decimal number", out);
    case OPTION_SIZE:
        return print_range(d, "a size (such as 64k)", out);
    case OPTION_MSEC:
        return print_range(d, "a time in whole milliseconds (such as 500ms)", out);
    case OPTION_USEC:
        return print_range(d, "a time in whole microseconds (such as 500us)", out);
    case OPTION_ENUM:
        for (size_t i = 1; i < d->values_n && err == 0; i++)
            err = buf_printf(out, "%s%s", i > 1 ? ", " : "", d->values[i]);
        return err;
    }
    CHECK(!"a kind of option");
    return -EINVAL;
}
