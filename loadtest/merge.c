/* SPDX-License-Identifier: MIT */
/* merge.c - logs of several machines become one: what happened in the same interval of
 * the wall clock is added up. */
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "loadtest/args.h"
#include "loadtest/out_file.h"
#include "loadtest/report.h"
#include "loadtest/series.h"
#include "loadtest/summary.h"
#include "server/base/clock.h"

#define AT(field) offsetof(struct merge_options, field)

enum { FILES_MAX = 1000 };

struct merge_options {
    const char *out_path;
    uint64_t interval_ns;
    struct arg_list files;
    bool help;
};

static const struct arg merge_args[] = {
    { 'o', "output", ARG_TEXT, AT(out_path), 0, 0, "FILE", "where the result goes" },
    { 'i', "interval", ARG_TIME, AT(interval_ns), CLOCK_NS_PER_MS,
      3600 * CLOCK_NS_PER_S, "TIME", "length of the intervals of the result (1s)" },
    { 'h', "help", ARG_FLAG, AT(help), 0, 0, NULL, "print this" },
};
static const struct arg_table merge_table = {
    .args = merge_args,
    .n = sizeof merge_args / sizeof merge_args[0],
    .operands = AT(files),
};

/* One line of the result. */
struct part {
    uint64_t interval; /* since the start of the earliest */
    char tag[HLOG_TAG_MAX + 1];
    struct hist hist;
};

struct merge {
    const struct merge_options *options;
    struct hlog_file *files;
    size_t n_files;
    double start_s;
    struct part *parts;
    size_t n, room;
};

static int read_files(struct merge *merge, char *error)
{
    const struct arg_list *names = &merge->options->files;
    merge->files = calloc(names->n, sizeof *merge->files);
    if (merge->files == NULL) {
        snprintf(error, HLOG_ERROR_MAX, "out of memory");
        return -ENOMEM;
    }
    for (size_t i = 0; i < names->n; i++) {
        int err = hlog_file_read(&merge->files[i], names->items[i], error);
        if (err < 0)
            return err;
        merge->n_files++;
        double start = merge->files[i].lines[0].start_s;
        for (size_t k = 1; k < merge->files[i].n; k++)
            start = fmin(start, merge->files[i].lines[k].start_s);
        merge->start_s = i == 0 ? start : fmin(merge->start_s, start);
    }
    return 0;
}

/* Lines of one file come in the order of time, so the place is near the end. */
static int add_line(struct merge *merge, const struct hlog_line *line)
{
    double at =
        (line->start_s - merge->start_s) * 1e9 / (double)merge->options->interval_ns;
    uint64_t interval = (uint64_t)(at + 0.5);
    for (size_t i = merge->n; i-- > 0;) {
        struct part *part = &merge->parts[i];
        if (part->interval == interval && strcmp(part->tag, line->tag) == 0)
            return hlog_join(&part->hist, &line->hist);
    }
    if (merge->n == merge->room) {
        size_t room = merge->room > 0 ? 2 * merge->room : 64;
        struct part *parts = realloc(merge->parts, room * sizeof *parts);
        if (parts == NULL)
            return -ENOMEM;
        merge->parts = parts;
        merge->room = room;
    }
    struct part *part = &merge->parts[merge->n];
    part->interval = interval;
    memcpy(part->tag, line->tag, sizeof part->tag);
    int err = series_copy(&part->hist, &line->hist);
    merge->n += err == 0;
    return err;
}

static int compare(const void *a, const void *b)
{
    const struct part *x = a, *y = b;
    if (x->interval != y->interval)
        return x->interval < y->interval ? -1 : 1;
    return strcmp(x->tag, y->tag); /* the headline, which has none, is first */
}

static int write_result(struct merge *merge)
{
    double interval_s = (double)merge->options->interval_ns / 1e9;
    struct out_file out;
    int err = out_open(&out, merge->options->out_path, OUT_WHOLE);
    if (err < 0)
        return err;
    hlog_begin(out.stream, "Merged with cowload " COWLOAD_VERSION,
               (uint64_t)(merge->start_s * 1e3 + 0.5) * CLOCK_NS_PER_MS);
    for (size_t i = 0; i < merge->n && err == 0; i++) {
        const struct part *part = &merge->parts[i];
        err = hlog_put(out.stream, part->tag[0] != '\0' ? part->tag : NULL,
                       (double)part->interval * interval_s, interval_s, &part->hist);
    }
    if (err < 0) {
        out_abort(&out);
        return err;
    }
    return out_commit(&out);
}

static int merge_files(struct merge *merge)
{
    char error[HLOG_ERROR_MAX];
    int err = read_files(merge, error);
    for (size_t f = 0; f < merge->n_files && err == 0; f++) {
        for (size_t i = 0; i < merge->files[f].n && err == 0; i++) {
            err = add_line(merge, &merge->files[f].lines[i]);
            if (err < 0)
                snprintf(error, sizeof error,
                         "could not add interval %zu of '%.120s': %s", i + 1,
                         merge->files[f].path, strerror(-err));
        }
    }
    if (err < 0) {
        fprintf(stderr, "cowload: %s\n", error);
        return err;
    }
    qsort(merge->parts, merge->n, sizeof *merge->parts, compare);
    err = write_result(merge);
    if (err < 0)
        out_complain(merge->options->out_path, err, OUT_WHOLE);
    else
        printf("%zu intervals from %zu files\n", merge->n, merge->n_files);
    return err;
}

static void merge_free(struct merge *merge)
{
    for (size_t i = 0; i < merge->n; i++)
        hist_free(&merge->parts[i].hist);
    for (size_t i = 0; i < merge->n_files; i++)
        hlog_file_free(&merge->files[i]);
    free(merge->parts);
    free(merge->files);
}

int merge_main(int argc, char **argv)
{
    struct merge_options options = { .interval_ns = CLOCK_NS_PER_S };
    char error[ARGS_ERROR_MAX];
    int code = EXIT_FAILURE;
    int err = args_parse(&merge_table, argc, argv, &options, error);
    const char *wrong = err < 0                       ? error
                        : options.help                ? NULL
                        : options.out_path == NULL    ? "an output is missing: -o FILE"
                        : options.files.n == 0        ? "at least one file is needed"
                        : options.files.n > FILES_MAX ? "at most 1000 files, please"
                                                      : NULL;
    if (wrong != NULL) {
        fprintf(stderr, "cowload: %s\n       cowload merge --help lists the options\n",
                wrong);
    } else if (options.help) {
        puts("usage: cowload merge -o OUT FILE...\n"
             "Adds HdrHistogram interval logs of several machines up, interval by "
             "interval.");
        args_help(&merge_table, stdout);
        code = EXIT_SUCCESS;
    } else {
        struct merge merge = { .options = &options };
        code = merge_files(&merge) < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
        merge_free(&merge);
    }
    args_list_free(&options.files);
    return code;
}
