/* SPDX-License-Identifier: MIT */
/* orders.c - keeps the admin process alive, and does what it asks for.
 *
 * An order comes as CTL with a number and a command in words; when it is done, or
 * cannot be, the answer is CTL_DONE with the same number. What the admin process says
 * is trusted as far as an operator is: it can purge, collect, refork, reload, reopen,
 * upgrade, drain.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "server/base/check.h"
#include "server/base/clock.h"
#include "server/base/fd.h"
#include "server/base/log.h"
#include "server/base/span.h"
#include "server/cache/cache.h"
#include "server/conf/options.h"
#include "server/master/master_priv.h"
#include "server/master/obituary.h"

#define ROLL_NS        (10 * CLOCK_NS_PER_S)
#define REFORK_NS      (120 * CLOCK_NS_PER_S)
#define DOORS_NS       CLOCK_NS_PER_S
#define DOORS_LOOK_NS  (CLOCK_NS_PER_S / 500)
#define ADMIN_GRACE_NS CLOCK_NS_PER_S

void order_answer(struct master *m, uint64_t order, int err, const char *words)
{
    uint64_t arg[3] = { order, (uint64_t)(err < 0 ? -err : err) };

    if (order == 0 || m->admin.channel.fd < 0)
        return;
    if (channel_send(&m->admin.channel, MESSAGE_CTL_DONE, arg, words,
                     (uint32_t)strlen(words), -1) < 0)
        log_warn("could not tell the admin process that an order is done");
}

/* --- orders --------------------------------------------------------------------------
 */

static struct roll *begin_roll(struct master *m, enum message_kind kind,
                               uint64_t number, uint64_t order)
{
    struct roll *roll =
        rolls_begin(&m->rolls, kind, number, order, clock_ns() + ROLL_NS);

    if (roll == NULL)
        order_answer(m, order, -EBUSY, "too many orders are not done yet");
    return roll;
}

static void order_purge(struct master *m, uint64_t order, struct span key)
{
    uint64_t hash = m->heap.cache != NULL ? cache_hash(m->heap.cache, key) : 0, number;
    struct roll *roll;
    bool was_there = false;

    roll = begin_roll(m, MESSAGE_PURGED, m->purges.last + 1, order);
    if (roll == NULL)
        return;
    number = purge_log_add(&m->purges, key.n == 0, hash);
    m->region->master.purge_seq = number;
    if (m->heap.cache != NULL)
        was_there = key.n == 0 ? cache_clear(m->heap.cache) > 0
                               : cache_remove(m->heap.cache, key);
    event_write(&m->heap.events, EVENT_PURGE, clock_ns(), 0, number, was_there);
    send_to_workers(m, MESSAGE_PURGE, number, key.p, (uint32_t)key.n, roll);
}

static void order_collect(struct master *m, uint64_t order)
{
    struct roll *roll = begin_roll(m, MESSAGE_COLLECTED, m->collects + 1, order);

    if (roll == NULL)
        return;
    m->collects++;
    if (m->heap.cache != NULL)
        cache_collect(m->heap.cache);
    heap_tick(&m->heap, 0); /* who asked finds the collection on the board */
    send_to_workers(m, MESSAGE_COLLECT, m->collects, NULL, 0, roll);
}

static void wait_for_generation(struct master *m, uint64_t order, uint32_t generation)
{
    for (unsigned i = 0; i < REFORKS_MAX; i++) {
        if (m->reforks[i].order != 0)
            continue;
        m->reforks[i] =
            (struct refork_order){ order, generation, clock_ns() + REFORK_NS, 0 };
        return;
    }
    order_answer(m, order, -EBUSY, "too many orders are not done yet");
}

static void order_reload(struct master *m, uint64_t order)
{
    struct option_error error;

    if (ask_reload(m, &error) < 0)
        order_answer(m, order, -EINVAL, error.text);
    else
        wait_for_generation(m, order, m->supervisor.last_generation + 1);
}

static void order_reopen(struct master *m, uint64_t order)
{
    int rc = ask_reopen(m, order);

    if (rc == -EBUSY)
        order_answer(m, order, rc, "too many orders are not done yet");
    else if (rc < 0)
        order_answer(m, order, -EIO, "the access log could not be opened");
}

/* While two masters serve, neither can promise what the other one would have to keep.
 */
static const char *why_not(const struct master *m, struct span command)
{
    bool rolls = span_eq(command, SPAN("refork")) || span_eq(command, SPAN("reload"));
    bool purges = span_starts(command, SPAN("purge "));

    if (rolls && m->supervisor.phase != PHASE_RUN)
        return "the server leaves";
    if ((rolls || purges) && upgrade_runs(m))
        return "an upgrade is under way";
    if (purges && older_lives(m))
        return "the server before this one has not ended yet";
    return NULL;
}

static void obey(struct master *m, uint64_t order, struct span command)
{
    const char *why = why_not(m, command);

    if (why != NULL) {
        order_answer(m, order, -EBUSY, why);
    } else if (span_eq(command, SPAN("gc"))) {
        order_collect(m, order);
    } else if (span_starts(command, SPAN("purge "))) {
        order_purge(m, order, span_skip(command, strlen("purge ")));
    } else if (span_eq(command, SPAN("refork"))) {
        wait_for_generation(m, order, ask_refork(m));
    } else if (span_eq(command, SPAN("reload"))) {
        order_reload(m, order);
    } else if (span_eq(command, SPAN("reopen"))) {
        order_reopen(m, order);
    } else if (span_eq(command, SPAN("upgrade"))) {
        upgrade_begin(m, order);
    } else if (span_eq(command, SPAN("drain"))) {
        order_answer(m, order, 0, "draining");
        if (m->supervisor.phase == PHASE_RUN)
            leave(m, "an order of the admin listener", true);
    } else {
        order_answer(m, order, -EINVAL, "no such order");
    }
}

/* Who has the answer finds the new settings: older workers, which may be in accept4()
 * when they are told to finish, take nobody any more. One that does not come so far,
 * since it hangs, is not waited for. */
static bool doors_are_shut(const struct supervisor *s, struct refork_order *r,
                           uint64_t now_ns, uint64_t *next_ns)
{
    if (r->doors_ns == 0)
        r->doors_ns = now_ns + DOORS_NS;
    if (!supervisor_has_old_doors(s) || now_ns >= r->doors_ns)
        return true;
    if (now_ns + DOORS_LOOK_NS < *next_ns)
        *next_ns = now_ns + DOORS_LOOK_NS;
    return false;
}

/* Done when the generation serves alone; failed when it was given up or time is over.
 */
static void settle_reforks(struct master *m, uint64_t now_ns, uint64_t *next_ns)
{
    const struct supervisor *s = &m->supervisor;

    for (unsigned i = 0; i < REFORKS_MAX; i++) {
        struct refork_order *r = &m->reforks[i];
        uint64_t order = r->order;

        if (order == 0)
            continue;
        if (s->generation >= r->generation && supervisor_is_settled(s)) {
            if (!doors_are_shut(s, r, now_ns, next_ns))
                continue;
            r->order = 0;
            order_answer(m, order, 0, "done");
        } else if (s->last_generation >= r->generation &&
                   s->generation < r->generation) {
            r->order = 0;
            order_answer(m, order, -ECANCELED,
                         "the new generation was given up: its workers ended before "
                         "they were ready, and the log says of what");
        } else if (now_ns >= r->deadline_ns) {
            r->order = 0;
            order_answer(m, order, -ETIMEDOUT,
                         "the new generation is not in service yet");
        } else if (r->deadline_ns < *next_ns) {
            *next_ns = r->deadline_ns;
        }
    }
}

void orders_settle(struct master *m, uint64_t now_ns, uint64_t *next_ns)
{
    static struct roll ended;
    char silent[ROLL_SILENT_MAX], words[ROLL_SILENT_MAX + 64];
    uint64_t deadline_ns;
    int rc;

    while (rolls_ended(&m->rolls, now_ns, &ended, &rc)) {
        snprintf(words, sizeof words, "done");
        if (rc < 0) {
            roll_silent(silent, &ended);
            log_warn("no %s came in time from %s", message_name(ended.answer), silent);
            snprintf(words, sizeof words,
                     "not every worker has answered: nothing came from %s", silent);
        }
        order_answer(m, ended.order, rc, words);
    }
    deadline_ns = rolls_deadline(&m->rolls);
    if (deadline_ns < *next_ns)
        *next_ns = deadline_ns;
    settle_reforks(m, now_ns, next_ns);
}

/* --- the admin process ---------------------------------------------------------------
 */

static void close_admin(struct master *m)
{
    if (m->admin.watch != NULL)
        event_free(m->admin.watch);
    m->admin.watch = NULL;
    fd_close(&m->admin.channel.fd);
    memset(m->reforks, 0, sizeof m->reforks); /* nobody waits any more */
    for (unsigned i = 0; i < ROLLS_MAX; i++)
        m->rolls.at[i].order = 0;
}

static void on_admin(evutil_socket_t fd, short what, void *arg)
{
    static struct message msg;
    struct master *m = arg;
    int passed = -1, rc;

    (void)fd;
    (void)what;
    CHECK_MAGIC(m, MASTER_MAGIC);
    rc = channel_receive(&m->admin.channel, &msg, &passed);
    fd_close(&passed);
    if (rc < 0) {
        close_admin(m);
        if (!m->admin.told_to_quit)
            kill(m->admin.pid, SIGKILL);
    } else if (rc > 0 && msg.kind == MESSAGE_CTL && msg.arg[0] != 0) {
        obey(m, msg.arg[0], span_make(msg.text, msg.text_len));
    }
    settle(m);
}

static void start_admin(struct master *m, uint64_t now_ns)
{
    struct admin_child *a = &m->admin;
    int fd = -1, rc;

    m->spawn.options = m->supervisor.options;
    rc = spawn_admin(&m->spawn, a->started + 1, &a->pid, &fd);
    if (rc < 0) {
        a->pid = 0;
        log_warn_errno(rc, "could not fork the admin process");
        a->not_before_ns = backoff_failed(&a->backoff, now_ns);
        return;
    }
    a->started++;
    a->told_to_quit = false;
    a->deadline_ns = 0;
    m->region->master.admin_pid = a->pid;
    channel_init(&a->channel, fd, ADMIN_SLOT, a->started);
    a->watch = event_new(m->base, fd, EV_READ | EV_PERSIST, on_admin, m);
    if (a->watch == NULL || event_add(a->watch, NULL) < 0) {
        log_warn("could not watch the channel of the admin process");
        close_admin(m); /* it ends, and is started again later */
    }
}

bool admin_reaped(struct master *m, pid_t pid, int status)
{
    struct admin_child *a = &m->admin;
    char words[OBITUARY_MAX];

    if (a->pid == 0 || pid != a->pid)
        return false;
    close_admin(m);
    if (!a->told_to_quit)
        log_warn("the admin process %d %s: it is started again", (int)pid,
                 obituary_status(words, status));
    a->pid = 0;
    m->region->master.admin_pid = 0;
    a->not_before_ns = backoff_failed(&a->backoff, clock_ns());
    return true;
}

void admin_quit(struct master *m)
{
    struct admin_child *a = &m->admin;

    if (a->pid == 0 || a->told_to_quit)
        return;
    a->told_to_quit = true;
    a->deadline_ns = clock_ns() + ADMIN_GRACE_NS;
    if (a->channel.fd < 0 ||
        channel_send(&a->channel, MESSAGE_QUIT, NULL, NULL, 0, -1) < 0)
        kill(a->pid, SIGKILL);
}

void admin_settle(struct master *m, uint64_t now_ns, uint64_t *next_ns)
{
    struct admin_child *a = &m->admin;
    uint64_t at_ns = 0;

    if (a->pid != 0 && a->told_to_quit) {
        if (now_ns >= a->deadline_ns) {
            kill(a->pid, SIGKILL);
            a->deadline_ns = now_ns + ADMIN_GRACE_NS;
        }
        at_ns = a->deadline_ns;
    } else if (a->pid == 0 && m->admin_listener >= 0 &&
               supervisor_serves(&m->supervisor) &&
               (m->ready_told || !older_lives(m))) { /* whose admin process serves */
        if (now_ns >= a->not_before_ns)
            start_admin(m, now_ns);
        if (a->pid == 0)
            at_ns = a->not_before_ns;
    }
    if (at_ns != 0 && at_ns < *next_ns)
        *next_ns = at_ns;
}
