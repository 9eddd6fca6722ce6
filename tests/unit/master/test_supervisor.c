/* SPDX-License-Identifier: MIT */
/* test_supervisor.c - decisions about workers, with forks, kills and time that the test
 * makes.
 *
 * The fake owner hands out pids from 1000 on and remembers kills and messages; channels
 * are real, so that what a worker would read can be read here.
 */
#include "server/master/supervisor.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "server/base/clock.h"
#include "server/base/log.h"
#include "server/conf/options.h"
#include "tests/test.h"

#define MS CLOCK_NS_PER_MS
#define S  CLOCK_NS_PER_S

static struct supervisor sup;
static struct region *region;
static struct options *options;
static uint64_t now_ns;

/* what the fake did */
static pid_t next_pid;
static int forks, hosts, threads, gone, released, fork_error;
static pid_t killed[64];
static int kills;
static int far_end[SEATS_MAX]; /* the worker's side of each channel */
static uint64_t available;

static int fake_channel(struct instance *inst)
{
    int fd[2], rc = channel_pair(fd);

    if (rc < 0)
        return rc;
    channel_init(&inst->channel, fd[0], inst->slot, inst->generation);
    far_end[inst->seat] = fd[1];
    return 0;
}

static int fake_fork_worker(void *arg, struct instance *inst, pid_t *ret_pid)
{
    (void)arg;
    if (fork_error != 0)
        return fork_error;
    forks++;
    *ret_pid = next_pid++;
    return fake_channel(inst);
}

static int fake_fork_host(void *arg, struct child *child)
{
    int fd[2];

    (void)arg;
    if (fork_error != 0)
        return fork_error;
    hosts++;
    if (channel_pair(fd) < 0)
        return -EMFILE;
    close(fd[1]);
    child->pid = next_pid++;
    channel_init(&child->channel, fd[0], 0xfffe, child->generation);
    return 0;
}

static int fake_start_thread(void *arg, struct instance *inst, struct child *child)
{
    (void)arg;
    (void)child;
    threads++;
    return fake_channel(inst);
}

static void fake_kill(void *arg, pid_t pid, int signo)
{
    (void)arg;
    (void)signo;
    if (kills < 64)
        killed[kills++] = pid;
}

static uint64_t fake_available(void *arg)
{
    (void)arg;
    return available;
}

static void fake_gone(void *arg, struct instance *inst)
{
    (void)arg;
    gone++;
    if (inst->channel.fd >= 0)
        close(inst->channel.fd);
    if (far_end[inst->seat] >= 0)
        close(far_end[inst->seat]);
    far_end[inst->seat] = -1;
}

static void fake_host_gone(void *arg, struct child *child)
{
    (void)arg;
    close(child->channel.fd);
}

static void fake_release(void *arg, const struct options *o)
{
    (void)arg;
    released++;
    options_free((struct options *)(uintptr_t)o);
}

static const struct supervisor_ops ops = {
    .fork_worker = fake_fork_worker,
    .fork_host = fake_fork_host,
    .start_thread = fake_start_thread,
    .kill = fake_kill,
    .available = fake_available,
    .gone = fake_gone,
    .host_gone = fake_host_gone,
    .release = fake_release,
};

/* --- what happens to workers ---------------------------------------------------------
 */

static struct options *make_options(const char *mode)
{
    struct option_error error;
    struct options *o = options_new();

    if (options_set(o, "mode", mode, "test", &error) < 0 ||
        options_set(o, "fork.rate", "0", "test", &error) < 0 ||
        options_set(o, "fork.max_unready", "0", "test", &error) < 0 ||
        options_set(o, "breaker", "3", "test", &error) < 0 ||
        options_resolve(o, &error) < 0)
        fail_msg("%s", error.text);
    return o;
}

static void begin(const char *mode, unsigned slots)
{
    log_open(LOG_FATAL, 2);
    options = make_options(mode);
    region = region_new();
    now_ns = 100 * S;
    next_pid = 1000;
    forks = hosts = threads = gone = released = fork_error = kills = 0;
    available = UINT64_MAX;
    memset(far_end, -1, sizeof far_end);
    supervisor_init(&sup, &ops, NULL, region, options, slots);
}

static uint64_t settle(void)
{
    return supervisor_settle(&sup, now_ns);
}

static void end(void)
{
    supervisor_quit(&sup, now_ns);
    for (unsigned i = 0; i < SEATS_MAX; i++) {
        struct instance *inst = supervisor_instance(&sup, i);

        if (inst->state != SEAT_FREE)
            supervisor_reaped(&sup, inst->child->pid, SIGKILL, now_ns);
    }
    while (!supervisor_is_empty(&sup))
        supervisor_reaped(
            &sup, list_entry(list_first(&sup.children), struct child, link)->pid, 0,
            now_ns);
    options_free((struct options *)(uintptr_t)sup.options);
    region_free(region);
}

static struct instance *at(unsigned slot, enum seat_state state)
{
    for (unsigned i = 0; i < SEATS_PER_SLOT; i++)
        if (sup.slots[slot].at[i].state == state)
            return &sup.slots[slot].at[i];
    fail_msg("slot %u has no instance in state %s", slot, seat_state_name(state));
    return NULL;
}

static void say(struct instance *inst, enum message_kind kind, uint64_t arg)
{
    static struct message m;

    m = (struct message){ .kind = kind, .arg = { arg } };
    supervisor_heard(&sup, inst, &m, now_ns);
    settle();
}

static void become_ready(unsigned slot)
{
    say(at(slot, SEAT_STARTING), MESSAGE_READY, 0);
}

static void die(struct instance *inst, int status)
{
    check_true(supervisor_reaped(&sup, inst->child->pid, status, now_ns));
    settle();
}

/* The next message that the worker would read; NONE when there is none. */
static enum message_kind told(const struct instance *inst)
{
    static struct message m;
    struct channel far;
    int fd;

    channel_init(&far, far_end[inst->seat], inst->slot, inst->generation);
    return channel_receive(&far, &m, &fd) == 1 ? (enum message_kind)m.kind
                                               : MESSAGE_NONE;
}

static void start(const char *mode, unsigned slots)
{
    begin(mode, slots);
    settle();
    for (unsigned i = 0; i < slots; i++)
        become_ready(i);
}

/* --- tests ---------------------------------------------------------------------------
 */

static void all_slots_are_forked_and_become_ready(void **state)
{
    (void)state;
    begin("naive", 3);
    check_uint(settle(), now_ns + 10 * S, "the boot deadline");
    check_int(forks, 3);
    check_uint(supervisor_starting(&sup), 3);
    check_false(supervisor_is_settled(&sup));
    for (unsigned i = 0; i < 3; i++)
        become_ready(i);
    check_true(supervisor_is_settled(&sup));
    check_uint(supervisor_ready(&sup), 3);
    check_uint(settle(), UINT64_MAX, "nothing is due");
    check_int(forks, 3);
    end();
}

static void only_as_many_start_at_once_as_may_be_unready(void **state)
{
    (void)state;
    begin("naive", 4);
    options->fork_max_unready = 2;
    settle();
    check_int(forks, 2);
    settle();
    check_int(forks, 2, "asking again does not help");
    become_ready(0);
    check_int(forks, 3);
    die(at(1, SEAT_STARTING), 71 << 8);
    check_int(forks, 4, "the next slot, not the one that has to wait");
    check_int(at(3, SEAT_STARTING)->slot, 3);
    end();
}

static void a_dead_worker_is_replaced_after_the_back_off(void **state)
{
    (void)state;
    start("naive", 2);
    die(at(0, SEAT_READY), SIGKILL);
    check_int(forks, 2);
    check_int(gone, 1);
    check_uint(settle(), now_ns + 100 * MS);
    now_ns += 100 * MS - 1;
    settle();
    check_int(forks, 2);
    now_ns += 1;
    settle();
    check_int(forks, 3);
    become_ready(0);
    check_true(supervisor_is_settled(&sup));
    check_uint(region->master.deaths, 1);
    end();
}

static void deaths_before_ready_trip_the_breaker(void **state)
{
    (void)state;
    begin("naive", 1);
    settle();
    for (int i = 0; i < 2; i++) {
        die(at(0, SEAT_STARTING), 71 << 8);
        check_false(sup.tripped, "death %d", i);
        now_ns += S;
        settle();
    }
    die(at(0, SEAT_STARTING), 71 << 8);
    check_true(sup.tripped);
    now_ns += 60 * S;
    settle();
    check_int(forks, 3, "nothing is forked any more");
    end();
}

static void one_that_becomes_ready_resets_the_breaker(void **state)
{
    (void)state;
    begin("naive", 1);
    for (int i = 0; i < 6; i++) {
        now_ns += 40 * S;
        settle();
        if (i % 2 == 1)
            become_ready(0);
        die(at(0, i % 2 == 1 ? SEAT_READY : SEAT_STARTING), 1 << 8);
        check_false(sup.tripped, "round %d", i);
    }
    end();
}

static void one_that_does_not_become_ready_is_killed(void **state)
{
    pid_t pid;

    (void)state;
    begin("naive", 1);
    settle();
    pid = at(0, SEAT_STARTING)->child->pid;
    now_ns += 10 * S - 1;
    settle();
    check_int(kills, 0);
    now_ns += 1;
    settle();
    check_int(kills, 1);
    check_int(killed[0], pid);
    end();
}

static void a_recycled_worker_drains_when_its_successor_is_ready(void **state)
{
    struct instance *old;

    (void)state;
    start("naive", 1);
    old = at(0, SEAT_READY);
    say(old, MESSAGE_RECYCLE, RECYCLE_REQUESTS);
    check_int(forks, 2);
    check_int(old->state, SEAT_READY, "it serves on");
    check_int(told(old), MESSAGE_NONE);
    become_ready(0);
    check_int(old->state, SEAT_DRAINING);
    check_int(told(old), MESSAGE_DRAIN);
    die(old, 0);
    check_uint(region->master.deaths, 0, "this end was asked for");
    check_true(supervisor_is_settled(&sup));
    check_int(forks, 2);
    end();
}

static void without_throttle_all_are_recycled_at_once(void **state)
{
    (void)state;
    start("naive", 4);
    for (unsigned i = 0; i < 4; i++)
        say(at(i, SEAT_READY), MESSAGE_RECYCLE, RECYCLE_AGE);
    check_int(forks, 8);
    check_uint(supervisor_starting(&sup), 4);
    end();
}

static void with_throttle_one_after_the_other(void **state)
{
    (void)state;
    begin("throttle", 3);
    options->fork_max_unready = 1;
    settle();
    for (unsigned i = 0; i < 3; i++)
        become_ready(i);
    for (unsigned i = 0; i < 3; i++)
        say(at(i, SEAT_READY), MESSAGE_RECYCLE, RECYCLE_AGE);
    check_int(forks, 4);
    become_ready(0);
    check_int(forks, 5);
    check_int(sup.slots[2].at[0].state, SEAT_READY, "the last one serves still");
    end();
}

static void who_does_not_drain_in_time_is_killed(void **state)
{
    struct instance *old;
    uint64_t next_ns;

    (void)state;
    start("naive", 1);
    old = at(0, SEAT_READY);
    say(old, MESSAGE_RECYCLE, RECYCLE_AGE);
    become_ready(0);
    next_ns = settle();
    check_uint(next_ns, now_ns + 32 * S, "drain_timeout and two seconds");
    now_ns = next_ns;
    settle();
    check_int(kills, 1);
    check_int(killed[0], old->child->pid);
    end();
}

static void a_refork_replaces_every_worker(void **state)
{
    (void)state;
    start("naive", 2);
    supervisor_refork(&sup, NULL);
    settle();
    check_uint(sup.generation, 2);
    check_int(forks, 4);
    for (unsigned i = 0; i < 2; i++) {
        become_ready(i);
        die(at(i, SEAT_DRAINING), 0);
        check_uint(at(i, SEAT_READY)->generation, 2, "slot %u", i);
    }
    check_true(supervisor_is_settled(&sup));
    end();
}

static void at_most_two_generations_live(void **state)
{
    (void)state;
    start("naive", 1);
    supervisor_refork(&sup, NULL);
    settle();
    supervisor_refork(&sup, NULL);
    supervisor_refork(&sup, NULL);
    settle();
    check_uint(sup.generation, 2, "the third waits for its turn");
    become_ready(0);
    check_uint(sup.generation, 2, "one of the first still drains");
    die(at(0, SEAT_DRAINING), 0);
    check_uint(sup.generation, 3, "two wishes, one generation");
    become_ready(0);
    die(at(0, SEAT_DRAINING), 0);
    check_uint(sup.generation, 3);
    check_int(forks, 3);
    end();
}

static void a_generation_that_dies_is_given_up_for_the_old_one(void **state)
{
    struct instance *old;

    (void)state;
    start("naive", 1);
    old = at(0, SEAT_READY);
    supervisor_refork(&sup, make_options("naive"));
    settle();
    for (int i = 0; i < 3; i++) {
        die(at(0, SEAT_STARTING), 71 << 8);
        now_ns += S;
        settle();
    }
    check_false(sup.tripped);
    check_uint(sup.generation, 1);
    check_int(old->state, SEAT_READY);
    check_true(sup.options == options, "the old options hold");
    check_int(released, 1, "the new ones were given back");
    check_uint(region->master.reloads_failed, 1);
    check_int(forks, 4);
    supervisor_refork(&sup, NULL);
    settle();
    check_uint(sup.generation, 3, "numbers are not used twice");
    end();
}

static void a_generation_that_may_not_be_forked_can_be_replaced(void **state)
{
    struct options *greedy;

    (void)state;
    start("naive", 2);
    greedy = make_options("naive");
    greedy->fork_min_available = 1000;
    available = 999;
    supervisor_refork(&sup, greedy);
    settle();
    check_uint(sup.generation, 2);
    check_int(forks, 2, "the gate is closed");
    supervisor_refork(&sup, make_options("naive"));
    settle();
    check_uint(sup.generation, 3);
    check_int(released, 1, "the options that nobody used");
    check_int(forks, 4);
    check_true(sup.options_before == options);
    for (unsigned i = 0; i < 2; i++) {
        become_ready(i);
        die(at(i, SEAT_DRAINING), 0);
    }
    check_true(supervisor_is_settled(&sup));
    check_int(released, 2);
    end();
}

static void a_waiting_reload_opens_the_gate_for_the_roll_out_before_it(void **state)
{
    struct options *greedy;

    (void)state;
    start("naive", 2);
    greedy = make_options("naive");
    greedy->fork_min_available = 1000;
    greedy->fork_max_unready = 1;
    available = 1000;
    supervisor_refork(&sup, greedy);
    settle();
    available = 999;
    become_ready(0);
    die(at(0, SEAT_DRAINING), 0);
    check_int(forks, 3, "half of the roll-out is stuck");
    supervisor_refork(&sup, make_options("naive"));
    settle();
    check_int(forks, 4);
    check_uint(sup.generation, 2);
    become_ready(1);
    die(at(1, SEAT_DRAINING), 0);
    check_uint(sup.generation, 3);
    end();
}

static void new_options_hold_after_the_roll_out(void **state)
{
    struct options *later = NULL;

    (void)state;
    start("naive", 1);
    later = make_options("naive");
    supervisor_refork(&sup, later);
    settle();
    check_true(sup.options == later);
    check_int(released, 0);
    become_ready(0);
    die(at(0, SEAT_DRAINING), 0);
    settle();
    check_int(released, 1);
    end();
}

static void fewer_slots_drain_and_more_are_forked(void **state)
{
    (void)state;
    start("naive", 2);
    supervisor_set_slots(&sup, 1);
    settle();
    check_int(told(at(1, SEAT_DRAINING)), MESSAGE_DRAIN);
    die(at(1, SEAT_DRAINING), 0);
    check_int(forks, 2);
    supervisor_set_slots(&sup, 3);
    settle();
    check_int(forks, 4);
    supervisor_set_slots(&sup, 0);
    check_uint(sup.slots_wanted, 1, "one at least");
    supervisor_set_slots(&sup, 100000);
    check_uint(sup.slots_wanted, SLOTS_MAX);
    supervisor_set_slots(&sup, 1);
    end();
}

static void draining_tells_all_and_forks_none(void **state)
{
    (void)state;
    start("naive", 2);
    say(at(0, SEAT_READY), MESSAGE_RECYCLE, RECYCLE_AGE); /* one is starting as well */
    supervisor_drain(&sup, now_ns);
    settle();
    for (unsigned i = 0; i < SEATS_MAX; i++)
        if (supervisor_instance(&sup, i)->state != SEAT_FREE)
            check_int(told(supervisor_instance(&sup, i)), MESSAGE_DRAIN, "seat %u", i);
    die(at(1, SEAT_DRAINING), 0);
    die(at(0, SEAT_DRAINING), 0);
    check_false(supervisor_is_empty(&sup));
    die(at(0, SEAT_DRAINING), 0);
    check_true(supervisor_is_empty(&sup));
    check_int(forks, 3);
    check_uint(region->master.deaths, 0);
    end();
}

static void quitting_kills_who_stays(void **state)
{
    (void)state;
    start("naive", 2);
    supervisor_quit(&sup, now_ns);
    settle();
    check_int(told(at(0, SEAT_DRAINING)), MESSAGE_QUIT);
    die(at(0, SEAT_DRAINING), 0);
    now_ns += S;
    settle();
    check_int(kills, 1);
    check_int(killed[0], at(1, SEAT_DRAINING)->child->pid);
    end();
}

static void a_fork_that_fails_at_the_start_ends_the_server(void **state)
{
    (void)state;
    begin("naive", 2);
    fork_error = -EAGAIN;
    settle();
    check_true(sup.tripped);
    check_true(sup.os_error);
    end();
}

static void a_fork_that_fails_later_is_tried_again(void **state)
{
    (void)state;
    start("naive", 2);
    fork_error = -EAGAIN;
    die(at(0, SEAT_READY), SIGKILL);
    now_ns += 100 * MS;
    check_uint(settle(), now_ns + 200 * MS);
    check_false(sup.tripped);
    check_int(threads, 0, "fork.fallback is none");
    fork_error = 0;
    now_ns += 200 * MS;
    settle();
    become_ready(0);
    check_true(supervisor_is_settled(&sup));
    end();
}

static void with_fallback_a_slot_runs_as_a_guest_until_it_can_be_forked(void **state)
{
    struct instance *guest, *inn;

    (void)state;
    start("naive", 2);
    options->fork_fallback = FALLBACK_THREADS;
    inn = at(1, SEAT_READY);
    fork_error = -ENOMEM;
    die(at(0, SEAT_READY), SIGKILL);
    now_ns += 100 * MS;
    settle();
    check_int(threads, 1);
    guest = at(0, SEAT_STARTING);
    check_true(guest->child == inn->child);
    become_ready(0);
    check_true(supervisor_is_settled(&sup), "it serves");
    now_ns += 200 * MS;
    settle();
    check_int(threads, 1, "one guest is enough");
    fork_error = 0;
    now_ns += 60 * S;
    settle();
    check_int(forks, 3);
    become_ready(0);
    check_int(guest->state, SEAT_DRAINING);
    supervisor_channel_ended(&sup, guest, now_ns);
    settle();
    check_int(guest->state, SEAT_FREE);
    check_int(kills, 0);
    end();
}

static void guests_die_with_their_inn(void **state)
{
    (void)state;
    start("naive", 2);
    options->fork_fallback = FALLBACK_THREADS;
    fork_error = -ENOMEM;
    die(at(0, SEAT_READY), SIGKILL);
    now_ns += 100 * MS;
    settle();
    become_ready(0);
    fork_error = 0;
    die(at(1, SEAT_READY), SIGSEGV);
    check_int(gone, 3);
    now_ns += 60 * S;
    settle();
    become_ready(0);
    become_ready(1);
    check_true(supervisor_is_settled(&sup));
    end();
}

static void an_inn_drains_after_its_guests(void **state)
{
    struct instance *inn, *guest;

    (void)state;
    start("naive", 2);
    options->fork_fallback = FALLBACK_THREADS;
    inn = at(1, SEAT_READY);
    fork_error = -ENOMEM;
    die(at(0, SEAT_READY), SIGKILL);
    now_ns += 100 * MS;
    settle();
    become_ready(0);
    guest = at(0, SEAT_READY);
    supervisor_drain(&sup, now_ns);
    settle();
    check_int(guest->state, SEAT_DRAINING);
    check_int(inn->state, SEAT_READY, "it waits for its guest");
    supervisor_channel_ended(&sup, guest, now_ns);
    settle();
    check_int(inn->state, SEAT_DRAINING);
    end();
}

static void too_little_memory_closes_the_gate(void **state)
{
    (void)state;
    start("naive", 2);
    options->fork_min_available = 1000;
    available = 999;
    die(at(0, SEAT_READY), SIGKILL);
    now_ns += 100 * MS;
    check_uint(settle(), now_ns + 250 * MS);
    check_int(forks, 2);
    check_uint(region->master.forks_throttled, 1);
    options->fork_fallback = FALLBACK_THREADS;
    settle();
    check_int(threads, 1);
    available = 1000;
    now_ns += 250 * MS;
    become_ready(0);
    check_int(forks, 3);
    end();
}

static void mode_threads_forks_one_host_for_each_generation(void **state)
{
    (void)state;
    start("threads", 3);
    check_int(hosts, 1);
    check_int(threads, 3);
    check_int(forks, 0);
    supervisor_refork(&sup, NULL);
    settle();
    check_int(hosts, 2);
    for (unsigned i = 0; i < 3; i++) {
        become_ready(i);
        supervisor_channel_ended(&sup, at(i, SEAT_DRAINING), now_ns);
        settle();
    }
    check_true(list_entry(list_first(&sup.children), struct child, link)->told_to_quit,
               "the old host is empty");
    check_true(supervisor_reaped(&sup, 1000, 0, now_ns));
    settle();
    check_true(supervisor_is_settled(&sup));
    check_uint(region->master.deaths, 0);
    end();
}

static void a_dead_host_takes_its_slots_along(void **state)
{
    (void)state;
    start("threads", 2);
    check_true(supervisor_reaped(&sup, 1000, SIGKILL, now_ns));
    check_uint(settle(), now_ns + 100 * MS);
    now_ns += 100 * MS;
    settle();
    check_int(hosts, 2);
    become_ready(0);
    become_ready(1);
    check_true(supervisor_is_settled(&sup));
    end();
}

static void a_stranger_is_not_ours(void **state)
{
    (void)state;
    start("naive", 1);
    check_false(supervisor_reaped(&sup, 4711, 0, now_ns));
    check_uint(supervisor_ready(&sup), 1);
    end();
}

static void who_closes_its_channel_and_stays_is_killed(void **state)
{
    struct instance *inst;

    (void)state;
    start("naive", 1);
    inst = at(0, SEAT_READY);
    supervisor_channel_ended(&sup, inst, now_ns);
    now_ns += 5 * S;
    settle();
    check_int(kills, 1);
    check_int(killed[0], inst->child->pid);
    end();
}

/* Whatever happens, in whatever order: no seat is used twice, no slot has two workers
 * of one generation in service, and in the end everything settles. Seeded, so that it
 * can be repeated. */
static void random_lives_end_settled(void **state)
{
    (void)state;
    for (unsigned seed = 1; seed <= 30; seed++) {
        start("naive", 4);
        options->breaker = 1000;
        srand(seed);
        for (int step = 0; step < 400; step++) {
            struct instance *inst = supervisor_instance(&sup, (unsigned)rand() % 8);
            int what = rand() % 10;

            now_ns += (uint64_t)(rand() % 200) * MS;
            fork_error = rand() % 20 == 0 ? -EAGAIN : 0;
            if (what == 0)
                supervisor_refork(&sup, NULL);
            else if (inst->state == SEAT_FREE)
                (void)0;
            else if (what < 6 && inst->state == SEAT_STARTING)
                say(inst, MESSAGE_READY, 0);
            else if (what == 6)
                say(inst, MESSAGE_RECYCLE, RECYCLE_AGE);
            else if (what == 7 || inst->state == SEAT_DRAINING)
                die(inst, what == 7 ? SIGKILL : 0);
            settle();
        }
        fork_error = 0;
        for (int step = 0;
             step < 200 && !(supervisor_is_settled(&sup) && !sup.refork_waits);
             step++) {
            now_ns += S;
            settle();
            for (unsigned i = 0; i < 8; i++) {
                struct instance *inst = supervisor_instance(&sup, i);

                if (inst->state == SEAT_STARTING)
                    say(inst, MESSAGE_READY, 0);
                else if (inst->state == SEAT_DRAINING)
                    die(inst, 0);
            }
        }
        check_true(supervisor_is_settled(&sup), "seed %u", seed);
        check_uint(supervisor_ready(&sup), 4, "seed %u", seed);
        end();
    }
}

TEST_MAIN(test(all_slots_are_forked_and_become_ready),
          test(only_as_many_start_at_once_as_may_be_unready),
          test(a_dead_worker_is_replaced_after_the_back_off),
          test(deaths_before_ready_trip_the_breaker),
          test(one_that_becomes_ready_resets_the_breaker),
          test(one_that_does_not_become_ready_is_killed),
          test(a_recycled_worker_drains_when_its_successor_is_ready),
          test(without_throttle_all_are_recycled_at_once),
          test(with_throttle_one_after_the_other),
          test(who_does_not_drain_in_time_is_killed),
          test(a_refork_replaces_every_worker), test(at_most_two_generations_live),
          test(a_generation_that_dies_is_given_up_for_the_old_one),
          test(a_generation_that_may_not_be_forked_can_be_replaced),
          test(a_waiting_reload_opens_the_gate_for_the_roll_out_before_it),
          test(new_options_hold_after_the_roll_out),
          test(fewer_slots_drain_and_more_are_forked),
          test(draining_tells_all_and_forks_none), test(quitting_kills_who_stays),
          test(a_fork_that_fails_at_the_start_ends_the_server),
          test(a_fork_that_fails_later_is_tried_again),
          test(with_fallback_a_slot_runs_as_a_guest_until_it_can_be_forked),
          test(guests_die_with_their_inn), test(an_inn_drains_after_its_guests),
          test(too_little_memory_closes_the_gate),
          test(mode_threads_forks_one_host_for_each_generation),
          test(a_dead_host_takes_its_slots_along), test(a_stranger_is_not_ours),
          test(who_closes_its_channel_and_stays_is_killed),
          test(random_lives_end_settled))
