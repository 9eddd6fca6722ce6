/* SPDX-License-Identifier: MIT */
/* Fetches: one per key for all who ask meanwhile, purges in between, and what the
 * master gets. */
#include "server/worker/fetch.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "server/cache/cache.h"
#include "server/shared/ring.h"
#include "tests/test.h"
#include "tests/unit/worker/slot.h"

static struct slot slot;

static void make_synthetic_with(const char *delay, bool shared)
{
    slot_make(&slot);
    if (shared)
        slot_shared_cache(&slot, 64 << 20);
    else
        slot_cache(&slot, 64 << 20);
    slot_set(&slot, "origin", "synthetic");
    slot_set(&slot, "synthetic.objects", "100");
    slot_set(&slot, "synthetic.median", "1000");
    slot_set(&slot, "synthetic.sigma", "0");
    slot_set(&slot, "synthetic.delay", delay);
    slot_start(&slot);
}

static void make_synthetic(const char *delay)
{
    make_synthetic_with(delay, false);
}

static void get(int fd, const char *path)
{
    char text[200];

    snprintf(text, sizeof text, "GET %s HTTP/1.1\r\nHost: t\r\n\r\n", path);
    slot_write(fd, text);
}

static void expect(int fd, int status)
{
    struct reply r;

    slot_read_reply(fd, true, &r);
    check_int(r.status, status);
    if (status == 200)
        check_uint(r.body_n, 1000);
    reply_free(&r);
}

static void those_who_ask_for_the_same_wait_for_one_fetch(void **state)
{
    enum { CLIENTS = 10 };
    int fd[CLIENTS];

    (void)state;
    make_synthetic("300ms");
    for (int i = 0; i < CLIENTS; i++) {
        fd[i] = slot_connect(&slot);
        get(fd[i], i < 8 ? "/o/1" : "/o/2");
    }
    slot_await(&slot, COUNTER_coalesced, CLIENTS - 2);
    close(fd[3]); /* does not want to wait */
    close(fd[8]); /* not even the one who began it */
    for (int i = 0; i < CLIENTS; i++) {
        if (i != 3 && i != 8)
            expect(fd[i], 200);
    }
    check_uint(slot_count(&slot, COUNTER_fetches), 2);
    check_uint(slot_count(&slot, COUNTER_misses), CLIENTS);
    get(fd[0], "/o/2");
    expect(fd[0], 200);
    check_uint(slot_count(&slot, COUNTER_hits), 1);
    for (int i = 0; i < CLIENTS; i++) {
        if (i != 3 && i != 8)
            close(fd[i]);
    }
    slot_stop(&slot);
}

static void a_failed_fetch_answers_all_and_is_not_kept(void **state)
{
    (void)state;
    make_synthetic("100ms");
    int a = slot_connect(&slot), b = slot_connect(&slot);
    for (int round = 1; round <= 2; round++) {
        get(a, "/o/100"); /* one behind the last */
        get(b, "/o/100");
        expect(a, 404);
        expect(b, 404);
        check_uint(slot_count(&slot, COUNTER_fetch_errors), 2u * (unsigned)round);
    }
    check_uint(slot_count(&slot, COUNTER_stored), 0);
    close(a);
    close(b);
    slot_stop(&slot);
}

static void a_purge_makes_the_next_request_fetch_again(void **state)
{
    static const char *const keys[] = { "/o/1", "" /* all */, "/o/2" };
    static const unsigned fetches_after[] = { 2, 3, 3 };

    (void)state;
    make_synthetic("0");
    int fd = slot_connect(&slot);
    get(fd, "/o/1");
    expect(fd, 200);
    for (unsigned i = 0; i < 3; i++) {
        slot_send(&slot, MESSAGE_PURGE, i + 7, keys[i]);
        check_uint(slot_expect(&slot, MESSAGE_PURGED).arg[0], i + 7);
        get(fd, "/o/1");
        expect(fd, 200);
        check_uint(slot_count(&slot, COUNTER_fetches), fetches_after[i], "purge '%s'",
                   keys[i]);
    }
    close(fd);
    slot_stop(&slot);
}

/* What was fetched before a purge may be old: it is answered to those who asked before,
 * and kept nowhere. Those who ask after the purge get a fetch of their own. */
static void a_purge_during_a_fetch_keeps_its_result_out(void **state)
{
    (void)state;
    make_synthetic("300ms");
    int before = slot_connect(&slot), after = slot_connect(&slot);
    get(before, "/o/1");
    slot_await(&slot, COUNTER_fetches, 1);
    slot_send(&slot, MESSAGE_PURGE, 1, "/o/1");
    slot_expect(&slot, MESSAGE_PURGED);
    get(after, "/o/1");
    slot_await(&slot, COUNTER_fetches, 2);
    expect(before, 200);
    expect(after, 200);
    check_uint(slot_count(&slot, COUNTER_stored), 1, "of two fetches");
    check_uint(slot_count(&slot, COUNTER_published), 1);
    close(before);
    close(after);
    slot_stop(&slot);
}

static void a_slot_may_end_while_it_fetches(void **state)
{
    (void)state;
    make_synthetic("30s");
    int a = slot_connect(&slot), b = slot_connect(&slot);
    get(a, "/o/1");
    get(b, "/o/1");
    slot_await(&slot, COUNTER_coalesced, 1);
    slot_send(&slot, MESSAGE_PURGE, 1, "");
    slot_expect(&slot, MESSAGE_PURGED);
    slot_send(&slot, MESSAGE_QUIT, 0, "");
    check_true(slot_at_end(a));
    check_true(slot_at_end(b));
    close(a);
    close(b);
    slot_end(&slot);
}

static void what_is_fetched_is_offered_to_the_master(void **state)
{
    struct cache_record record;
    struct ring ring;
    const void *bytes;
    size_t n;

    (void)state;
    make_synthetic("0");
    struct seat *seat = &slot.region->seats[0];
    ring_open_reader(&ring, &seat->publish_head, seat->publish, PUBLISH_RING_BYTES);
    slot_send(&slot, MESSAGE_PURGE, 41, "/x");
    slot_expect(&slot, MESSAGE_PURGED);
    int fd = slot_connect(&slot);
    get(fd, "/o/5");
    expect(fd, 200);
    slot_expect(&slot, MESSAGE_PUBLISH);
    check_int(ring_read(&ring, &bytes, &n), 1);
    check_int(record_decode(bytes, n, 1 << 20, &record), 0);
    check_span(record.key, "/o/5");
    check_uint(record.body.n, 1000);
    check_uint(record.status, 200);
    check_uint(record.purge_seq, 41);
    ring_release(&ring);
    close(fd);
    slot_stop(&slot);
}

/* In a shared heap the slot cannot store; until the master has, the fetch itself
 * answers. */
static void a_finished_fetch_answers_until_the_master_has_published_it(void **state)
{
    struct cache_record record;
    struct ring ring;
    const void *bytes;
    size_t n;

    (void)state;
    make_synthetic_with("0", true);
    struct seat *seat = &slot.region->seats[0];
    ring_open_reader(&ring, &seat->publish_head, seat->publish, PUBLISH_RING_BYTES);
    int fd = slot_connect(&slot);
    for (int i = 0; i < 3; i++) {
        get(fd, "/o/1");
        expect(fd, 200);
    }
    check_uint(slot_count(&slot, COUNTER_fetches), 1);
    check_uint(slot_count(&slot, COUNTER_hits), 2);
    check_uint(slot_count(&slot, COUNTER_stored), 0);

    slot_send(&slot, MESSAGE_PURGE, 1, "/o/1"); /* a purge forgets it, too */
    slot_expect(&slot, MESSAGE_PURGED);
    get(fd, "/o/1");
    expect(fd, 200);
    check_uint(slot_count(&slot, COUNTER_fetches), 2);

    check_int(ring_read(&ring, &bytes, &n), 1); /* the master's part */
    check_int(record_decode(bytes, n, 1 << 20, &record), 0);
    check_int(cache_insert(slot.cache, &record, 1), 0);
    ring_release(&ring);
    slot_send(&slot, MESSAGE_PURGE, 2, "/o/other");
    slot_expect(&slot, MESSAGE_PURGED);
    get(fd, "/o/1");
    expect(fd, 200);
    check_uint(slot_count(&slot, COUNTER_fetches), 2, "found in the heap");
    close(fd);
    slot_stop(&slot);
}

static void get_object(int fd, int i)
{
    char path[16];
    struct reply r;

    snprintf(path, sizeof path, "/o/%d", i);
    get(fd, path);
    slot_read_reply(fd, true, &r);
    check_int(r.status, 200);
    reply_free(&r);
}

static void a_full_ring_drops_and_counts(void **state)
{
    (void)state;
    slot_make(&slot);
    slot_cache(&slot, 64 << 20);
    slot_set(&slot, "origin", "synthetic");
    slot_set(&slot, "synthetic.objects", "100");
    slot_set(&slot, "synthetic.median", "100k");
    slot_set(&slot, "synthetic.sigma", "0");
    slot_start(&slot);
    int fd = slot_connect(&slot);
    for (int i = 0; i < 100; i++) /* 10 MB into 4 MiB that nobody reads */
        get_object(fd, i);
    uint64_t published = slot_count(&slot, COUNTER_published);
    check_true(published > 10 && published < 60, "%d published", (int)published);
    check_uint(published + slot_count(&slot, COUNTER_publish_dropped), 100);
    check_uint(slot_count(&slot, COUNTER_stored), 100);
    close(fd);
    slot_stop(&slot);
}

/* Large ones are memory while they wait in the channel, which would hold hundreds. */
static void as_many_bytes_as_are_allowed_are_on_their_way_to_the_master(void **state)
{
    enum { BYTES = 900 << 10, ROOM = PUBLISH_FILES_BYTES / BYTES };
    struct seat *seat;

    (void)state;
    slot_make(&slot);
    slot_cache(&slot, 64 << 20);
    slot_set(&slot, "origin", "synthetic");
    slot_set(&slot, "synthetic.objects", "100");
    slot_set(&slot, "synthetic.median", "900k");
    slot_set(&slot, "synthetic.sigma", "0");
    slot_start(&slot);
    seat = &slot.region->seats[0];
    int fd = slot_connect(&slot);
    for (int i = 0; i < 10; i++)
        get_object(fd, i);
    check_uint(slot_count(&slot, COUNTER_published), ROOM, "of a master that is slow");
    check_uint(slot_count(&slot, COUNTER_publish_dropped), 10 - ROOM);

    /* the master takes one */
    uint64_t n = slot_expect(&slot, MESSAGE_PUBLISH_FD).arg[0];
    check_true(n >= BYTES, "%d bytes", (int)n);
    atomic_store(&seat->publish_files_taken, n);
    get_object(fd, 10);
    get_object(fd, 11);
    check_uint(slot_count(&slot, COUNTER_published), ROOM + 1);
    close(fd);
    slot_stop(&slot);
}

/* cache_object_max may be far over the bound. */
static void one_that_is_larger_than_the_bound_is_published_alone(void **state)
{
    (void)state;
    slot_make(&slot);
    slot_cache(&slot, 64 << 20);
    slot_set(&slot, "origin", "synthetic");
    slot_set(&slot, "cache_object_max", "16m");
    slot_set(&slot, "synthetic.objects", "100");
    slot_set(&slot, "synthetic.median", "5m");
    slot_set(&slot, "synthetic.sigma", "0");
    slot_start(&slot);
    int fd = slot_connect(&slot);
    get_object(fd, 0);
    get_object(fd, 1);
    check_uint(slot_count(&slot, COUNTER_published), 1);
    check_uint(slot_count(&slot, COUNTER_publish_dropped), 1);
    close(fd);
    slot_stop(&slot);
}

TEST_MAIN(test(those_who_ask_for_the_same_wait_for_one_fetch),
          test(a_failed_fetch_answers_all_and_is_not_kept),
          test(a_purge_makes_the_next_request_fetch_again),
          test(a_purge_during_a_fetch_keeps_its_result_out),
          test(a_slot_may_end_while_it_fetches),
          test(what_is_fetched_is_offered_to_the_master),
          test(a_finished_fetch_answers_until_the_master_has_published_it),
          test(a_full_ring_drops_and_counts),
          test(as_many_bytes_as_are_allowed_are_on_their_way_to_the_master),
          test(one_that_is_larger_than_the_bound_is_published_alone))
