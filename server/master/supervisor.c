/* SPDX-License-Identifier: MIT */
/* supervisor.c - what happened to workers: check-in, wishes, ends. What follows from it
 * is decided in settle.c.
 */
#include "server/master/supervisor.h"

#include <inttypes.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "server/base/check.h"
#include "server/base/log.h"
#include "server/base/num.h"
#include "server/conf/options.h"
#include "server/master/obituary.h"
#include "server/shared/fair.h"

/* A process whose channel ended has this long to end by itself. */
#define EXIT_GRACE_NS (5 * CLOCK_NS_PER_S)
#define QUIT_GRACE_NS CLOCK_NS_PER_S
/* A thread whose channel ended unasked: if its process dies too, it has been reaped
 * then. */
#define THREAD_GRACE_NS (100 * CLOCK_NS_PER_MS)
/* So long it may take to write down where it was. */
#define ABORT_GRACE_NS (2 * CLOCK_NS_PER_S)

void supervisor_init(struct supervisor *s, const struct supervisor_ops *ops, void *arg,
                     struct region *region, const struct options *options,
                     unsigned slots)
{
    CHECK(slots <= SLOTS_MAX);
    memset(s, 0, sizeof *s);
    s->ops = ops;
    s->arg = arg;
    s->region = region;
    s->options = options;
    s->slots_wanted = slots;
    s->generation = s->last_generation = 1;
    list_init(&s->children);
    for (unsigned i = 0; i < SEATS_MAX; i++) {
        struct instance *inst = supervisor_instance(s, i);

        inst->slot = i / SEATS_PER_SLOT;
        inst->seat = i;
        inst->channel.fd = -1;
        inst->supervisor = s;
    }
}

struct instance *supervisor_instance(struct supervisor *s, unsigned seat)
{
    CHECK(seat < SEATS_MAX);
    return &s->slots[seat / SEATS_PER_SLOT].at[seat % SEATS_PER_SLOT];
}

static void become_ready(struct supervisor *s, struct instance *inst)
{
    if (inst->state != SEAT_STARTING)
        return; /* told to drain before it was ready */
    inst->state = SEAT_READY;
    inst->deadline_ns = 0;
    s->was_ready = true;
    breaker_ready(&s->breaker);
    log_info("slot %u generation %u is ready, %s %d, %.1f ms after its start",
             inst->slot, inst->generation, inst->is_thread ? "thread of" : "pid",
             (int)inst->child->pid, (double)(s->now_ns - inst->started_ns) / 1e6);
}

static void ask_to_recycle(struct supervisor *s, struct instance *inst, uint64_t reason)
{
    static const char *const words[] = { "an unknown reason", "its number of requests",
                                         "its private memory", "its age" };

    if (inst->state != SEAT_READY || inst->recycle)
        return;
    inst->recycle = true;
    s->region->master.recycles++;
    log_info("slot %u generation %u asks to be replaced because of %s", inst->slot,
             inst->generation, words[reason <= RECYCLE_AGE ? reason : 0]);
}

void supervisor_heard(struct supervisor *s, struct instance *inst,
                      const struct message *m, uint64_t now_ns)
{
    s->now_ns = now_ns;
    if (m->kind == MESSAGE_READY)
        become_ready(s, inst);
    else if (m->kind == MESSAGE_RECYCLE)
        ask_to_recycle(s, inst, m->arg[0]);
    else if (m->kind == MESSAGE_DRAINED)
        log_debug("slot %u generation %u has drained", inst->slot, inst->generation);
}

/* --- ends ---------------------------------------------------------------------------
 */

static void unlist(struct supervisor *s, struct child *child)
{
    if (child->is_host)
        s->ops->host_gone(s->arg, child);
    list_remove(&child->link);
    child->magic = 0;
    free(child);
}

/* An end that nobody asked for. */
static void note_death(struct supervisor *s, struct instance *inst)
{
    struct slot *slot = &s->slots[inst->slot];

    s->region->master.deaths++;
    slot->not_before_ns = backoff_failed(&slot->backoff, s->now_ns);
    if (inst->state == SEAT_STARTING &&
        breaker_death(&s->breaker, (unsigned)s->options->breaker))
        s->tripped = true;
}

static void leave_seat(struct supervisor *s, struct instance *inst)
{
    struct scoreboard *board = &s->region->seats[inst->seat].board;

    s->ops->gone(s->arg, inst);
    CHECK(inst->child->instances > 0);
    inst->child->instances--;
    if (inst->child->main == inst)
        inst->child->main = NULL;
    atomic_store_explicit(&board->state, SEAT_GONE, memory_order_relaxed);
    fair_wake(s->region); /* nobody waits any longer for it to take its share */
    inst->magic = 0;
    inst->state = SEAT_FREE;
    inst->child = NULL;
    inst->channel.fd = -1;
    inst->is_thread = inst->recycle = inst->expected = false;
    inst->told_last = inst->hangs = false;
    inst->deadline_ns = 0;
}

/* The child had our image at our addresses. */
static void tell_where(const struct instance *inst, const struct crash *crash)
{
    uint32_t frames =
        crash->frames < CRASH_FRAMES_MAX ? crash->frames : CRASH_FRAMES_MAX;
    char name[CRASH_FRAME_TEXT_MAX];

    if (crash->signal == 0)
        return;
    if (crash->fault != 0)
        log_warn("slot %u pid %d: no access to 0x%" PRIx64, inst->slot,
                 (int)inst->child->pid, (uint64_t)crash->fault);
    for (uint32_t i = 0; i < frames; i++)
        log_warn("slot %u pid %d #%" PRIu32 " %s", inst->slot, (int)inst->child->pid, i,
                 crash_name(name, crash->at[i]));
}

static void bury(struct supervisor *s, struct instance *inst, int status)
{
    const struct seat *seat = &s->region->seats[inst->seat];
    char words[OBITUARY_MAX], how[OBITUARY_MAX];

    obituary_status(how, status);
    obituary_write(words, how, s->now_ns - inst->started_ns,
                   seat->counters[COUNTER_requests], &seat->board);
    if (inst->expected) {
        log_info("slot %u generation %u pid %d %s", inst->slot, inst->generation,
                 (int)inst->child->pid, words);
    } else {
        log_warn("slot %u generation %u pid %d %s", inst->slot, inst->generation,
                 (int)inst->child->pid, words);
        note_death(s, inst);
    }
    tell_where(inst, &seat->board.crash);
    leave_seat(s, inst);
}

static struct child *find_child(struct supervisor *s, pid_t pid)
{
    list_each (it, &s->children) {
        struct child *child = list_entry(it, struct child, link);

        if (child->pid == pid)
            return child;
    }
    return NULL;
}

bool supervisor_reaped(struct supervisor *s, pid_t pid, int status, uint64_t now_ns)
{
    struct child *child = find_child(s, pid);
    char words[OBITUARY_MAX];

    if (child == NULL)
        return false;
    CHECK_MAGIC(child, CHILD_MAGIC);
    s->now_ns = now_ns;
    if (child->is_host && (child->lost || !child->told_to_quit))
        log_warn("host of generation %u pid %d %s", child->generation, (int)pid,
                 obituary_status(words, status));
    for (unsigned i = 0; i < SEATS_MAX; i++) {
        struct instance *inst = supervisor_instance(s, i);

        if (inst->state != SEAT_FREE && inst->child == child)
            bury(s, inst, status);
    }
    CHECK(child->instances == 0);
    unlist(s, child);
    return true;
}

void supervisor_channel_ended(struct supervisor *s, struct instance *inst,
                              uint64_t now_ns)
{
    CHECK_MAGIC(inst, INSTANCE_MAGIC);
    s->now_ns = now_ns;
    if (inst->is_thread && inst->expected) {
        log_info("slot %u generation %u, a thread of %d, has ended", inst->slot,
                 inst->generation, (int)inst->child->pid);
        leave_seat(s, inst);
    } else { /* the rest follows when it is reaped, or its process is not */
        inst->deadline_ns =
            now_ns + (inst->is_thread ? THREAD_GRACE_NS : EXIT_GRACE_NS);
    }
}

void supervisor_thread_ended(struct supervisor *s, struct instance *inst)
{
    const struct seat *seat = &s->region->seats[inst->seat];
    char words[OBITUARY_MAX];

    obituary_write(words, "ended unasked", s->now_ns - inst->started_ns,
                   seat->counters[COUNTER_requests], &seat->board);
    log_warn("slot %u generation %u, a thread of %d, %s", inst->slot, inst->generation,
             (int)inst->child->pid, words);
    note_death(s, inst);
    leave_seat(s, inst);
}

void supervisor_host_ended(struct supervisor *s, struct child *child, uint64_t now_ns)
{
    (void)now_ns;
    CHECK_MAGIC(child, CHILD_MAGIC);
    if (!child->told_to_quit) { /* it cannot be asked for threads any more */
        child->told_to_quit = child->lost = true;
        s->ops->kill(s->arg, child->pid, SIGKILL);
    }
}

void supervisor_holds_back(struct supervisor *s, unsigned seat, uint64_t for_ns)
{
    const struct instance *inst = supervisor_instance(s, seat);
    char time[NUM_TEXT_MAX];

    if (inst->state == SEAT_FREE)
        return;
    log_warn("slot %u generation %u pid %d has kept the collector waiting for %s: it "
             "is killed",
             inst->slot, inst->generation, (int)inst->child->pid,
             num_human_time(time, for_ns));
    s->ops->kill(s->arg, inst->child->pid, SIGKILL);
}

bool supervisor_hangs(struct supervisor *s, unsigned seat, uint64_t for_ns,
                      uint64_t now_ns)
{
    struct instance *inst = supervisor_instance(s, seat);
    const struct scoreboard *board = &s->region->seats[seat].board;
    char time[NUM_TEXT_MAX];

    if (inst->state != SEAT_READY || inst->hangs)
        return false;
    log_warn("slot %u generation %u pid %d has not turned its loop for %s: it is "
             "killed",
             inst->slot, inst->generation, (int)inst->child->pid,
             num_human_time(time, for_ns));
    inst->hangs = true;
    inst->deadline_ns = now_ns + ABORT_GRACE_NS;
    s->region->master.hangs++;
    s->ops->abort(s->arg, inst->child->pid, board->tid);
    return true;
}

/* --- wishes --------------------------------------------------------------------------
 */

void supervisor_refork(struct supervisor *s, const struct options *options)
{
    if (s->options_wait != NULL && options != NULL)
        s->ops->release(s->arg, s->options_wait);
    if (options != NULL)
        s->options_wait = options;
    s->refork_waits = true;
    s->region->master.reforks++;
}

void supervisor_set_slots(struct supervisor *s, unsigned wanted)
{
    s->slots_wanted = wanted < 1 ? 1 : wanted > SLOTS_MAX ? SLOTS_MAX : wanted;
    s->region->master.slots_wanted = s->slots_wanted;
}

void supervisor_notice(struct supervisor *s)
{
    if (s->phase < PHASE_NOTICE)
        s->phase = PHASE_NOTICE;
}

void supervisor_last(struct supervisor *s, uint64_t now_ns)
{
    if (s->phase >= PHASE_LAST)
        return;
    s->phase = PHASE_LAST;
    s->drain_until_ns =
        now_ns + (uint64_t)s->options->drain_timeout_ms * CLOCK_NS_PER_MS;
}

void supervisor_drain(struct supervisor *s, uint64_t now_ns)
{
    supervisor_last(s, now_ns); /* the deadline */
    if (s->phase < PHASE_DRAIN)
        s->phase = PHASE_DRAIN;
}

bool supervisor_serves(const struct supervisor *s)
{
    return s->phase < PHASE_DRAIN;
}

void supervisor_quit(struct supervisor *s, uint64_t now_ns)
{
    s->phase = PHASE_QUIT;
    for (unsigned i = 0; i < SEATS_MAX; i++) {
        struct instance *inst = supervisor_instance(s, i);

        if (inst->state == SEAT_FREE)
            continue;
        inst->expected = true;
        inst->state = SEAT_DRAINING;
        inst->deadline_ns = now_ns + QUIT_GRACE_NS;
        if (inst->channel.fd >= 0)
            channel_send(&inst->channel, MESSAGE_QUIT, NULL, NULL, 0, -1);
    }
    list_each (it, &s->children) {
        struct child *child = list_entry(it, struct child, link);

        if (!child->is_host)
            continue;
        if (!child->told_to_quit)
            channel_send(&child->channel, MESSAGE_QUIT, NULL, NULL, 0, -1);
        child->told_to_quit = true;
        child->deadline_ns = now_ns + QUIT_GRACE_NS;
    }
}

/* --- questions -----------------------------------------------------------------------
 */

bool supervisor_is_empty(const struct supervisor *s)
{
    return list_empty(&s->children);
}

static unsigned slots_with(const struct supervisor *s, enum seat_state state)
{
    unsigned n = 0;

    for (unsigned i = 0; i < SLOTS_MAX; i++)
        n += s->slots[i].at[0].state == state || s->slots[i].at[1].state == state;
    return n;
}

unsigned supervisor_ready(const struct supervisor *s)
{
    return slots_with(s, SEAT_READY);
}

unsigned supervisor_starting(const struct supervisor *s)
{
    return slots_with(s, SEAT_STARTING);
}

bool supervisor_has_one_generation(const struct supervisor *s)
{
    for (unsigned i = 0; i < SEATS_MAX; i++) {
        const struct instance *inst =
            &s->slots[i / SEATS_PER_SLOT].at[i % SEATS_PER_SLOT];

        if (inst->state != SEAT_FREE && inst->generation != s->generation)
            return false;
    }
    return true;
}

/* Told to finish, and not as far yet that it accepts no more: by its own word, which
 * may be a moment old and is believed for a moment only. */
bool supervisor_has_old_doors(const struct supervisor *s)
{
    for (unsigned i = 0; i < SLOTS_MAX; i++)
        for (unsigned k = 0; k < SEATS_PER_SLOT; k++) {
            const struct instance *inst = &s->slots[i].at[k];
            const struct scoreboard *board = &s->region->seats[inst->seat].board;

            if (inst->state == SEAT_DRAINING && inst->generation != s->generation &&
                (board->state != SEAT_DRAINING || board->load != FAIR_TAKES_NONE))
                return true;
        }
    return false;
}

bool supervisor_is_settled(const struct supervisor *s)
{
    for (unsigned i = 0; i < SLOTS_MAX; i++) {
        const struct instance *at = s->slots[i].at;
        bool ready = false;

        for (unsigned k = 0; k < SEATS_PER_SLOT; k++) {
            if (at[k].state == SEAT_STARTING)
                return false;
            if (at[k].state == SEAT_READY && at[k].generation != s->generation)
                return false;
            ready |= at[k].state == SEAT_READY;
        }
        if (i < s->slots_wanted && !ready)
            return false;
    }
    return true;
}
