/* SPDX-License-Identifier: MIT */
/* record.h - a response on its way into a cache: from an origin, or from a worker to
 * the master.
 *
 * The spans are borrowed. Encoded, a record is one run of bytes for the publish ring or
 * a memfd; the decoder trusts nothing of it (the master reads what a worker wrote).
 */
#ifndef COWSHED_CACHE_RECORD_H
#define COWSHED_CACHE_RECORD_H

#include <stddef.h>
#include <stdint.h>

#include "server/base/span.h"

enum { RECORD_KEY_MAX = 8192, RECORD_HEAD_MAX = 16384 };

enum record_flag {
    RECORD_FILE =
        1u
        << 0, /* compare with the disk after cache.valid: file_id, mtime_ns, body.n */
};

struct cache_record {
    struct span key;
    struct span
        head; /* status line and fields, each line ended; no Date, no empty line */
    struct span body;
    uint16_t status;
    uint16_t flags;     /* enum record_flag */
    uint32_t source;    /* what it was fetched from: readers of another one miss */
    struct span type;   /* value of Content-Type; lies inside head, may be empty */
    struct span etag;   /* value of ETag with quotes; lies inside head, may be empty */
    int64_t mtime_s;    /* Last-Modified; 0: none */
    uint64_t file_id;   /* RECORD_FILE */
    int64_t mtime_ns;   /* RECORD_FILE: whole stamp in ns since the epoch */
    uint64_t purge_seq; /* last purge that the slot had seen when it began to fetch */
};

/* 0, or -EBADMSG: key empty or over its limit, head over its limit, a status outside
 * 200..599, unknown flags, body over body_max, type or etag outside the head. */
int record_check(const struct cache_record *, size_t body_max);
/* Bytes that record_encode() writes. */
size_t record_encoded_size(const struct cache_record *);
/* Writes exactly that many bytes. The record has passed record_check(). */
void record_encode(const struct cache_record *, void *to);
/* 0 and spans into `from`, or -EBADMSG with nothing set: lengths that do not add up, or
 * what record_check() refuses. */
int record_decode(const void *from, size_t n, size_t body_max,
                  struct cache_record *ret);

#endif
