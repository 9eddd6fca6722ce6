/* SPDX-License-Identifier: MIT */
/* hlog_file.h - a whole interval log, of whatever tool, in memory. */
#ifndef LOADTEST_HLOG_FILE_H
#define LOADTEST_HLOG_FILE_H

#include <stddef.h>

#include "loadtest/hlog.h"
#include "loadtest/lines.h"

enum { HLOG_ERROR_MAX = LINES_ERROR_MAX };

struct hlog_file {
    const char *path; /* the caller's */
    /* in the order of the file; start_s is seconds since the epoch, or since the
     * beginning of the run where the file does not say when that was */
    struct hlog_line *lines;
    size_t n;
    double start_s; /* StartTime; 0 when there is none */
};

/* 0, or a negative errno with "PATH:LINE: why" in `error`. */
int hlog_file_read(struct hlog_file *ret_file, const char *path,
                   char error[HLOG_ERROR_MAX]);
void hlog_file_free(struct hlog_file *file);

/* Adds `from` to `into`, which takes on the finer shape of both where they differ: then
 * values go to the middle of their slot. 0, -EINVAL when no shape holds both, or
 * -ENOMEM. */
int hlog_join(struct hist *into, const struct hist *from);

#endif
