/* SPDX-License-Identifier: MIT */
/* test_events.c - event rings: order, overwriting, torn and hostile records. */
#include "server/shared/events.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "tests/test.h"

static struct event_ring *ring;
static struct event_source source;
static struct event_record got[EVENT_RING_SIZE + 1];

static int make(void **state)
{
    (void)state;
    ring = aligned_alloc(64, sizeof *ring);
    if (ring == NULL)
        return 1;
    memset(ring, 0, sizeof *ring);
    source = (struct event_source){ ring, 5, 2, 4 };
    return 0;
}

static int destroy(void **state)
{
    (void)state;
    free(ring);
    return 0;
}

static void write_n(uint64_t n)
{
    for (uint64_t i = 0; i < n; i++)
        event_write(&source, EVENT_STALL, i, i + 1, i + 2, i + 3);
}

static void an_event_comes_back_as_it_was_written(void **state)
{
    (void)state;
    event_write(&source, EVENT_FORK, 10, 20, 30, 40);
    check_uint(event_read(ring, 0, got, 8), 1);
    check_uint(got[0].number, 1);
    check_uint(got[0].start_ns, 10);
    check_uint(got[0].duration_ns, 20);
    check_uint(got[0].a, 30);
    check_uint(got[0].b, 40);
    check_str(event_name((enum event_kind)got[0].kind), "fork");
    check_uint(got[0].generation, 5);
    check_uint(got[0].slot, 2);
    check_uint(got[0].seat, 4);
}

static void reading_goes_on_after_the_number_given(void **state)
{
    static const struct {
        uint64_t since;
        unsigned max, want;
        uint64_t first;
    } cases[] = {
        { 0, 100, 10, 1 }, { 9, 100, 1, 10 }, { 10, 100, 0, 0 },
        { 4, 2, 2, 5 },    { 0, 0, 0, 0 },    { UINT64_MAX, 100, 0, 0 },
    };

    (void)state;
    write_n(10);
    for (size_t i = 0; i < TEST_COUNT(cases); i++) {
        check_uint(event_read(ring, cases[i].since, got, cases[i].max), cases[i].want,
                   "case %zu", i);
        if (cases[i].want > 0)
            check_uint(got[0].number, cases[i].first, "case %zu", i);
    }
}

static void the_oldest_records_are_overwritten(void **state)
{
    (void)state;
    write_n(EVENT_RING_SIZE + 3);
    check_uint(event_read(ring, 0, got, EVENT_RING_SIZE + 1), EVENT_RING_SIZE);
    check_uint(got[0].number, 4);
    check_uint(got[EVENT_RING_SIZE - 1].number, EVENT_RING_SIZE + 3);
}

static void a_torn_record_is_left_out(void **state)
{
    (void)state;
    write_n(5);
    ring->at[2].number = 0; /* its writer is in the middle, or died there */
    check_uint(event_read(ring, 0, got, 8), 4);
    check_uint(got[2].number, 4);
    ring->at[3].number = 4 + EVENT_RING_SIZE; /* overwritten meanwhile */
    check_uint(event_read(ring, 0, got, 8), 3);
}

static void a_lying_writer_costs_one_walk_of_the_ring(void **state)
{
    (void)state;
    write_n(5);
    ring->written = UINT64_MAX;
    check_uint(event_read(ring, 0, got, EVENT_RING_SIZE), 0);
    ring->written = 5;
    ring->at[1].kind = 12345;
    ring->at[2].kind = EVENT_NONE;
    check_uint(event_read(ring, 0, got, 8), 3);
    check_str(event_name((enum event_kind)12345), "unknown");
}

static void *write_many(void *arg)
{
    (void)arg;
    for (uint64_t i = 1; i <= 200000; i++)
        event_write(&source, EVENT_STALL, i, i, i, i);
    return NULL;
}

/* A reader beside a fast writer: each record that it gets is whole. */
static void no_torn_record_is_seen_beside_a_writer(void **state)
{
    pthread_t writer;
    uint64_t since = 0, seen = 0, bad = 0;

    (void)state;
    check_int(pthread_create(&writer, NULL, write_many, NULL), 0);
    while (since < 200000) {
        unsigned n = event_read(ring, since, got, EVENT_RING_SIZE);

        for (unsigned i = 0; i < n; i++) {
            const struct event_record *e = &got[i];

            bad += e->number <= since || e->start_ns != e->number ||
                   e->duration_ns != e->number || e->a != e->number ||
                   e->b != e->number;
            since = e->number;
        }
        seen += n;
    }
    pthread_join(writer, NULL);
    check_uint(bad, 0);
    check_true(seen > 0);
}

#define fresh(name) test_with(name, make, destroy)
TEST_MAIN(fresh(an_event_comes_back_as_it_was_written),
          fresh(reading_goes_on_after_the_number_given),
          fresh(the_oldest_records_are_overwritten), fresh(a_torn_record_is_left_out),
          fresh(a_lying_writer_costs_one_walk_of_the_ring),
          fresh(no_torn_record_is_seen_beside_a_writer))
