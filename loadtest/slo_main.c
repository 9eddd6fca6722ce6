/* SPDX-License-Identifier: MIT */
/* slo_main.c - searches several times, so that there is an interval (README rule 22).
 */
#include "loadtest/slo_main.h"

#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "loadtest/args.h"
#include "loadtest/hist_json.h"
#include "loadtest/out_file.h"
#include "loadtest/plain.h"
#include "loadtest/slo.h"
#include "loadtest/summary.h"
#include "loadtest/units.h"
#include "server/base/clock.h"

#define AT(field) offsetof(struct slo_options, field)
#define MS        CLOCK_NS_PER_MS
#define SECOND    CLOCK_NS_PER_S

enum { SEARCHES_MAX = 50 };

struct slo_options {
    const char *goal_text;
    uint64_t searches, precision_percent;
    uint64_t threads, connections, duration_ns, warmup_ns, timeout_ns, spin_ns, seed;
    struct arg_list headers, urls;
    const char *mix_path, *json_path;
    struct arg_zipf zipf;
    bool help;
};

static const struct arg slo_args[] = {
    { 'g', "goal", ARG_TEXT, AT(goal_text), 0, 0, "PERCENTILE,TIME",
      "what must hold, errors included, as in 99,10ms" },
    { 'n', "searches", ARG_COUNT, AT(searches), 1, SEARCHES_MAX, "N",
      "search so many times; the median is told, and the smallest and the largest "
      "(6)" },
    { 0, "precision", ARG_COUNT, AT(precision_percent), 1, 50, "PERCENT",
      "a search ends when the rates that pass and fail are this near (3)" },
    { 'd', "duration", ARG_TIME, AT(duration_ns), 100 * MS, 3600 * SECOND, "TIME",
      "measured time of a step; longer where a percentile needs it (2s)" },
    { 0, "warmup", ARG_TIME, AT(warmup_ns), 0, 3600 * SECOND, "TIME",
      "the same load before it, not counted (500ms)" },
    { 't', "threads", ARG_COUNT, AT(threads), 1, 256, "N", "generator threads (1)" },
    { 'c', "connections", ARG_COUNT, AT(connections), 1, 1000000, "N",
      "connections (64)" },
    { 'T', "timeout", ARG_TIME, AT(timeout_ns), MS, 3600 * SECOND, "TIME",
      "give a request up this long after it was sent (5s)" },
    { 0, "spin", ARG_TIME, AT(spin_ns), 0, 10 * MS, "TIME",
      "poll instead of sleeping this long before a request is due (0s)" },
    { 'H', "header", ARG_LIST, AT(headers), 0, 0, "'NAME: VALUE'",
      "add a header to each request" },
    { 0, "mix", ARG_TEXT, AT(mix_path), 0, 0, "FILE",
      "draw requests from the lines of a file, as cowload --mix" },
    { 0, "zipf", ARG_ZIPF, AT(zipf), 0, 0, "N,EXPONENT",
      "put a key from 0 to N-1 where the path has {}" },
    { 0, "seed", ARG_COUNT, AT(seed), 0, UINT64_MAX, "N", "of plans and keys (1)" },
    { 0, "json", ARG_TEXT, AT(json_path), 0, 0, "FILE",
      "write every step and the result as JSON" },
    { 'h', "help", ARG_FLAG, AT(help), 0, 0, NULL, "print this" },
};
static const struct arg_table slo_table = {
    .args = slo_args,
    .n = sizeof slo_args / sizeof slo_args[0],
    .operands = AT(urls),
};

struct slo_run {
    const struct slo_options *options;
    struct slo_goal goal;
    struct run_config config;
    double capacity; /* requests per second in a closed loop */
    unsigned search; /* which of them runs */
    double rates[SEARCHES_MAX];
    unsigned n, steps;
    bool generator, ceiling, none;
    json_t *steps_json;
};

/* --- one search --- */

static void tell(void *arg, const struct slo_step *step)
{
    struct slo_run *run = arg;
    char latency[UNITS_TEXT_MAX];
    fprintf(stderr, "search %u of %llu: %9.0f/s  %10s  %s\n", run->search + 1,
            (unsigned long long)run->options->searches, step->rate,
            units_time(latency, (double)step->latency_ns),
            step->passed      ? "holds"
            : step->generator ? "the generator did not keep up"
                              : "does not hold");
    json_array_append_new(
        run->steps_json,
        json_pack("{s:i, s:f, s:I, s:I, s:b, s:b}", "search", (int)run->search + 1,
                  "rate_per_s", step->rate, "latency_ns", (json_int_t)step->latency_ns,
                  "samples", (json_int_t)step->samples, "passed", (int)step->passed,
                  "generator_late", (int)step->generator));
}

static int find_capacity(struct slo_run *run, char *error)
{
    struct run_config config = run->config;
    struct run_result result;
    config.client.rate = 0;
    config.client.duration_ns = SECOND;
    int err = run_load(&config, &result, error);
    if (err < 0)
        return err;
    run->capacity = run_rate(&result);
    if (result.interrupted || run->capacity <= 0) {
        err = result.interrupted ? -EINTR : -EPROTO;
        snprintf(error, RUN_ERROR_MAX,
                 result.interrupted ? "interrupted"
                                    : "there was not one whole response");
    }
    run_result_free(&result);
    return err;
}

static int search_once(struct slo_run *run, double guess, char *error)
{
    struct slo_found found;
    struct rate_search search = {
        .floor = slo_least_rate(&run->goal),
        .ceiling = 1.2 * run->capacity,
        .precision = (double)run->options->precision_percent / 100,
        .guess = guess,
        /* the first search knows nothing, the others look around its result */
        .step = run->n == 0 ? 1.5 : 1.06,
    };
    if (search.ceiling < search.floor) {
        snprintf(
            error, RUN_ERROR_MAX,
            "%.0f requests/s in a closed loop are too few: %s needs %.0f, or a step "
            "takes more than a minute",
            run->capacity, run->goal.label, search.floor);
        return -ERANGE;
    }
    run->config.client.seed = run->options->seed + 1000 * run->search;
    int err = slo_search(&run->goal, &run->config, &search, tell, run, &found, error);
    if (err < 0)
        return err;
    run->rates[run->n++] = found.rate;
    run->steps += found.steps;
    run->generator = run->generator || found.generator;
    run->ceiling = run->ceiling || found.ceiling;
    run->none = run->none || found.rate <= 0;
    return 0;
}

/* --- the result --- */

static void print_result(const struct slo_run *run, const struct slo_estimate *e)
{
    printf("Goal: %s, errors and timeouts included\n", run->goal.label);
    printf("  %.0f requests/s in a closed loop with %u connections\n", run->capacity,
           run->config.client.connections);
    if (run->none)
        printf("Highest rate: none; at %.0f requests/s, the least that can be judged, "
               "it did not hold in each search\n",
               slo_least_rate(&run->goal));
    else if (run->n > 1)
        printf(
            "Highest rate: %.0f requests/s (%.0f to %.0f, with %.1f%% confidence; %u "
            "searches, %u steps)\n",
            e->median, e->low, e->high, 100 * e->confidence, run->n, run->steps);
    else
        printf("Highest rate: %.0f requests/s (one search: no interval)\n", e->median);
    if (run->ceiling)
        printf("  it held at every rate that was tried: more than this, a closed loop "
               "does not make\n");
    if (run->generator)
        printf("INVALID: the generator did not keep up at the rate that failed: the "
               "server may do more\n");
}

static int write_json(struct slo_run *run, const struct slo_estimate *e)
{
    json_t *root = json_pack(
        "{s:s, s:s, s:f, s:I, s:f, s:f, s:f, s:f, s:f, s:i, s:b, s:b, s:b, s:O}",
        "cowload_slo", COWLOAD_VERSION, "goal", run->goal.label, "percentile",
        100.0 * (double)run->goal.num / (double)run->goal.den, "limit_ns",
        (json_int_t)run->goal.limit_ns, "closed_loop_per_s", run->capacity,
        "rate_per_s", e->median, "low_per_s", e->low, "high_per_s", e->high,
        "confidence", e->confidence, "searches", (int)run->n, "generator_late",
        (int)run->generator, "at_ceiling", (int)run->ceiling, "none", (int)run->none,
        "steps", run->steps_json);
    return hist_json_write(root, run->options->json_path);
}

static int report(struct slo_run *run)
{
    struct slo_estimate e = slo_estimate(run->rates, run->n);
    print_result(run, &e);
    if (run->options->json_path != NULL) {
        int err = write_json(run, &e);
        if (err < 0) {
            out_complain(run->options->json_path, err, OUT_WHOLE);
            return EXIT_FAILURE;
        }
    }
    if (fflush(stdout) != 0 || ferror(stdout)) {
        fprintf(stderr, "cowload: could not write the summary to standard output\n");
        return EXIT_FAILURE;
    }
    return run->generator ? EXIT_INVALID : EXIT_SUCCESS;
}

static int measure(struct slo_run *run)
{
    char error[RUN_ERROR_MAX];
    int err = find_capacity(run, error);
    double guess = run->capacity / 2;
    for (; run->search < run->options->searches && err == 0; run->search++) {
        err = search_once(run, guess, error);
        guess = run->rates[0] > 0 ? run->rates[0] : run->capacity / 2;
    }
    if (err < 0) {
        fprintf(stderr, "cowload: %s\n", error);
        return EXIT_FAILURE;
    }
    return report(run);
}

/* --- the command line --- */

static int prepare(struct slo_run *run, struct target *target)
{
    const struct slo_options *o = run->options;
    const struct target_config target_config = {
        .url = o->urls.items[0],
        .headers = o->headers.items,
        .n_headers = o->headers.n,
        .mix_path = o->mix_path,
        .zipf_keys = o->zipf.keys,
        .zipf_exponent = o->zipf.exponent,
    };
    char error[TARGET_ERROR_MAX];
    int err = target_init(target, &target_config, error);
    if (err < 0) {
        fprintf(stderr, "cowload: %s\n", error);
        return err;
    }
    if (o->json_path != NULL && (err = out_probe(o->json_path)) < 0) {
        out_complain(o->json_path, err, OUT_WHOLE);
        target_free(target);
        return err;
    }
    run->config = (struct run_config){
        .client = { .target = target,
                    .threads = (unsigned)o->threads,
                    .connections = (unsigned)o->connections,
                    .seed = o->seed,
                    .timeout_ns = o->timeout_ns,
                    .warmup_ns = o->warmup_ns,
                    .duration_ns = o->duration_ns,
                    .interval_ns = SECOND,
                    .spin_ns = o->spin_ns },
        .stop_on_signal = true,
    };
    return 0;
}

static int run_all(const struct slo_options *options, const struct slo_goal *goal)
{
    struct slo_run run = { .options = options, .goal = *goal };
    struct target target;
    plain_prepare(options->connections);
    if (prepare(&run, &target) < 0)
        return EXIT_FAILURE;
    run.steps_json = json_array();
    int code = measure(&run);
    json_decref(run.steps_json);
    target_free(&target);
    return code;
}

static int check_together(const struct slo_options *o, struct slo_goal *ret_goal,
                          char *error)
{
    if (o->urls.n != 1)
        snprintf(error, ARGS_ERROR_MAX, "%s",
                 o->urls.n == 0 ? "a URL is missing" : "only one URL, please");
    else if (o->goal_text == NULL)
        snprintf(error, ARGS_ERROR_MAX, "a goal is missing, such as --goal 99,10ms");
    else if (slo_parse(ret_goal, o->goal_text) < 0)
        snprintf(
            error, ARGS_ERROR_MAX,
            "bad value '%.60s' for --goal: it must be PERCENTILE,TIME, as in 99,10ms "
            "or 99.9,500us",
            o->goal_text);
    else if (o->threads > o->connections)
        snprintf(error, ARGS_ERROR_MAX,
                 "%llu threads need at least as many connections, not %llu",
                 (unsigned long long)o->threads, (unsigned long long)o->connections);
    else
        return 0;
    return -EINVAL;
}

int slo_main(int argc, char **argv)
{
    struct slo_options o = {
        .searches = 6,
        .precision_percent = 3,
        .threads = 1,
        .connections = 64,
        .duration_ns = 2 * SECOND,
        .warmup_ns = 500 * MS,
        .timeout_ns = 5 * SECOND,
        .seed = 1,
    };
    struct slo_goal goal;
    char error[ARGS_ERROR_MAX];
    int code = EXIT_FAILURE;
    int err = args_parse(&slo_table, argc, argv, &o, error);
    if (err == 0 && !o.help)
        err = check_together(&o, &goal, error);
    if (err < 0) {
        fprintf(stderr, "cowload: %s\n       cowload slo --help lists the options\n",
                error);
    } else if (o.help) {
        puts("usage: cowload slo --goal PERCENTILE,TIME [options] URL");
        args_help(&slo_table, stdout);
        code = EXIT_SUCCESS;
    } else {
        code = run_all(&o, &goal);
    }
    args_list_free(&o.headers);
    args_list_free(&o.urls);
    return code;
}
