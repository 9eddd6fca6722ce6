/* SPDX-License-Identifier: MIT */
/* test_supervisor.c - workers start, die, are recycled and leave; see fake.h. */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>

#include "server/conf/options.h"
#include "tests/test.h"
#include "tests/unit/master/fake.h"

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

static void who_holds_back_the_collector_is_killed_and_replaced(void **state)
{
    struct instance *inst;

    (void)state;
    start("shared", 2);
    inst = at(1, SEAT_READY);
    supervisor_holds_back(&sup, at(1, SEAT_READY)->seat ^ 1, S);
    check_int(kills, 0, "nobody is on that seat");
    supervisor_holds_back(&sup, inst->seat, 30 * S);
    check_int(kills, 1);
    check_int(killed[0], inst->child->pid);
    die(inst, SIGKILL);
    now_ns += 100 * MS;
    settle();
    become_ready(1);
    check_true(supervisor_is_settled(&sup));
    end();
}

static void who_hangs_is_told_to_abort_and_killed_if_it_does_not(void **state)
{
    struct instance *inst;

    (void)state;
    start("naive", 2);
    inst = at(1, SEAT_READY);
    for (int i = 0; i < 3; i++) {
        supervisor_hangs(&sup, inst->seat, 60 * S, now_ns);
        settle();
    }
    check_int(kills, 1, "told once");
    check_int(killed[0], inst->child->pid);
    check_uint(region->master.hangs, 1);
    now_ns += 2 * S;
    settle();
    check_int(kills, 2);
    check_int(killed[1], inst->child->pid);
    die(inst, SIGKILL);
    now_ns += 100 * MS;
    settle();
    check_true(!at(1, SEAT_STARTING)->hangs, "the next one does not");
    become_ready(1);
    check_uint(region->master.deaths, 1);
    supervisor_hangs(&sup, at(1, SEAT_READY)->seat ^ 1, 60 * S, now_ns);
    check_int(kills, 2, "nobody is on that seat");
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

static void the_rate_spares_the_start_and_holds_afterwards(void **state)
{
    (void)state;
    begin("throttle", 8);
    options->fork_rate = options->fork_burst = 2;
    settle();
    check_int(forks, 8, "all at once");
    for (unsigned i = 0; i < 8; i++)
        become_ready(i);
    for (unsigned i = 0; i < 8; i++)
        say(at(i, SEAT_READY), MESSAGE_RECYCLE, RECYCLE_AGE);
    check_int(forks, 8 + 2, "as many as the burst");
    now_ns += S;
    settle();
    check_int(forks, 8 + 4, "and two a second");
    end();
}

static void a_slot_that_dies_at_the_start_pays_for_its_next_fork(void **state)
{
    (void)state;
    begin("throttle", 4);
    options->fork_rate = options->fork_burst = 1;
    settle();
    become_ready(0); /* no crash loop */
    for (unsigned i = 1; i < 3; i++)
        die(at(i, SEAT_STARTING), 1);
    now_ns += 200 * MS;
    settle();
    check_int(forks, 4 + 1);
    end();
}

static void one_slot_that_recycles_all_the_time_does_not_starve_others(void **state)
{
    (void)state;
    begin("throttle", 3);
    options->fork_max_unready = 1;
    settle();
    for (unsigned i = 0; i < 3; i++)
        become_ready(i);
    supervisor_refork(&sup, NULL);
    settle();
    for (unsigned i = 0; i < 3; i++) {
        struct instance *young = at(i, SEAT_STARTING); /* and not slot 0 again */

        become_ready(i);
        die(at(i, SEAT_DRAINING), 0);
        say(young, MESSAGE_RECYCLE, RECYCLE_REQUESTS);
    }
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

/* The last of those who are queued need somebody who serves them. */
static void the_last_are_told_once_and_replaced_when_they_die(void **state)
{
    (void)state;
    start("naive", 2);
    supervisor_notice(&sup);
    settle();
    check_int(told(at(0, SEAT_READY)), MESSAGE_NONE, "nothing changes for workers");
    supervisor_last(&sup, now_ns);
    settle();
    settle();
    for (unsigned i = 0; i < 2; i++) {
        check_int(told(at(i, SEAT_READY)), MESSAGE_DRAIN, "slot %u", i);
        check_int(told(at(i, SEAT_READY)), MESSAGE_NONE, "slot %u is told once", i);
    }
    die(at(0, SEAT_READY), SIGKILL);
    now_ns += S;
    settle();
    check_int(forks, 3);
    check_int(told(at(0, SEAT_STARTING)), MESSAGE_DRAIN, "the replacement");
    become_ready(0);
    supervisor_drain(&sup, now_ns);
    settle();
    check_uint(at(1, SEAT_DRAINING)->deadline_ns, now_ns + (30 - 1 + 2) * S,
               "drain_timeout began with the phase before");
    check_int(told(at(1, SEAT_DRAINING)), MESSAGE_DRAIN, "again, to stop");
    die(at(0, SEAT_DRAINING), 0);
    die(at(1, SEAT_DRAINING), 0);
    check_true(supervisor_is_empty(&sup));
    check_int(forks, 3, "nobody is replaced any more");
    end();
}

static void phases_go_one_way(void **state)
{
    static const struct {
        enum supervisor_phase from, to, want;
    } all[] = {
        { PHASE_RUN, PHASE_NOTICE, PHASE_NOTICE },
        { PHASE_NOTICE, PHASE_LAST, PHASE_LAST },
        { PHASE_LAST, PHASE_NOTICE, PHASE_LAST },
        { PHASE_RUN, PHASE_DRAIN, PHASE_DRAIN },
        { PHASE_DRAIN, PHASE_LAST, PHASE_DRAIN },
        { PHASE_QUIT, PHASE_DRAIN, PHASE_QUIT },
        { PHASE_QUIT, PHASE_LAST, PHASE_QUIT },
        { PHASE_QUIT, PHASE_NOTICE, PHASE_QUIT },
    };

    (void)state;
    for (size_t i = 0; i < TEST_COUNT(all); i++) {
        begin("naive", 1);
        sup.phase = all[i].from;
        if (all[i].to == PHASE_NOTICE)
            supervisor_notice(&sup);
        else if (all[i].to == PHASE_LAST)
            supervisor_last(&sup, now_ns);
        else
            supervisor_drain(&sup, now_ns);
        check_int(sup.phase, all[i].want, "case %zu", i);
        end();
    }
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
          test(who_holds_back_the_collector_is_killed_and_replaced),
          test(who_hangs_is_told_to_abort_and_killed_if_it_does_not),
          test(deaths_before_ready_trip_the_breaker),
          test(one_that_becomes_ready_resets_the_breaker),
          test(one_that_does_not_become_ready_is_killed),
          test(a_recycled_worker_drains_when_its_successor_is_ready),
          test(without_throttle_all_are_recycled_at_once),
          test(with_throttle_one_after_the_other),
          test(the_rate_spares_the_start_and_holds_afterwards),
          test(a_slot_that_dies_at_the_start_pays_for_its_next_fork),
          test(one_slot_that_recycles_all_the_time_does_not_starve_others),
          test(who_does_not_drain_in_time_is_killed),
          test(fewer_slots_drain_and_more_are_forked),
          test(draining_tells_all_and_forks_none),
          test(the_last_are_told_once_and_replaced_when_they_die),
          test(phases_go_one_way), test(quitting_kills_who_stays),
          test(a_stranger_is_not_ours),
          test(who_closes_its_channel_and_stays_is_killed),
          test(random_lives_end_settled))
