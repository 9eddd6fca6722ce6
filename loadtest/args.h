/* SPDX-License-Identifier: MIT */
/* args.h - command lines from a table: each option is declared once, with the range of
 * its value and its help.
 *
 *   -c5  -c 5  --connections 5  --connections=5  --  and operands in between
 */
#ifndef LOADTEST_ARGS_H
#define LOADTEST_ARGS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

/* What the value is, and what lies at the offset in the options. */
enum arg_kind {
    ARG_FLAG,  /* no value; bool */
    ARG_COUNT, /* 12, 10k, 2M (powers of 1000, as wrk); uint64_t */
    ARG_RATE,  /* as ARG_COUNT, or "auto" where min is 0; double, 0 for auto */
    ARG_RAMP,  /* as ARG_RATE without "auto", or FROM:TO; struct arg_ramp */
    ARG_TIME,  /* 10s, 500ms; a bare number is in seconds, as wrk; uint64_t ns */
    ARG_TEXT,  /* anything but nothing; const char * */
    ARG_LIST,  /* the same, may be given again; struct arg_list */
    ARG_ZIPF,  /* N,EXPONENT; struct arg_zipf */
};

struct arg {
    char letter; /* 0: no short form */
    const char *name;
    enum arg_kind kind;
    size_t offset;
    uint64_t min; /* of counts, rates and times (ns) */
    uint64_t max;
    const char *value; /* its name in the help */
    const char *help;
};

struct arg_list {
    const char **items; /* owned; the strings belong to argv */
    size_t n;
};

struct arg_ramp {
    double from, to; /* the same when it is one rate */
};

struct arg_zipf {
    uint32_t keys;
    double exponent;
};

struct arg_table {
    const struct arg *args;
    size_t n;
    size_t operands; /* offset of a struct arg_list */
};

enum { ARGS_ERROR_MAX = 512 };

/* Sets what argv[1..] names and leaves the rest of *options as it was. 0, or -EINVAL
 * with a message for people in `error`, or -ENOMEM. Lists must be freed in any case. */
int args_parse(const struct arg_table *table, int argc, char **argv, void *options,
               char error[ARGS_ERROR_MAX]);
void args_list_free(struct arg_list *list);
/* One line per option. */
void args_help(const struct arg_table *table, FILE *out);

#endif
