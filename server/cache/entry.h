/* SPDX-License-Identifier: MIT */
/* entry.h - a cached response as it lies in the heap.
 *
 * Written once, by the owner of the heap, before the index points to it; read by
 * everyone after. Only `links` and `visited` change, and only with recency = inline.
 * The body is an object of its own without pointers, so that the collector never looks
 * into it.
 */
#ifndef COWSHED_CACHE_ENTRY_H
#define COWSHED_CACHE_ENTRY_H

#include <stdint.h>

#include "server/base/span.h"

struct entry {
    uint64_t hash;
    const unsigned char *body; /* NULL when body_len is 0 */
    uint64_t body_len;
    int64_t mtime_s;             /* Last-Modified; 0: none */
    int64_t mtime_ns;            /* RECORD_FILE */
    uint64_t file_id;            /* RECORD_FILE */
    struct entry *newer, *older; /* recency = inline: the queue */
    uint32_t id;                 /* index into the side tables */
    uint32_t key_len, head_len;
    uint32_t source;                               /* cache_record */
    uint16_t type_at, type_len, etag_at, etag_len; /* inside the head */
    uint16_t status;
    uint16_t flags;  /* enum record_flag */
    uint8_t visited; /* recency = inline */
    char bytes[];    /* key, then head */
};

static inline struct span entry_key(const struct entry *e)
{
    return (struct span){ e->bytes, e->key_len };
}

static inline struct span entry_head(const struct entry *e)
{
    return (struct span){ e->bytes + e->key_len, e->head_len };
}

static inline struct span entry_type(const struct entry *e)
{
    return (struct span){ e->bytes + e->key_len + e->type_at, e->type_len };
}

static inline struct span entry_etag(const struct entry *e)
{
    return (struct span){ e->bytes + e->key_len + e->etag_at, e->etag_len };
}

/* Bytes that the limit of the cache counts for an entry: both objects with headers and
 * rounding, its share of the index and of the side tables. */
uint64_t entry_cost(uint32_t key_len, uint32_t head_len, uint64_t body_len);

#endif
