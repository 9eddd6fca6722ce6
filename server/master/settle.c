/* SPDX-License-Identifier: MIT */
/* settle.c - the decisions of the supervisor: what is compared with what should be.
 *
 * Every function here looks at the state alone and not at how it came about, so that a
 * lost or repeated wake-up does no harm. The order: deadlines, generations, who goes,
 * who comes.
 */
#include "server/master/supervisor.h"

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdlib.h>

#include "server/base/check.h"
#include "server/base/log.h"
#include "server/base/log_limit.h"
#include "server/base/num.h"
#include "server/conf/options.h"
#include "server/master/generation.h"

/* A worker that drains is asked to be done in time; the master looks a little later. */
#define DRAIN_GRACE_NS  (2 * CLOCK_NS_PER_S)
#define EXIT_GRACE_NS   (5 * CLOCK_NS_PER_S)
#define KILLED_GRACE_NS (10 * CLOCK_NS_PER_S)

static void wake_at(uint64_t *next_ns, uint64_t at_ns)
{
    if (at_ns < *next_ns)
        *next_ns = at_ns;
}

/* Its process serves a slot of its own. */
static bool is_guest(const struct instance *inst)
{
    return inst->is_thread && !inst->child->is_host;
}

/* --- deadlines -----------------------------------------------------------------------
 */

static void kill_late(struct supervisor *s, struct instance *inst)
{
    struct child *child = inst->child;

    /* others live in that process: they must not die for it */
    if (is_guest(inst) || (inst->is_thread && inst->state == SEAT_DRAINING &&
                           child->instances > 1 && s->phase != PHASE_QUIT)) {
        log_warn("slot %u generation %u, a thread of %d, misses its deadline",
                 inst->slot, inst->generation, (int)child->pid);
    } else {
        if (s->phase != PHASE_QUIT)
            log_warn("slot %u generation %u pid %d %s in time: it is killed",
                     inst->slot, inst->generation, (int)child->pid,
                     inst->state == SEAT_STARTING ? "did not become ready"
                     : inst->hangs                ? "did not abort"
                     : inst->state == SEAT_READY  ? "closed its channel and did not end"
                                                  : "did not end");
        s->ops->kill(s->arg, child->pid, SIGKILL);
    }
    inst->deadline_ns = s->now_ns + KILLED_GRACE_NS;
}

static void be_late(struct supervisor *s, struct instance *inst)
{
    if (inst->is_thread && inst->channel.fd < 0 && !inst->expected)
        supervisor_thread_ended(s, inst);
    else
        kill_late(s, inst);
}

static void look_at_deadlines(struct supervisor *s, uint64_t *next_ns)
{
    for (unsigned i = 0; i < SEATS_MAX; i++) {
        struct instance *inst = supervisor_instance(s, i);

        if (inst->state == SEAT_FREE || inst->deadline_ns == 0)
            continue;
        if (inst->deadline_ns <= s->now_ns)
            be_late(s, inst);
        if (inst->state != SEAT_FREE)
            wake_at(next_ns, inst->deadline_ns);
    }
    list_each (it, &s->children) {
        struct child *child = list_entry(it, struct child, link);

        if (child->deadline_ns == 0)
            continue;
        if (child->deadline_ns <= s->now_ns) {
            s->ops->kill(s->arg, child->pid, SIGKILL);
            child->deadline_ns = s->now_ns + KILLED_GRACE_NS;
        }
        wake_at(next_ns, child->deadline_ns);
    }
}

/* --- who goes ------------------------------------------------------------------------
 */

/* In service or on the way to it, and as it should be. */
static bool is_fresh(const struct supervisor *s, const struct instance *inst)
{
    return (inst->state == SEAT_READY || inst->state == SEAT_STARTING) &&
           inst->generation == s->generation && !inst->recycle;
}

static uint64_t drain_ns(const struct supervisor *s)
{
    if (s->phase < PHASE_LAST)
        return (uint64_t)s->options->drain_timeout_ms * CLOCK_NS_PER_MS;
    return s->drain_until_ns > s->now_ns ? s->drain_until_ns - s->now_ns : 0;
}

/* A worker that has guests goes after them: they are replaced first. */
static bool waits_for_guests(struct supervisor *s, struct instance *inst)
{
    if (inst->is_thread || inst->child->instances <= 1)
        return false;
    for (unsigned i = 0; i < SEATS_MAX; i++) {
        struct instance *guest = supervisor_instance(s, i);

        if (guest != inst && guest->state != SEAT_FREE && guest->child == inst->child)
            guest->recycle = true;
    }
    return true;
}

static void retire(struct supervisor *s, struct instance *inst)
{
    uint64_t arg[3] = { drain_ns(s) / CLOCK_NS_PER_MS,
                        supervisor_serves(s) ? DRAIN_STOP : DRAIN_CLOSE };
    int rc;

    if (waits_for_guests(s, inst))
        return;
    inst->expected = true;
    inst->state = SEAT_DRAINING;
    inst->deadline_ns = s->now_ns + drain_ns(s) + DRAIN_GRACE_NS;
    if (inst->channel.fd < 0)
        return;
    rc = channel_send(&inst->channel, MESSAGE_DRAIN, arg, NULL, 0, -1);
    if (rc < 0 && rc != -EPIPE) {
        log_warn_errno(rc, "could not tell slot %u to drain: it is killed", inst->slot);
        inst->deadline_ns = s->now_ns;
    }
}

static bool is_wanted(const struct supervisor *s, unsigned slot)
{
    return supervisor_serves(s) && slot < s->slots_wanted;
}

static void let_go(struct supervisor *s, unsigned number)
{
    struct slot *slot = &s->slots[number];
    bool wanted = is_wanted(s, number), replaced = false;

    for (unsigned i = 0; i < SEATS_PER_SLOT; i++)
        replaced |= is_fresh(s, &slot->at[i]) && slot->at[i].state == SEAT_READY &&
                    !is_guest(&slot->at[i]);
    for (unsigned i = 0; i < SEATS_PER_SLOT; i++) {
        struct instance *inst = &slot->at[i], *other = &slot->at[!i];
        bool in_service = inst->state == SEAT_READY || inst->state == SEAT_STARTING;
        bool outdated = !is_fresh(s, inst) || is_guest(inst);
        bool older = other->state == SEAT_READY && inst->state == SEAT_READY &&
                     inst->started_ns < other->started_ns;

        if (in_service && (!wanted || (outdated && (replaced || older))))
            retire(s, inst);
    }
}

/* Nobody new comes: whoever serves ends each connection with its next answer. */
static void tell_the_last(const struct supervisor *s, struct instance *inst)
{
    uint64_t arg[3] = { 0, DRAIN_ACCEPT };

    if (s->phase != PHASE_LAST || inst->told_last || inst->channel.fd < 0)
        return;
    arg[0] = drain_ns(s) / CLOCK_NS_PER_MS;
    inst->told_last =
        channel_send(&inst->channel, MESSAGE_DRAIN, arg, NULL, 0, -1) == 0;
}

void supervisor_greet(struct instance *inst)
{
    tell_the_last(inst->supervisor, inst);
}

static void tell_all_the_last(struct supervisor *s)
{
    for (unsigned i = 0; i < SEATS_MAX; i++) {
        struct instance *inst = supervisor_instance(s, i);

        if (inst->state == SEAT_READY || inst->state == SEAT_STARTING)
            tell_the_last(s, inst);
    }
}

static void tell_to_close(struct supervisor *s, struct child *host)
{
    const uint64_t arg[3] = { 0, DRAIN_CLOSE };

    if (supervisor_serves(s) || host->told_to_close)
        return;
    host->told_to_close =
        channel_send(&host->channel, MESSAGE_DRAIN, arg, NULL, 0, -1) == 0;
}

/* Hosts of older generations end when their last slot has. */
static void let_hosts_go(struct supervisor *s)
{
    list_each (it, &s->children) {
        struct child *child = list_entry(it, struct child, link);

        if (!child->is_host || child->told_to_quit)
            continue;
        tell_to_close(s, child);
        if (child->instances > 0 ||
            (supervisor_serves(s) && child->generation == s->generation))
            continue;
        child->told_to_quit = true;
        child->deadline_ns = s->now_ns + EXIT_GRACE_NS;
        if (channel_send(&child->channel, MESSAGE_QUIT, NULL, NULL, 0, -1) < 0)
            s->ops->kill(s->arg, child->pid, SIGKILL);
    }
}

/* --- who comes -----------------------------------------------------------------------
 */

static struct instance *free_seat(struct slot *slot)
{
    for (unsigned i = 0; i < SEATS_PER_SLOT; i++)
        if (slot->at[i].state == SEAT_FREE)
            return &slot->at[i];
    return NULL;
}

static bool has_ready(const struct slot *slot)
{
    return slot->at[0].state == SEAT_READY || slot->at[1].state == SEAT_READY;
}

static bool lacks_worker(const struct supervisor *s, unsigned number)
{
    const struct slot *slot = &s->slots[number];

    if (!is_wanted(s, number))
        return false;
    for (unsigned i = 0; i < SEATS_PER_SLOT; i++)
        if (is_fresh(s, &slot->at[i]) && !is_guest(&slot->at[i]))
            return false;
    return true;
}

static struct child *new_child(struct supervisor *s, bool is_host)
{
    struct child *child = calloc(1, sizeof *child);

    if (child == NULL)
        return NULL;
    child->magic = CHILD_MAGIC;
    child->is_host = is_host;
    child->generation = s->generation;
    child->channel.fd = -1;
    child->supervisor = s;
    list_init(&child->link);
    return child;
}

static void begin_instance(struct supervisor *s, struct instance *inst,
                           uint32_t generation)
{
    struct seat *seat = &s->region->seats[inst->seat];

    seat_reset(seat);
    inst->magic = INSTANCE_MAGIC;
    inst->generation = generation;
    inst->started_ns = s->now_ns;
    inst->recycle = inst->expected = false;
    seat->board.generation = generation;
    seat->board.started_ns = s->now_ns;
    seat->board.state = SEAT_STARTING;
}

static void enter_seat(struct supervisor *s, struct instance *inst, struct child *child,
                       bool is_thread)
{
    struct seat *seat = &s->region->seats[inst->seat];

    inst->state = SEAT_STARTING;
    inst->child = child;
    inst->is_thread = is_thread;
    inst->deadline_ns =
        s->now_ns + (uint64_t)s->options->spawn_timeout_ms * CLOCK_NS_PER_MS;
    child->instances++;
    seat->board.pid = child->pid;
    seat->board.is_thread = is_thread;
}

static int start_process(struct supervisor *s, struct instance *inst)
{
    struct child *child = new_child(s, false);
    int rc;

    if (child == NULL)
        return -ENOMEM;
    begin_instance(s, inst, s->generation);
    rc = s->ops->fork_worker(s->arg, inst, &child->pid);
    if (rc < 0) {
        s->region->seats[inst->seat].board.state = SEAT_FREE;
        free(child);
        return rc;
    }
    child->main = inst;
    list_push_back(&s->children, &child->link);
    enter_seat(s, inst, child, false);
    return 0;
}

static int start_thread(struct supervisor *s, struct instance *inst,
                        struct child *child)
{
    int rc;

    begin_instance(s, inst, child->generation);
    rc = s->ops->start_thread(s->arg, inst, child);
    if (rc < 0) {
        s->region->seats[inst->seat].board.state = SEAT_FREE;
        return rc;
    }
    enter_seat(s, inst, child, true);
    return 0;
}

/* The host of the target generation; NULL: it must be forked first. */
static struct child *current_host(struct supervisor *s)
{
    list_each (it, &s->children) {
        struct child *child = list_entry(it, struct child, link);

        if (child->is_host && !child->told_to_quit &&
            child->generation == s->generation)
            return child;
    }
    return NULL;
}

static int fork_host(struct supervisor *s, struct child **ret)
{
    struct child *child = new_child(s, true);
    int rc;

    if (child == NULL)
        return -ENOMEM;
    rc = s->ops->fork_host(s->arg, child);
    if (rc < 0) {
        free(child);
        return rc;
    }
    list_push_back(&s->children, &child->link);
    *ret = child;
    return 0;
}

/* A READY worker with the fewest guests, of the target generation if there is one. */
static struct child *find_inn(struct supervisor *s)
{
    struct child *best = NULL;

    list_each (it, &s->children) {
        struct child *child = list_entry(it, struct child, link);
        bool current = child->generation == s->generation;

        if (child->main == NULL || child->main->state != SEAT_READY ||
            child->main->recycle || child->main->channel.fd < 0)
            continue;
        if (best == NULL || (current && best->generation != s->generation) ||
            (current == (best->generation == s->generation) &&
             child->instances < best->instances))
            best = child;
    }
    return best;
}

/* The slot cannot be forked now. An empty one may run as a guest meanwhile; it tries
 * again to become a process of its own after the back-off. */
static void fall_back(struct supervisor *s, unsigned number, const char *why)
{
    struct slot *slot = &s->slots[number];
    struct instance *inst = free_seat(slot);
    struct child *inn;

    if (s->options->fork_fallback != FALLBACK_THREADS || inst == NULL)
        return;
    if (slot->at[0].state != SEAT_FREE && slot->at[0].state != SEAT_DRAINING)
        return;
    if (slot->at[1].state != SEAT_FREE && slot->at[1].state != SEAT_DRAINING)
        return;
    inn = find_inn(s);
    if (inn == NULL)
        return;
    if (start_thread(s, inst, inn) == 0)
        log_warn("slot %u runs as a thread of %d: %s", number, (int)inn->pid, why);
}

static void fork_failed(struct supervisor *s, unsigned number, int rc)
{
    struct slot *slot = &s->slots[number];
    char more[LOG_LEFT_OUT_MAX];
    uint64_t left_out;

    s->region->master.fork_error = (uint32_t)-rc;
    if (log_limit_pass(&s->refused, s->now_ns, &left_out))
        log_warn("could not fork a worker for slot %u: %s%s%s", number,
                 log_errno_text(rc), s->ops->limits(s->arg, rc),
                 log_left_out(more, left_out));
    if (!s->was_ready && list_empty(&s->children))
        s->tripped = s->os_error = true; /* it never served, and never will */
    slot->not_before_ns = backoff_failed(&slot->backoff, s->now_ns);
    fall_back(s, number, "it could not be forked");
}

static void tell_memory(const struct throttle_limits *limits,
                        const struct throttle_state *state)
{
    char there[NUM_TEXT_MAX], wanted[NUM_TEXT_MAX];

    log_warn("a fork waits: %s: %s (%" PRIu64
             " bytes) are available, fork.min_available is %s (%" PRIu64 " bytes)",
             throttle_reason_words(THROTTLE_MEMORY),
             num_human_size(there, state->available), state->available,
             num_human_size(wanted, limits->min_available), limits->min_available);
}

/* The gate; what to do about memory is in bring(). The rate spares clients the forks of
 * a server that runs: the first worker of a slot, at the start, costs none. */
static bool may_fork(struct supervisor *s, bool at_start, uint64_t *next_ns)
{
    const struct options *o = generations_newest(s);
    struct throttle_limits limits = { at_start ? 0 : o->fork_rate, o->fork_burst,
                                      o->fork_max_unready,
                                      (uint64_t)o->fork_min_available };
    struct throttle_state state = { .now_ns = s->now_ns,
                                    .unready = supervisor_starting(s) };
    enum throttle_reason reason;
    uint64_t retry_ns;

    if (limits.min_available > 0)
        state.available = s->ops->available(s->arg);
    reason = throttle_ask(&s->throttle, &limits, &state, &retry_ns);
    if (reason == THROTTLE_GO) {
        s->waiting = THROTTLE_GO;
        throttle_take(&s->throttle, &limits, s->now_ns);
        return true;
    }
    if (reason != s->waiting) {
        s->region->master.forks_throttled++;
        if (reason == THROTTLE_MEMORY)
            tell_memory(&limits, &state);
        else
            log_debug("a fork waits: %s", throttle_reason_words(reason));
    }
    s->waiting = reason;
    if (reason == THROTTLE_MEMORY) {
        s->region->master.memory_available = state.available;
        s->region->master.memory_wanted = limits.min_available;
    }
    wake_at(next_ns, retry_ns);
    return false;
}

/* A worker for the slot, or a reason to look again at *next_ns. False: the gate is
 * closed. */
static bool bring(struct supervisor *s, unsigned number, uint64_t *next_ns)
{
    bool threads = s->options->slots_as == SLOTS_THREADS;
    struct slot *slot = &s->slots[number];
    struct instance *inst = free_seat(slot);
    struct child *host = threads ? current_host(s) : NULL;
    int rc = 0;

    if (inst == NULL)
        return true; /* when the draining one has gone */
    if (slot->not_before_ns > s->now_ns) {
        wake_at(next_ns, slot->not_before_ns);
        return true;
    }
    if (host == NULL &&
        !may_fork(s, s->generation == 1 && !slot->was_forked, next_ns)) {
        if (s->waiting == THROTTLE_MEMORY)
            fall_back(s, number, throttle_reason_words(s->waiting));
        return s->waiting == THROTTLE_MEMORY;
    }
    if (threads) {
        if (host == NULL)
            rc = fork_host(s, &host);
        if (rc == 0)
            rc = start_thread(s, inst, host);
    } else {
        rc = start_process(s, inst);
    }
    if (rc < 0) {
        fork_failed(s, number, rc);
        wake_at(next_ns, slot->not_before_ns);
    } else {
        s->region->master.fork_error = 0;
        slot->was_forked = true;
        s->turn = (number + 1) % SLOTS_MAX;
        wake_at(next_ns, inst->deadline_ns);
    }
    return true;
}

/* Workers for slots that have one to serve meanwhile, or have none. In turns: a slot
 * whose workers ask again and again to be replaced must not take every fork that the
 * gate lets through. False: the gate is closed. */
static bool bring_all(struct supervisor *s, bool served, uint64_t *next_ns)
{
    unsigned first = s->turn;

    for (unsigned k = 0; !s->tripped && k < SLOTS_MAX; k++) {
        unsigned i = (first + k) % SLOTS_MAX;

        if (lacks_worker(s, i) && has_ready(&s->slots[i]) == served &&
            !bring(s, i, next_ns))
            return false;
    }
    return true;
}

uint64_t supervisor_settle(struct supervisor *s, uint64_t now_ns)
{
    uint64_t next_ns = UINT64_MAX;

    s->now_ns = now_ns;
    generations_settle(s);
    for (unsigned i = 0; i < SLOTS_MAX; i++)
        let_go(s, i);
    tell_all_the_last(s);
    let_hosts_go(s);
    if (bring_all(s, false, &next_ns)) /* slots that nobody serves come first */
        bring_all(s, true, &next_ns);
    s->region->master.fork_waits_for_memory = s->waiting == THROTTLE_MEMORY;
    look_at_deadlines(s, &next_ns);
    return next_ns;
}
