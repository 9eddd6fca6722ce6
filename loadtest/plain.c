/* SPDX-License-Identifier: MIT */
/* plain.c - from the command line to the summary. */
#include "loadtest/plain.h"

#include <errno.h>
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "loadtest/hgrm.h"
#include "loadtest/hlog.h"
#include "loadtest/interval_log.h"
#include "loadtest/options.h"
#include "loadtest/out_file.h"
#include "loadtest/run.h"
#include "loadtest/selfcheck.h"
#include "loadtest/summary.h"
#include "loadtest/units.h"
#include "server/base/clock.h"

static const char usage[] =
    "usage: cowload [options] URL\n"
    "       cowload ab [options] [PATH]   compare modes, configurations, any servers\n"
    "       cowload slo [options] URL     the highest rate that keeps a goal\n"
    "       cowload report FILE...        interval logs of any tool, as percentiles\n"
    "       cowload merge -o OUT FILE...  logs of several machines, added up\n"
    "       cowload self-test [--quick]   measure servers of known latency\n"
    "       cowload serve [options]       be such a server\n";

/* What the watcher of a run needs. */
struct plain {
    const struct options *options;
    struct run_config config;
    struct out_file hlog; /* not open: not asked for */
    int hlog_error;
    bool terminal;
    char news[96]; /* of the last interval, for the line of progress */
    uint64_t errors;
};

static int fail(const char *message)
{
    fprintf(stderr, "cowload: %s\n", message);
    return EXIT_FAILURE;
}

/* --- while it runs --- */

static void on_start(void *arg, uint64_t wall_ns)
{
    struct plain *plain = arg;
    if (out_is_open(&plain->hlog))
        hlog_begin(plain->hlog.stream, "Logged with cowload " COWLOAD_VERSION, wall_ns);
}

static void note_progress(struct plain *plain, const struct run_interval *interval)
{
    const struct tally_counts *counts = &interval->tally->counts;
    char p99[UNITS_TEXT_MAX];
    plain->errors += counts->http_errors + counts->wrong_bodies + counts->read_errors +
                     counts->write_errors + counts->timeouts;
    snprintf(plain->news, sizeof plain->news, "%.0f/s, p99 %s, %llu errors",
             interval->length_s > 0 ? (double)counts->in_time / interval->length_s : 0,
             units_time(p99, (double)hist_percentile(interval->all, 99, 100)),
             (unsigned long long)plain->errors);
}

static void on_interval(void *arg, const struct run_interval *interval)
{
    struct plain *plain = arg;
    if (plain->terminal)
        note_progress(plain, interval);
    if (!out_is_open(&plain->hlog))
        return;
    int err = interval_log(plain->hlog.stream, interval);
    if (err < 0)
        plain->hlog_error = err;
    fflush(plain->hlog.stream); /* a partial log ends with a whole interval */
}

static bool on_tick(void *arg, double elapsed_s)
{
    struct plain *plain = arg;
    if (!plain->terminal)
        return true;
    double left_s = (double)plain->options->duration_ns / 1e9 - elapsed_s;
    if (elapsed_s < 0)
        fprintf(stderr, "\r\033[K  getting ready");
    else
        fprintf(stderr, "\r\033[K  %s%s%.0fs left", plain->news,
                plain->news[0] != '\0' ? ", " : "", fmax(left_s, 0));
    return true;
}

/* --- before it runs --- */

static void raise_descriptor_limit(uint64_t connections)
{
    struct rlimit limit;
    uint64_t wanted = connections + 64;
    if (getrlimit(RLIMIT_NOFILE, &limit) < 0 || limit.rlim_cur >= wanted)
        return;
    limit.rlim_cur = limit.rlim_max < wanted ? limit.rlim_max : wanted;
    /* when this is refused the connections that fail are counted and reported */
    (void)setrlimit(RLIMIT_NOFILE, &limit);
}

static struct run_config config_of(struct plain *plain, const struct target *target)
{
    const struct options *options = plain->options;
    return (struct run_config){
        .client = {
            .target = target,
            .threads = (unsigned)options->threads,
            .connections = (unsigned)options->connections,
            .rate = options->ramp.from,
            .rate_to = options->ramp.to != options->ramp.from ? options->ramp.to : 0,
            .steps = (unsigned)options->steps,
            .constant = options->constant,
            .seed = options->seed,
            .timeout_ns = options->timeout_ns,
            .warmup_ns = options->warmup_ns,
            .duration_ns = options->duration_ns,
            .interval_ns = CLOCK_NS_PER_S,
            .spin_ns = options->spin_ns,
            .speed = options->speed,
            .verify = options->verify,
        },
        .watch = {
            .on_start = on_start,
            .on_interval = on_interval,
            .on_tick = on_tick,
            .arg = plain,
        },
        .hiccups = true,
        .hiccup_limit_ns = options->max_hiccup_ns,
        .stop_on_signal = true,
    };
}

void plain_prepare(uint64_t connections)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGTERM);
    pthread_sigmask(SIG_BLOCK, &set, NULL);
    raise_descriptor_limit(connections);
}

/* --- after it ran --- */

static int close_hlog(struct plain *plain)
{
    int err = plain->hlog_error;
    if (!out_is_open(&plain->hlog))
        return 0;
    if (err < 0)
        out_abort(&plain->hlog);
    else
        err = out_commit(&plain->hlog);
    if (err < 0)
        out_complain(plain->options->hlog_path, err, OUT_LINES);
    return err;
}

static int report(struct plain *plain, const struct run_result *result)
{
    const struct options *options = plain->options;
    struct selfcheck check = run_check(&plain->config, result);
    if (plain->terminal)
        fprintf(stderr, "\r\033[K");
    summary_print(stdout, options, result, &check);
    int err = close_hlog(plain);
    if (options->hgrm_path != NULL) {
        int hgrm_err = hgrm_save(options->hgrm_path, &result->all, 1e6);
        err = err < 0 ? err : hgrm_err;
    }
    if (options->json_path != NULL) {
        int json_err = summary_json(options->json_path, options, result, &check);
        if (json_err < 0)
            out_complain(options->json_path, json_err, OUT_WHOLE);
        err = err < 0 ? err : json_err;
    }
    if (fflush(stdout) != 0 || ferror(stdout))
        return fail("could not write the summary to standard output");
    if (err < 0)
        return EXIT_FAILURE;
    return check.n == 0 ? EXIT_SUCCESS : EXIT_INVALID;
}

static int run(struct plain *plain, const struct target *target)
{
    char error[RUN_ERROR_MAX];
    struct run_result result;
    plain->config = config_of(plain, target);
    summary_begin(stdout, plain->options);
    if (run_load(&plain->config, &result, error) < 0) {
        if (plain->terminal)
            fprintf(stderr, "\r\033[K");
        return fail(error);
    }
    int code = report(plain, &result);
    run_result_free(&result);
    return code;
}

/* A replay lasts as long as the log, and has its rate on average. */
static void fit_replay(struct options *options, const struct replay *replay)
{
    double length_ns = (double)replay->length_ns / options->speed;
    if (replay->n == 0)
        return;
    if (options->duration_ns == 0)
        options->duration_ns = (uint64_t)length_ns;
    options->rate = (double)replay->n / length_ns * 1e9;
    options->ramp = (struct arg_ramp){ options->rate, options->rate };
    if (replay->skipped > 0)
        fprintf(stderr, "cowload: %zu lines of '%s' are no GET or HEAD: left out\n",
                replay->skipped, options->replay_path);
}

/* What cannot be written is no surprise at the end of an hour. */
static int probe(const char *path)
{
    int err = path == NULL ? 0 : out_probe(path);
    if (err < 0)
        out_complain(path, err, OUT_WHOLE);
    return err;
}

static int measure(struct options *options)
{
    struct plain plain = { .options = options, .terminal = isatty(STDERR_FILENO) };
    struct target_config target_config = {
        .url = options->url,
        .headers = options->headers.items,
        .n_headers = options->headers.n,
        .mix_path = options->mix_path,
        .method = options->method,
        .body = options->body,
        .zipf_keys = options->zipf.keys,
        .zipf_exponent = options->zipf.exponent,
        .dial = options->dial,
        .replay_path = options->replay_path,
        .tls = options->tls,
    };
    struct target target;
    char error[TARGET_ERROR_MAX];
    if (target_init(&target, &target_config, error) < 0)
        return fail(error);
    fit_replay(options, &target.replay);
    int code = EXIT_FAILURE, err = probe(options->json_path);
    if (err == 0)
        err = probe(options->hgrm_path);
    if (err == 0 && options->hlog_path != NULL) {
        err = out_open(&plain.hlog, options->hlog_path, OUT_LINES);
        if (err < 0)
            out_complain(options->hlog_path, err, OUT_WHOLE);
    }
    if (err == 0)
        code = run(&plain, &target);
    if (out_is_open(&plain.hlog)) { /* nothing was measured */
        plain.hlog.how = OUT_WHOLE;
        out_abort(&plain.hlog);
    }
    target_free(&target);
    return code;
}

int plain_main(int argc, char **argv)
{
    struct options options;
    char error[ARGS_ERROR_MAX];
    int code = EXIT_SUCCESS;
    if (options_parse(&options, argc, argv, error) < 0) {
        code = fail(error);
        fprintf(stderr, "%s       cowload --help lists the options\n", usage);
    } else if (options.version) {
        puts("cowload " COWLOAD_VERSION);
    } else if (options.help) {
        fputs(usage, stdout);
        options_help(stdout);
    } else {
        plain_prepare(options.connections);
        code = measure(&options);
    }
    options_free(&options);
    return code;
}
