/* SPDX-License-Identifier: MIT */
#include "server/worker/intake.h"

#include <stdlib.h>

#include "tests/test.h"

static const struct request_limits limits = {
    .line = 8192, .header_bytes = 32768, .headers = 100, .body = 1 << 20
};

static void put(struct intake_pool *pool, struct intake *in, char byte, size_t n)
{
    while (n > 0) {
        size_t room;
        char *to = intake_room(pool, in, &room);

        check_not_null(to, "%zu bytes more", n);
        size_t now = n < room ? n : room;
        memset(to, byte, now);
        in->len += now;
        n -= now;
    }
}

static void the_one_given_back_last_is_taken_first(void **state)
{
    struct intake_pool pool;

    (void)state;
    intake_pool_init(&pool, &limits);
    struct intake *a = intake_take(&pool), *b = intake_take(&pool);
    check_true(a != b);
    put(&pool, a, 'x', 10);
    intake_give(&pool, b, false);
    intake_give(&pool, a, true);
    check_true(intake_take(&pool) == a);
    check_uint(intake_left(a), 0, "it is empty");
    intake_give(&pool, a, false);
    intake_pool_free(&pool);
}

static void spare_ones_are_bounded(void **state)
{
    struct intake *many[INTAKE_SPARE_MAX + 5];
    struct intake_pool pool;

    (void)state;
    intake_pool_init(&pool, &limits);
    for (size_t i = 0; i < TEST_COUNT(many); i++)
        many[i] = intake_take(&pool);
    for (size_t i = 0; i < TEST_COUNT(many); i++)
        intake_give(&pool, many[i], false);
    check_uint(pool.count, INTAKE_SPARE_MAX);
    check_uint(list_count(&pool.spare), INTAKE_SPARE_MAX);
    intake_pool_free(&pool);
}

static void a_head_may_grow_to_its_limit_and_leaves_room_for_a_body(void **state)
{
    struct intake_pool pool;
    size_t room;

    (void)state;
    intake_pool_init(&pool, &limits);
    struct intake *in = intake_take(&pool);
    put(&pool, in, 'h', pool.head_max);
    check_null(intake_room(&pool, in, &room), "the head is at its limit");
    in->at = in->len; /* the head is consumed */
    intake_hold(in);
    const char *head = in->bytes;
    for (int i = 0; i < 10; i++) {
        put(&pool, in, 'b', INTAKE_BODY_ROOM);
        check_null(intake_room(&pool, in, &room), "body room is full");
        in->at = in->len; /* consumed */
    }
    check_true(in->bytes == head, "the head did not move");
    check_int(in->bytes[pool.head_max - 1], 'h', "nor was it written over");
    intake_give(&pool, in, true);
    check_uint(pool.count, 0, "a large one is not kept");
    intake_pool_free(&pool);
}

static void what_is_left_of_a_body_moves_behind_the_head(void **state)
{
    struct intake_pool pool;
    size_t room;

    (void)state;
    intake_pool_init(&pool, &limits);
    struct intake *in = intake_take(&pool);
    put(&pool, in, 'h', 100);
    in->at = 100;
    intake_hold(in);
    put(&pool, in, 'b', in->cap - 100 - 7);
    put(&pool, in, 'l', 7);
    in->at = in->len - 7;
    check_not_null(intake_room(&pool, in, &room));
    check_uint(in->at, 100);
    check_uint(intake_left(in), 7);
    check_mem(in->bytes + in->at, 7, "lllllll", 7);
    intake_give(&pool, in, true);
    intake_pool_free(&pool);
}

TEST_MAIN(test(the_one_given_back_last_is_taken_first), test(spare_ones_are_bounded),
          test(a_head_may_grow_to_its_limit_and_leaves_room_for_a_body),
          test(what_is_left_of_a_body_moves_behind_the_head))
