/* SPDX-License-Identifier: MIT */
/* worker.c - a slot from its first line to its last; see worker.h.
 *
 *   1 made      open_*()       loop, cache reader, origin, log, acceptor, in this order
 *   2 serving   run_loop()     one turn after the other; READY has been sent
 *   3 draining  worker_drain() accepts no more, ends when no connection is left or at
 * its deadline 4 gone      close_all()    the reverse of 1; also after a start that
 * failed half-way
 *
 * A turn of the loop: the callbacks that libevent has, the connections that ran out of
 * steps before, then the collector, while nothing in the heap is held but by pins.
 *
 * The base has no EVENT_BASE_FLAG_PRECISE_TIMER: with it libevent keeps its timeouts in
 * a timerfd and sets that anew in every turn, one more system call. The only timer here
 * is coarse.
 */
#include "server/worker/worker.h"

#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "server/base/check.h"
#include "server/base/clock.h"
#include "server/base/fd.h"
#include "server/base/log.h"
#include "server/cache/cache.h"
#include "server/conf/options.h"
#include "server/origin/file.h"
#include "server/origin/synthetic.h"
#include "server/worker/acceptor.h"
#include "server/worker/conn.h"
#include "server/worker/worker_priv.h"

enum { EXIT_OS = 71 };
/* Descriptors that are neither connections nor files: of a process, of a slot. */
enum { FILES_OF_PROCESS = 24, FILES_OF_SLOT = 8 };

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
        if (conn_init(c, w, got.fd, &got.peer))
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
static void on_wake(evutil_socket_t fd, short what, void *arg)
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

void worker_drain(struct worker *w, uint64_t deadline_ms, enum drain_reason reason)
{
    uint64_t deadline = w->now_ns + deadline_ms * CLOCK_NS_PER_MS;

    if (w->draining) { /* told again: a nearer deadline counts */
        if (deadline < w->drain_deadline_ns)
            w->drain_deadline_ns = deadline;
        return;
    }
    w->draining = true;
    w->drain_reason = reason;
    w->drain_start_ns = w->now_ns;
    w->drain_deadline_ns = deadline;
    atomic_store_explicit(&w->seat->board.state, SEAT_DRAINING, memory_order_relaxed);
    acceptor_stop(w->acceptor);
    take_accepted(w); /* who was accepted is served */
    list_each (it, &w->conns)
        conn_drain(list_entry(it, struct conn, in_worker));
}

static void check_drained(struct worker *w)
{
    if (!w->draining || w->done)
        return;
    if ((w->conn_count > 0 || w->is_hungry) && w->now_ns < w->drain_deadline_ns)
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

static void on_tick(evutil_socket_t fd, short what, void *arg)
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

static void set_deadlines(struct worker *w)
{
    const struct options *o = w->options;
    const struct {
        enum deadline_kind kind;
        int64_t ms;
    } timeouts[] = {
        { DEADLINE_KEEPALIVE, o->keepalive_timeout_ms },
        { DEADLINE_HEAD, o->header_timeout_ms },
        { DEADLINE_BODY, o->body_timeout_ms },
        { DEADLINE_FETCH, WORKER_FETCH_MS + o->synthetic_delay_ms },
        { DEADLINE_SEND, o->send_timeout_ms },
        { DEADLINE_LINGER, o->linger_timeout_ms },
        { DEADLINE_QUIET, WORKER_QUIET_MS },
    };

    deadlines_init(&w->deadlines);
    for (size_t i = 0; i < sizeof timeouts / sizeof timeouts[0]; i++)
        deadlines_set_timeout(&w->deadlines, timeouts[i].kind,
                              (uint64_t)timeouts[i].ms * CLOCK_NS_PER_MS);
}

static int open_loop(struct worker *w)
{
    const struct timeval tick = { .tv_usec = WORKER_TICK_MS * 1000 };
    struct event_config *config = event_config_new();

    if (config == NULL)
        return -ENOMEM;
    event_config_set_flag(config, EVENT_BASE_FLAG_NOLOCK);
    w->base = event_base_new_with_config(config);
    event_config_free(config);
    if (w->base == NULL)
        return -ENOMEM;
    w->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (w->wake_fd < 0)
        return -errno;
    event_assign(&w->ev_wake, w->base, w->wake_fd, EV_READ | EV_PERSIST | EV_ET,
                 on_wake, w);
    event_assign(&w->ev_tick, w->base, -1, EV_PERSIST, on_tick, w);
    if (event_add(&w->ev_wake, NULL) < 0 || event_add(&w->ev_tick, &tick) < 0)
        return -ENOMEM;
    return control_start(w);
}

/* A private heap has one owner: a guest beside it begins with a cold cache of its own.
 */
static int choose_cache(struct worker *w)
{
    const char *why = NULL;

    w->cache = w->env->cache;
    if (w->cache == NULL || !w->env->guest || cache_is_shared(w->cache))
        return 0;
    w->own_cache = cache_new_like(w->cache, &why);
    w->cache = w->own_cache;
    if (w->cache != NULL)
        return 0;
    log_err("could not make a cache for a guest: %s", why);
    return -ENOMEM;
}

static int open_cache(struct worker *w)
{
    int rc = choose_cache(w);

    if (rc < 0)
        return rc;
    if (w->cache == NULL)
        return hash_key_random(&w->hash_key);
    w->owns_heap = !cache_is_shared(w->cache) && cache_is_owner(w->cache);
    w->reader = cache_reader_open(w->cache, w->env->seat);
    if (w->reader == NULL)
        return -ENOMEM;
    w->pins.reader = w->reader;
    if (w->owns_heap)
        collect_init(w);
    return 0;
}

static int open_origin(struct worker *w)
{
    const struct options *o = w->options;
    const struct origin_file_config files = {
        .root = o->root, .index = o->index, .object_max = (size_t)o->cache_object_max
    };
    const struct synthetic_config objects = { .objects = (uint64_t)o->synthetic_objects,
                                              .median = (uint64_t)o->synthetic_median,
                                              .sigma = o->synthetic_sigma,
                                              .seed = (uint64_t)o->synthetic_seed,
                                              .delay_ms =
                                                  (unsigned)o->synthetic_delay_ms,
                                              .object_max =
                                                  (size_t)o->cache_object_max };
    const char *why = NULL;
    int rc;

    if (o->origin == ORIGIN_SYNTHETIC)
        return origin_synthetic_new(&objects, &w->origin);
    rc = origin_file_new(&files, &w->origin, &why);
    if (rc < 0)
        log_err("could not serve '%s': %s", o->root, why);
    return rc;
}

/* Connections that the limit of open files allows: each may need a file as well, and
 * the threads of a process share the limit. */
static unsigned connections_max(const struct options *o)
{
    uint64_t slots = o->slots_as == SLOTS_THREADS ? (uint64_t)o->slots : 1;
    uint64_t limit = (uint64_t)o->connections;
    struct rlimit files;

    if (getrlimit(RLIMIT_NOFILE, &files) < 0)
        return (unsigned)limit;
    uint64_t others = FILES_OF_PROCESS + FILES_OF_SLOT * slots;
    uint64_t room = files.rlim_cur > others ? files.rlim_cur - others : 0;
    if (room / slots / 2 < limit)
        limit = room / slots / 2;
    return limit > 0 ? (unsigned)limit : 1;
}

static int open_acceptor(struct worker *w)
{
    return acceptor_start(&w->acceptor, w->env->listeners, w->env->listener_count,
                          connections_max(w->options), w->wake_fd, (int)w->env->slot);
}

static int open_all(struct worker *w)
{
    const struct options *o = w->options;
    const struct request_limits limits = { .line = (size_t)o->request_line_max,
                                           .header_bytes = (size_t)o->header_bytes_max,
                                           .headers = (unsigned)o->headers_max,
                                           .body = (uint64_t)o->body_max };
    int rc;

    intake_pool_init(&w->intakes, &limits);
    set_deadlines(w);
    publisher_init(w);
    rc = clients_init(&w->clients, (unsigned)o->client_connections);
    if (rc == 0)
        rc = open_loop(w);
    if (rc == 0)
        rc = open_cache(w);
    if (rc == 0)
        rc = open_origin(w);
    if (rc == 0)
        rc = access_log_open(&w->log, w->env->access_log_fd);
    if (rc == 0)
        rc = open_acceptor(w);
    return rc;
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
    check_set_hook(on_failed_check, &w->seat->board);
    rc = open_all(w);
    if (rc == 0) {
        timing_init(w);
        tell_ready(w);
        run_loop(w);
    } else {
        log_err("could not start: %s", log_errno_text(rc));
    }
    close_all(w);
    check_set_hook(NULL, NULL);
    free(w);
    return rc == 0 ? 0 : EXIT_OS;
}

int worker_run(const struct worker_env *env)
{
    return worker_run_guest(env, NULL);
}
