/* SPDX-License-Identifier: MIT */
/* series.c - a list by tag. */
#include "loadtest/series.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int series_copy(struct hist *ret_copy, const struct hist *hist)
{
    struct hist copy;
    int err =
        hist_init(&copy, hist->shape.lowest, hist->shape.highest, hist->shape.digits);
    if (err == 0 && (err = hist_merge(&copy, hist)) < 0)
        hist_free(&copy);
    if (err == 0)
        *ret_copy = copy;
    return err;
}

struct series *series_find(const struct series_list *list, const char *tag)
{
    for (size_t i = 0; i < list->n; i++) {
        if (strcmp(list->at[i].tag, tag) == 0)
            return &list->at[i];
    }
    return NULL;
}

static int add_series(struct series_list *list, const struct hlog_line *line)
{
    struct series *at = realloc(list->at, (list->n + 1) * sizeof *at);
    if (at == NULL)
        return -ENOMEM;
    list->at = at;
    struct series *series = &at[list->n];
    *series = (struct series){ .start_s = line->start_s,
                               .end_s = line->start_s + line->length_s };
    memcpy(series->tag, line->tag, sizeof series->tag);
    int err = series_copy(&series->hist, &line->hist);
    if (err == 0)
        list->n++;
    return err;
}

static int add_line(struct series_list *list, const struct hlog_line *line)
{
    struct series *series = series_find(list, line->tag);
    double end_s = line->start_s + line->length_s;
    if (series == NULL)
        return add_series(list, line);
    series->start_s = line->start_s < series->start_s ? line->start_s : series->start_s;
    series->end_s = end_s > series->end_s ? end_s : series->end_s;
    return hlog_join(&series->hist, &line->hist);
}

int series_add(struct series_list *list, const struct hlog_file *file,
               char error[HLOG_ERROR_MAX])
{
    for (size_t i = 0; i < file->n; i++) {
        int err = add_line(list, &file->lines[i]);
        if (err < 0) {
            snprintf(error, HLOG_ERROR_MAX,
                     "could not add interval %zu of '%.120s': %s", i + 1, file->path,
                     strerror(-err));
            return err;
        }
    }
    return 0;
}

void series_free(struct series_list *list)
{
    for (size_t i = 0; i < list->n; i++)
        hist_free(&list->at[i].hist);
    free(list->at);
    *list = (struct series_list){ 0 };
}
