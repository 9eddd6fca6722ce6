/* SPDX-License-Identifier: MIT */
/* self_test.c - puts the generator in front of a server whose latency is known, at 100
 * requests/s, at 1000, and at the highest rate that this machine carries, and compares
 * percentiles with closed forms (README rule 21). */
#include "loadtest/self_test.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "loadtest/args.h"
#include "loadtest/closed_form.h"
#include "loadtest/hiccup.h"
#include "loadtest/known_server.h"
#include "loadtest/plain.h"
#include "loadtest/run.h"
#include "loadtest/units.h"
#include "server/base/clock.h"

#define MS        CLOCK_NS_PER_MS
#define TIMEOUT   (60 * CLOCK_NS_PER_S)
#define TOLERANCE 0.01

enum {
    FAST_MS = 100,
    SLOW_MS = 1000,
    EVERY = 50,
    DRAIN = 2, /* times the rate, after a freeze */
    TRIES = 3, /* for a rate at which the machine should have no trouble */
    CONNECTIONS_MAX = 8192,
};

static const struct quantile_wanted {
    uint64_t num, den;
    const char *name;
} wanted[] = {
    { 50, 100, "p50" }, { 75, 100, "p75" },     { 90, 100, "p90" },
    { 99, 100, "p99" }, { 999, 1000, "p99.9" },
};
enum { WANTED = sizeof wanted / sizeof wanted[0] };

enum scenario { FIXED, BIMODAL, FREEZE, SCENARIOS };
static const char *const scenario_names[SCENARIOS] = { "fixed", "bimodal", "freeze" };

struct self_test {
    bool quick, help;
    struct arg_list operands;
    cpu_set_t server_cpus, client_cpus;
    bool pinned, realtime;
    uint64_t duration_ns;
    double worst; /* error of all figures so far */
    bool wrong, noisy;
};

/* What a run must show, and what it did. */
struct trial {
    enum scenario scenario;
    double rate;
    double want_ns[WANTED], got_ns[WANTED];
    double lag_ns;  /* p99.9 of how late the generator was, */
    double late_ns; /* and the server */
    double stop_ns; /* the longest hiccup of either processor */
    bool valid;
};

/* --- the two sides --- */

static void choose_cpus(struct self_test *test)
{
    cpu_set_t allowed;
    size_t first = CPU_SETSIZE, last = CPU_SETSIZE;
    CPU_ZERO(&test->server_cpus);
    CPU_ZERO(&test->client_cpus);
    if (sched_getaffinity(0, sizeof allowed, &allowed) < 0)
        return;
    for (size_t i = 0; i < CPU_SETSIZE; i++) {
        if (!CPU_ISSET(i, &allowed))
            continue;
        first = first == CPU_SETSIZE ? i : first;
        last = i;
    }
    test->pinned = first != last;
    if (!test->pinned)
        return;
    CPU_SET(first, &test->server_cpus);
    CPU_SET(last, &test->client_cpus);
    test->realtime = client_may_be_realtime();
}

static struct known_config server_of(const struct self_test *test,
                                     const struct trial *trial)
{
    struct known_config config = { .cpus = test->pinned ? &test->server_cpus : NULL,
                                   .realtime = test->realtime };
    if (trial->scenario == FREEZE) {
        config.gap_ns = (uint64_t)((double)CLOCK_NS_PER_S / (DRAIN * trial->rate));
        return config;
    }
    config.delay_ns = FAST_MS * MS;
    config.slow_ns = SLOW_MS * MS;
    config.every = trial->scenario == BIMODAL ? EVERY : 0;
    return config;
}

/* So many that none has to wait for a free one. */
static unsigned connections_for(const struct trial *trial)
{
    double delay = trial->scenario == FREEZE  ? 0
                   : trial->scenario == FIXED ? FAST_MS / 1e3
                                              : FAST_MS / 1e3 + SLOW_MS / 1e3 / EVERY;
    double n = 64 + 1.5 * trial->rate * delay;
    return n < CONNECTIONS_MAX ? (unsigned)n : CONNECTIONS_MAX;
}

/* Sleepers beside the server and beside the generator, and before them: what they wait
 * for is no request. */
enum { WITNESSES = 2 };

struct session {
    struct known_server *server;
    const struct self_test *test;
    const struct trial *trial;
    struct hiccups *witnesses; /* WITNESSES of them */
};

/* A connection that waits to be accepted is a delay that neither side sees. */
static void on_warm(void *arg)
{
    const struct session *session = arg;
    (void)known_await(session->server, connections_for(session->trial), CLOCK_NS_PER_S);
}

/* The freeze begins with the first request. */
static void on_start(void *arg, uint64_t wall_ns)
{
    struct session *session = arg;
    (void)wall_ns;
    for (unsigned i = 0; i < WITNESSES; i++)
        hiccups_record(&session->witnesses[i]);
    if (session->trial->scenario != FREEZE)
        return;
    uint64_t now = clock_ns();
    known_freeze(session->server, now, now + session->test->duration_ns / 5 * 2);
}

static int load(const struct self_test *test, const struct trial *trial,
                struct known_server *server, struct hiccups *witnesses,
                struct run_result *ret_result, bool *ret_valid)
{
    char url[64], error[TARGET_ERROR_MAX];
    struct target target;
    const struct target_config to = { .url = url };
    struct session session = { server, test, trial, witnesses };
    snprintf(url, sizeof url, "http://127.0.0.1:%u/", server->port);
    int err = target_init(&target, &to, error);
    const struct run_config config = {
        .client = { .target = &target,
                    .threads = 1,
                    .connections = connections_for(trial),
                    .rate = trial->rate,
                    .constant = true,
                    .seed = 1,
                    .timeout_ns = TIMEOUT,
                    .duration_ns = test->duration_ns,
                    .interval_ns = CLOCK_NS_PER_S,
                    .tallies = 16,
                    .cpus = test->pinned ? &test->client_cpus : NULL,
                    .realtime = test->realtime },
        .watch = { .on_warm = on_warm, .on_start = on_start, .arg = &session },
        .collect_last = true,
        .stop_on_signal = true,
    };
    if (err == 0) {
        err = run_load(&config, ret_result, error);
        target_free(&target);
    }
    if (err < 0)
        fprintf(stderr, "cowload: %s\n", error);
    else
        *ret_valid = run_check(&config, ret_result).n == 0;
    return err;
}

/* --- one run --- */

static double work_out(const struct self_test *test, const struct trial *trial,
                       double p)
{
    double duration = (double)test->duration_ns, freeze = duration / 5 * 2;
    double fast = FAST_MS * (double)MS, slow = SLOW_MS * (double)MS;
    switch (trial->scenario) {
    case FREEZE:
        return closed_freeze(freeze, duration, trial->rate / 1e9, DRAIN, p);
    case BIMODAL:
        return closed_bimodal(fast, slow, EVERY, p);
    case FIXED:
    case SCENARIOS:
        break;
    }
    return fast;
}

static int load_watched(const struct self_test *test, const struct trial *trial,
                        struct known_server *server, struct run_result *ret_result,
                        bool *ret_valid, uint64_t *ret_stop_ns)
{
    const cpu_set_t *cpus[WITNESSES] = { &test->server_cpus, &test->client_cpus };
    struct hiccups witnesses[WITNESSES] = { { .at = NULL }, { .at = NULL } };
    int err = 0;
    for (unsigned i = 0; i < WITNESSES && err == 0; i++)
        err = hiccups_start(&witnesses[i], 1, test->pinned ? cpus[i] : NULL,
                            test->realtime ? 2 : 0);
    if (err < 0)
        fprintf(stderr, "cowload: could not start a thread: %s\n", strerror(-err));
    else
        err = load(test, trial, server, witnesses, ret_result, ret_valid);
    *ret_stop_ns = 0;
    for (unsigned i = 0; i < WITNESSES; i++) {
        hiccups_stop(&witnesses[i]);
        if (witnesses[i].n > 0 && witnesses[i].at[0].hist.max > *ret_stop_ns)
            *ret_stop_ns = witnesses[i].at[0].hist.max;
        hiccups_free(&witnesses[i]);
    }
    return err;
}

static int run_trial(const struct self_test *test, struct trial *trial)
{
    struct known_config config = server_of(test, trial);
    struct known_server server;
    struct run_result result;
    uint64_t stop_ns;
    int err = known_start(&server, &config);
    if (err < 0) {
        fprintf(stderr, "cowload: could not start the server: %s\n", strerror(-err));
        return err;
    }
    err = load_watched(test, trial, &server, &result, &trial->valid, &stop_ns);
    trial->stop_ns = (double)stop_ns;
    trial->late_ns = (double)known_lateness_ns(&server);
    known_stop(&server);
    if (err < 0)
        return err;
    if (result.interrupted)
        err = -1;
    for (unsigned i = 0; i < WANTED; i++) {
        double p = (double)wanted[i].num / (double)wanted[i].den;
        trial->want_ns[i] = work_out(test, trial, p);
        trial->got_ns[i] =
            (double)hist_percentile(&result.all, wanted[i].num, wanted[i].den);
    }
    trial->lag_ns = (double)hist_percentile(&result.tally.lag, 999, 1000);
    run_result_free(&result);
    return err;
}

/* By which part of itself percentile i is off. */
static double error_of(const struct trial *trial, unsigned i)
{
    return trial->got_ns[i] / trial->want_ns[i] - 1;
}

/* A processor that stands still while a request or an answer waits to be read makes a
 * latency that neither side can see: it was there before they looked. An error that the
 * longest such stop explains is the machine's; it began up to a period before the first
 * wake-up that it delayed. */
static bool stop_explains(const struct trial *trial, unsigned i)
{
    return trial->stop_ns > trial->want_ns[i] * TOLERANCE / 4 &&
           fabs(trial->got_ns[i] - trial->want_ns[i]) <
               trial->stop_ns + (double)HICCUP_PERIOD_NS;
}

/* A delay on either side that moves a percentile by half of what is tolerated is the
 * machine's as well. */
static bool machine_kept_up(const struct trial *trial)
{
    double least = trial->want_ns[0];
    for (unsigned i = 0; i < WANTED; i++) {
        least = trial->want_ns[i] < least ? trial->want_ns[i] : least;
        if (fabs(error_of(trial, i)) > TOLERANCE && stop_explains(trial, i))
            return false;
    }
    return trial->valid && trial->lag_ns + trial->late_ns < least * TOLERANCE / 2;
}

static void print_delays(const struct trial *trial, const char *words)
{
    char lag[UNITS_TEXT_MAX], late[UNITS_TEXT_MAX], stop[UNITS_TEXT_MAX];
    printf("%-8s %9.0f  %sp99.9 of delays: generator %s, server %s; "
           "longest hiccup %s\n",
           scenario_names[trial->scenario], trial->rate, words,
           units_time(lag, trial->lag_ns), units_time(late, trial->late_ns),
           units_time(stop, trial->stop_ns));
}

static void report(struct self_test *test, const struct trial *trial)
{
    char want[UNITS_TEXT_MAX], got[UNITS_TEXT_MAX];
    for (unsigned i = 0; i < WANTED; i++) {
        double error = error_of(trial, i);
        printf("%-8s %9.0f  %-6s %10s %10s %+8.3f %%%s\n",
               scenario_names[trial->scenario], trial->rate, wanted[i].name,
               units_time(want, trial->want_ns[i]), units_time(got, trial->got_ns[i]),
               100 * error, fabs(error) > TOLERANCE ? "  WRONG" : "");
        test->wrong = test->wrong || fabs(error) > TOLERANCE;
        test->worst = fabs(error) > test->worst ? fabs(error) : test->worst;
    }
    print_delays(trial, "");
}

/* 1 and a report when the machine kept up, 0 when it did not; below 0: it is over. */
static int try_trial(struct self_test *test, struct trial *trial)
{
    int err = run_trial(test, trial);
    if (err < 0)
        return err;
    if (!machine_kept_up(trial))
        return 0;
    report(test, trial);
    return 1;
}

/* At a rate that any machine carries. */
static int check_at(struct self_test *test, enum scenario scenario, double rate)
{
    struct trial trial = { .scenario = scenario, .rate = rate };
    for (unsigned i = 0; i < TRIES; i++) {
        int told = try_trial(test, &trial);
        if (told != 0)
            return told < 0 ? told : 0;
    }
    print_delays(&trial, "the machine was too busy, again and again: ");
    test->noisy = true;
    return 0;
}

/* Half of what a closed loop makes, and half of that, until the machine keeps up. */
static int check_highest(struct self_test *test, enum scenario scenario,
                         double capacity)
{
    for (double rate = capacity / 2; rate > 1000; rate /= 2) {
        struct trial trial = { .scenario = scenario, .rate = floor(rate) };
        int told = try_trial(test, &trial);
        if (told != 0)
            return told < 0 ? told : 0;
        print_delays(&trial, "is more than this machine carries: ");
    }
    return 0;
}

static int find_capacity(const struct self_test *test, double *ret_capacity)
{
    struct self_test probe = *test;
    struct trial trial = { .scenario = FIXED };
    struct known_config config = { .cpus = test->pinned ? &test->server_cpus : NULL };
    struct known_server server;
    struct run_result result;
    uint64_t stop_ns;
    bool valid;
    probe.duration_ns = CLOCK_NS_PER_S / 2;
    int err = known_start(&server, &config);
    if (err < 0)
        return err;
    err = load_watched(&probe, &trial, &server, &result, &valid, &stop_ns);
    known_stop(&server);
    if (err < 0)
        return err;
    *ret_capacity = run_rate(&result);
    run_result_free(&result);
    return 0;
}

/* --- all of it --- */

static int check_all(struct self_test *test)
{
    double capacity;
    int err = find_capacity(test, &capacity);
    printf("scenario    rate/s  figure     should be         is      error\n");
    for (unsigned s = 0; s < SCENARIOS && err == 0; s++) {
        err = check_at(test, (enum scenario)s, 100);
        if (err == 0)
            err = check_at(test, (enum scenario)s, 1000);
        if (err == 0)
            err = check_highest(test, (enum scenario)s, capacity);
        fflush(stdout);
    }
    return err;
}

static int conclude(const struct self_test *test)
{
    printf("\nlargest error %.3f %%, %.0f %% are tolerated: %s\n", 100 * test->worst,
           100 * TOLERANCE,
           test->wrong   ? "WRONG"
           : test->noisy ? "INVALID, the machine was too busy for some"
                         : "as it should be");
    return test->wrong ? EXIT_FAILURE : test->noisy ? EXIT_INVALID : EXIT_SUCCESS;
}

static const struct arg self_args[] = {
    { 0, "quick", ARG_FLAG, offsetof(struct self_test, quick), 0, 0, NULL,
      "one second for each figure instead of five" },
    { 'h', "help", ARG_FLAG, offsetof(struct self_test, help), 0, 0, NULL,
      "print this" },
};
static const struct arg_table self_table = {
    .args = self_args,
    .n = sizeof self_args / sizeof self_args[0],
    .operands = offsetof(struct self_test, operands),
};

int self_test_main(int argc, char **argv)
{
    struct self_test test = { .worst = 0 };
    char error[ARGS_ERROR_MAX];
    int code = EXIT_FAILURE;
    int err = args_parse(&self_table, argc, argv, &test, error);
    if (err == 0 && test.operands.n > 0) {
        snprintf(error, sizeof error, "no operands are expected, not '%.60s'",
                 test.operands.items[0]);
        err = -1;
    }
    if (err < 0) {
        fprintf(stderr,
                "cowload: %s\n       cowload self-test --help lists the options\n",
                error);
    } else if (test.help) {
        puts("usage: cowload self-test [--quick]");
        args_help(&self_table, stdout);
        code = EXIT_SUCCESS;
    } else {
        plain_prepare(CONNECTIONS_MAX);
        choose_cpus(&test);
        test.duration_ns = (test.quick ? 1 : 5) * CLOCK_NS_PER_S;
        if (check_all(&test) == 0)
            code = conclude(&test);
    }
    args_list_free(&test.operands);
    return code;
}
