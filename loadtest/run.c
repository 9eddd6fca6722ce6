/* SPDX-License-Identifier: MIT */
/* run.c - starts the client threads, collects what they record, adds it up. */
#include "loadtest/run.h"

#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "server/base/check.h"
#include "server/base/clock.h"

#define TICK_NS      (100 * CLOCK_NS_PER_MS)
#define GATE_TICK_NS (2 * CLOCK_NS_PER_MS)

struct run {
    const struct run_config *config;
    struct client_group group;
    struct client *clients;
    pthread_t *threads;
    unsigned n_clients;
    unsigned n_threads; /* of them running */
    struct hiccups hiccups;
    struct tally interval;
    uint64_t interval_from_ns;
    struct run_result result;
};

/* For the row "Req/Sec" of the summary; when memory is short it knows less. */
static void add_rate(struct run_rates *rates, double rate)
{
    double *more = reallocarray(rates->samples, rates->n + 1, sizeof *more);
    if (more == NULL)
        return;
    more[rates->n++] = rate;
    rates->samples = more;
}

double run_rate(const struct run_result *result)
{
    return result->duration_s > 0
               ? (double)result->tally.counts.in_time / result->duration_s
               : 0;
}

struct selfcheck run_check(const struct run_config *config,
                           const struct run_result *result)
{
    const struct tally_counts *counts = &result->tally.counts;
    struct selfcheck_facts facts = {
        .open_loop = config->client.rate > 0,
        .planned = counts->planned,
        .backlog = counts->backlog,
        .responses = counts->ok + counts->http_errors + counts->wrong_bodies,
        .lag_ns = hist_percentile(&result->tally.lag, 999, 1000),
        .latency_ns = hist_percentile(&result->all, 999, 1000),
        .hiccup_ns = hist_percentile(&result->hiccups, 999, 1000),
        .hiccup_limit_ns = config->hiccup_limit_ns,
        .busiest = result->busiest,
        .connections = config->client.connections,
        .opened = result->opened,
    };
    return selfcheck_run(&facts);
}

/* --- set-up and its undoing --- */

static void run_free(struct run *run)
{
    for (unsigned i = 0; i < run->n_clients; i++)
        client_free(&run->clients[i]);
    free(run->clients);
    free(run->threads);
    hiccups_free(&run->hiccups);
    tally_free(&run->interval);
}

void run_result_free(struct run_result *result)
{
    tally_free(&result->tally);
    for (unsigned i = 0; i < result->n_keepers; i++)
        keeper_free(&result->keepers[i]);
    free(result->keepers);
    free(result->rates.samples);
    hist_free(&result->all);
    hist_free(&result->hiccups);
    hist_free(&result->connect);
}

static int run_init(struct run *run, const struct run_config *config)
{
    const struct client_config *client = &config->client;
    *run = (struct run){ .config = config };
    run->clients = calloc(client->threads, sizeof *run->clients);
    run->threads = calloc(client->threads, sizeof *run->threads);
    if (run->clients == NULL || run->threads == NULL ||
        tally_init(&run->interval) < 0 || tally_init(&run->result.tally) < 0 ||
        hist_init(&run->result.connect, TALLY_LOWEST, TALLY_HIGHEST, TALLY_DIGITS) <
            0 ||
        hist_init(&run->result.hiccups, TALLY_LOWEST, TALLY_HIGHEST, TALLY_DIGITS) < 0)
        return -ENOMEM;
    for (unsigned i = 0; i < client->threads; i++) {
        int err = client_init(&run->clients[i], client, &run->group, i);
        if (err < 0)
            return err;
        run->n_clients++;
    }
    run->group.gate = GATE_INIT;
    return 0;
}

static void join_threads(struct run *run)
{
    for (unsigned i = 0; i < run->n_threads; i++)
        pthread_join(run->threads[i], NULL);
    run->n_threads = 0;
}

/* Makes the threads run to their end without a request. */
static void call_off(struct run *run)
{
    atomic_store(&run->group.stop_ns, 1);
    atomic_store(&run->group.abandon, true);
}

/* Of a run that cannot begin. */
static void end_threads(struct run *run)
{
    call_off(run);
    gate_open(&run->group.gate, CLIENT_WARM);
    join_threads(run);
}

static int start_threads(struct run *run)
{
    for (unsigned i = 0; i < run->n_clients; i++) {
        int err = pthread_create(&run->threads[i], NULL, client_main, &run->clients[i]);
        if (err != 0) {
            end_threads(run);
            return -err;
        }
        run->n_threads++;
    }
    atomic_store(&run->group.running, run->n_threads);
    /* a closed loop fills its processors itself: it would only see its own load */
    if (!run->config->hiccups || run->config->client.rate == 0)
        return 0;
    int err = hiccups_start(&run->hiccups, run->n_threads, run->config->client.cpus,
                            run->config->client.realtime ? 1 : 0);
    if (err < 0)
        end_threads(run);
    return err;
}

/* --- collecting --- */

static bool all_full(struct run *run)
{
    for (unsigned i = 0; i < run->n_clients; i++) {
        if (recorder_full(&run->clients[i].recorder) == NULL)
            return false;
    }
    return true;
}

/* Ends an interval: adds it to the result and shows it to the watcher. */
static void end_interval(struct run *run, uint64_t to_ns, bool last)
{
    const struct run_watch *watch = &run->config->watch;
    uint64_t start = atomic_load(&run->group.start_ns);
    struct hist all;
    tally_merge(&run->result.tally, &run->interval);
    bool empty = run->interval.ok.total + run->interval.bad.total == 0;
    if (watch->on_interval != NULL && !(empty && last) &&
        tally_all(&run->interval, &all) == 0) {
        struct run_interval interval = {
            .start_s = (double)(run->interval_from_ns - start) / 1e9,
            .length_s = (double)(to_ns - run->interval_from_ns) / 1e9,
            .tally = &run->interval,
            .all = &all,
        };
        watch->on_interval(watch->arg, &interval);
        hist_free(&all);
    }
    tally_reset(&run->interval);
    run->interval_from_ns = to_ns;
}

static void collect_interval(struct run *run)
{
    uint64_t to_ns = 0;
    for (unsigned i = 0; i < run->n_clients; i++) {
        struct recorder *recorder = &run->clients[i].recorder;
        struct recorder_set *set = recorder_full(recorder);
        uint64_t done = set->tally.counts.ok + set->tally.counts.http_errors;
        uint64_t length = set->swapped_ns - run->interval_from_ns;
        if (set->swapped_ns > to_ns)
            to_ns = set->swapped_ns;
        if (length > 0)
            add_rate(&run->result.rates, (double)done * 1e9 / (double)length);
        tally_merge(&run->interval, &set->tally);
        recorder_done(recorder);
    }
    end_interval(run, to_ns, false);
}

static void collect_full(struct run *run)
{
    while (all_full(run))
        collect_interval(run);
}

/* After the threads were joined: everything that is still with them. */
static void collect_rest(struct run *run)
{
    collect_full(run);
    for (unsigned i = 0; i < run->n_clients; i++) {
        struct recorder *recorder = &run->clients[i].recorder;
        for (unsigned k = 0; k < recorder->n; k++)
            tally_merge(&run->interval, &recorder->sets[k].tally);
    }
    end_interval(run, clock_ns(), true);
}

/* --- while it runs --- */

/* The first request to stop lets what was sent come to its end; the second does not. */
static void stop(struct run *run)
{
    if (atomic_load(&run->group.stop_ns) != 0)
        atomic_store(&run->group.abandon, true);
    else
        atomic_store(&run->group.stop_ns, clock_ns());
    run->result.interrupted = true;
}

static void wait_tick(struct run *run, uint64_t length_ns)
{
    const struct run_watch *watch = &run->config->watch;
    struct timespec length = { .tv_nsec = (long)length_ns };
    uint64_t start = atomic_load(&run->group.start_ns);
    sigset_t set;
    sigemptyset(&set);
    if (run->config->stop_on_signal) {
        sigaddset(&set, SIGINT);
        sigaddset(&set, SIGTERM);
    }
    if (sigtimedwait(&set, NULL, &length) >= 0)
        stop(run);
    double elapsed = start == 0 ? -1 : (double)(clock_ns() - start) / 1e9;
    if (watch->on_tick != NULL && !watch->on_tick(watch->arg, elapsed)) {
        stop(run);
        atomic_store(&run->group.abandon, true);
    }
}

static void watch_threads(struct run *run)
{
    while (atomic_load(&run->group.running) > 0) {
        wait_tick(run, TICK_NS);
        if (!run->config->collect_last)
            collect_full(run);
    }
}

static bool have_connection(struct run *run, char *error)
{
    const char *reason = "timed out";
    for (unsigned i = 0; i < run->n_clients; i++) {
        if (!list_empty(&run->clients[i].idle))
            return true;
        if (run->clients[i].connect_error != 0)
            reason = tls_strerror(run->clients[i].connect_error);
    }
    if (run->result.interrupted)
        snprintf(error, RUN_ERROR_MAX, "interrupted before the first connection");
    else
        snprintf(error, RUN_ERROR_MAX, "could not connect to %s: %s",
                 run->config->client.target->dial.text, reason);
    return false;
}

static void wait_for_gate(struct run *run, unsigned number)
{
    while (gate_arrivals(&run->group.gate) < number * run->n_threads) {
        wait_tick(run, GATE_TICK_NS);
    }
}

/* Walks the threads through their steps; see client_main(). */
static int conduct(struct run *run, char *error)
{
    const struct run_watch *watch = &run->config->watch;
    wait_for_gate(run, CLIENT_CONNECTED);
    bool connected = have_connection(run, error);
    if (!connected)
        call_off(run);
    gate_open(&run->group.gate, CLIENT_CONNECTED);
    wait_for_gate(run, CLIENT_WARM);
    if (connected && watch->on_warm != NULL)
        watch->on_warm(watch->arg);
    uint64_t start = clock_ns();
    run->result.start_wall_ns = clock_wall_ns();
    run->interval_from_ns = start;
    atomic_store(&run->group.start_ns, start);
    if (connected && watch->on_start != NULL)
        watch->on_start(watch->arg, run->result.start_wall_ns);
    gate_open(&run->group.gate, CLIENT_WARM);
    hiccups_record(&run->hiccups);
    watch_threads(run);
    hiccups_stop(&run->hiccups);
    join_threads(run);
    if (connected)
        return 0;
    return run->result.interrupted ? -EINTR : -ECONNREFUSED;
}

/* --- the result --- */

static void add_client(struct run *run, const struct client *client)
{
    struct run_result *result = &run->result;
    const struct client_usage *usage = &client->usage;
    double share =
        usage->wall_ns == 0 ? 0 : (double)usage->cpu_ns / (double)usage->wall_ns;
    uint64_t start = atomic_load(&run->group.start_ns);
    /* a run that was interrupted in its warm-up ended before it began */
    double duration =
        client->end_ns > start ? (double)(client->end_ns - start) / 1e9 : 0;
    result->opened += client->opened;
    result->usage.wall_ns += usage->wall_ns;
    result->usage.cpu_ns += usage->cpu_ns;
    result->usage.queued_ns += usage->queued_ns;
    result->usage.preempted += usage->preempted;
    result->usage.minor_faults += usage->minor_faults;
    result->usage.major_faults += usage->major_faults;
    if (share > result->busiest)
        result->busiest = share;
    if (duration > result->duration_s)
        result->duration_s = duration;
    CHECK(hist_merge(&result->connect, &client->connect) == 0);
}

/* What the clients have kept is the result's from here on. */
static int take_keepers(struct run *run)
{
    struct run_result *result = &run->result;
    if (run->config->client.keep == 0)
        return 0;
    result->keepers = calloc(run->n_clients, sizeof *result->keepers);
    if (result->keepers == NULL)
        return -ENOMEM;
    for (unsigned i = 0; i < run->n_clients; i++) {
        result->keepers[i] = run->clients[i].keeper;
        run->clients[i].keeper = (struct keeper){ 0 };
    }
    result->n_keepers = run->n_clients;
    return 0;
}

static int finish(struct run *run)
{
    collect_rest(run);
    run->result.start_ns = atomic_load(&run->group.start_ns);
    int err = take_keepers(run);
    if (err < 0)
        return err;
    for (unsigned i = 0; i < run->n_clients; i++)
        add_client(run, &run->clients[i]);
    hiccups_merge(&run->hiccups, &run->result.hiccups);
    CHECK(tally_balanced(&run->result.tally.counts));
    return tally_all(&run->result.tally, &run->result.all);
}

struct conductor {
    struct run *run;
    char *error;
    int err;
};

/* Collecting must not push a client thread aside, nor the server (README rule 10): it
 * has the class that any other thread interrupts at once. A thread of its own, since
 * without privileges there is no way back from that class. */
static void *conductor_main(void *arg)
{
    struct conductor *conductor = arg;
    struct sched_param none = { 0 };
    (void)sched_setscheduler(0, SCHED_IDLE, &none);
    conductor->err = conduct(conductor->run, conductor->error);
    return NULL;
}

static int conduct_aside(struct run *run, char *error)
{
    struct conductor conductor = { .run = run, .error = error };
    pthread_t thread;
    int err = pthread_create(&thread, NULL, conductor_main, &conductor);
    if (err != 0) {
        end_threads(run);
        return -err;
    }
    pthread_join(thread, NULL);
    return conductor.err;
}

int run_load(const struct run_config *config, struct run_result *ret_result,
             char error[RUN_ERROR_MAX])
{
    struct run run;
    error[0] = '\0';
    int err = run_init(&run, config);
    if (err == 0)
        err = start_threads(&run);
    if (err == 0)
        err = conduct_aside(&run, error);
    if (err == 0)
        err = finish(&run);
    if (err < 0 && error[0] == '\0')
        snprintf(error, RUN_ERROR_MAX, "could not start the run: %s", strerror(-err));
    if (err < 0)
        run_result_free(&run.result);
    else
        *ret_result = run.result;
    run_free(&run);
    return err;
}
