/* SPDX-License-Identifier: MIT */
/* report.c - percentiles of each file and of all together. */
#include "loadtest/report.h"

#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "loadtest/args.h"
#include "loadtest/hgrm.h"
#include "loadtest/hist_json.h"
#include "loadtest/out_file.h"
#include "loadtest/quantile.h"
#include "loadtest/series.h"
#include "loadtest/summary.h"
#include "loadtest/units.h"

#define AT(field) offsetof(struct report_options, field)

static const char *const shown[] = { "p50", "p90", "p99", "p99_9", "p99_99" };
enum { SHOWN = sizeof shown / sizeof shown[0] };

struct report_options {
    const char *unit, *tag, *json_path, *hgrm_path;
    double unit_ns;
    struct arg_list files;
    bool help;
};

static const struct arg report_args[] = {
    { 0, "unit", ARG_TEXT, AT(unit), 0, 0, "ns|us|ms",
      "of the values in the files (ns)" },
    { 0, "tag", ARG_TEXT, AT(tag), 0, 0, "TAG",
      "the series for --hgrm (the headline, which has no tag)" },
    { 0, "hgrm", ARG_TEXT, AT(hgrm_path), 0, 0, "FILE",
      "write its percentile spectrum, in milliseconds, for plotters" },
    { 0, "json", ARG_TEXT, AT(json_path), 0, 0, "FILE",
      "write every series of all files together as JSON" },
    { 'h', "help", ARG_FLAG, AT(help), 0, 0, NULL, "print this" },
};
static const struct arg_table report_table = {
    .args = report_args,
    .n = sizeof report_args / sizeof report_args[0],
    .operands = AT(files),
};

/* --- the table --- */

static void print_series(const char *file, const struct series *series, double unit_ns)
{
    char text[UNITS_TEXT_MAX];
    double seconds = series->end_s - series->start_s;
    printf("%-24.24s %-12s %10llu %9.0f", file,
           series->tag[0] == '\0' ? "-" : series->tag,
           (unsigned long long)series->hist.total,
           seconds > 0 ? (double)series->hist.total / seconds : 0);
    for (size_t i = 0; i < SHOWN; i++) {
        const struct quantile *q = quantile_find(shown[i]);
        double value = (double)hist_percentile(&series->hist, q->num, q->den);
        printf(" %9s", quantile_known(q, series->hist.total)
                           ? units_time(text, value * unit_ns)
                           : "n/a");
    }
    printf(" %9s\n", units_time(text, (double)series->hist.max * unit_ns));
}

static void print_list(const char *file, const struct series_list *list, double unit_ns)
{
    const char *slash = strrchr(file, '/');
    for (size_t i = 0; i < list->n; i++)
        print_series(slash != NULL ? slash + 1 : file, &list->at[i], unit_ns);
}

static void print_legend(void)
{
    printf("%-24s %-12s %10s %9s", "file", "series", "samples", "per s");
    for (size_t i = 0; i < SHOWN; i++)
        printf(" %9s", quantile_find(shown[i])->label);
    printf(" %9s\n", "max");
}

/* --- files --- */

static int write_hgrm(const struct report_options *options,
                      const struct series_list *all)
{
    const struct series *series =
        series_find(all, options->tag != NULL ? options->tag : "");
    if (series == NULL) {
        fprintf(stderr, "cowload: no series '%s' is in these files\n",
                options->tag != NULL ? options->tag : "without a tag");
        return -ENOENT;
    }
    return hgrm_save(options->hgrm_path, &series->hist, 1e6 / options->unit_ns);
}

static int write_json(const struct report_options *options,
                      const struct series_list *all)
{
    json_t *list = json_array();
    for (size_t i = 0; i < all->n; i++) {
        const struct series *s = &all->at[i];
        json_array_append_new(list, json_pack("{s:s, s:f, s:f, s:o}", "tag", s->tag,
                                              "start_s", s->start_s, "end_s", s->end_s,
                                              "values", hist_json(&s->hist)));
    }
    json_t *root =
        json_pack("{s:s, s:s, s:i, s:o}", "cowload_report", COWLOAD_VERSION, "unit",
                  options->unit, "files", (int)options->files.n, "series", list);
    int err = hist_json_write(root, options->json_path);
    if (err < 0)
        out_complain(options->json_path, err, OUT_WHOLE);
    return err;
}

static int read_all(const struct report_options *options, struct series_list *all)
{
    char error[HLOG_ERROR_MAX];
    int err = 0;
    for (size_t i = 0; i < options->files.n && err == 0; i++) {
        struct series_list one = { 0 };
        struct hlog_file file;
        err = hlog_file_read(&file, options->files.items[i], error);
        if (err == 0) {
            err = series_add(&one, &file, error);
            if (err == 0)
                err = series_add(all, &file, error);
            if (err == 0)
                print_list(file.path, &one, options->unit_ns);
            hlog_file_free(&file);
        }
        series_free(&one);
    }
    if (err < 0)
        fprintf(stderr, "cowload: %s\n", error);
    return err;
}

static int report(const struct report_options *options)
{
    struct series_list all = { 0 };
    print_legend();
    int err = read_all(options, &all);
    if (err == 0) {
        if (options->files.n > 1)
            print_list("all together", &all, options->unit_ns);
        if (options->hgrm_path != NULL)
            err = write_hgrm(options, &all);
        int json_err = options->json_path != NULL ? write_json(options, &all) : 0;
        err = err < 0 ? err : json_err;
    }
    series_free(&all);
    if (fflush(stdout) != 0 || ferror(stdout)) {
        fprintf(stderr, "cowload: could not write the report to standard output\n");
        err = -EIO;
    }
    return err < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}

static const char *check_options(struct report_options *options)
{
    static const struct {
        const char *name;
        double ns;
    } units[] = { { "ns", 1 }, { "us", 1e3 }, { "ms", 1e6 } };
    if (options->files.n == 0)
        return "at least one file is needed";
    for (size_t i = 0; i < sizeof units / sizeof units[0]; i++) {
        if (strcmp(options->unit, units[i].name) == 0) {
            options->unit_ns = units[i].ns;
            return NULL;
        }
    }
    return "bad value for --unit: it must be ns, us or ms";
}

int report_main(int argc, char **argv)
{
    struct report_options options = { .unit = "ns" };
    char error[ARGS_ERROR_MAX];
    int code = EXIT_FAILURE;
    int err = args_parse(&report_table, argc, argv, &options, error);
    const char *wrong = err < 0         ? error
                        : !options.help ? check_options(&options)
                                        : NULL;
    if (wrong != NULL) {
        fprintf(stderr, "cowload: %s\n       cowload report --help lists the options\n",
                wrong);
    } else if (options.help) {
        puts("usage: cowload report [options] FILE...\n"
             "Percentiles of HdrHistogram interval logs, of each and of all together.");
        args_help(&report_table, stdout);
        code = EXIT_SUCCESS;
    } else {
        code = report(&options);
    }
    args_list_free(&options.files);
    return code;
}
