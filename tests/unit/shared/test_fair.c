/* SPDX-License-Identifier: MIT */
/* test_fair.c - who may take the next connection, and who is woken for it. */
#include "server/shared/fair.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "server/base/clock.h"
#include "server/base/fd.h"
#include "server/shared/region.h"
#include "tests/test.h"

#define T CLOCK_NS_PER_S /* now */

static struct region *region;

static int make(void **state)
{
    (void)state;
    region = region_new();
    region->master.slots_wanted = 3;
    return region == NULL ? -1 : 0;
}

static int destroy(void **state)
{
    (void)state;
    region_free(region);
    return 0;
}

static void slot(unsigned number, uint32_t load)
{
    unsigned seat = seat_of(number, 0);

    region->seats[seat].board.state = SEAT_READY;
    region->seats[seat].board.heartbeat_ns = T;
    fair_set(region, seat, load);
}

static bool may(unsigned number)
{
    return fair_may_take(region, seat_of(number, 0), T);
}

static void the_one_with_the_fewest_is_next(void **state)
{
    (void)state;
    slot(0, 0);
    slot(1, 0);
    slot(2, 0);
    check_true(may(0) && may(1) && may(2), "nobody has any");
    slot(0, 1);
    check_true(may(0) && may(1) && may(2), "one more");
    slot(0, 2);
    check_true(!may(0) && may(1) && may(2));
    slot(1, 2);
    slot(2, 2);
    check_true(may(0) && may(1) && may(2), "all have two");
    slot(2, 0);
    check_true(!may(0) && !may(1) && may(2), "those of one have ended");
}

static void among_many_a_few_more_are_no_matter(void **state)
{
    (void)state;
    slot(0, 1000);
    slot(1, 1063);
    slot(2, 1064);
    check_true(may(0) && may(1) && !may(2));
}

static void who_takes_none_does_not_count(void **state)
{
    (void)state;
    slot(0, 5);
    slot(1, 0);
    slot(2, FAIR_TAKES_NONE);
    region->seats[seat_of(1, 0)].board.state = SEAT_STARTING;
    check_true(may(0), "one is not ready, one is full");
    region->seats[seat_of(1, 0)].board.state = SEAT_READY;
    check_true(!may(0), "now it is ready");
    region->seats[seat_of(1, 0)].board.heartbeat_ns = T - CLOCK_NS_PER_S;
    check_true(may(0), "it is stopped");
    region->seats[seat_of(1, 1)].board.state = SEAT_READY; /* the next generation */
    region->seats[seat_of(1, 1)].board.heartbeat_ns = T;
    check_true(!may(0), "its successor serves");
}

static bool sleeps(pid_t pid)
{
    char path[64], text[1024];
    size_t n = 0;

    snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
    check_int(fd_read_file(path, text, sizeof text - 1, &n) < 0 && n == 0, 0, "%s",
              path);
    text[n] = '\0';
    return strstr(text, ") S ") != NULL;
}

/* Waits for long in a child: it sleeps already. */
static pid_t wait_elsewhere(unsigned number)
{
    uint32_t before = region->fair.waiting;
    pid_t pid = fork();

    if (pid == 0) {
        fair_wait(region, seat_of(number, 0), 30000);
        _exit(0);
    }
    while (region->fair.waiting == before || !sleeps(pid))
        usleep(100);
    return pid;
}

static bool has_ended(pid_t pid)
{
    for (int i = 0; i < 5000 && waitpid(pid, NULL, WNOHANG) == 0; i++)
        usleep(1000);
    return kill(pid, 0) < 0;
}

/* Now, and later. */
static void all_are_well(void)
{
    for (unsigned i = 0; i < 3; i++) {
        region->seats[seat_of(i, 0)].board.state = SEAT_READY;
        region->seats[seat_of(i, 0)].board.heartbeat_ns = UINT64_MAX;
    }
}

static void who_waits_is_woken_for_what_it_may_take(void **state)
{
    (void)state;
    all_are_well();
    fair_set(region, seat_of(0, 0), 7);
    fair_set(region, seat_of(1, 0), 3);
    fair_set(region, seat_of(2, 0), 3);
    pid_t pid = wait_elsewhere(0);
    uint32_t turn = region->fair.turn;
    for (uint32_t load = 4; load <= 6; load++)
        for (unsigned number = 1; number <= 2; number++) {
            check_uint(region->fair.turn, turn, "before %u of slot %u", load, number);
            fair_set(region, seat_of(number, 0), load);
        }
    check_uint(region->fair.turn, turn + 1, "all have six: seven is no more than that");
    check_true(has_ended(pid));
    check_uint(region->fair.waiting, 0);
}

/* Told across processes; whoever was killed in there is in nobody's way. */
static void who_waits_ends_by_its_limit_and_by_a_death(void **state)
{
    uint64_t start = clock_ns();

    (void)state;
    all_are_well();
    fair_set(region, seat_of(0, 0), 5);
    fair_set(region, seat_of(1, 0), 0);
    fair_set(region, seat_of(2, 0), 0);
    fair_wait(region, seat_of(0, 0), 20);
    check_true(clock_ns() - start >= 20 * CLOCK_NS_PER_MS, "it waited");
    fair_wait(region, seat_of(1, 0), 3600000); /* its turn: not at all */
    pid_t pid = wait_elsewhere(0);
    fair_wake(region); /* what it waits for is not so: it looks, and that is all */
    check_true(has_ended(pid));
    pid = wait_elsewhere(0);
    kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);
    check_uint(region->fair.waiting, 1);
    fair_set(region, seat_of(1, 0), 4);
    fair_set(region, seat_of(2, 0), 4);
    fair_wait(region, seat_of(0, 0), 3600000);
    check_uint(region->fair.waiting, 1);
}

#define fresh(name) test_with(name, make, destroy)
TEST_MAIN(fresh(the_one_with_the_fewest_is_next),
          fresh(among_many_a_few_more_are_no_matter),
          fresh(who_takes_none_does_not_count),
          fresh(who_waits_is_woken_for_what_it_may_take),
          fresh(who_waits_ends_by_its_limit_and_by_a_death))
