/* SPDX-License-Identifier: MIT */
/* test_fallback.c - what happens when nothing can be forked; see fake.h. */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>

#include "server/conf/options.h"
#include "tests/test.h"
#include "tests/unit/master/fake.h"

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

TEST_MAIN(test(a_fork_that_fails_at_the_start_ends_the_server),
          test(a_fork_that_fails_later_is_tried_again),
          test(with_fallback_a_slot_runs_as_a_guest_until_it_can_be_forked),
          test(guests_die_with_their_inn), test(an_inn_drains_after_its_guests),
          test(too_little_memory_closes_the_gate),
          test(a_dead_host_takes_its_slots_along))
