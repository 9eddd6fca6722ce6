/* SPDX-License-Identifier: MIT */
/* hlog.h - HdrHistogram interval logs, written and read.
 *
 * The headline series has no tag, because other tools show only untagged lines unless
 * they are asked; SERVICE and LAG lie beside it (README rule 12). Times are seconds
 * from the StartTime of the header, values are nanoseconds.
 */
#ifndef LOADTEST_HLOG_H
#define LOADTEST_HLOG_H

#include <stdint.h>
#include <stdio.h>

#include "server/base/hist.h"
#include "server/base/span.h"

enum { HLOG_TAG_MAX = 63 };

struct hlog_line {
    char tag[HLOG_TAG_MAX + 1]; /* "" when there is none */
    double start_s;
    double length_s;
    struct hist hist; /* owned by the one who parsed the line */
};

/* The header; `title` is one line for people. */
void hlog_begin(FILE *out, const char *title, uint64_t start_wall_ns);
/* One line; tag NULL for none. 0 or -ENOMEM. Errors of the file stay with the file. */
int hlog_put(FILE *out, const char *tag, double start_s, double length_s,
             const struct hist *hist);

/* 1 and a line; 0 for comments, the legend and blank lines; -EBADMSG, -ENOTSUP,
 * -ENOMEM. */
int hlog_parse(struct span text, struct hlog_line *ret_line);

#endif
