/* SPDX-License-Identifier: MIT */
/* test_ring.c - the publish ring: wrap, full, doorbell, and what a hostile writer can
 * do. */
#include "server/shared/ring.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <string.h>

#include "tests/test.h"

enum { SIZE = 256, LONGEST = SIZE / 2 - 8 };

static struct ring_head head;
static _Alignas(64) unsigned char bytes[SIZE];
static struct ring writer, reader;

static int make(void **state)
{
    (void)state;
    memset(bytes, 0, sizeof bytes);
    ring_open_reader(&reader, &head, bytes, SIZE);
    ring_open_writer(&writer, &head, bytes, SIZE);
    return 0;
}

/* True when there was room. */
static bool put(size_t n, int fill)
{
    int was_empty;
    void *at = ring_reserve(&writer, n);

    if (at == NULL)
        return false;
    memset(at, fill, n);
    ring_commit(&writer, n, &was_empty);
    return true;
}

static void take(size_t want_n, int want_fill)
{
    const void *at = NULL;
    size_t n = 0;

    check_int(ring_read(&reader, &at, &n), 1, "fill %d", want_fill);
    check_uint(n, want_n, "fill %d", want_fill);
    for (size_t i = 0; i < n; i++)
        check_int(((const unsigned char *)at)[i], want_fill, "byte %zu", i);
    ring_release(&reader);
}

static int read_once(void)
{
    const void *at;
    size_t n;

    return ring_read(&reader, &at, &n);
}

static void an_empty_ring_has_nothing_to_read(void **state)
{
    (void)state;
    check_int(read_once(), 0);
}

static void the_longest_record_fits_and_one_byte_more_does_not(void **state)
{
    (void)state;
    check_false(put(LONGEST + 1, 1));
    check_true(put(LONGEST, 2));
    take(LONGEST, 2);
    check_true(put(0, 3));
    take(0, 3);
}

static void a_full_ring_refuses_and_goes_on_after_a_read(void **state)
{
    (void)state;
    check_true(put(LONGEST, 1));
    check_true(put(LONGEST, 2));
    check_false(put(0, 3));
    take(LONGEST, 1);
    check_true(put(LONGEST, 4));
    take(LONGEST, 2);
    take(LONGEST, 4);
    check_int(read_once(), 0);
}

/* All lengths in turn, so that every distance to the end of the ring occurs. */
static void records_of_all_lengths_survive_the_wrap(void **state)
{
    (void)state;
    for (int round = 0; round < 3 * SIZE; round++) {
        size_t n = (size_t)round % (LONGEST + 1);

        check_true(put(n, round & 0xff), "length %zu", n);
        take(n, round & 0xff);
    }
}

static void the_doorbell_is_needed_only_when_the_reader_has_caught_up(void **state)
{
    int was_empty;

    (void)state;
    check_not_null(ring_reserve(&writer, 8));
    ring_commit(&writer, 8, &was_empty);
    check_true(was_empty);
    check_not_null(ring_reserve(&writer, 8));
    ring_commit(&writer, 8, &was_empty);
    check_false(was_empty);
    check_int(read_once(), 1);
    ring_release(&reader);
    check_int(read_once(), 1);
    ring_release(&reader);
    check_not_null(ring_reserve(&writer, 8));
    ring_commit(&writer, 8, &was_empty);
    check_true(was_empty);
}

static void a_reserved_record_is_invisible_until_the_commit(void **state)
{
    (void)state;
    check_true(put(100, 1));
    check_true(put(60, 1));
    take(100, 1);
    check_not_null(ring_reserve(&writer, 90)); /* leaves a mark at the end, then dies */
    take(60, 1);
    check_int(read_once(), 0);
    check_true(put(90, 2)); /* or goes on: the mark is stepped over */
    take(90, 2);
}

static void lies_of_the_writer_are_found(void **state)
{
    static const struct {
        const char *what;
        uint64_t tail, header;
    } cases[] = {
        { "more than the ring holds", SIZE + 8, 8 },
        { "tail behind the head", (uint64_t)-8, 8 },
        { "tail between two words", 12, 4 },
        { "record longer than what was written", 16, 9 },
        { "record longer than any may be", SIZE, LONGEST + 1 },
        { "length near the largest number", SIZE, UINT64_MAX - 7 },
        { "a skip of the whole ring", SIZE, UINT64_MAX },
        { "a skip beyond what was written", 16, UINT64_MAX },
    };

    (void)state;
    for (size_t i = 0; i < TEST_COUNT(cases); i++) {
        make(NULL);
        memcpy(bytes, &cases[i].header, sizeof cases[i].header);
        head.tail = cases[i].tail;
        check_int(read_once(), -EBADMSG, "%s", cases[i].what);
    }
}

static void a_skip_that_leads_to_nothing_is_a_lie(void **state)
{
    uint64_t skip = UINT64_MAX;

    (void)state;
    check_true(put(LONGEST, 1));
    take(LONGEST, 1);
    memcpy(bytes + SIZE / 2, &skip, sizeof skip);
    head.tail = SIZE; /* the skip and nothing behind it */
    check_int(read_once(), -EBADMSG);
    head.tail = SIZE + 8; /* and behind it another one */
    memcpy(bytes, &skip, sizeof skip);
    check_int(read_once(), -EBADMSG);
}

static void a_record_may_not_run_over_the_end(void **state)
{
    uint64_t length = 100;

    (void)state;
    check_true(put(LONGEST, 1));
    take(LONGEST, 1);
    check_true(put(56, 1));
    take(56, 1);
    memcpy(bytes + SIZE / 2 + 64, &length, sizeof length);
    head.tail = SIZE / 2 + 64 + 112;
    check_int(read_once(), -EBADMSG);
}

static void a_head_that_lies_stops_the_writer_only(void **state)
{
    (void)state;
    head.head = 12345678;
    check_false(put(8, 1));
}

enum { MANY = 20000 };

static void *write_many(void *arg)
{
    uint64_t *rings = arg;

    for (uint32_t i = 0; i < MANY; i++) {
        int was_empty;
        void *at;

        while ((at = ring_reserve(&writer, 4 + i % 60)) == NULL)
            sched_yield();
        memcpy(at, &i, sizeof i);
        ring_commit(&writer, 4 + i % 60, &was_empty);
        *rings += (unsigned)was_empty;
    }
    return NULL;
}

static void order_and_content_hold_beside_a_writer(void **state)
{
    pthread_t thread;
    uint64_t rings = 0;
    uint32_t wrong = 0;

    (void)state;
    check_int(pthread_create(&thread, NULL, write_many, &rings), 0);
    for (uint32_t i = 0; i < MANY; i++) {
        const void *at;
        uint32_t number;
        size_t n;
        int rc;

        while ((rc = ring_read(&reader, &at, &n)) == 0)
            sched_yield();
        check_int(rc, 1);
        memcpy(&number, at, sizeof number);
        wrong += number != i || n != 4 + i % 60;
        ring_release(&reader);
    }
    pthread_join(thread, NULL);
    check_uint(wrong, 0);
    check_true(rings > 0);
}

#define fresh(name) test_with(name, make, NULL)
TEST_MAIN(fresh(an_empty_ring_has_nothing_to_read),
          fresh(the_longest_record_fits_and_one_byte_more_does_not),
          fresh(a_full_ring_refuses_and_goes_on_after_a_read),
          fresh(records_of_all_lengths_survive_the_wrap),
          fresh(the_doorbell_is_needed_only_when_the_reader_has_caught_up),
          fresh(a_reserved_record_is_invisible_until_the_commit),
          fresh(lies_of_the_writer_are_found),
          fresh(a_skip_that_leads_to_nothing_is_a_lie),
          fresh(a_record_may_not_run_over_the_end),
          fresh(a_head_that_lies_stops_the_writer_only),
          fresh(order_and_content_hold_beside_a_writer))
