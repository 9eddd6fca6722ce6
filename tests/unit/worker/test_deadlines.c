/* SPDX-License-Identifier: MIT */
/* Deadlines: time is a number here, nothing waits. */
#include "server/worker/deadlines.h"

#include "tests/test.h"

static void setup(struct deadlines *ds)
{
    deadlines_init(ds);
    deadlines_set_timeout(ds, DEADLINE_KEEPALIVE, 100);
    deadlines_set_timeout(ds, DEADLINE_HEAD, 10);
}

static void a_deadline_passes_at_its_time_and_not_before(void **state)
{
    struct deadlines ds;
    struct deadline d;

    (void)state;
    setup(&ds);
    deadline_init(&d);
    check_null(deadlines_passed(&ds, 1000));
    deadline_set(&ds, &d, DEADLINE_HEAD, 1000);
    check_null(deadlines_passed(&ds, 1009));
    check_true(deadlines_passed(&ds, 1010) == &d);
    check_true(deadlines_passed(&ds, 1010) == &d, "it stays until it is cleared");
    deadline_clear(&d);
    check_null(deadlines_passed(&ds, 2000));
    deadline_clear(&d);
}

static void the_oldest_of_a_kind_comes_first(void **state)
{
    struct deadlines ds;
    struct deadline d[3];

    (void)state;
    setup(&ds);
    for (unsigned i = 0; i < 3; i++) {
        deadline_init(&d[i]);
        deadline_set(&ds, &d[i], DEADLINE_KEEPALIVE, i);
    }
    for (unsigned i = 0; i < 3; i++) {
        struct deadline *passed = deadlines_passed(&ds, 500);

        check_true(passed == &d[i], "deadline %u", i);
        deadline_clear(passed);
    }
}

static void setting_again_moves_it_behind_the_others(void **state)
{
    struct deadlines ds;
    struct deadline d[2];

    (void)state;
    setup(&ds);
    deadline_init(&d[0]);
    deadline_init(&d[1]);
    deadline_set(&ds, &d[0], DEADLINE_KEEPALIVE, 0);
    deadline_set(&ds, &d[1], DEADLINE_KEEPALIVE, 1);
    deadline_set(&ds, &d[0], DEADLINE_KEEPALIVE, 50);
    check_true(deadlines_passed(&ds, 101) == &d[1]);
    deadline_clear(&d[1]);
    check_null(deadlines_passed(&ds, 149));
    deadline_set(&ds, &d[0], DEADLINE_KEEPALIVE, 60); /* it is the newest already */
    check_null(deadlines_passed(&ds, 159));
    check_true(deadlines_passed(&ds, 160) == &d[0]);
}

static void another_kind_replaces_the_first(void **state)
{
    struct deadlines ds;
    struct deadline d;

    (void)state;
    setup(&ds);
    deadline_init(&d);
    deadline_set(&ds, &d, DEADLINE_KEEPALIVE, 0);
    deadline_set(&ds, &d, DEADLINE_HEAD, 50);
    check_int(d.kind, DEADLINE_HEAD);
    check_null(deadlines_passed(&ds, 59));
    check_true(deadlines_passed(&ds, 60) == &d);
    deadline_clear(&d);
    check_null(deadlines_passed(&ds, 1000));
}

TEST_MAIN(test(a_deadline_passes_at_its_time_and_not_before),
          test(the_oldest_of_a_kind_comes_first),
          test(setting_again_moves_it_behind_the_others),
          test(another_kind_replaces_the_first))
