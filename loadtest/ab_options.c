/* SPDX-License-Identifier: MIT */
/* ab_options.c - defaults are those of `make bench`. */
#include "loadtest/ab_options.h"

#include <errno.h>
#include <string.h>

#include "server/base/clock.h"
#include "server/base/num.h"
#include "server/base/span.h"

#define AT(field) offsetof(struct ab_options, field)
#define MS        CLOCK_NS_PER_MS
#define SECOND    CLOCK_NS_PER_S

static const struct arg ab_args[] = {
    { 'm', "modes", ARG_TEXT, AT(modes), 0, 0, "LIST",
      "modes to compare, the first is the control; the same twice gives an A/A pair" },
    { 0, "arm", ARG_LIST, AT(specs), 0, 0, "NAME='-m MODE -o KEY=VALUE'",
      "something else to compare, behind the modes of --modes, or instead of them: a "
      "configuration of cowshed; NAME='run COMMAND', any server, {port} is where it "
      "shall listen; NAME=http://HOST:PORT, one that runs already" },
    { 'b', "blocks", ARG_COUNT, AT(blocks), 1, 1000, "N",
      "blocks: each runs every mode once, in random order (9)" },
    { 'd', "duration", ARG_TIME, AT(duration_ns), 100 * MS, 3600 * SECOND, "TIME",
      "measured time of a mode in a block (what --total leaves)" },
    { 0, "warmup", ARG_TIME, AT(warmup_ns), 0, 3600 * SECOND, "TIME",
      "the same load before it, not counted (500ms)" },
    { 0, "total", ARG_TIME, AT(total_ns), SECOND, 7 * 24 * 3600 * SECOND, "TIME",
      "time for everything; with -d it may cost blocks (270s)" },
    { 'R', "rate", ARG_RATE, AT(rate), 0, 100000000, "RATE|auto",
      "requests per second; auto is 55% of what the slowest mode can do (auto)" },
    { 0, "loads", ARG_TEXT, AT(load_list), 0, 0, "LIST",
      "measure all at several loads, in percent of what the slowest can do: 30,55,80" },
    { 0, "slo", ARG_TEXT, AT(goal_text), 0, 0, "PERCENTILE,TIME",
      "instead of latencies at one rate, find the highest rate of each that keeps this "
      "goal: 99,10ms" },
    { 't', "threads", ARG_COUNT, AT(threads), 1, 256, "N", "generator threads (1)" },
    { 'c', "connections", ARG_COUNT, AT(connections), 1, 1000000, "N",
      "connections (64)" },
    { 'T', "timeout", ARG_TIME, AT(timeout_ns), MS, 3600 * SECOND, "TIME",
      "give a request up this long after it was sent (5s)" },
    { 0, "spin", ARG_TIME, AT(spin_ns), 0, 10 * MS, "TIME",
      "poll instead of sleeping this long before a request is due (when the generator "
      "has a processor of its own, 50us, or a fifth of the time between requests)" },
    { 0, "zipf", ARG_ZIPF, AT(zipf), 0, 0, "N,EXPONENT",
      "popularity of the keys that replace {} in PATH (26000,0.99)" },
    { 'H', "header", ARG_LIST, AT(headers), 0, 0, "'NAME: VALUE'",
      "add a header to each request" },
    { 0, "attribute", ARG_FLAG, AT(attribute), 0, 0, NULL,
      "say why the slowest are slow: every response is asked for its timing, and the "
      "events of the server are joined with them" },
    { 0, "disturb", ARG_LIST, AT(disturb_texts), 0, 0, "EVENT,TIME",
      "cause an event this often in each block of cowshed: gc, refork, or kill (of a "
      "worker)" },
    { 0, "margin", ARG_COUNT, AT(margin_percent), 1, 100, "PERCENT",
      "a smaller difference is called equivalent (10)" },
    { 0, "seed", ARG_COUNT, AT(seed), 0, UINT64_MAX, "N",
      "of plans, keys and the order of modes (1)" },
    { 0, "out", ARG_TEXT, AT(out_dir), 0, 0, "DIR",
      "where report.html, report.txt, report.json and the .hlog files go "
      "(build/bench)" },
    { 0, "config", ARG_TEXT, AT(config_path), 0, 0, "FILE",
      "configuration of the server" },
    { 'o', "option", ARG_LIST, AT(overrides), 0, 0, "KEY=VALUE",
      "override an option of the server" },
    { 0, "server", ARG_TEXT, AT(server_path), 0, 0, "PATH",
      "the server (cowshed beside cowload)" },
    { 'h', "help", ARG_FLAG, AT(help), 0, 0, NULL, "print this" },
};

static const struct arg_table ab_table = {
    .args = ab_args,
    .n = sizeof ab_args / sizeof ab_args[0],
    .operands = AT(operands),
};

static int make_arms(struct ab_options *options, char *error)
{
    const char *modes = options->modes;
    if (modes == NULL && options->specs.n == 0)
        modes = "naive,pretouch,throttle,arena,threads,shared";
    int err = modes == NULL
                  ? 0
                  : ab_arms_from_modes(options->arms, &options->n_arms, modes, error);
    for (size_t i = 0; i < options->specs.n && err == 0; i++)
        err = ab_arms_from_spec(options->arms, &options->n_arms,
                                options->specs.items[i], error);
    return err;
}

/* "30,55,80" */
static int parse_loads(struct ab_options *options, char *error)
{
    struct span rest = span_of(options->load_list), item;
    bool more = options->load_list != NULL;
    if (!more) {
        options->loads[options->n_loads++] = AB_SHARE_OF_CAPACITY;
        return 0;
    }
    while (more) {
        uint64_t percent;
        more = span_cut(rest, ',', &item, &rest);
        if (num_parse_u64(item, 1, 200, &percent) < 0 ||
            options->n_loads == AB_LOADS_MAX || options->rate > 0) {
            snprintf(error, ARGS_ERROR_MAX,
                     "bad value '%.60s' for --loads: it must be 1 to %d percentages "
                     "from 1 to 200, without a rate (-R)",
                     options->load_list, AB_LOADS_MAX);
            return -EINVAL;
        }
        options->loads[options->n_loads++] = (double)percent / 100;
    }
    return 0;
}

static int parse_goal(struct ab_options *options, char *error)
{
    if (options->goal_text == NULL)
        return 0;
    if (slo_parse(&options->goal, options->goal_text) < 0)
        snprintf(
            error, ARGS_ERROR_MAX,
            "bad value '%.60s' for --slo: it must be PERCENTILE,TIME, as in 99,10ms",
            options->goal_text);
    else if (options->rate > 0 || options->load_list != NULL || options->attribute)
        snprintf(
            error, ARGS_ERROR_MAX,
            "--slo looks for the rate itself: without -R, --loads and --attribute");
    else
        return 0;
    return -EINVAL;
}

static int parse_disturbs(struct ab_options *options, char *error)
{
    for (size_t i = 0; i < options->disturb_texts.n; i++) {
        const char *text = options->disturb_texts.items[i];
        if (i == DISTURB_MAX ||
            !disturb_parse(text, &options->disturbs[options->n_disturbs])) {
            snprintf(
                error, ARGS_ERROR_MAX,
                "bad value '%.60s' for --disturb: it must be gc, refork or kill with "
                "a time, as in gc,500ms, and at most %d of them",
                text, DISTURB_MAX);
            return -EINVAL;
        }
        options->n_disturbs++;
    }
    return 0;
}

static int check_together(struct ab_options *options, char *error)
{
    int err = make_arms(options, error);
    if (err == 0)
        err = parse_disturbs(options, error);
    if (err == 0)
        err = parse_goal(options, error);
    if (err == 0)
        err = parse_loads(options, error);
    if (err < 0)
        return err;
    if (options->operands.n > 1 ||
        (options->operands.n == 1 && options->operands.items[0][0] != '/'))
        snprintf(error, ARGS_ERROR_MAX,
                 "at most one operand: a path that begins with /");
    else if (options->threads > options->connections)
        snprintf(error, ARGS_ERROR_MAX,
                 "%llu threads need at least as many connections, not %llu",
                 (unsigned long long)options->threads,
                 (unsigned long long)options->connections);
    else
        return 0;
    return -EINVAL;
}

int ab_options_parse(struct ab_options *ret_options, int argc, char **argv,
                     char error[ARGS_ERROR_MAX])
{
    *ret_options = (struct ab_options){
        .blocks = 9,
        .warmup_ns = 500 * MS,
        .total_ns = 270 * SECOND,
        .timeout_ns = 5 * SECOND,
        .spin_ns = UINT64_MAX,
        .threads = 1,
        .connections = 64,
        .margin_percent = 10,
        .seed = 1,
        .out_dir = "build/bench",
        .path = "/o/{}",
    };
    int err = args_parse(&ab_table, argc, argv, ret_options, error);
    if (err == 0 && !ret_options->help)
        err = check_together(ret_options, error);
    if (err < 0)
        return err;
    bool own_path = ret_options->operands.n == 1;
    if (own_path)
        ret_options->path = ret_options->operands.items[0];
    /* a path of one's own without {} names one object */
    if (ret_options->zipf.keys == 0 &&
        (!own_path || strstr(ret_options->path, "{}") != NULL))
        ret_options->zipf = (struct arg_zipf){ .keys = 26000, .exponent = 0.99 };
    return 0;
}

void ab_options_free(struct ab_options *options)
{
    args_list_free(&options->headers);
    args_list_free(&options->overrides);
    args_list_free(&options->specs);
    args_list_free(&options->disturb_texts);
    args_list_free(&options->operands);
}

void ab_options_help(FILE *out)
{
    args_help(&ab_table, out);
}
