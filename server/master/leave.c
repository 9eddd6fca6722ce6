/* SPDX-License-Identifier: MIT */
/* leave.c - how the server leaves so that nobody notices.
 *
 *   1 NOTICE  drain_delay    /readyz says no, all else goes on: balancers turn away
 *   2 LAST    one handshake  nobody new comes to the listeners; who is queued there is
 *                            accepted, and every answer ends its connection
 *   3 DRAIN   drain_timeout  the listeners are closed; what was begun is finished
 *   4 QUIT    a second       all end, finished or not
 *
 * A listener that is closed resets whoever waits in its queue, and a client may join
 * the queue up to the last moment: so the door is shut first (sockets_shut_door()),
 * then the queue is emptied, and only then is it closed. While that lasts, a worker
 * that dies is replaced as ever. Listeners that somebody else holds too (a service
 * manager) have a queue that outlives us: phase 2 is left out.
 */
#include <inttypes.h>

#include "server/base/clock.h"
#include "server/base/fd.h"
#include "server/base/log.h"
#include "server/conf/options.h"
#include "server/master/master_priv.h"
#include "server/master/notify.h"

enum { QUEUE_LOOK_MS = 10 };

static void close_listeners(struct master *m)
{
    for (unsigned i = 0; i < m->spawn.listener_count; i++)
        fd_close(&m->listeners[i]);
    m->spawn.listener_count = 0;
}

static void drain(struct master *m, uint64_t now_ns)
{
    supervisor_drain(&m->supervisor, now_ns);
    close_listeners(m);
}

static unsigned count_queued(const struct master *m)
{
    unsigned n = 0;

    for (unsigned i = 0; i < m->spawn.listener_count; i++)
        n += sockets_queued(m->spawn.listeners[i]);
    return n;
}

/* From these listeners. Once it was told that we are ready, the server before us does
 * not any more. */
static bool others_serve(const struct master *m)
{
    bool only_older = older_lives(m) && m->ready_told && !m->inherited.of_manager;

    return m->spawn.listeners_shared && !only_older;
}

static void shut_door(struct master *m, uint64_t now_ns)
{
    uint64_t handshake_ns = 0;

    if (others_serve(m)) {
        drain(m, now_ns);
        return;
    }
    for (unsigned i = 0; i < m->spawn.listener_count; i++) {
        int fd = m->spawn.listeners[i], rc = sockets_shut_door(fd);

        if (rc < 0)
            log_warn_errno(rc, "could not keep new connections away");
        if (sockets_handshake_ns(fd) > handshake_ns)
            handshake_ns = sockets_handshake_ns(fd);
    }
    m->door_shut_ns = now_ns + handshake_ns;
    supervisor_last(&m->supervisor, now_ns);
}

void leave(struct master *m, const char *why, bool notice)
{
    struct supervisor *s = &m->supervisor;
    uint64_t now_ns = clock_ns(),
             delay_ns = (uint64_t)s->options->drain_delay_ms * CLOCK_NS_PER_MS;

    upgrade_stop(m);
    if (!m->upgrade.done) /* the service manager has another main process now */
        notify_stopping();
    if (s->phase == PHASE_RUN && notice && delay_ns > 0 && m->ready_told) {
        log_info("%s: not ready any more; draining begins in %" PRId64 " ms", why,
                 s->options->drain_delay_ms);
        m->notice_until_ns = now_ns + delay_ns;
        supervisor_notice(s);
    } else if (s->phase < PHASE_LAST) {
        shut_door(m, now_ns);
        log_info("%s: draining, then leaving", why); /* the workers have been told */
    } else {
        log_info("%s again: leaving now", why);
        supervisor_quit(s, now_ns);
    }
}

uint64_t leave_settle(struct master *m, uint64_t now_ns)
{
    struct supervisor *s = &m->supervisor;

    if (s->phase == PHASE_NOTICE) {
        if (now_ns < m->notice_until_ns)
            return m->notice_until_ns;
        shut_door(m, now_ns);
        log_info("drain_delay is over: draining, then leaving");
    }
    if (s->phase != PHASE_LAST)
        return UINT64_MAX;
    if (now_ns < m->door_shut_ns)
        return m->door_shut_ns;
    if (count_queued(m) > 0 && now_ns < s->drain_until_ns)
        return now_ns + QUEUE_LOOK_MS * CLOCK_NS_PER_MS;
    drain(m, now_ns);
    return UINT64_MAX;
}
