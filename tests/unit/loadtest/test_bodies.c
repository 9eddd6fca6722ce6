/* SPDX-License-Identifier: MIT */
/* test_bodies.c - the first body of a request is the measure of the others. */
#include "loadtest/bodies.h"

#include "tests/test.h"

static struct body_sum sum_of(const char *text)
{
    struct body_sum sum = { 0 };
    body_sum_add(&sum, text, strlen(text));
    return sum;
}

static void a_body_is_compared_with_the_first_of_its_request(void **state)
{
    (void)state;
    struct bodies bodies = { 0 };
    check_true(bodies_check(&bodies, 7, sum_of("one")));
    check_true(bodies_check(&bodies, 8, sum_of("two")));
    check_true(bodies_check(&bodies, 7, sum_of("one")));
    check_false(bodies_check(&bodies, 7, sum_of("two")));
    check_false(bodies_check(&bodies, 7, sum_of("ones")), "longer");
    check_false(bodies_check(&bodies, 8, sum_of("")), "empty");
    check_true(bodies_check(&bodies, 8, sum_of("two")), "the first stays");
    bodies_free(&bodies);
}

static void many_requests_are_told_apart(void **state)
{
    (void)state;
    struct bodies bodies = { 0 };
    for (unsigned round = 0; round < 2; round++) {
        for (uint64_t which = 0; which < 5000; which++) {
            struct body_sum sum = { .length = which, .crc = (uint32_t)which * 3 };
            check_true(bodies_check(&bodies, which << 32, sum), "%u", (unsigned)which);
        }
    }
    check_uint(bodies.n, 5000);
    bodies_free(&bodies);
}

static void pieces_add_up(void **state)
{
    (void)state;
    struct body_sum sum = { 0 };
    body_sum_add(&sum, "123", 3);
    body_sum_add(&sum, "", 0);
    body_sum_add(&sum, "456789", 6);
    check_uint(sum.length, 9);
    check_uint(sum.crc, 0xcbf43926, "the check value of CRC-32");
}

TEST_MAIN(test(a_body_is_compared_with_the_first_of_its_request),
          test(many_requests_are_told_apart), test(pieces_add_up))
