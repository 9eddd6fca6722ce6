/* SPDX-License-Identifier: MIT */
/* ring.c - records of 8-byte words: a header with the length, then the bytes.
 *
 * A record lies in one piece: when it does not fit before the end of the ring, the
 * writer leaves the header SKIP there and begins at the front. Positions count bytes
 * since the seat was opened and never wrap.
 *
 * Doorbell: the writer publishes tail (1), then looks at head (2); the reader publishes
 * head (3), then looks at tail (4). All four are sequentially consistent, so they have
 * one order: if (2) misses (3), then (1) comes before (4). Either the reader sees the
 * new record or the writer sees that the reader has caught up and rings.
 */
#include "server/shared/ring.h"

#include <errno.h>

#include "server/base/check.h"

enum { HEADER = 8 };
static const uint64_t SKIP = UINT64_MAX;

static uint64_t record_bytes(size_t n)
{
    return HEADER + (((uint64_t)n + 7) & ~UINT64_C(7));
}

static size_t longest(const struct ring *r)
{
    return r->size / 2 - HEADER;
}

static uint64_t *header_at(const struct ring *r, uint64_t position)
{
    return (uint64_t *)(void *)(r->bytes + (position & (r->size - 1)));
}

static void open_side(struct ring *r, struct ring_head *shared, unsigned char *bytes,
                      size_t size)
{
    CHECK(size >= 4 * HEADER && (size & (size - 1)) == 0);
    CHECK(((uintptr_t)bytes & (HEADER - 1)) == 0);
    *r = (struct ring){ .shared = shared, .bytes = bytes, .size = size };
}

void ring_open_writer(struct ring *r, struct ring_head *shared, unsigned char *bytes,
                      size_t size)
{
    open_side(r, shared, bytes, size);
    r->mine = atomic_load_explicit(&shared->tail, memory_order_relaxed);
    r->published = r->mine;
}

void ring_open_reader(struct ring *r, struct ring_head *shared, unsigned char *bytes,
                      size_t size)
{
    open_side(r, shared, bytes, size);
    atomic_store_explicit(&shared->tail, 0, memory_order_relaxed);
    atomic_store_explicit(&shared->head, 0, memory_order_release);
}

void *ring_reserve(struct ring *r, size_t n)
{
    uint64_t head = atomic_load_explicit(&r->shared->head, memory_order_acquire);
    uint64_t used = r->mine - head, to_end = r->size - (r->mine & (r->size - 1));
    uint64_t need, room;

    if (n > longest(r) || used > r->size)
        return NULL;
    need = record_bytes(n);
    room = r->size - used;
    if (need > to_end) {
        if (to_end + need > room)
            return NULL;
        __atomic_store_n(header_at(r, r->mine), SKIP, __ATOMIC_RELAXED);
        r->mine += to_end;
    } else if (need > room) {
        return NULL;
    }
    return r->bytes + (r->mine & (r->size - 1)) + HEADER;
}

void ring_commit(struct ring *r, size_t n, int *ret_was_empty)
{
    uint64_t before = r->published, head;

    CHECK(n <= longest(r));
    __atomic_store_n(header_at(r, r->mine), (uint64_t)n, __ATOMIC_RELAXED);
    r->mine += record_bytes(n);
    r->published = r->mine;
    atomic_store_explicit(&r->shared->tail, r->mine, memory_order_seq_cst); /* (1) */
    head = atomic_load_explicit(&r->shared->head, memory_order_seq_cst);    /* (2) */
    *ret_was_empty = head == before;
}

/* Steps over a SKIP at the end of the ring: 0 or -EBADMSG. */
static int skip_to_front(struct ring *r, uint64_t *available)
{
    uint64_t rest = r->size - (r->mine & (r->size - 1));

    if (rest == r->size || rest > *available)
        return -EBADMSG;
    r->mine += rest;
    *available -= rest;
    return 0;
}

int ring_read(struct ring *r, const void **ret, size_t *ret_n)
{
    uint64_t tail =
        atomic_load_explicit(&r->shared->tail, memory_order_seq_cst); /* (4) */
    uint64_t available = tail - r->mine, n, to_end;

    if (available == 0)
        return 0;
    if (available > r->size || (available & (HEADER - 1)) != 0)
        return -EBADMSG;
    n = __atomic_load_n(header_at(r, r->mine), __ATOMIC_RELAXED);
    if (n == SKIP) {
        if (skip_to_front(r, &available) < 0 || available == 0)
            return -EBADMSG;
        n = __atomic_load_n(header_at(r, r->mine), __ATOMIC_RELAXED);
    }
    to_end = r->size - (r->mine & (r->size - 1));
    if (n > longest(r) || record_bytes(n) > available || record_bytes(n) > to_end)
        return -EBADMSG;
    r->published = record_bytes(n);
    *ret = r->bytes + (r->mine & (r->size - 1)) + HEADER;
    *ret_n = n;
    return 1;
}

void ring_release(struct ring *r)
{
    CHECK(r->published != 0); /* a record is in hand */
    r->mine += r->published;
    r->published = 0;
    atomic_store_explicit(&r->shared->head, r->mine, memory_order_seq_cst); /* (3) */
}
