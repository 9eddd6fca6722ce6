/* SPDX-License-Identifier: MIT */
/* test_generation.c - refork, reload and rolling back; see fake.h. */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>

#include "server/conf/options.h"
#include "tests/test.h"
#include "tests/unit/master/fake.h"

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

TEST_MAIN(test(a_refork_replaces_every_worker), test(at_most_two_generations_live),
          test(a_generation_that_dies_is_given_up_for_the_old_one),
          test(a_generation_that_may_not_be_forked_can_be_replaced),
          test(a_waiting_reload_opens_the_gate_for_the_roll_out_before_it),
          test(new_options_hold_after_the_roll_out),
          test(mode_threads_forks_one_host_for_each_generation))
