/* SPDX-License-Identifier: MIT */
/* control.c - what the master tells a slot, and what the slot does about it. */
#include "server/worker/control.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "server/base/check.h"
#include "server/base/log.h"
#include "server/cache/cache.h"
#include "server/conf/options.h"
#include "server/worker/worker_priv.h"

enum { MESSAGES_PER_CALL = 32 };

void control_init(struct control *c, int fd, uint32_t slot, uint32_t generation)
{
    memset(c, 0, sizeof *c);
    channel_init(&c->channel, fd, slot, generation);
}

int control_try(struct control *c, enum message_kind kind, const uint64_t arg[3],
                int fd)
{
    if (c->gone)
        return -EPIPE;
    return channel_send(&c->channel, kind, arg, NULL, 0, fd);
}

void control_send_unsent(struct control *c)
{
    unsigned sent = 0;

    while (sent < c->unsent_count) {
        const struct unsent *u = &c->unsent[sent];

        if (control_try(c, u->kind, u->arg, -1) == -EAGAIN)
            break;
        sent++; /* an end that is gone needs no answers */
    }
    memmove(c->unsent, c->unsent + sent,
            (c->unsent_count - sent) * sizeof c->unsent[0]);
    c->unsent_count -= sent;
}

void control_send(struct control *c, enum message_kind kind, uint64_t arg0,
                  uint64_t arg1)
{
    const struct unsent u = { .kind = kind, .arg = { arg0, arg1 } };

    control_send_unsent(c); /* in order */
    if (c->unsent_count == 0 && control_try(c, kind, u.arg, -1) != -EAGAIN)
        return;
    if (c->unsent_count == CONTROL_UNSENT_MAX) {
        log_err("could not tell the master '%s': it does not read its channel",
                message_name(kind));
        return;
    }
    c->unsent[c->unsent_count++] = u;
}

static void purge(struct worker *w, const struct message *m)
{
    const struct span key = { m->text, m->text_len };
    bool was_there = false;

    if (m->arg[0] > w->purge_seq)
        w->purge_seq = m->arg[0];
    fetches_purge(w, key);
    if (w->owns_heap)
        was_there =
            key.n == 0 ? cache_clear(w->cache) > 0 : cache_remove(w->cache, key);
    event_write(&w->events, EVENT_PURGE, w->now_ns, 0, m->arg[0], was_there);
    control_send(&w->control, MESSAGE_PURGED, m->arg[0], 0);
}

static void reopen(struct worker *w, int fd)
{
    uint64_t dropped = 0;
    int rc = 0;

    if (access_log_is_on(&w->log) && strcmp(w->options->access_log, "-") != 0)
        rc = access_log_reopen(&w->log, fd, &dropped);
    worker_log_dropped(w, dropped);
    if (rc < 0)
        log_warn_errno(rc, "could not reopen the access log '%s'",
                       w->options->access_log);
    control_send(&w->control, MESSAGE_REOPENED, 0, 0);
}

static void host(struct worker *w, const struct message *m, int *fd)
{
    int rc = -EMFILE; /* it came with one */

    if (*fd >= 0)
        rc = host_add(&w->host, w->env, (unsigned)m->arg[0], (unsigned)m->arg[1],
                      (uint32_t)m->arg[2], *fd);
    if (rc == 0)
        *fd = -1; /* the guest's */
    control_send(&w->control, MESSAGE_HOSTED, m->arg[0], (uint64_t)-rc);
}

static void drain(struct worker *w, const struct message *m)
{
    worker_drain(w, m->arg[0], DRAIN_ASKED, m->arg[1] == DRAIN_ACCEPT);
    if (m->arg[1] == DRAIN_CLOSE && !w->env->guest)
        control_leave_listeners(&w->control, w->env);
}

static void act(struct worker *w, const struct message *m, int *fd)
{
    switch (m->kind) {
    case MESSAGE_DRAIN:
        drain(w, m);
        return;
    case MESSAGE_QUIT:
        worker_quit(w);
        return;
    case MESSAGE_PURGE:
        purge(w, m);
        return;
    case MESSAGE_COLLECT:
        if (w->owns_heap)
            collect_all(w);
        control_send(&w->control, MESSAGE_COLLECTED, m->arg[0], 0);
        return;
    case MESSAGE_REOPEN:
        reopen(w, *fd);
        return;
    case MESSAGE_SHARED:
        w->listeners_shared = m->arg[0] != 0;
        return;
    case MESSAGE_HOST:
        host(w, m, fd);
        return;
    default:
        log_warn("ignored the message '%s' of the master", message_name(m->kind));
    }
}

void control_leave_listeners(struct control *c, const struct worker_env *env)
{
    if (c->left)
        return;
    c->left = true;
    for (unsigned i = 0; i < env->listener_count; i++)
        close(env->listeners[i]);
}

static void on_channel(evutil_socket_t fd, short what, void *arg)
{
    struct worker *w = arg;
    struct message m;

    (void)fd;
    (void)what;
    CHECK_MAGIC(w, WORKER_MAGIC);
    worker_enter(w);
    for (int i = 0; i < MESSAGES_PER_CALL && !w->done; i++) {
        int passed = -1;
        int rc = channel_receive(&w->control.channel, &m, &passed);

        if (rc == 0)
            return;
        if (rc == -EBADMSG) {
            log_warn("dropped a message of the master that has the wrong form");
            continue;
        }
        if (rc < 0) {
            w->control.gone = true;
            event_del(&w->ev_control);
            if (!w->draining)
                log_warn("the master is gone: draining");
            worker_orphaned(w);
            if (!w->env->guest)
                control_leave_listeners(&w->control, w->env);
            return;
        }
        act(w, &m, &passed);
        if (passed >= 0)
            close(passed);
    }
}

int control_start(struct worker *w)
{
    int fd = w->control.channel.fd;

    event_assign(&w->ev_control, w->base, fd, EV_READ | EV_PERSIST, on_channel, w);
    event_priority_set(&w->ev_control, WORKER_MASTER_FIRST);
    return event_add(&w->ev_control, NULL) < 0 ? -ENOMEM : 0;
}

void control_hear(struct worker *w)
{
    on_channel(w->control.channel.fd, EV_READ, w);
}

void control_stop(struct worker *w)
{
    if (event_initialized(&w->ev_control))
        event_del(&w->ev_control);
    if (w->control.channel.fd >= 0)
        close(w->control.channel.fd);
    w->control.channel.fd = -1;
}
