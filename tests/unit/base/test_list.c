/* SPDX-License-Identifier: MIT */
#include "server/base/list.h"

#include "tests/test.h"

struct item {
    int value;
    struct list link;
};

/* The values in order, as decimal digits of one number. */
static int digits(struct list *head)
{
    int n = 0;

    list_each (it, head)
        n = n * 10 + list_entry(it, struct item, link)->value;
    return n;
}

static void members_keep_their_order_through_adding_and_removing(void **state)
{
    (void)state;
    struct list head;
    struct item a = { .value = 1 }, b = { .value = 2 }, c = { .value = 3 };

    list_init(&head);
    list_init(&b.link);
    check_true(list_empty(&head));
    check_null(list_first(&head));
    check_null(list_last(&head));
    check_false(list_linked(&b.link));

    list_push_back(&head, &b.link);
    list_push_back(&head, &c.link);
    list_push_front(&head, &a.link);
    check_int(digits(&head), 123);
    check_uint(list_count(&head), 3);
    check_int(list_entry(list_first(&head), struct item, link)->value, 1);
    check_int(list_entry(list_last(&head), struct item, link)->value, 3);

    list_remove(&b.link);
    check_int(digits(&head), 13);
    check_false(list_linked(&b.link));
    list_remove(&b.link);
    check_int(digits(&head), 13, "removing twice is harmless");
    list_insert_before(&c.link, &b.link);
    check_int(digits(&head), 123);
}

static void the_safe_loop_may_empty_the_list(void **state)
{
    (void)state;
    struct list head;
    struct item items[5];
    int sum = 0;

    list_init(&head);
    for (int i = 0; i < 5; i++) {
        items[i].value = i;
        list_push_back(&head, &items[i].link);
    }
    list_each (it, &head)
        sum += list_entry(it, struct item, link)->value;
    check_int(sum, 10);
    list_each_safe (it, &head)
        list_remove(it);
    check_true(list_empty(&head));
}

TEST_MAIN(test(members_keep_their_order_through_adding_and_removing),
          test(the_safe_loop_may_empty_the_list))
