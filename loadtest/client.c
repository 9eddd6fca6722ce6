/* SPDX-License-Identifier: MIT */
/* client.c - the steps of a client thread. */
#include "loadtest/client.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "server/base/check.h"
#include "server/base/clock.h"
#include "server/base/fd.h"

/* Streams of random numbers that must have nothing in common. */
enum purpose { WARMUP_PLAN = 1, WARMUP_REQUESTS, PLAN, REQUESTS, SAMPLE };

int client_init(struct client *client, const struct client_config *config,
                struct client_group *group, unsigned index)
{
    unsigned each = config->connections / config->threads;
    bool one_more = index < config->connections % config->threads;
    *client = (struct client){ .config = config, .group = group, .index = index };
    list_init(&client->idle);
    list_init(&client->connecting);
    list_init(&client->flight);
    list_init(&client->broken);
    client->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    if (client->epoll_fd < 0)
        return -errno;
    client->conns = calloc(each + one_more, sizeof *client->conns);
    client->buffer = malloc(CLIENT_READ_SIZE);
    client->request = malloc(DIAL_PREFACE_MAX + TARGET_REQUEST_MAX);
    client->heads = calloc(1, sizeof *client->heads);
    if (client->conns == NULL || client->buffer == NULL || client->request == NULL ||
        client->heads == NULL ||
        hist_init(&client->connect, TALLY_LOWEST, TALLY_HIGHEST, TALLY_DIGITS) < 0 ||
        recorder_init(&client->recorder, config->tallies > 0 ? config->tallies : 2) <
            0 ||
        keeper_init(&client->keeper, config->keep,
                    plan_derive_seed(config->seed, SAMPLE) + index) < 0) {
        client_free(client);
        return -ENOMEM;
    }
    memset(client->buffer, 0, CLIENT_READ_SIZE); /* its page faults are paid now */
    client->n_conns = each + one_more;
    const struct conn_wants wants = { .timing = config->keep > 0,
                                      .body = config->verify };
    for (unsigned i = 0; i < client->n_conns; i++) {
        conn_init(&client->conns[i], client->epoll_fd, client->heads, &wants);
        list_push_back(&client->broken, &client->conns[i].link);
    }
    return 0;
}

void client_free(struct client *client)
{
    for (unsigned i = 0; i < client->n_conns; i++)
        conn_free(&client->conns[i]);
    free(client->conns);
    free(client->buffer);
    free(client->request);
    free(client->heads);
    bodies_free(&client->bodies);
    recorder_free(&client->recorder);
    keeper_free(&client->keeper);
    hist_free(&client->connect);
    fd_close(&client->epoll_fd);
    *client = (struct client){ .epoll_fd = -1 };
}

/* Time spent runnable but not running, from the scheduler; 0 when it does not say. */
static uint64_t read_queued_ns(void)
{
    char text[128];
    unsigned long long ran, queued = 0;
    int fd = open("/proc/thread-self/schedstat", O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return 0;
    ssize_t n = read(fd, text, sizeof text - 1);
    fd_close(&fd);
    if (n <= 0)
        return 0;
    text[n] = '\0';
    return sscanf(text, "%llu %llu", &ran, &queued) == 2 ? queued : 0;
}

static struct client_usage usage_now(const struct client *client)
{
    struct rusage r;
    getrusage(RUSAGE_THREAD, &r);
    return (struct client_usage){
        .wall_ns = clock_ns(),
        .cpu_ns = clock_read_ns(CLOCK_THREAD_CPUTIME_ID) - client->spun_ns,
        .queued_ns = read_queued_ns(),
        .preempted = (uint64_t)r.ru_nivcsw,
        .minor_faults = (uint64_t)r.ru_minflt,
        .major_faults = (uint64_t)r.ru_majflt,
    };
}

static struct client_usage usage_since(const struct client *client,
                                       const struct client_usage *before)
{
    struct client_usage now = usage_now(client);
    return (struct client_usage){
        .wall_ns = now.wall_ns - before->wall_ns,
        .cpu_ns = now.cpu_ns - before->cpu_ns,
        .queued_ns = now.queued_ns - before->queued_ns,
        .preempted = now.preempted - before->preempted,
        .minor_faults = now.minor_faults - before->minor_faults,
        .major_faults = now.major_faults - before->major_faults,
    };
}

static void begin_plan(struct client *client, uint64_t start_ns, uint64_t length_ns,
                       enum purpose plan, enum purpose requests)
{
    const struct client_config *config = client->config;
    struct plan_config plan_config = {
        .seed = plan_derive_seed(config->seed, plan),
        .rate = config->rate,
        .constant = config->constant,
        .stream = client->index,
        .streams = config->threads,
        .rate_to = plan == PLAN ? config->rate_to : 0,
        .length_ns = (double)length_ns,
        .steps = config->steps,
        .list_ns = config->target->replay.at_ns,
        .list_n = config->target->replay.n,
        .speed = config->speed,
    };
    uint64_t seed = plan_derive_seed(config->seed, requests);
    prng_seed(&client->requests, plan_derive_seed(seed, client->index));
    pacer_init(&client->pacer, config->rate > 0 ? &plan_config : NULL, start_ns,
               start_ns + length_ns);
    client->backlog_noted = false;
}

/* Ends what is left: its outcome is not known, only that it took this long. */
static void abandon_rest(struct client *client)
{
    struct tally *tally = recorder_tally(&client->recorder);
    uint64_t timeout_ns = client->config->timeout_ns, planned_ns, now = clock_ns();
    list_each_safe (link, &client->flight) {
        struct conn *conn = list_entry(link, struct conn, link);
        tally->counts.in_flight++;
        tally_failed(tally, conn->times.planned_ns, now, timeout_ns);
        conn->times.done_ns = now;
        keeper_add(&client->keeper, &conn->times, true, SPAN(""));
        conn_close(conn);
        list_push_back(&client->broken, &conn->link);
    }
    while (pacer_drop(&client->pacer, &planned_ns)) {
        tally->counts.unsent++;
        tally_failed(tally, planned_ns, now, timeout_ns);
        keeper_add(&client->keeper, &(struct tally_times){ planned_ns, now, now }, true,
                   SPAN(""));
    }
}

static unsigned count_open(const struct client *client)
{
    unsigned n = 0;
    for (unsigned i = 0; i < client->n_conns; i++)
        n += client->conns[i].state == CONN_IDLE;
    return n;
}

/* README rule 9: the warm-up has a plan of its own, and takes its backlog with it. */
static void warm_up(struct client *client)
{
    const struct client_config *config = client->config;
    begin_plan(client, clock_ns(), config->warmup_ns, WARMUP_PLAN, WARMUP_REQUESTS);
    client_loop(client, false);
    abandon_rest(client);
    client_connect(client, clock_ns() + config->timeout_ns);
}

static void measure(struct client *client)
{
    const struct client_config *config = client->config;
    uint64_t start = atomic_load(&client->group->start_ns);
    struct client_usage before = usage_now(client);
    client->opened = count_open(client);
    tally_reset(recorder_tally(&client->recorder));
    keeper_reset(&client->keeper);
    begin_plan(client, start, config->duration_ns, PLAN, REQUESTS);
    client_loop(client, true);
    client->end_ns = client->pacer.end_ns;
    abandon_rest(client);
    client->usage = usage_since(client, &before);
}

bool client_may_be_realtime(void)
{
    struct sched_param lowest = { .sched_priority = 1 }, none = { 0 };
    if (sched_setscheduler(0, SCHED_FIFO, &lowest) < 0)
        return false;
    CHECK(sched_setscheduler(0, SCHED_OTHER, &none) == 0);
    return true;
}

void *client_main(void *arg)
{
    struct client *client = arg;
    struct client_group *group = client->group;
    /* timers of this thread to the nanosecond instead of 50 us late (README rule 3) */
    (void)prctl(PR_SET_TIMERSLACK, 1UL, 0, 0, 0);
    struct sched_param lowest = { .sched_priority = 1 };
    sigset_t pipe;
    sigemptyset(&pipe);
    sigaddset(&pipe, SIGPIPE); /* of OpenSSL, which writes with write() */
    pthread_sigmask(SIG_BLOCK, &pipe, NULL);
    if (client->config->realtime)
        (void)sched_setscheduler(0, SCHED_FIFO, &lowest);
    if (client->config->cpus != NULL)
        (void)sched_setaffinity(0, sizeof *client->config->cpus, client->config->cpus);
    begin_plan(client, 0, 0, WARMUP_PLAN, WARMUP_REQUESTS);
    client_connect(client, clock_ns() + client->config->timeout_ns);
    gate_pass(&group->gate, CLIENT_CONNECTED);
    if (client->config->warmup_ns > 0 && atomic_load(&group->stop_ns) == 0)
        warm_up(client);
    gate_pass(&group->gate, CLIENT_WARM);
    measure(client);
    atomic_fetch_sub(&group->running, 1);
    return NULL;
}
