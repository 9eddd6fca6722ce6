/* SPDX-License-Identifier: MIT */
/* hlog_file.c - times of all kinds of logs brought to one clock. */
#include "loadtest/hlog_file.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "server/base/num.h"

#define YEAR_S (365.0 * 24 * 3600)

struct reader {
    struct hlog_file file;
    size_t room;
    double base_s; /* BaseTime; -1: none was given */
};

/* "#[StartTime: 1441812279.474 (seconds since epoch), ..." */
static void read_header(struct span line, const char *key, double *ret_value)
{
    struct span number, rest;
    line = span_trim(line);
    if (!span_starts(line, span_of(key)))
        return;
    rest = span_trim(span_skip(line, strlen(key)));
    span_cut(rest, ' ', &number, &rest);
    (void)num_parse_double(number, 0, 1e12, ret_value);
}

static int add_line(struct reader *reader, const struct hlog_line *line)
{
    struct hlog_file *file = &reader->file;
    if (file->n == reader->room) {
        size_t room = reader->room > 0 ? 2 * reader->room : 64;
        struct hlog_line *lines = realloc(file->lines, room * sizeof *lines);
        if (lines == NULL)
            return -ENOMEM;
        file->lines = lines;
        reader->room = room;
    }
    file->lines[file->n++] = *line;
    return 0;
}

static const char *reason(int err)
{
    return err == -ENOTSUP  ? "a histogram of another version than V2"
           : err == -ENOMEM ? "out of memory"
                            : "neither a header nor an interval with a histogram";
}

static int take_line(void *arg, struct span text, const char **ret_wrong)
{
    struct reader *reader = arg;
    struct hlog_line line;
    read_header(text, "#[StartTime:", &reader->file.start_s);
    read_header(text, "#[BaseTime:", &reader->base_s);
    int got = hlog_parse(text, &line);
    if (got > 0) {
        got = add_line(reader, &line);
        if (got < 0)
            hist_free(&line.hist);
    }
    if (got < 0)
        *ret_wrong = reason(got);
    return got;
}

/* Times are relative to BaseTime; or, if they lie long before it, to StartTime; else
 * they are the wall clock's. */
static void make_absolute(struct reader *reader)
{
    struct hlog_file *file = &reader->file;
    double base = reader->base_s;
    if (base < 0 && file->n > 0)
        base = file->lines[0].start_s < file->start_s - YEAR_S ? file->start_s : 0;
    for (size_t i = 0; i < file->n; i++)
        file->lines[i].start_s += base;
}

int hlog_file_read(struct hlog_file *ret_file, const char *path,
                   char error[HLOG_ERROR_MAX])
{
    struct reader reader = { .file.path = path, .base_s = -1 };
    int err = lines_read(path, take_line, &reader, error);
    if (err == 0 && reader.file.n == 0) {
        err = -ENODATA;
        snprintf(error, HLOG_ERROR_MAX, "'%.120s' holds no interval", path);
    }
    if (err < 0) {
        hlog_file_free(&reader.file);
        return err;
    }
    make_absolute(&reader);
    *ret_file = reader.file;
    return 0;
}

void hlog_file_free(struct hlog_file *file)
{
    for (size_t i = 0; i < file->n; i++)
        hist_free(&file->lines[i].hist);
    free(file->lines);
    file->lines = NULL;
    file->n = 0;
}

/* --- shapes --- */

static void pour(struct hist *into, const struct hist *from)
{
    for (uint32_t i = 0; i < from->shape.counts_len; i++) {
        if (from->counts[i] > 0)
            hist_record_n(into, hist_slot_median(&from->shape, i), from->counts[i]);
    }
    into->above += from->above;
    into->max = from->max > into->max ? from->max : into->max;
    into->min = from->min < into->min ? from->min : into->min;
}

static uint64_t smaller(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

int hlog_join(struct hist *into, const struct hist *from)
{
    const struct hist_shape *a = &into->shape, *b = &from->shape;
    struct hist joined;
    if (hist_shape_equal(a, b))
        return hist_merge(into, from);
    int err = hist_init(&joined, smaller(a->lowest, b->lowest),
                        a->highest > b->highest ? a->highest : b->highest,
                        a->digits > b->digits ? a->digits : b->digits);
    if (err < 0)
        return err;
    pour(&joined, into);
    pour(&joined, from);
    hist_free(into);
    *into = joined;
    return 0;
}
