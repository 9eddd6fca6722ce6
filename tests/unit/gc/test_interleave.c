/* SPDX-License-Identifier: MIT */
/* test_interleave.c - a reader and the owner, in every order of their steps.
 *
 * One thread plays both, so that each run is the same. The reader's steps are the
 * single loads and stores of gc_reader_enter() and its companions. Stress mode
 * overwrites what is freed: whoever still holds it sees that at once. Memory order is
 * not what this tests (one thread sees all in order); the threads of test_reader.c and
 * the proof in gc/README.md are for that.
 */
#include "tests/unit/gc/heap_test.h"

#include <stdlib.h>

enum { READER_STEPS = 7, OWNER_STEPS = 6, GOOD = 0x600d, RANDOM_ORDERS = 4000 };

enum mistake { NONE, NO_EPOCH, NO_PIN };

struct actor {
    struct gc_reader *reader;
    enum mistake mistake;
    unsigned step;
    uint64_t epoch;
    const struct heap_test_node *held;
    int pin;
};

struct stage {
    struct gc_heap *heap;
    int node;
    struct actor actors[2];
    unsigned owner_step;
    bool spoiled; /* a reader held something that was freed */
};

static void reader_step(struct actor *a)
{
    struct gc_reader *r = a->reader;
    switch (a->step++) {
    case 0:
        a->epoch = atomic_load(r->epoch);
        break;
    case 1:
        if (a->mistake != NO_EPOCH)
            atomic_store(&r->seat->epoch, a->epoch);
        break;
    case 2:
        a->held = atomic_load(r->root);
        break;
    case 3:
        if (a->mistake == NONE)
            a->pin = gc_pin(r, a->held);
        break;
    case 4:
        gc_reader_leave(r);
        break;
    case 5: /* what is pinned is still being sent */
        break;
    case 6:
        if (a->pin >= 0)
            gc_unpin(r, a->pin);
        a->pin = -1;
        a->held = NULL;
        break;
    }
}

static void publish_new(struct stage *s)
{
    struct heap_test_node *n = heap_test_cons(s->heap, s->node, NULL);
    n->next = heap_test_cons(s->heap, s->node, NULL);
    n->value = n->next->value = GOOD;
    gc_publish(s->heap, n);
}

static void owner_step(struct stage *s)
{
    switch (s->owner_step++) {
    case 0:
    case 2:
        publish_new(s);
        break;
    default:
        gc_collect(s->heap, GC_REASON_ASKED); /* -EAGAIN: a reader holds it back */
    }
}

static void look(struct stage *s)
{
    for (unsigned i = 0; i < 2; i++) {
        const struct heap_test_node *n = s->actors[i].held;
        if (n && (n->value != GOOD || n->next->value != GOOD))
            s->spoiled = true;
        if (s->spoiled)
            s->actors[i].held = NULL;
    }
}

static void reset(struct stage *s, enum mistake mistake)
{
    for (unsigned i = 0; i < 2; i++) {
        struct actor *a = &s->actors[i];
        while (a->reader && a->step && a->step < READER_STEPS)
            reader_step(a);
        *a = (struct actor){ .reader = a->reader, .mistake = mistake, .pin = -1 };
    }
    s->owner_step = 0;
    s->spoiled = false;
    publish_new(s);
    check_int(gc_collect(s->heap, GC_REASON_ASKED), 0);
}

/* Bit i of the order: step i is the reader's. False when a reader saw freed memory. */
static bool play(struct stage *s, unsigned order, enum mistake mistake)
{
    struct gc_stats stats;
    reset(s, mistake);
    for (unsigned i = 0; i < READER_STEPS + OWNER_STEPS && !s->spoiled; i++) {
        if (order >> i & 1)
            reader_step(&s->actors[0]);
        else
            owner_step(s);
        look(s);
    }
    if (s->spoiled)
        return false;
    check_int(gc_collect(s->heap, GC_REASON_ASKED), 0, "order %#x", order);
    gc_get_stats(s->heap, &stats);
    check_uint(stats.live_bytes, 2 * gc_cost(sizeof(struct heap_test_node)),
               "order %#x: something was kept", order);
    return true;
}

static struct stage stage_new(void)
{
    struct stage s = { 0 };
    s.heap = heap_test_new(
        &(struct gc_config){ .shared = true, .readers = 2, .stress = true });
    s.node = gc_type_add(s.heap, &heap_test_node);
    for (unsigned i = 0; i < 2; i++) {
        s.actors[i].reader = gc_reader_open(s.heap, i);
        s.actors[i].pin = -1;
        check_not_null(s.actors[i].reader);
    }
    return s;
}

static void stage_free(struct stage *s)
{
    for (unsigned i = 0; i < 2; i++)
        gc_reader_close(s->actors[i].reader);
    gc_free(s->heap);
}

static unsigned orders_that_spoil(enum mistake mistake, unsigned *ret_orders)
{
    struct stage s = stage_new();
    unsigned spoiled = 0, n = 0;
    for (unsigned order = 0; order < 1u << (READER_STEPS + OWNER_STEPS); order++)
        if (__builtin_popcount(order) == READER_STEPS) {
            spoiled += !play(&s, order, mistake);
            n++;
        }
    stage_free(&s);
    *ret_orders = n;
    return spoiled;
}

static void in_every_order_a_reader_sees_whole_objects(void **state)
{
    unsigned orders;
    (void)state;
    check_uint(orders_that_spoil(NONE, &orders), 0);
    check_uint(orders, 1716);
}

static void a_reader_outside_of_epochs_is_caught_by_some_order(void **state)
{
    unsigned orders;
    (void)state;
    check_true(orders_that_spoil(NO_EPOCH, &orders) > 0);
}

static void a_reader_that_forgets_its_pin_is_caught_by_some_order(void **state)
{
    unsigned orders;
    (void)state;
    check_true(orders_that_spoil(NO_PIN, &orders) > 0);
}

static uint64_t roll(uint64_t *random, unsigned n)
{
    *random ^= *random << 13;
    *random ^= *random >> 7;
    *random ^= *random << 17;
    return *random % n;
}

static void two_readers_in_random_orders_see_whole_objects(void **state)
{
    (void)state;
    struct stage s = stage_new();
    uint64_t random = 0x9e3779b97f4a7c15;
    for (unsigned run = 0; run < RANDOM_ORDERS; run++) {
        reset(&s, NONE);
        for (unsigned left = 2 * READER_STEPS + OWNER_STEPS; left > 0;) {
            unsigned who = (unsigned)roll(&random, 3);
            if (who < 2 && s.actors[who].step < READER_STEPS)
                reader_step(&s.actors[who]);
            else if (who == 2 && s.owner_step < OWNER_STEPS)
                owner_step(&s);
            else
                continue;
            left--;
            look(&s);
            check_false(s.spoiled, "run %u", run);
        }
    }
    stage_free(&s);
}

TEST_MAIN(test(in_every_order_a_reader_sees_whole_objects),
          test(a_reader_outside_of_epochs_is_caught_by_some_order),
          test(a_reader_that_forgets_its_pin_is_caught_by_some_order),
          test(two_readers_in_random_orders_see_whole_objects))
