/* SPDX-License-Identifier: MIT */
/* options.h - every setting, from the table in options.def.
 *
 *   1 defaults  options_new()
 *   2 set       options_set()      for each setting of a file (conf_file.h), each -o;
 *                                  the last one wins; where it came from ("file:line"
 *                                  or "-o") is remembered
 *   3 resolved  options_resolve()  gives the knobs that nobody set the value of the
 *                                  mode, works out the automatic numbers and refuses
 *                                  combinations that cannot work
 *
 * After step 3 a struct options is only read; it is inherited over fork and shared by
 * threads. It owns its strings. No function logs: errors are sentences in ret_error
 * that name the place, the value and what is allowed.
 */
#ifndef COWSHED_CONF_OPTIONS_H
#define COWSHED_CONF_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "server/conf/enums.h"

struct options {
#define STR(name, field, def, when, help)           char *field;
#define BOOL(name, field, def, when, help)          bool field;
#define INT(name, field, def, min, max, when, help) int64_t field;
#define AUTO(name, field, max, when, help)          int64_t field;
#define NUM(name, field, def, min, max, when, help) double field;
#define SIZE                                        INT
#define MSEC                                        INT
#define USEC                                        INT
#define ENUM(name, field, type, def, when, help)    enum opt_##type field;
#define KNOB(name, field, type, when, help)         enum opt_##type field;
#define KINT(name, field, min, max, when, help)     int64_t field;
#include "server/conf/options.def"
    struct option_source *sources; /* one per option, in the order of the table */
    void *made; /* of them by their owner, for those who inherit them; goes with them */
    void (*free_made)(void *);
};

/* Room for a sentence about what is wrong. */
struct option_error {
    char text[512];
};

/* All options at their defaults, knobs unset. NULL when memory is short. */
struct options *options_new(void);
/* A deep copy, sources included; NULL when memory is short. */
struct options *options_copy(const struct options *);
/* Takes NULL. */
void options_free(struct options *);

/* Set the option `name` ("gc.percent") from text. `where` ("conf/x.conf:12", "-o") is
 * copied. 0, -ENOENT (unknown name, with the nearest one in the sentence), -EINVAL (not
 * of its kind), -ERANGE (outside min..max), -ENOMEM; nothing changes on failure. */
int options_set(struct options *, const char *name, const char *text, const char *where,
                struct option_error *ret_error);

/* Step 3. 0, or -EINVAL with the first combination that cannot work and its reason. */
int options_resolve(struct options *, struct option_error *ret_error);

/* Where the value came from: "FILE:LINE", "-o", "mode arena", "default". */
const char *options_where(const struct options *, const char *name);

/* Options marked RESTART that differ between the two: writes their names, comma
 * separated, and returns how many. For reload: a difference refuses it. */
unsigned options_need_restart(const struct options *a, const struct options *b,
                              char *ret, size_t size);

/* Every option with its value and where that came from, as a file that parses to the
 * same. */
void options_dump(const struct options *, FILE *);
/* Every option at its default, with help and range, as a configuration file: what
 * conf/cowshed.conf holds below its head comment. */
void options_help(FILE *);

/* The spelling of an enumerated value: option_name_mode(MODE_ARENA) is "arena". */
#define ENUM_NAME_DECLARED(type, values) \
    const char *option_name_##type(enum opt_##type);
ENUMS(ENUM_NAME_DECLARED)

#endif
