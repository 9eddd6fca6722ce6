/* SPDX-License-Identifier: MIT */
/* cache_impl.h - the inside of struct cache, for the files of server/cache/ and their
 * tests.
 *
 * The struct lies in ordinary memory, not in the heap: a child writes to its own copy.
 */
#ifndef CACHE_IMPL
#error "private to server/cache/: use cache.h"
#endif
#ifndef COWSHED_CACHE_IMPL_H
#define COWSHED_CACHE_IMPL_H

#include <stdbool.h>
#include <stdint.h>

#include "server/base/hash.h"
#include "server/cache/cache.h"
#include "server/cache/index.h"
#include "server/cache/side.h"
#include "server/cache/sieve.h"

struct cache {
    bool owner; /* false in the child of a shared heap */
    bool shared;
    bool child; /* of a private heap: owns its copy */
    enum cache_recency_kind recency;
    struct gc_heap *heap;
    int entry_type;
    struct index index;
    struct side side;
    struct sieve sieve;
    struct hash_key hash_key;
    uint64_t hash_mask; /* all ones but in tests, which make hashes collide with it */
    uint64_t entries, bytes, limit;
    uint64_t inserted, replaced, removed, evicted, refused;
    struct cache_config config; /* as it was made from, for cache_new_like() */
};

static inline uint64_t cache_entry_cost(const struct entry *e)
{
    return entry_cost(e->key_len, e->head_len, e->body_len);
}

#endif
