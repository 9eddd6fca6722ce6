/* SPDX-License-Identifier: MIT */
/* test_roll.c - orders that every worker has to acknowledge. */
#include "server/master/roll.h"

#include <errno.h>
#include <string.h>

#include "tests/test.h"

static struct rolls rolls;
static struct roll ended;
static int error;

static int make(void **state)
{
    (void)state;
    memset(&rolls, 0, sizeof rolls);
    return 0;
}

static struct roll *begin(uint64_t number, uint64_t deadline_ns)
{
    return rolls_begin(&rolls, MESSAGE_PURGED, number, 100 + number, deadline_ns);
}

static void an_order_that_nobody_was_told_is_done(void **state)
{
    (void)state;
    check_not_null(begin(1, 50));
    check_uint(rolls_deadline(&rolls), 50);
    check_true(rolls_ended(&rolls, 0, &ended, &error));
    check_int(error, 0);
    check_uint(ended.order, 101);
    check_false(rolls_ended(&rolls, 0, &ended, &error), "only once");
    check_uint(rolls_deadline(&rolls), UINT64_MAX);
}

static void it_waits_for_the_last_answer_with_its_number(void **state)
{
    struct roll *roll = begin(7, 50);

    (void)state;
    roll->waits[0] = roll->waits[SEATS_MAX - 1] = true;
    rolls_answered(&rolls, 0, MESSAGE_PURGED, 7);
    rolls_answered(&rolls, SEATS_MAX - 1, MESSAGE_PURGED, 6);
    rolls_answered(&rolls, SEATS_MAX - 1, MESSAGE_COLLECTED, 7);
    check_false(rolls_ended(&rolls, 49, &ended, &error));
    rolls_answered(&rolls, SEATS_MAX - 1, MESSAGE_PURGED, 7);
    check_true(rolls_ended(&rolls, 49, &ended, &error));
    check_int(error, 0);
}

static void who_is_gone_need_not_answer(void **state)
{
    (void)state;
    begin(1, 50)->waits[3] = true;
    begin(2, 50)->waits[3] = true;
    rolls_gone(&rolls, 3);
    check_true(rolls_ended(&rolls, 0, &ended, &error));
    check_true(rolls_ended(&rolls, 0, &ended, &error));
    check_int(error, 0);
}

static void time_is_over_at_the_deadline(void **state)
{
    (void)state;
    begin(1, 50)->waits[3] = true;
    check_false(rolls_ended(&rolls, 49, &ended, &error));
    check_true(rolls_ended(&rolls, 50, &ended, &error));
    check_int(error, -ETIMEDOUT);
}

static void one_order_too_many_is_refused(void **state)
{
    (void)state;
    for (unsigned i = 0; i < ROLLS_MAX; i++) {
        struct roll *roll = begin(i, 50);

        check_not_null(roll, "order %u", i);
        roll->waits[0] = true;
    }
    check_null(begin(ROLLS_MAX, 50));
    rolls_answered(&rolls, 0, MESSAGE_PURGED, 5);
    check_true(rolls_ended(&rolls, 0, &ended, &error));
    check_not_null(begin(ROLLS_MAX, 50));
}

static void who_is_silent_is_named(void **state)
{
    static const struct {
        unsigned slots, step;
        const char *want;
    } cases[] = {
        { 1, 3, "slot 0" },
        { 2, 3, "slots 0, 3" },
        { 8, 1, "slots 0, 1, 2, 3, 4, 5, 6, 7" },
        { 9, 1, "slots 0, 1, 2, 3, 4, 5, 6, 7 and 1 more" },
        { SLOTS_MAX, 1, "slots 0, 1, 2, 3, 4, 5, 6, 7 and 120 more" },
        { 8, 16, "slots 0, 16, 32, 48, 64, 80, 96, 112" },
    };
    char out[ROLL_SILENT_MAX];

    (void)state;
    for (size_t i = 0; i < TEST_COUNT(cases); i++) {
        struct roll roll = { .answer = MESSAGE_PURGED };

        for (unsigned k = 0; k < cases[i].slots; k++)
            roll.waits[seat_of(k * cases[i].step, k % 2)] = true;
        roll.waits[seat_of(0, 1)] = true; /* both seats: named once */
        check_str(roll_silent(out, &roll), cases[i].want);
    }
}

#define fresh(name) test_with(name, make, NULL)
TEST_MAIN(fresh(an_order_that_nobody_was_told_is_done),
          fresh(it_waits_for_the_last_answer_with_its_number),
          fresh(who_is_gone_need_not_answer), fresh(time_is_over_at_the_deadline),
          fresh(one_order_too_many_is_refused), fresh(who_is_silent_is_named))
