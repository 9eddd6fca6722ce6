/* SPDX-License-Identifier: MIT */
/* acceptor.c - blocking accept4() in a thread per listener, see acceptor.h.
 *
 * All fields below `lock` are read and written with it held. A thread holds it always
 * but while it is inside accept4() or wakes the loop.
 */
#include "server/worker/acceptor.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "server/base/check.h"
#include "server/base/fd.h"
#include "server/base/log.h"
#include "server/base/log_limit.h"
#include "server/shared/fair.h"
#include "server/shared/sockets.h"

/* Of fair_wait(): from the first to the last, doubled. */
enum { FAIR_MS = 20, FAIR_MOST_MS = 160 };
enum { BEHIND_MS = 10, BACK_OFF_MS = 100, STOP_AGAIN_MS = 2, STACK_BYTES = 256 * 1024 };

struct accept_thread {
    struct acceptor *all;
    pthread_t id;
    int listener; /* a duplicate of its own: see acceptor_stop() */
    bool created, ended;
};

struct acceptor {
    int wake_fd, slot;
    unsigned limit;
    pthread_mutex_t lock;
    pthread_cond_t
        room; /* a connection was taken or has ended, or it is time to stop */
    pthread_cond_t ended; /* a thread has ended */
    bool stopping;
    bool starved;              /* the last accept4() found no descriptor or memory */
    struct acceptor_fair fair; /* region NULL: alone */
    unsigned waiting;          /* threads that leave the next one to others */
    struct log_limit failures, full; /* lines about them */
    unsigned open;                   /* taken and not closed */
    unsigned accepting;              /* threads inside accept4() */
    unsigned queued;
    struct accepted *queue; /* may_queue() of them */
    unsigned running, count;
    struct accept_thread threads[];
};

static int stop_signal(void)
{
    return SIGRTMIN;
}

static void on_stop_signal(int signo)
{
    (void)signo; /* it has done its work: accept4() was interrupted */
}

/* The disposition belongs to the process; every slot in it sets the same. */
static int install_stop_signal(void)
{
    struct sigaction act = { .sa_handler = on_stop_signal }; /* no SA_RESTART */

    sigemptyset(&act.sa_mask);
    return sigaction(stop_signal(), &act, NULL) < 0 ? -errno : 0;
}

static void wait_ms(pthread_cond_t *cond, pthread_mutex_t *lock, long ms)
{
    struct timespec until;

    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_nsec += ms * 1000000;
    until.tv_sec += until.tv_nsec / 1000000000;
    until.tv_nsec %= 1000000000;
    pthread_cond_timedwait(cond, lock, &until);
}

/* A thread that waits at a quiet listener holds the room for one connection all the
 * time, which must not keep the others from theirs. */
static unsigned held_by_others(const struct acceptor *a)
{
    return a->count - 1;
}

static unsigned may_queue(const struct acceptor *a)
{
    return ACCEPTOR_UNDELIVERED + held_by_others(a);
}

static bool has_room(const struct acceptor *a)
{
    return a->queued + a->accepting < may_queue(a) &&
           a->open + a->queued + a->accepting < a->limit + held_by_others(a);
}

/* The lock is held by all of these. */
static void tell_load(struct acceptor *a, bool takes)
{
    if (a->fair.region != NULL)
        fair_set(a->fair.region, a->fair.seat,
                 takes ? a->open + a->queued : FAIR_TAKES_NONE);
}

static bool has_its_share(const struct acceptor *a)
{
    return a->fair.region == NULL ||
           fair_may_take(a->fair.region, a->fair.seat, clock_ns());
}

/* Others come first. */
static void leave_it_to_others(struct acceptor *a, unsigned *limit_ms)
{
    a->waiting++;
    pthread_mutex_unlock(&a->lock);
    fair_wait(a->fair.region, a->fair.seat, *limit_ms);
    pthread_mutex_lock(&a->lock);
    a->waiting--;
    *limit_ms = *limit_ms * 2 < FAIR_MOST_MS ? *limit_ms * 2 : FAIR_MOST_MS;
}

/* What accept4() may say without that anything is wrong with the listener: the
 * connection or the network of its peer failed, or we were interrupted. */
static bool is_passing(int err)
{
    return err == EINTR || err == ECONNABORTED || err == EPROTO || err == EPERM ||
           err == ENETDOWN || err == ENOPROTOOPT || err == EHOSTDOWN || err == ENONET ||
           err == EHOSTUNREACH || err == EOPNOTSUPP || err == ENETUNREACH ||
           err == ETIMEDOUT;
}

static void tell_failure(struct acceptor *a, int err)
{
    char more[LOG_LEFT_OUT_MAX];
    uint64_t left_out;

    if (log_limit_pass(&a->failures, clock_ns(), &left_out))
        log_warn("could not accept connections for now: %s%s", log_errno_text(err),
                 log_left_out(more, left_out));
}

/* How often that is found is not how often somebody had to wait: it is not told. */
static void tell_full(struct acceptor *a)
{
    uint64_t left_out;

    if (a->open >= a->limit && log_limit_pass(&a->full, clock_ns(), &left_out))
        log_warn("the slot holds %u connections, all that `connections` or the limit "
                 "of open files allows it: more have to wait",
                 a->open);
}

/* A loop that is behind for a moment keeps its share; then others take it. */
static void wait_for_room(struct acceptor *a)
{
    if (a->open < a->limit)
        wait_ms(&a->room, &a->lock, BEHIND_MS);
    if (has_room(a) || a->stopping)
        return;
    tell_full(a);
    tell_load(a, false);
    pthread_cond_wait(&a->room, &a->lock);
}

/* True when it makes sense to go on. */
static bool handle_error(struct acceptor *a, int listener, int err)
{
    if (is_passing(err))
        return true;
    if (err == EMFILE || err == ENFILE || err == ENOBUFS || err == ENOMEM) {
        tell_failure(a, err);
        a->starved = true;
        wait_ms(&a->room, &a->lock, BACK_OFF_MS);
        return true;
    }
    if (err == EAGAIN) { /* somebody made the listener non-blocking: do not spin */
        wait_ms(&a->room, &a->lock, BACK_OFF_MS);
        return true;
    }
    log_err("could not accept connections on descriptor %d: %s", listener,
            log_errno_text(err));
    return false;
}

/* The lock is held, but not around the wake-up. */
static void deliver(struct acceptor *a, const struct accepted *got)
{
    bool wake = a->queued == 0;
    const uint64_t one = 1;

    CHECK(a->queued < may_queue(a));
    a->queue[a->queued++] = *got;
    if (!wake)
        return;
    pthread_mutex_unlock(&a->lock);
    if (write(a->wake_fd, &one, sizeof one) < 0) /* full: the loop is awake already */
        CHECK(errno == EAGAIN);
    pthread_mutex_lock(&a->lock);
}

static void *run_thread(void *arg)
{
    struct accept_thread *t = arg;
    struct acceptor *a = t->all;
    unsigned fair_ms = FAIR_MS;
    bool go_on = true;

    log_set_role("worker", a->slot);
    pthread_setname_np(pthread_self(), "accept");
    pthread_mutex_lock(&a->lock);
    while (go_on && !a->stopping) {
        tell_load(a, true);
        if (!has_room(a)) {
            wait_for_room(a);
            continue;
        }
        if (!has_its_share(a)) {
            leave_it_to_others(a, &fair_ms);
            continue;
        }
        fair_ms = FAIR_MS;
        struct accepted got = { .fd = -1, .listener = (unsigned)(t - a->threads) };
        socklen_t n = sizeof got.peer;
        a->accepting++;
        pthread_mutex_unlock(&a->lock);
        got.fd =
            accept4(t->listener, &got.peer.at.any, &n, SOCK_NONBLOCK | SOCK_CLOEXEC);
        int err = errno;
        pthread_mutex_lock(&a->lock);
        a->accepting--;
        if (got.fd >= 0) {
            a->starved = false;
            deliver(a, &got);
        } else if (!a->stopping)
            go_on = handle_error(a, t->listener, err);
    }
    t->ended = true;
    a->running--;
    tell_load(a, a->running > 0);
    pthread_cond_broadcast(&a->ended);
    pthread_mutex_unlock(&a->lock);
    return NULL;
}

static int start_thread(struct accept_thread *t)
{
    pthread_attr_t attr;
    sigset_t block, before;
    int rc;

    sigfillset(&block);
    sigdelset(&block, stop_signal());
    pthread_attr_init(&attr);
    pthread_attr_setstacksize(&attr, STACK_BYTES);
    pthread_sigmask(SIG_SETMASK, &block, &before); /* the thread inherits it */
    rc = pthread_create(&t->id, &attr, run_thread, t);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    pthread_attr_destroy(&attr);
    if (rc != 0)
        return -rc;
    t->created = true;
    return 0;
}

static int start_threads(struct acceptor *a, const int *listeners)
{
    for (unsigned i = 0; i < a->count; i++) {
        struct accept_thread *t = &a->threads[i];

        t->listener = fcntl(listeners[i], F_DUPFD_CLOEXEC, 0);
        if (t->listener < 0)
            return -errno;
        pthread_mutex_lock(&a->lock);
        a->running++;
        pthread_mutex_unlock(&a->lock);
        int rc = start_thread(t);
        if (rc < 0) {
            pthread_mutex_lock(&a->lock);
            a->running--;
            pthread_mutex_unlock(&a->lock);
            return rc;
        }
    }
    return 0;
}

int acceptor_start(struct acceptor **ret, const int *listeners, unsigned count,
                   unsigned limit, int wake_fd, int slot,
                   const struct acceptor_fair *fair)
{
    pthread_condattr_t attr;
    struct acceptor *a;
    int rc;

    CHECK(limit > 0 && count > 0);
    a = calloc(1, sizeof *a + count * sizeof a->threads[0]);
    if (a == NULL)
        return -ENOMEM;
    a->wake_fd = wake_fd;
    a->slot = slot;
    if (fair != NULL)
        a->fair = *fair;
    a->limit = limit;
    a->count = count;
    a->queue = calloc(may_queue(a), sizeof a->queue[0]);
    if (a->queue == NULL) {
        free(a);
        return -ENOMEM;
    }
    pthread_mutex_init(&a->lock, NULL);
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&a->room, &attr);
    pthread_cond_init(&a->ended, &attr);
    pthread_condattr_destroy(&attr);
    for (unsigned i = 0; i < count; i++)
        a->threads[i] = (struct accept_thread){ .all = a, .listener = -1 };
    rc = install_stop_signal();
    if (rc == 0)
        rc = start_threads(a, listeners);
    if (rc < 0) {
        acceptor_free(a);
        return rc;
    }
    *ret = a;
    return 0;
}

unsigned acceptor_take(struct acceptor *a, struct accepted *ret, unsigned max)
{
    unsigned n;

    pthread_mutex_lock(&a->lock);
    n = a->queued < max ? a->queued : max;
    memcpy(ret, a->queue, n * sizeof *ret);
    memmove(a->queue, a->queue + n, (a->queued - n) * sizeof *ret);
    a->queued -= n;
    a->open += n;
    if (n > 0)
        pthread_cond_broadcast(&a->room);
    pthread_mutex_unlock(&a->lock);
    return n;
}

unsigned acceptor_queued(const struct acceptor *a)
{
    unsigned n = 0;

    for (unsigned i = 0; i < a->count; i++)
        n += sockets_queued(a->threads[i].listener);
    return n;
}

uint64_t acceptor_handshake_ns(const struct acceptor *a)
{
    uint64_t longest = 0;

    for (unsigned i = 0; i < a->count; i++) {
        uint64_t ns = sockets_handshake_ns(a->threads[i].listener);

        if (ns > longest)
            longest = ns;
    }
    return longest;
}

void acceptor_shut_door(struct acceptor *a)
{
    for (unsigned i = 0; i < a->count; i++) {
        int rc = sockets_shut_door(a->threads[i].listener);

        if (rc < 0)
            log_warn_errno(rc, "could not keep new connections away");
    }
}

void acceptor_closed(struct acceptor *a)
{
    pthread_mutex_lock(&a->lock);
    CHECK(a->open > 0);
    a->open--;
    tell_load(a, !a->stopping);
    if (a->waiting > 0 && has_its_share(a))
        fair_wake(a->fair.region);
    pthread_cond_broadcast(&a->room); /* costs nothing when nobody waits */
    pthread_mutex_unlock(&a->lock);
}

bool acceptor_is_full(struct acceptor *a)
{
    bool full;

    pthread_mutex_lock(&a->lock);
    full = a->starved || a->open >= a->limit;
    pthread_mutex_unlock(&a->lock);
    return full;
}

void acceptor_stop(struct acceptor *a)
{
    if (a == NULL)
        return;
    pthread_mutex_lock(&a->lock);
    a->stopping = true;
    pthread_cond_broadcast(&a->room);
    while (a->running > 0) {
        for (unsigned i = 0; i < a->count; i++) {
            if (a->threads[i].created && !a->threads[i].ended)
                pthread_kill(a->threads[i].id, stop_signal());
        }
        wait_ms(&a->ended, &a->lock, STOP_AGAIN_MS);
    }
    pthread_mutex_unlock(&a->lock);
    for (unsigned i = 0; i < a->count; i++) {
        if (a->threads[i].created)
            pthread_join(a->threads[i].id, NULL);
        a->threads[i].created = false;
        fd_close(&a->threads[i].listener);
    }
}

void acceptor_free(struct acceptor *a)
{
    acceptor_stop(a);
    if (a == NULL)
        return;
    for (unsigned i = 0; i < a->queued; i++)
        close(a->queue[i].fd);
    pthread_cond_destroy(&a->ended);
    pthread_cond_destroy(&a->room);
    pthread_mutex_destroy(&a->lock);
    free(a->queue);
    free(a);
}
