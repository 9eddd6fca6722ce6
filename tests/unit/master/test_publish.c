/* SPDX-License-Identifier: MIT */
/* test_publish.c - what workers offer: taken when it is right, refused when it lies. */
#include "server/master/publish.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "server/cache/cache.h"
#include "server/master/purge_log.h"
#include "server/shared/region.h"
#include "tests/test.h"

enum { BODY_MAX = 100000 };

static struct region *region;
static struct cache *cache;
static struct purge_log purges;
static struct event_source events;
static struct publish publish;
static struct ring reader, writer;

static int make(void **state)
{
    const struct cache_config config = {
        .index = CACHE_HAMT, .recency = CACHE_SIDE, .bytes = 4 << 20, .seats = 2
    };
    const char *why;

    (void)state;
    region = region_new();
    cache = cache_new(&config, &why);
    memset(&purges, 0, sizeof purges);
    events = (struct event_source){ &region->master.events, 1, 0, 0 };
    publish = (struct publish){ .cache = cache,
                                .region = region,
                                .events = &events,
                                .purges = &purges,
                                .body_max = BODY_MAX };
    seat_reset(&region->seats[0]);
    ring_open_reader(&reader, &region->seats[0].publish_head, region->seats[0].publish,
                     PUBLISH_RING_BYTES);
    ring_open_writer(&writer, &region->seats[0].publish_head, region->seats[0].publish,
                     PUBLISH_RING_BYTES);
    return cache == NULL || publish_open(&publish) < 0;
}

static int destroy(void **state)
{
    (void)state;
    publish_close(&publish);
    cache_free(cache);
    region_free(region);
    return 0;
}

static struct cache_record record(const char *key, size_t body, uint64_t purge_seq)
{
    static char bytes[BODY_MAX + 1];

    return (struct cache_record){ .key = span_of(key),
                                  .head = SPAN("HTTP/1.1 200 OK\r\n"),
                                  .body = { bytes, body },
                                  .status = 200,
                                  .purge_seq = purge_seq };
}

static void offer(const struct cache_record *r)
{
    size_t n = record_encoded_size(r);
    void *at = ring_reserve(&writer, n);
    int was_empty;

    check_not_null(at);
    record_encode(r, at);
    ring_commit(&writer, n, &was_empty);
}

static bool is_cached(const char *key)
{
    struct cache_reader *r = cache_reader_open(cache, 1);
    bool found;

    cache_enter(r);
    found = cache_find(r, cache_hash(cache, span_of(key)), span_of(key)) != NULL;
    cache_leave(r);
    cache_reader_close(r);
    return found;
}

static void records_are_taken_at_most_as_many_as_asked_for(void **state)
{
    char key[16];

    (void)state;
    for (int i = 0; i < 5; i++) {
        struct cache_record r;

        snprintf(key, sizeof key, "/%d", i);
        r = record(key, 100, 0);
        offer(&r);
    }
    check_int(publish_take(&publish, &reader, 3), 1);
    check_true(is_cached("/2"));
    check_false(is_cached("/3"));
    check_int(publish_take(&publish, &reader, 3), 0);
    check_true(is_cached("/4"));
    check_uint(region->master.published, 5);
}

static void what_was_fetched_before_a_purge_is_refused(void **state)
{
    struct cache_record old = record("/a", 10, 0), other = record("/b", 10, 0);

    (void)state;
    purge_log_add(&purges, false, cache_hash(cache, SPAN("/a")));
    offer(&old);
    offer(&other);
    check_int(publish_take(&publish, &reader, 10), 0);
    check_false(is_cached("/a"));
    check_true(is_cached("/b"));
    old.purge_seq = 1;
    offer(&old);
    check_int(publish_take(&publish, &reader, 10), 0);
    check_true(is_cached("/a"));
    check_uint(region->master.publish_refused, 1);
}

static void a_body_at_the_limit_is_taken_and_a_byte_more_is_a_lie(void **state)
{
    struct cache_record r = record("/a", BODY_MAX, 0);

    (void)state;
    offer(&r);
    check_int(publish_take(&publish, &reader, 10), 0);
    check_true(is_cached("/a"));
    r = record("/b", BODY_MAX + 1, 0);
    offer(&r);
    check_int(publish_take(&publish, &reader, 10), -EBADMSG);
    check_false(is_cached("/b"));
}

static void nonsense_in_the_ring_is_found(void **state)
{
    int was_empty;

    (void)state;
    memset(ring_reserve(&writer, 200), 0xff, 200);
    ring_commit(&writer, 200, &was_empty);
    check_int(publish_take(&publish, &reader, 10), -EBADMSG);
    region->seats[0].publish_head.tail = 12345;
    check_int(publish_take(&publish, &reader, 10), -EBADMSG);
}

static int memfd_of(const struct cache_record *r, int seals)
{
    size_t n = record_encoded_size(r);
    char *bytes = malloc(n);
    int fd = memfd_create("record", MFD_CLOEXEC | MFD_ALLOW_SEALING);

    record_encode(r, bytes);
    check_int(write(fd, bytes, n), n);
    free(bytes);
    check_int(fcntl(fd, F_ADD_SEALS, seals), 0);
    return fd;
}

static void a_memfd_is_taken_when_it_is_sealed(void **state)
{
    const struct cache_record r = record("/a", 50000, 0);
    static const struct {
        int seals, want;
    } cases[] = {
        { 0, -EPERM },
        { F_SEAL_SHRINK | F_SEAL_GROW, -EPERM },
        { F_SEAL_WRITE | F_SEAL_GROW, -EPERM },
        { F_SEAL_WRITE | F_SEAL_SHRINK, -EPERM },
        { F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW, 0 },
        { F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL, 0 },
    };

    (void)state;
    for (size_t i = 0; i < TEST_COUNT(cases); i++) {
        int fd = memfd_of(&r, cases[i].seals);

        check_int(publish_take_fd(&publish, fd), cases[i].want, "case %zu", i);
        check_int(is_cached("/a"), cases[i].want == 0, "case %zu", i);
        close(fd);
    }
}

static void other_descriptors_are_refused(void **state)
{
    int fd = open("/proc/self/exe", O_RDONLY), ends[2];
    struct cache_record r = record("/a", BODY_MAX + 1, 0);

    (void)state;
    check_int(publish_take_fd(&publish, fd), -EPERM, "a file on disk");
    close(fd);
    check_int(pipe(ends), 0);
    check_int(publish_take_fd(&publish, ends[0]), -EPERM, "a pipe");
    close(ends[0]);
    close(ends[1]);
    fd = memfd_of(&r, F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW);
    check_int(publish_take_fd(&publish, fd), -EBADMSG, "a body over the limit");
    close(fd);
    fd = memfd_create("empty", MFD_ALLOW_SEALING);
    check_int(fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW), 0);
    check_int(publish_take_fd(&publish, fd), -EMSGSIZE, "an empty one");
    close(fd);
}

static void without_a_cache_nothing_is_stored(void **state)
{
    struct cache_record r = record("/a", 10, 0);

    (void)state;
    publish.cache = NULL;
    offer(&r);
    check_int(publish_take(&publish, &reader, 10), 0);
    check_uint(region->master.publish_refused, 1);
    check_uint(region->master.published, 0);
}

#define fresh(name) test_with(name, make, destroy)
TEST_MAIN(fresh(records_are_taken_at_most_as_many_as_asked_for),
          fresh(what_was_fetched_before_a_purge_is_refused),
          fresh(a_body_at_the_limit_is_taken_and_a_byte_more_is_a_lie),
          fresh(nonsense_in_the_ring_is_found),
          fresh(a_memfd_is_taken_when_it_is_sealed),
          fresh(other_descriptors_are_refused),
          fresh(without_a_cache_nothing_is_stored))
