/* SPDX-License-Identifier: MIT */
/* Sending, with a socket that takes as much as the test lets it. */
#include "server/worker/send.h"

#include <errno.h>
#include <stdlib.h>

#include "server/cache/cache.h"
#include "server/worker/fetch.h"
#include "server/base/io.h"
#include "tests/test.h"

static struct {
    char got[4096];
    size_t n;
    size_t room; /* bytes that the socket still takes */
    size_t most; /* bytes that one call takes */
    int error;   /* instead of anything else */
    bool more;   /* as the last call said */
    size_t file_n;
    int calls;
} peer;

static const char file_bytes[] = "the bytes of a file";

static ssize_t take(const char *from, size_t n)
{
    size_t took = n < peer.most ? n : peer.most;

    took = took < peer.room ? took : peer.room;
    memcpy(peer.got + peer.n, from, took);
    peer.n += took;
    peer.room -= took;
    return (ssize_t)took;
}

static ssize_t fake_writev(struct wire *w, const struct iovec *from, int count,
                           bool more)
{
    size_t left = peer.most, sum = 0;

    (void)w;
    peer.calls++;
    peer.more = more;
    if (peer.error != 0)
        return -peer.error;
    if (peer.room == 0)
        return -EAGAIN;
    for (int i = 0; i < count && left > 0; i++) {
        ssize_t took =
            take(from[i].iov_base, from[i].iov_len < left ? from[i].iov_len : left);

        sum += (size_t)took;
        left -= (size_t)took;
        if ((size_t)took < from[i].iov_len)
            break;
    }
    return (ssize_t)sum;
}

static ssize_t fake_send_file(struct wire *w, int file, uint64_t at, size_t n)
{
    (void)w;
    check_int(file, 77);
    peer.calls++;
    if (peer.room == 0)
        return -EAGAIN;
    if (at >= peer.file_n)
        return 0;
    return take(file_bytes + at, n < peer.file_n - at ? n : peer.file_n - at);
}

static const struct io fake = { .writev = fake_writev, .send_file = fake_send_file };
static struct wire wire = { .io = &fake, .fd = 1 };

static void fill(struct sending *s)
{
    send_init(s);
    s->part[SEND_HEAD] = SPAN("head|");
    s->part[SEND_TAIL] = SPAN("tail|");
    s->part[SEND_BODY] = SPAN("the body");
}

static void reset(size_t room, size_t most)
{
    memset(&peer, 0, sizeof peer);
    peer.room = room;
    peer.most = most;
    peer.file_n = sizeof file_bytes - 1;
}

static void a_response_that_fits_is_one_call(void **state)
{
    struct sending s;
    uint64_t bytes = 0;

    (void)state;
    fill(&s);
    reset(1000, 1000);
    check_int(send_some(&s, &wire, &bytes), SENT_ALL);
    check_mem(peer.got, peer.n, "head|tail|the body", 18);
    check_int(peer.calls, 1);
    check_uint(bytes, 18);
    check_uint(s.body_sent, 8);
}

/* Wherever the socket fills up, what was kept goes on there; the borrowed bytes are
 * gone by then. */
static void what_is_kept_goes_on_where_the_socket_stopped(void **state)
{
    (void)state;
    for (size_t room = 0; room < 18; room++) {
        char head[] = "head|", tail[] = "tail|", body[] = "the body";
        struct send_pins pins = { 0 };
        struct sending s;
        uint64_t bytes = 0;
        bool full;

        send_init(&s);
        s.part[SEND_HEAD] = span_of(head);
        s.part[SEND_TAIL] = span_of(tail);
        s.part[SEND_BODY] = span_of(body);
        reset(room, 1000);
        check_int(send_some(&s, &wire, &bytes), SENT_PART, "room %zu", room);
        check_int(send_keep(&s, &pins, &full), 0);
        memset(head, '#', 5);
        memset(tail, '#', 5);
        memset(body, '#', 8);
        for (int i = 0; i < 100 && peer.n < 18; i++) {
            peer.room = 3;
            send_some(&s, &wire, &bytes);
        }
        check_mem(peer.got, peer.n, "head|tail|the body", 18, "room %zu", room);
        check_uint(s.body_sent, 8);
        check_uint(bytes, 18);
        send_free(&s, &pins);
    }
}

static void a_file_follows_its_head_from_its_offset(void **state)
{
    struct sending s;
    uint64_t bytes = 0;

    (void)state;
    send_init(&s);
    s.part[SEND_HEAD] = SPAN("head|");
    s.file = 77;
    s.file_at = 4;
    s.file_left = 5;
    reset(1000, 2);
    enum sent sent = SENT_PART;
    for (int i = 0; i < 20 && (sent == SENT_PART || sent == SENT_AGAIN); i++)
        sent = send_some(&s, &wire, &bytes);
    check_int(sent, SENT_ALL);
    check_true(peer.more, "the head said that more follows");
    check_mem(peer.got, peer.n, "head|bytes", 10);
    check_uint(s.body_sent, 5);
}

static void a_file_that_became_shorter_breaks_the_connection(void **state)
{
    struct sending s;
    uint64_t bytes = 0;

    (void)state;
    send_init(&s);
    s.file = 77;
    s.file_left = 10;
    reset(1000, 1000);
    peer.file_n = 3;
    check_int(send_some(&s, &wire, &bytes), SENT_AGAIN,
              "it may be cut, or the socket full");
    check_int(send_some(&s, &wire, &bytes), SENT_FAILED);
    check_true(s.failed);
}

static void a_broken_connection_fails(void **state)
{
    struct sending s;
    uint64_t bytes = 0;

    (void)state;
    fill(&s);
    reset(1000, 1000);
    peer.error = EPIPE;
    check_int(send_some(&s, &wire, &bytes), SENT_FAILED);
    check_uint(bytes, 0);
}

static struct cache *make_cache(unsigned pins)
{
    const struct cache_config config = { .index = CACHE_HAMT,
                                         .recency = CACHE_SIDE,
                                         .bytes = 1 << 20,
                                         .seats = 1,
                                         .heap = { .pins_per_reader = pins } };
    const struct cache_record record = {
        .key = SPAN("/k"), .head = SPAN("h"), .body = SPAN("the body"), .status = 200
    };
    struct cache *cache = cache_new(&config, NULL);

    check_not_null(cache);
    check_int(cache_insert(cache, &record, 1), 0);
    return cache;
}

/* The entry is purged and collected while it is being sent: its bytes are there all the
 * same, by a pin, or by a copy when there is no pin. */
static void a_body_from_the_heap_outlives_its_entry(void **state)
{
    (void)state;
    for (unsigned taken = 0; taken < 2; taken++) {
        struct cache *cache = make_cache(1);
        struct send_pins pins = { .reader = cache_reader_open(cache, 0) };
        struct sending s;
        uint64_t bytes = 0;
        bool full;

        cache_enter(pins.reader);
        const struct entry *e =
            cache_find(pins.reader, cache_hash(cache, SPAN("/k")), SPAN("/k"));
        int other = taken ? cache_pin(pins.reader, e) : -1;
        send_init(&s);
        s.entry = e;
        s.part[SEND_BODY] = (struct span){ (const char *)e->body, e->body_len };
        reset(2, 1000);
        check_int(send_some(&s, &wire, &bytes), SENT_PART);
        check_int(send_keep(&s, &pins, &full), 0);
        check_int(full, taken, "no pin was free");
        check_uint(pins.held, 1 - taken);
        cache_leave(pins.reader);
        if (other >= 0)
            cache_unpin(pins.reader, other);
        cache_clear(cache);
        cache_collect(cache);
        peer.room = 1000;
        check_int(send_some(&s, &wire, &bytes), SENT_ALL);
        check_mem(peer.got, peer.n, "the body", 8);
        send_free(&s, &pins);
        check_uint(pins.held, 0);
        cache_reader_close(pins.reader);
        cache_free(cache);
    }
}

TEST_MAIN(test(a_response_that_fits_is_one_call),
          test(what_is_kept_goes_on_where_the_socket_stopped),
          test(a_file_follows_its_head_from_its_offset),
          test(a_file_that_became_shorter_breaks_the_connection),
          test(a_broken_connection_fails),
          test(a_body_from_the_heap_outlives_its_entry))
