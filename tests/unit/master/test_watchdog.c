/* SPDX-License-Identifier: MIT */
#include "server/master/watchdog.h"

#include "tests/test.h"

#define S  CLOCK_NS_PER_S
#define MS CLOCK_NS_PER_MS

static struct watchdog dog;
static uint64_t now_ns;

static uint64_t look(uint64_t after_ns, uint64_t beat_ns)
{
    now_ns += after_ns;
    return watchdog_quiet_ns(&dog, 3, beat_ns, watchdog_look(&dog, now_ns));
}

static void begin(void)
{
    dog = (struct watchdog){ 0 };
    now_ns = 100 * S;
}

static void the_same_heartbeat_adds_up(void **state)
{
    (void)state;
    begin();
    check_uint(look(0, 7), 0);
    check_uint(look(100 * MS, 7), 100 * MS);
    check_uint(look(300 * MS, 7), 400 * MS);
    check_uint(look(100 * MS, 8), 0, "it has turned");
    check_uint(look(100 * MS, 8), 100 * MS);
}

/* A machine that was asleep, a master that did not run: the workers did not either. */
static void time_in_which_nobody_looked_does_not_count(void **state)
{
    (void)state;
    begin();
    look(0, 7);
    check_uint(look(3600 * S, 7), WATCHDOG_LOOK_NS);
    check_uint(look(3600 * S, 8), 0);
}

static void seats_are_looked_at_each_for_itself(void **state)
{
    (void)state;
    begin();
    look(0, 7);
    uint64_t look_ns = watchdog_look(&dog, now_ns + 100 * MS);
    check_uint(watchdog_quiet_ns(&dog, 3, 7, look_ns), 100 * MS);
    check_uint(watchdog_quiet_ns(&dog, 4, 9, look_ns), 0, "seen for the first time");
}

TEST_MAIN(test(the_same_heartbeat_adds_up),
          test(time_in_which_nobody_looked_does_not_count),
          test(seats_are_looked_at_each_for_itself))
