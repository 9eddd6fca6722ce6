/* SPDX-License-Identifier: MIT */
/* master.c - the life of the master: one thread, one loop.
 *
 *   1 started    start_master()  sockets, shared region, heap exist; nobody was forked
 *   2 running    the loop        forks slots, says `ready` once, keeps what is as it
 *                                should be
 *   3 leaving    leave.c         TERM, QUIT: phase by phase; then the last worker is
 *                                reaped, then the admin process; the loop ends
 *   4 gone       end_master()
 *
 * What it must not do: parse HTTP, resolve a name, handshake TLS, start a thread, or
 * wait for anything but the loop. It believes nothing that a worker writes without
 * checking it.
 */
#include "server/master/master.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "server/base/check.h"
#include "server/base/clock.h"
#include "server/base/fd.h"
#include "server/base/log.h"
#include "server/cache/cache.h"
#include "server/conf/options.h"
#include "server/master/master_priv.h"
#include "server/master/notify.h"
#include "server/master/title.h"
#include "server/shared/crash.h"
#include "server/tls/tickets.h"

enum { TICK_MS = 100, BUSY_TICK_MS = 2 };

static void arm(struct event *timer, uint64_t delay_ns)
{
    struct timeval tv = { .tv_sec = (time_t)(delay_ns / CLOCK_NS_PER_S),
                          .tv_usec = (suseconds_t)(delay_ns % CLOCK_NS_PER_S / 1000) };

    event_add(timer, &tv);
}

/* --- what follows from what happened -------------------------------------------------
 */

static void tell_ready(struct master *m)
{
    const struct options *o = m->supervisor.options;
    char listen_text[ADDRESS_TEXT_MAX], admin_text[ADDRESS_TEXT_MAX] = "off";
    char agent_text[ADDRESS_TEXT_MAX + 8] = "", tls_text[ADDRESS_TEXT_MAX + 8] = "";
    char at[ADDRESS_TEXT_MAX];
    int rc = pid_file_write(&m->pid_file, getpid());

    m->ready_told = true;
    if (rc < 0) { /* nobody was told that we are ready: the start has failed */
        log_fatal("could not write the pid file '%s': %s", o->pid_file,
                  log_errno_text(rc));
        m->exit_code = EXIT_OS;
        supervisor_quit(&m->supervisor, clock_ns());
        return;
    }
    if (m->admin_listener >= 0)
        address_format(admin_text, &m->admin_at);
    if (m->agent_listener >= 0)
        snprintf(agent_text, sizeof agent_text, " agent=%s",
                 address_format(at, &m->agent_at));
    if (m->spawn.listener_count > m->spawn.tls_from)
        snprintf(tls_text, sizeof tls_text, " tls=%s", address_format(at, &m->tls_at));
    dprintf(STDERR_FILENO, "ready listen=%s%s admin=%s%s mode=%s slots=%u pid=%d\n",
            address_format(listen_text, &m->listen_at), tls_text, admin_text,
            agent_text, option_name_mode(o->mode), m->supervisor.slots_wanted,
            (int)getpid());
    notify_ready();
    older_tell_ready(m);
}

static void give_up(struct master *m)
{
    if (m->supervisor.os_error) {
        log_fatal("no worker can be forked: %s",
                  log_errno_text((int)m->region->master.fork_error));
        m->exit_code = EXIT_OS;
    } else {
        log_fatal("gave up: %u workers in a row died before they were ready",
                  m->supervisor.breaker.deaths);
        m->exit_code = EXIT_BREAKER;
    }
    supervisor_quit(&m->supervisor, clock_ns());
}

void settle(struct master *m)
{
    uint64_t now_ns = clock_ns(), leave_ns = leave_settle(m, now_ns), next_ns;

    next_ns = supervisor_settle(&m->supervisor, now_ns);
    if (m->supervisor.tripped && m->supervisor.phase != PHASE_QUIT) {
        give_up(m);
        next_ns = supervisor_settle(&m->supervisor, now_ns);
    }
    m->region->master.draining = m->supervisor.phase != PHASE_RUN;
    if (!supervisor_serves(&m->supervisor) && supervisor_is_empty(&m->supervisor)) {
        admin_quit(m);
        if (m->admin.pid == 0)
            event_base_loopbreak(m->base);
    } else if (!m->ready_told && m->supervisor.phase == PHASE_RUN &&
               supervisor_is_settled(&m->supervisor)) {
        tell_ready(m);
        if (m->supervisor.phase == PHASE_QUIT) /* it could not: deadlines run now */
            next_ns = supervisor_settle(&m->supervisor, now_ns);
    }
    if (m->reload_told && supervisor_is_settled(&m->supervisor) &&
        !m->supervisor.refork_waits) {
        m->reload_told = false;
        notify_ready();
    }
    upgrade_settle(m, now_ns, &next_ns);
    admin_settle(m, now_ns, &next_ns);
    orders_settle(m, now_ns, &next_ns);
    if (leave_ns < next_ns)
        next_ns = leave_ns;
    if (next_ns == UINT64_MAX)
        event_del(m->timer);
    else
        arm(m->timer, next_ns > now_ns ? next_ns - now_ns : 0);
}

static void on_timer(evutil_socket_t fd, short what, void *arg)
{
    struct master *m = arg;

    (void)fd;
    (void)what;
    CHECK_MAGIC(m, MASTER_MAGIC);
    settle(m);
}

/* A reader that does not leave its epoch lets the heap grow, then fill up: nothing is
 * stored any more. After gc.reader_timeout it is killed (gc/README.md, Readers). */
static void end_who_holds_back(struct master *m)
{
    uint64_t limit_ns =
        (uint64_t)m->supervisor.options->gc_reader_timeout_ms * CLOCK_NS_PER_MS;
    uint64_t waits_ns = heap_waits_ns(&m->heap, clock_ns());

    if (limit_ns == 0 || waits_ns < limit_ns)
        return;
    for (unsigned seat = 0; seat < SEATS_MAX; seat++) {
        if (heap_waits_for(&m->heap, seat))
            supervisor_holds_back(&m->supervisor, seat, waits_ns);
    }
}

/* True: somebody is told to. */
static bool end_who_hangs(struct master *m)
{
    uint64_t limit_ns =
        (uint64_t)m->supervisor.options->hang_timeout_ms * CLOCK_NS_PER_MS;
    uint64_t look_ns = watchdog_look(&m->watchdog, clock_ns());
    bool told = false;

    for (unsigned i = 0; limit_ns > 0 && i < SEATS_MAX; i++) {
        const struct instance *inst = supervisor_instance(&m->supervisor, i);
        uint64_t beat_ns, quiet_ns;

        if (inst->state != SEAT_READY)
            continue;
        beat_ns = atomic_load_explicit(&m->region->seats[i].board.heartbeat_ns,
                                       memory_order_relaxed);
        quiet_ns = watchdog_quiet_ns(&m->watchdog, i, beat_ns, look_ns);
        if (quiet_ns >= limit_ns)
            told |= supervisor_hangs(&m->supervisor, i, quiet_ns, clock_ns());
    }
    return told;
}

static void rotate_keys(struct master *m)
{
    uint64_t every_ns =
        (uint64_t)m->supervisor.options->tls_ticket_rotation_ms * CLOCK_NS_PER_MS;
    int rc;

    if (m->tls_keys == NULL || clock_ns() - m->tls_keys->rotated_ns < every_ns)
        return;
    rc = tls_keys_rotate(m->tls_keys);
    if (rc < 0)
        log_warn_errno(rc, "could not make a new key of session tickets");
}

/* The collector's turn, and a look at the rings, whose doorbell may have been lost with
 * its worker. */
static void on_tick(evutil_socket_t fd, short what, void *arg)
{
    struct master *m = arg;
    bool busy;

    (void)fd;
    (void)what;
    CHECK_MAGIC(m, MASTER_MAGIC);
    notify_alive(clock_ns());
    busy = take_published(m);
    busy |= heap_tick(&m->heap, (uint64_t)m->supervisor.options->gc_max_pause_us *
                                    CLOCK_NS_PER_US);
    end_who_holds_back(m);
    rotate_keys(m);
    if (end_who_hangs(m))
        settle(m); /* a deadline has begun */
    arm(m->tick, (busy ? BUSY_TICK_MS : TICK_MS) * CLOCK_NS_PER_MS);
}

/* --- wishes --------------------------------------------------------------------------
 */

uint32_t ask_refork(struct master *m)
{
    supervisor_refork(&m->supervisor, NULL);
    return m->supervisor.last_generation + 1;
}

static int try_reload(struct master *m, struct options **ret,
                      struct option_error *error)
{
    const struct options *now = m->supervisor.options;
    char names[256];
    int fd = -1, rc;

    if (m->supervisor.phase != PHASE_RUN) {
        snprintf(error->text, sizeof error->text, "the server leaves");
        return -ESHUTDOWN;
    }
    if (upgrade_runs(m)) {
        snprintf(error->text, sizeof error->text, "an upgrade is under way");
        return -EBUSY;
    }
    rc = m->config->reload(m->config->arg, ret, error);
    if (rc < 0)
        return rc;
    if (options_need_restart(now, *ret, names, sizeof names) > 0) {
        snprintf(error->text, sizeof error->text, "a restart is needed to change %s",
                 names);
        return -EINVAL;
    }
    rc = master_check(*ret, error);
    if (rc == 0)
        rc = make_tls(m, *ret, error);
    if (rc < 0)
        return rc;
    rc = open_access_log((*ret)->access_log, &fd);
    if (rc < 0) {
        snprintf(error->text, sizeof error->text,
                 "could not open the access log '%s': %s", (*ret)->access_log,
                 log_errno_text(rc));
        return rc;
    }
    fd_close(&m->spawn.access_log_fd);
    m->spawn.access_log_fd = fd;
    return 0;
}

/* All or nothing: until the last check has passed, nothing that serves is touched. */
int ask_reload(struct master *m, struct option_error *error)
{
    struct options *options = NULL;
    uint64_t start_ns = clock_ns();
    int rc;

    notify_reloading(start_ns);
    m->reload_told = true; /* settle() tells the end of it */
    rc = try_reload(m, &options, error);
    event_write(&m->heap.events, EVENT_RELOAD, start_ns, clock_ns() - start_ns,
                (uint64_t)-rc, m->supervisor.last_generation);
    if (rc < 0) {
        options_free(options);
        m->region->master.reloads_failed++;
        log_err("could not reload %s: %s", m->config->name, error->text);
        notify_status("the last reload failed: %s", error->text);
        return rc;
    }
    m->region->master.reloads++;
    m->publish.body_max = (size_t)options->cache_object_max;
    log_info("reloading %s", m->config->name);
    notify_status("reloaded %s", m->config->name);
    supervisor_refork(&m->supervisor, options);
    return 0;
}

int ask_reopen(struct master *m, uint64_t order)
{
    const char *path = m->supervisor.options->access_log;
    int fd = -1, rc = open_access_log(path, &fd);
    struct roll *roll;

    if (rc < 0) {
        log_warn_errno(rc, "could not reopen the access log '%s'", path);
        return rc;
    }
    roll = rolls_begin(&m->rolls, MESSAGE_REOPENED, m->reopens + 1, order,
                       clock_ns() + 10 * CLOCK_NS_PER_S);
    if (roll == NULL) {
        log_warn("too many orders are not done yet: logs stay as they are");
        fd_close(&fd);
        return -EBUSY;
    }
    fd_close(&m->spawn.access_log_fd);
    m->spawn.access_log_fd = fd;
    m->reopens++;
    send_to_workers(m, MESSAGE_REOPEN, m->reopens, NULL, 0, roll);
    return 0;
}

/* --- signals -------------------------------------------------------------------------
 */

static void reap(struct master *m)
{
    int status;
    pid_t pid;

    while ((pid = waitpid(-1, &status, WNOHANG)) > 0)
        if (!supervisor_reaped(&m->supervisor, pid, status, clock_ns()) &&
            !admin_reaped(m, pid, status) && !upgrade_reaped(m, pid, status))
            log_debug("reaped process %d, which is not ours", (int)pid);
}

static void take_signal(struct master *m, int signo)
{
    struct option_error error;

    switch (signo) {
    case SIGCHLD:
        reap(m);
        break;
    case SIGTERM:
    case SIGQUIT:
        leave(m, signo == SIGTERM ? "SIGTERM" : "SIGQUIT", signo == SIGTERM);
        break;
    case SIGINT:
        log_info("SIGINT: leaving now");
        upgrade_stop(m);
        notify_stopping();
        supervisor_quit(&m->supervisor, clock_ns());
        break;
    case SIGHUP:
        ask_reload(m, &error);
        break;
    case SIGUSR1:
        ask_reopen(m, 0);
        break;
    case SIGUSR2:
        upgrade_begin(m, 0);
        break;
    case SIGTTIN:
    case SIGTTOU:
        supervisor_set_slots(&m->supervisor, m->supervisor.slots_wanted +
                                                 (signo == SIGTTIN ? 1u : -1u));
        log_info("%u slots are wanted", m->supervisor.slots_wanted);
        break;
    case SIGURG:
        log_info("SIGURG: a new generation is wanted");
        ask_refork(m);
        break;
    default:
        break;
    }
}

static void on_signal(evutil_socket_t signo, short what, void *arg)
{
    struct master *m = arg;

    (void)what;
    CHECK_MAGIC(m, MASTER_MAGIC);
    take_signal(m, (int)signo);
    settle(m);
}

static int open_loop(struct master *m)
{
    signal(SIGPIPE, SIG_IGN);
    m->base = event_base_new();
    if (m->base == NULL)
        return -ENOMEM;
    m->timer = event_new(m->base, -1, 0, on_timer, m);
    m->tick = event_new(m->base, -1, 0, on_tick, m);
    if (m->timer == NULL || m->tick == NULL)
        return -ENOMEM;
    for (size_t i = 0; i < SIGNALS_HEARD; i++) {
        m->signals[i] = evsignal_new(m->base, signals_heard[i], on_signal, m);
        if (m->signals[i] == NULL || event_add(m->signals[i], NULL) < 0)
            return -ENOMEM;
    }
    if (older_watch(m) < 0)
        return -ENOMEM;
    arm(m->tick, 0);
    arm(m->timer, 0);
    signals_let();
    return 0;
}

static void close_loop(struct master *m)
{
    signals_hold(); /* the handlers go now */
    for (unsigned i = 0; i < SIGNALS_HEARD; i++)
        if (m->signals[i] != NULL)
            event_free(m->signals[i]);
    upgrade_close(m);
    if (m->timer != NULL)
        event_free(m->timer);
    if (m->tick != NULL)
        event_free(m->tick);
    if (m->base != NULL)
        event_base_free(m->base);
}

int master_run(const struct master_config *config)
{
    struct master *m = calloc(1, sizeof *m);
    int code = EXIT_OS;

    if (m == NULL) {
        log_fatal("out of memory");
        options_free(config->options);
        return EXIT_OS;
    }
    crash_prepare();
    crash_enter(NULL, NULL);
    log_set_role("master", -1);
    title_set("cowshed", "master %s", config->name);
    code = start_master(m, config);
    if (code == 0 && open_loop(m) < 0) {
        log_fatal("could not make the event loop");
        code = EXIT_OS;
    }
    if (code == 0) {
        event_base_dispatch(m->base);
        code = m->exit_code;
    }
    close_loop(m);
    end_master(m);
    free(m);
    return code;
}
