/* SPDX-License-Identifier: MIT */
/* test_dump.c - a cache goes into a file and comes out of it, also into a smaller one,
 * and of bytes that nobody dumped nothing bad comes. */
#include "server/cache/dump.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "server/base/prng.h"
#include "server/cache/cache.h"
#include "tests/test.h"

enum { OBJECTS = 300, BODY_MAX = 1 << 20 };

static struct cache *open_cache(size_t bytes, bool shared, const char *key)
{
    struct cache_config config = {
        .index = CACHE_HAMT,
        .recency = CACHE_SIDE,
        .bytes = bytes,
        .seats = 2,
        .heap = { .max_pause_ns = 10000,
                  .marks = GC_MARKS_SIDE,
                  .schedule = GC_INCREMENTAL,
                  .shared = shared,
                  .reserve_bytes = 256 << 20 },
    };
    const char *why = "";
    struct cache *c;

    memcpy(config.hash_key, key, sizeof config.hash_key);
    c = cache_new(&config, &why);
    check_not_null(c, "%s", why);
    return c;
}

static void put(struct cache *c, unsigned i)
{
    static char body[9000];
    char key[32], head[128];
    size_t n = (i * 37) % sizeof body; /* 0 too */
    struct cache_record r = { .status = 200,
                              .flags = i % 3 == 0 ? RECORD_FILE : 0,
                              .mtime_s = 1000 + (int)i,
                              .file_id = i,
                              .source = (uint32_t)i + 7,
                              .mtime_ns = (int64_t)i * 7 };

    memset(body, 'a' + (int)(i % 26), sizeof body);
    snprintf(key, sizeof key, "h/o/%u", i);
    snprintf(head, sizeof head,
             "HTTP/1.1 200 OK\r\nContent-Type: text/%u\r\nETag: \"%u\"\r\n", i, i);
    r.key = span_of(key);
    r.head = span_of(head);
    r.body = span_make(body, n);
    r.type = span_make(strstr(head, "text/"), 5 + (i > 99 ? 3u : i > 9 ? 2u : 1u));
    r.etag = span_make(strstr(head, "\""), r.type.n - 5 + 2);
    check_int(cache_insert(c, &r, 5000 + i), 0, "object %u", i);
}

/* True when the cache has it, byte for byte. */
static bool has(struct cache *c, struct cache_reader *reader, unsigned i)
{
    char key[32], etag[32];
    const struct entry *e;
    bool found;

    snprintf(key, sizeof key, "h/o/%u", i);
    snprintf(etag, sizeof etag, "\"%u\"", i);
    cache_enter(reader);
    e = cache_peek(reader, cache_hash(c, span_of(key)), span_of(key));
    found = e != NULL;
    if (found) {
        check_uint(e->body_len, (i * 37) % 9000);
        for (uint64_t k = 0; k < e->body_len; k++)
            check_true(e->body[k] == 'a' + i % 26);
        check_true(span_eq(entry_etag(e), span_of(etag)), "object %u", i);
        check_uint(cache_checked_ns(reader, e), 5000 + i);
        check_uint(e->file_id, i);
        check_uint(e->source, i + 7);
        check_true(e->flags == (i % 3 == 0 ? RECORD_FILE : 0));
    }
    cache_leave(reader);
    return found;
}

static void tell_fault(const char *what, void *arg)
{
    (void)arg;
    printf("fault: %s\n", what);
}

static int dumped(bool shared, struct cache_dump *ret)
{
    struct cache *c = open_cache(8 << 20, shared, "the key of one..");
    int fd = -1;

    for (unsigned i = 0; i < OBJECTS; i++)
        put(c, i);
    check_int(cache_dump(c, &fd, ret), 0);
    check_uint(ret->entries, OBJECTS);
    check_uint(cache_verify(c, tell_fault, NULL), 0);
    cache_free(c);
    return fd;
}

static void all_entries_come_back_in_their_order(void **state)
{
    (void)state;
    for (int shared = 0; shared < 2; shared++) {
        struct cache_dump out, in;
        int fd = dumped(shared, &out);
        struct cache *c = open_cache(8 << 20, !shared, "the key of other");
        struct cache_reader *reader = cache_reader_open(c, 0);

        check_int(cache_load(c, fd, BODY_MAX, &in), 0);
        check_uint(in.entries, OBJECTS);
        check_uint(cache_verify(c, tell_fault, NULL), 0);
        for (unsigned i = 0; i < OBJECTS; i++)
            check_true(has(c, reader, i), "object %u", i);
        cache_reader_close(reader);
        cache_free(c);
        close(fd);
    }
}

static void a_smaller_cache_keeps_the_newest(void **state)
{
    struct cache_dump out, in;
    int fd = dumped(false, &out);
    struct cache *c = open_cache(300 << 10, false, "the key of other");
    struct cache_reader *reader = cache_reader_open(c, 0);
    struct cache_stats stats;
    unsigned found = 0;

    (void)state;
    check_int(cache_load(c, fd, 8000, &in), 0);
    cache_get_stats(c, &stats);
    check_true(stats.entries < OBJECTS && stats.entries > 10);
    check_true(stats.bytes <= stats.bytes_limit);
    for (unsigned i = 0; i < OBJECTS; i++) {
        bool there = has(c, reader, i);
        found += there;
        check_true(!there || (i * 37) % 9000 <= 8000, "a body over the limit");
    }
    check_uint(found, stats.entries);
    check_true(has(c, reader, OBJECTS - 1));
    check_true(!has(c, reader, 1));
    cache_reader_close(reader);
    cache_free(c);
    close(fd);
}

static void what_has_been_read_takes_no_memory(void **state)
{
    struct cache *c = open_cache(64 << 20, false, "the key of one..");
    static char body[1 << 20];
    struct cache_dump dump;
    struct stat before, after;
    int fd = -1;

    (void)state;
    for (unsigned i = 0; i < 40; i++) {
        char key[32];
        struct cache_record r = { .status = 200, .head = SPAN("HTTP/1.1 200 OK\r\n") };
        snprintf(key, sizeof key, "k%u", i);
        r.key = span_of(key);
        r.body = span_make(body, sizeof body);
        check_int(cache_insert(c, &r, 1), 0);
    }
    check_int(cache_dump(c, &fd, &dump), 0);
    check_int(fstat(fd, &before), 0);
    check_int(cache_load(c, fd, sizeof body, &dump), 0, "into itself: all replaced");
    check_int(fstat(fd, &after), 0);
    check_true(before.st_blocks * 512 >= 40 << 20);
    check_true(after.st_blocks * 512 <= 17 << 20, "%ld blocks", (long)after.st_blocks);
    cache_free(c);
    close(fd);
}

static void an_empty_cache_and_files_of_others(void **state)
{
    struct cache *c = open_cache(1 << 20, false, "the key of one..");
    struct cache_dump dump;
    int fd = -1, pipe_fd[2], empty = memfd_create("empty", 0);

    (void)state;
    check_int(cache_dump(c, &fd, &dump), 0);
    check_uint(dump.entries, 0);
    check_int(cache_load(c, fd, BODY_MAX, &dump), 0);
    check_int(pwrite(fd, "\x7f", 1, 8), 1);
    check_int(cache_load(c, fd, BODY_MAX, &dump), -ESTALE, "another version");
    check_int(pwrite(fd, "x", 1, 0), 1);
    check_int(cache_load(c, fd, BODY_MAX, &dump), -EBADMSG, "another kind of file");
    check_int(cache_load(c, empty, BODY_MAX, &dump), -EBADMSG);
    check_int(pipe(pipe_fd), 0);
    check_int(cache_load(c, pipe_fd[0], BODY_MAX, &dump), -EBADMSG, "a pipe");
    close(pipe_fd[0]);
    close(pipe_fd[1]);
    close(empty);
    close(fd);
    cache_free(c);
}

/* Whatever the bytes are: an answer, and a cache that is right. */
static void bytes_that_change_on_the_way_do_no_harm(void **state)
{
    struct cache_dump dump;
    int fd = dumped(false, &dump);
    size_t n = (size_t)dump.bytes;
    char *bytes = malloc(n);
    struct prng prng;

    (void)state;
    prng_seed(&prng, 17);
    check_int(pread(fd, bytes, n, 0), (ssize_t)n);
    for (int turn = 0; turn < 200; turn++) {
        int copy = memfd_create("copy", 0);
        size_t keep = turn % 4 == 0 ? prng_next(&prng) % n : n;
        struct cache *c = open_cache(8 << 20, false, "the key of other");

        check_int(write(copy, bytes, keep), (ssize_t)keep);
        for (int k = 0; k < 5; k++) {
            unsigned char byte = (unsigned char)prng_next(&prng);
            /* near the beginning, where lengths are dense, or anywhere */
            size_t at = prng_next(&prng) % (k % 2 ? n : 4096);
            if (at < keep)
                check_int(pwrite(copy, &byte, 1, (off_t)at), 1);
        }
        int rc = cache_load(c, copy, BODY_MAX, &dump);
        check_true(rc == 0 || rc == -EBADMSG || rc == -ESTALE, "turn %d: %d", turn, rc);
        check_uint(cache_verify(c, tell_fault, NULL), 0, "turn %d", turn);
        cache_free(c);
        close(copy);
    }
    free(bytes);
    close(fd);
}

TEST_MAIN(test(all_entries_come_back_in_their_order),
          test(a_smaller_cache_keeps_the_newest),
          test(what_has_been_read_takes_no_memory),
          test(an_empty_cache_and_files_of_others),
          test(bytes_that_change_on_the_way_do_no_harm))
