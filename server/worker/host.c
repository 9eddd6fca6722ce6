/* SPDX-License-Identifier: MIT */
/* host.c - starts, reaps and stops threads that run slots; the process of mode threads.
 */
#include "server/worker/host.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "server/base/check.h"
#include "server/base/log.h"
#include "server/shared/channel.h"
#include "server/worker/worker_priv.h"

#define GUEST_MAGIC 0x47535421u

enum { HOST_REAP_MS = 200 };

/* `stop` is written by the host, `ended` by the guest's thread; each is read by the
 * other, and late is good enough: the guest looks at every tick, the host joins before
 * it frees. */
struct guest {
    unsigned magic;
    struct list in_host;
    pthread_t thread;
    _Atomic(bool) stop;
    _Atomic(bool) ended;
    struct worker_env env;
};

void host_init(struct host *h)
{
    list_init(&h->guests);
    h->count = 0;
}

static void *run_guest(void *arg)
{
    struct guest *g = arg;
    char name[16];

    CHECK_MAGIC(g, GUEST_MAGIC);
    snprintf(name, sizeof name, "slot %u", g->env.slot);
    pthread_setname_np(pthread_self(), name); /* of others only by way of a file */
    worker_run_guest(&g->env, &g->stop);
    atomic_store_explicit(&g->ended, true, memory_order_release);
    return NULL;
}

/* Signals are for the threads that have always had them. */
static int start(struct guest *g)
{
    sigset_t all, before;
    int rc;

    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    rc = pthread_create(&g->thread, NULL, run_guest, g);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return -rc;
}

int host_add(struct host *h, const struct worker_env *like, unsigned slot,
             unsigned seat, uint32_t generation, int channel_fd)
{
    struct guest *g;
    int rc;

    if (slot >= SLOTS_MAX || seat >= SEATS_MAX)
        return -EINVAL;
    host_reap(h);
    g = calloc(1, sizeof *g);
    if (g == NULL)
        return -ENOMEM;
    g->magic = GUEST_MAGIC;
    g->env = *like;
    g->env.slot = slot;
    g->env.seat = seat;
    g->env.generation = generation;
    g->env.channel_fd = channel_fd;
    g->env.pretouched = 0;
    g->env.guest = true;
    rc = start(g);
    if (rc < 0) {
        free(g);
        return rc;
    }
    list_push_back(&h->guests, &g->in_host);
    h->count++;
    return 0;
}

static void join(struct host *h, struct guest *g)
{
    CHECK_MAGIC(g, GUEST_MAGIC);
    pthread_join(g->thread, NULL);
    list_remove(&g->in_host);
    h->count--;
    g->magic = 0;
    free(g);
}

void host_reap(struct host *h)
{
    list_each_safe (it, &h->guests) {
        struct guest *g = list_entry(it, struct guest, in_host);

        if (atomic_load_explicit(&g->ended, memory_order_acquire))
            join(h, g);
    }
}

void host_free(struct host *h)
{
    list_each (it, &h->guests)
        atomic_store(&list_entry(it, struct guest, in_host)->stop, true);
    list_each_safe (at, &h->guests)
        join(h, list_entry(at, struct guest, in_host));
}

/* False when the host has to end: told to, or the master is gone. */
static bool serve_channel(struct host *h, const struct worker_env *env,
                          struct control *control)
{
    struct message m;
    int fd = -1;
    int rc = channel_receive(&control->channel, &m, &fd);

    if (rc == 0)
        return true;
    if (rc == -EBADMSG) {
        log_warn("dropped a message of the master that has the wrong form");
        return true;
    }
    if (rc < 0) {
        log_warn("the master is gone: waiting for the slots to drain");
        control->gone = true; /* each slot has seen its own channel end */
        control_leave_listeners(control, env);
        return true;
    }
    if (m.kind == MESSAGE_DRAIN && m.arg[1] == DRAIN_CLOSE)
        control_leave_listeners(control, env);
    if (m.kind == MESSAGE_HOST && fd >= 0) {
        rc = host_add(h, env, (unsigned)m.arg[0], (unsigned)m.arg[1],
                      (uint32_t)m.arg[2], fd);
        if (rc == 0)
            fd = -1;
        control_send(control, MESSAGE_HOSTED, m.arg[0], (uint64_t)-rc);
    }
    if (fd >= 0)
        close(fd);
    return m.kind != MESSAGE_QUIT;
}

int host_run(const struct worker_env *env)
{
    const uint64_t none[3] = { 0 };
    struct control control;
    struct host host;
    bool go_on = true;

    log_set_role("host", -1);
    signal(SIGPIPE, SIG_IGN);
    host_init(&host);
    control_init(&control, env->channel_fd, env->slot, env->generation);
    if (control_try(&control, MESSAGE_READY, none, -1) < 0) {
        log_err("could not tell the master that the host is ready");
        close(env->channel_fd);
        return 71;
    }
    while (go_on && !(control.gone && host.count == 0)) {
        struct pollfd p = { .fd = control.gone ? -1 : env->channel_fd,
                            .events = POLLIN };

        if (poll(&p, 1, HOST_REAP_MS) > 0)
            go_on = serve_channel(&host, env, &control);
        host_reap(&host);
        control_send_unsent(&control);
    }
    host_free(&host);
    close(env->channel_fd);
    return 0;
}
