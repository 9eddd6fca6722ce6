/* SPDX-License-Identifier: MIT */
/* option_table.h - options.def as an array, and a value of any kind as text.
 *
 * Private to server/conf.  Everything here works on one option of the table: finding
 * it, reading its value from text, writing it as text that reads back as the same.
 */
#ifndef COWSHED_CONF_OPTION_TABLE_H
#define COWSHED_CONF_OPTION_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct options;
struct option_error;
struct buf;

enum option_kind {
    OPTION_STR,
    OPTION_BOOL,
    OPTION_INT,
    OPTION_NUM,
    OPTION_SIZE,
    OPTION_MSEC,
    OPTION_USEC,
    OPTION_ENUM,
};

enum option_when { OPTION_RELOAD, OPTION_RESTART };

/* A number that only the mode has a default for, while nobody has set it. */
enum { OPTION_UNSET = -1 };

struct option_desc {
    const char *name;
    enum option_kind kind;
    enum option_when when;
    bool knob;                           /* the default is the mode's */
    size_t offset;                       /* in struct options */
    const char *def_text;                /* STR */
    int64_t def, min, max;               /* BOOL, INT, SIZE, MSEC, USEC, ENUM */
    const char *word_for_0;              /* INT: another way to write 0; NULL: none */
    double def_real, min_real, max_real; /* NUM */
    const char *const *values;           /* ENUM: spellings from 1 to values_n - 1 */
    size_t values_n;
    const char *help;
};

/* Where a setting came from; NULL: the default. */
struct option_source {
    char *where;
};

extern const struct option_desc option_table[];
extern const size_t option_count;

/* NULL when there is none of that name. */
const struct option_desc *option_find(const char *name);
/* The name that is closest to a misspelt one, NULL when none is close. */
const char *option_nearest(const char *name);

/* The field in `o`; a char *, bool, int64_t, double or an enum, by kind. */
void *option_field(struct options *o, const struct option_desc *d);
const void *option_field_const(const struct options *o, const struct option_desc *d);
int option_enum(const struct options *o, const struct option_desc *d);

void option_set_default(struct options *o, const struct option_desc *d);
/* 0, -EINVAL, -ERANGE or -ENOMEM; then *ret_why says what is allowed, and the value is
 * as it was. */
int option_parse(struct options *o, const struct option_desc *d, const char *text,
                 struct option_error *ret_why);
bool option_is_set(const struct options *o, const struct option_desc *d);
bool option_equal(const struct options *a, const struct options *b,
                  const struct option_desc *d);

/* The value as option_parse() takes it; 0 or the error of buf.h. */
int option_print(const struct options *o, const struct option_desc *d, struct buf *out);
/* "a size from 64 to 1m", "on or off", "naive, pretouch, ..." */
int option_print_allowed(const struct option_desc *d, struct buf *out);

#endif
