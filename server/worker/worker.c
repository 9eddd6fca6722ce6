/* SPDX-License-Identifier: MIT */
/* worker.c - a slot from its first line to its last; see worker.h.
 *
 *   1 made      worker_open()  open.c: loop, cache reader, origin, log, acceptor
 *   2 serving   run_loop()     one turn after the other; READY has been sent
 *   3 draining  worker_drain() accepts no more; ends with its last connection, or late
 *   4 gone      close_all()    the reverse of 1; also after a start that failed
 *
 * A turn of the loop: the callbacks that libevent has, the connections that ran out of
 * steps before, then the collector, while nothing in the heap is held but by pins.
 */
#include "server/worker/worker.h"

#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "server/base/check.h"
#include "server/base/clock.h"
#include "server/base/fd.h"
#include "server/base/log.h"
#include "server/cache/cache.h"
#include "server/conf/options.h"
#include "server/worker/acceptor.h"
#include "server/worker/conn.h"
#include "server/worker/worker_priv.h"

enum { EXIT_OS = 71 };

uint64_t worker_clock(struct worker *w)
{
    w->now_ns = clock_ns();
    return w->now_ns;
}

/* The time of day for the Date field and for ages in seconds: the tick of the kernel's
 * own clock is fine enough, and cheaper. */
void worker_enter(struct worker *w)
{
    w->callbacks++;
    if (w->turn_ns != 0)
        return; /* what the callback before left in now_ns is about now */
    w->turn_ns = worker_clock(w);
    w->wall_s = (int64_t)(clock_read_ns(CLOCK_REALTIME_COARSE) / CLOCK_NS_PER_S);
}

/* ---- connections ---------------------------------------------------------------- */

/* One by one: what there is no memory for stays with the acceptor, which takes no more
 * then and leaves them to other slots. The tick tries again. */
static void take_accepted(struct worker *w)
{
    struct accepted got;
    struct conn *c;

    while ((c = conn_alloc()) != NULL && acceptor_take(w->acceptor, &got, 1) > 0) {
        if (conn_init(c, w, &got))
            conn_run(c);
        else
            acceptor_closed(w->acceptor);
    }
    w->is_hungry = c == NULL;
    free(c);
}

static void feed_hungry(struct worker *w)
{
    struct list *it;

    if (w->is_hungry)
        take_accepted(w);
    while ((it = list_first(&w->hungry)) != NULL) {
        list_remove(it);
        list_push_back(&w->ready, it);
    }
}

/* Edge-triggered, so that the eventfd need not be read. */
void worker_on_wake(evutil_socket_t fd, short what, void *arg)
{
    struct worker *w = arg;

    (void)fd;
    (void)what;
    CHECK_MAGIC(w, WORKER_MAGIC);
    worker_enter(w);
    take_accepted(w);
}

static void expire_deadlines(struct worker *w)
{
    const uint64_t now = w->now_ns;
    struct deadline *d;

    while ((d = deadlines_passed(&w->deadlines, now)) != NULL)
        conn_expire(list_entry(d, struct conn, deadline));
}

static void close_connections(struct worker *w)
{
    list_each_safe (it, &w->conns)
        conn_free(list_entry(it, struct conn, in_worker));
}

/* ---- the end -------------------------------------------------------------------- */

void worker_quit(struct worker *w)
{
    w->done = true;
}

static void stop_accepting(struct worker *w)
{
    w->stops_accepting = true;
    if (!w->accepts)
        return;
    w->accepts = false;
    acceptor_stop(w->acceptor);
    take_accepted(w); /* who was accepted is served */
}

void worker_drain(struct worker *w, uint64_t deadline_ms, enum drain_reason reason,
                  bool accept_on)
{
    uint64_t deadline = w->now_ns + deadline_ms * CLOCK_NS_PER_MS;

    if (!w->draining) {
        w->draining = true;
        w->drain_reason = reason;
        w->drain_start_ns = w->now_ns;
        w->drain_deadline_ns = deadline;
        atomic_store_explicit(&w->seat->board.state, SEAT_DRAINING,
                              memory_order_relaxed);
        list_each (it, &w->conns)
            conn_drain(list_entry(it, struct conn, in_worker));
    } else if (deadline < w->drain_deadline_ns) { /* told again: the nearer counts */
        w->drain_deadline_ns = deadline;
    }
    if (!accept_on)
        stop_accepting(w);
}

void worker_orphaned(struct worker *w)
{
    bool closing = w->accepts && !w->listeners_shared;

    if (closing)
        acceptor_shut_door(w->acceptor);
    w->orphaned_ns = w->now_ns;
    worker_drain(w, (uint64_t)w->options->drain_timeout_ms, DRAIN_ORPHANED, closing);
}

/* Nobody is left who could tell an orphan that all who had come are accepted. */
static void check_orphan(struct worker *w)
{
    if (w->orphaned_ns != 0 && w->accepts &&
        w->now_ns - w->orphaned_ns >= acceptor_handshake_ns(w->acceptor) &&
        acceptor_queued(w->acceptor) == 0)
        stop_accepting(w);
}

static void check_drained(struct worker *w)
{
    if (!w->draining || w->done)
        return;
    if ((w->conn_count > 0 || w->is_hungry || w->accepts) &&
        w->now_ns < w->drain_deadline_ns)
        return;
    event_write(&w->events, EVENT_DRAIN, w->drain_start_ns,
                w->now_ns - w->drain_start_ns, w->conn_count, w->drain_reason);
    w->done = true;
}

/* ---- the loop ------------------------------------------------------------------- */

void worker_log_dropped(struct worker *w, uint64_t lines)
{
    uint64_t failures;

    if (lines == 0)
        return;
    count(w->seat, COUNTER_log_dropped, lines);
    w->log_dropped += lines;
    if (log_limit_pass(&w->log_told, w->now_ns, &failures)) {
        log_warn("could not write the access log '%s': %s; %" PRIu64 " lines are lost",
                 w->options->access_log, log_errno_text(w->log.err), w->log_dropped);
        w->log_dropped = 0;
    }
}

/* What was lost since the last line about it. */
static void tell_log_dropped(struct worker *w)
{
    uint64_t failures;

    if (!log_limit_due(&w->log_told, w->now_ns, &failures))
        return;
    log_warn("%" PRIu64 " more lines of the access log '%s' are lost", w->log_dropped,
             w->options->access_log);
    w->log_dropped = 0;
}

static void flush_log(struct worker *w)
{
    uint64_t dropped = 0;

    if (!access_log_is_on(&w->log))
        return;
    access_log_flush(&w->log, &dropped);
    worker_log_dropped(w, dropped);
    tell_log_dropped(w);
}

void worker_on_tick(evutil_socket_t fd, short what, void *arg)
{
    struct worker *w = arg;

    (void)fd;
    (void)what;
    CHECK_MAGIC(w, WORKER_MAGIC);
    worker_enter(w);
    atomic_store_explicit(&w->seat->board.heartbeat_ns, w->now_ns,
                          memory_order_relaxed);
    expire_deadlines(w);
    shed_tick(w);
    feed_hungry(w);
    fetches_tick(w);
    timing_tick(w);
    flush_log(w);
    control_send_unsent(&w->control);
    recycle_tick(w);
    host_reap(&w->host);
    check_orphan(w);
    count_set(w->seat, COUNTER_pins, w->pins.held);
    if (w->owns_heap)
        collect_tick(w);
    if (w->stop != NULL && atomic_load_explicit(w->stop, memory_order_relaxed))
        w->done = true;
}

static void run_ready(struct worker *w)
{
    struct list now, *it;

    list_init(&now);
    while ((it = list_first(&w->ready)) != NULL) { /* who is added below waits a turn */
        list_remove(it);
        list_push_back(&now, it);
    }
    while ((it = list_first(&now)) != NULL) {
        worker_enter(w);
        conn_run(list_entry(it, struct conn, in_ready)); /* takes it off */
    }
}

static void end_turn(struct worker *w)
{
    if (w->publisher.doorbell)
        publish_ring_bell(w);
    if (w->owns_heap)
        collect_safepoint(w);
    if (w->turn_ns != 0) {
        worker_clock(w);
        timing_turn(w);
    }
    check_drained(w);
    w->turn_ns = 0;
    w->callbacks = 0;
}

static void run_loop(struct worker *w)
{
    while (!w->done) {
        int flags = list_empty(&w->ready) ? EVLOOP_ONCE : EVLOOP_ONCE | EVLOOP_NONBLOCK;

        if (event_base_loop(w->base, flags) < 0) {
            log_err("the event loop failed: %s", log_errno_text(errno));
            w->done = true;
        }
        run_ready(w);
        end_turn(w);
    }
}

/* ---- start ---------------------------------------------------------------------- */

static void on_failed_check(const char *words, void *arg)
{
    struct scoreboard *board = arg;

    strncpy(board->words, words, sizeof board->words - 1);
}

/* The signals that the master acts upon come to a whole process group when they are
 * typed at a terminal; a slot is told by its channel. */
static void set_signals(void)
{
    static const int of_master[] = { SIGINT,  SIGTERM, SIGQUIT, SIGHUP, SIGUSR1,
                                     SIGUSR2, SIGTTIN, SIGTTOU, SIGURG, SIGWINCH };
    sigset_t set;

    sigemptyset(&set);
    for (size_t i = 0; i < sizeof of_master / sizeof of_master[0]; i++)
        sigaddset(&set, of_master[i]);
    pthread_sigmask(SIG_BLOCK, &set, NULL);
    signal(SIGPIPE, SIG_IGN);
}

static void init(struct worker *w, const struct worker_env *env,
                 const _Atomic(bool) *stop)
{
    memset(w, 0, sizeof *w);
    w->magic = WORKER_MAGIC;
    w->env = env;
    w->options = env->options;
    w->stop = stop;
    w->seat = &env->region->seats[env->seat];
    w->events = (struct event_source){ .ring = &w->seat->events,
                                       .generation = env->generation,
                                       .slot = (uint16_t)env->slot,
                                       .seat = (uint16_t)env->seat };
    w->listeners_shared = env->listeners_shared;
    w->wake_fd = -1;
    w->log.fd = -1;
    list_init(&w->conns);
    list_init(&w->ready);
    list_init(&w->hungry);
    fetches_init(&w->fetches);
    host_init(&w->host);
    control_init(&w->control, env->channel_fd, env->slot, env->generation);
    w->started_ns = worker_clock(w);
    w->wall_s = clock_wall_s();
    w->purge_seq = atomic_load(&env->region->master.purge_seq);
    atomic_store(&w->seat->board.tid, (int32_t)syscall(SYS_gettid));
    atomic_store(&w->seat->board.is_thread, env->guest);
    atomic_store(&w->seat->board.pretouched, (uint32_t)env->pretouched);
    atomic_store(&w->seat->board.heartbeat_ns, w->now_ns);
}

static void tell_ready(struct worker *w)
{
    worker_clock(w);
    atomic_store(&w->seat->board.ready_ns, w->now_ns);
    if (!w->draining) /* it may have been told so before */
        atomic_store(&w->seat->board.state, SEAT_READY);
    event_write(&w->events, EVENT_READY, w->started_ns, w->now_ns - w->started_ns,
                (uint64_t)getpid(), w->env->generation);
    control_send(&w->control, MESSAGE_READY, w->env->pretouched, 0);
}

static void close_all(struct worker *w)
{
    acceptor_stop(w->acceptor);
    close_connections(w);
    fetches_free(w);
    flush_log(w);
    access_log_close(&w->log);
    origin_free(w->origin);
    cache_reader_close(w->reader);
    cache_free(w->own_cache);
    intake_pool_free(&w->intakes);
    clients_free(&w->clients);
    acceptor_free(w->acceptor);
    if (event_initialized(&w->ev_tick))
        event_del(&w->ev_tick);
    if (event_initialized(&w->ev_wake))
        event_del(&w->ev_wake);
    host_free(&w->host);
    seat_clear_gauges(w->seat);
    if (w->draining)
        control_send(&w->control, MESSAGE_DRAINED, 0, 0);
    control_stop(w);
    fd_close(&w->wake_fd);
    if (w->base != NULL)
        event_base_free(w->base);
    w->magic = 0;
}

int worker_run_guest(const struct worker_env *env, const _Atomic(bool) *stop)
{
    struct worker *w = malloc(sizeof *w);
    int rc;

    log_set_role("worker", (int)env->slot);
    if (w == NULL) {
        log_err("could not start: out of memory");
        close(env->channel_fd);
        return EXIT_OS;
    }
    set_signals();
    init(w, env, stop);
    w->crash_stack = malloc(CRASH_STACK_BYTES); /* without it, that is all */
    crash_enter(&w->seat->board.crash, w->crash_stack);
    check_set_hook(on_failed_check, &w->seat->board);
    rc = worker_open(w);
    if (rc == 0) {
        timing_init(w);
        tell_ready(w);
        run_loop(w);
    } else {
        log_err("could not start: %s", log_errno_text(rc));
    }
    close_all(w);
    check_set_hook(NULL, NULL);
    crash_leave();
    free(w->crash_stack);
    free(w);
    return rc == 0 ? 0 : EXIT_OS;
}

int worker_run(const struct worker_env *env)
{
    return worker_run_guest(env, NULL);
}
