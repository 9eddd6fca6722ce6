/* SPDX-License-Identifier: MIT */
/* ring.h - a ring of variable-length records in shared memory: one writer, one reader.
 *
 * The writer (a slot) owns `tail`, the reader (the master) owns `head`; each reads the
 * other's word with acquire and publishes its own with release. The reader keeps its
 * own copy of head and trusts neither tail nor a length that it finds: a record that
 * does not fit makes ring_read() answer -EBADMSG, after which the seat is done for. A
 * writer that dies in the middle has not moved tail, so half a record is never seen.
 */
#ifndef COWSHED_SHARED_RING_H
#define COWSHED_SHARED_RING_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

struct ring_head {
    _Alignas(64) _Atomic(uint64_t) tail; /* bytes ever written; writer */
    _Alignas(64) _Atomic(uint64_t) head; /* bytes ever read; reader */
};

struct ring {
    struct ring_head *shared;
    unsigned char *bytes;
    size_t size;   /* power of two */
    uint64_t mine; /* this side's own position */
    uint64_t
        published; /* writer: where tail stands; reader: bytes of the record in hand */
};

/* Both sides; the reader calls it when the seat is given to a new writer and resets it.
 */
void ring_open_writer(struct ring *, struct ring_head *, unsigned char *bytes,
                      size_t size);
void ring_open_reader(struct ring *, struct ring_head *, unsigned char *bytes,
                      size_t size);

/* Room for a record of n bytes that lies in one piece, or NULL when the ring is full
 * (or n larger than half of it). Then ring_commit() makes it visible; *ret_was_empty
 * tells that the reader needs a doorbell. */
void *ring_reserve(struct ring *, size_t n);
void ring_commit(struct ring *, size_t n, int *ret_was_empty);

/* 1 and the record in place, 0 when the ring is empty, -EBADMSG. ring_release() frees
 * it. The bytes may change under the reader (a bad writer): copy, then check. */
int ring_read(struct ring *, const void **ret, size_t *ret_n);
void ring_release(struct ring *);

#endif
