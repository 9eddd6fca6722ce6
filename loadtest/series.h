/* SPDX-License-Identifier: MIT */
/* series.h - the series of interval logs: all intervals of a tag together. */
#ifndef LOADTEST_SERIES_H
#define LOADTEST_SERIES_H

#include "loadtest/hlog_file.h"

struct series {
    char tag[HLOG_TAG_MAX + 1]; /* "": the headline */
    struct hist hist;
    double start_s, end_s; /* of its first and its last interval */
};

struct series_list {
    struct series *at; /* in the order in which the tags were met */
    size_t n;
};

/* Adds every interval of a file. 0, or a negative errno with a message in `error`. */
int series_add(struct series_list *list, const struct hlog_file *file,
               char error[HLOG_ERROR_MAX]);
struct series *series_find(const struct series_list *list, const char *tag);
void series_free(struct series_list *list);

/* A histogram like another one, with its counts. 0 or a negative errno. */
int series_copy(struct hist *ret_copy, const struct hist *hist);

#endif
