/* SPDX-License-Identifier: MIT */
/* index.h - from a key to its entry: a persistent trie (hamt.c) or a mutable table
 * (table.c).
 *
 * The index hangs on the root of the heap, gc_root(). A trie is immutable: a change
 * builds new nodes from the changed place up and publishes them, so readers of the old
 * root see the old state to the end. A table is changed in place, which only the
 * readers of its own process can bear, between their callbacks.
 *
 * Reading needs no more than the kind and the root. Changing is for the owner; -ENOSPC
 * leaves the index as it was.
 */
#ifndef COWSHED_CACHE_INDEX_H
#define COWSHED_CACHE_INDEX_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "gc/gc.h"
#include "server/base/span.h"
#include "server/cache/cache.h"
#include "server/cache/entry.h"

struct index {
    enum cache_index_kind kind;
    struct gc_heap *heap;
    int type; /* of nodes or tables */
};

typedef void index_visit_fn(void *arg, const struct entry *);
typedef void index_tell_fn(const char *what, void *arg);

/* 0 or negative errno. */
int index_init(struct index *, enum cache_index_kind, struct gc_heap *);

const struct entry *index_find(enum cache_index_kind, const void *root, uint64_t hash,
                               struct span key);
/* Replaces an entry of the same key. */
int index_put(struct index *, struct entry *);
/* -ENOENT when it is not there. */
int index_remove(struct index *, uint64_t hash, struct span key);
void index_clear(struct index *); /* needs no memory */
void index_each(const struct index *, index_visit_fn *, void *arg);
/* Whether the shape is what the rules say; each fault is told, their number returned.
 */
unsigned index_faults(const struct index *, index_tell_fn *, void *arg);
/* After gc_fork_child() of a private heap: what is frozen is never changed in place. */
int index_fork_child(struct index *);

static inline bool entry_is(const struct entry *e, uint64_t hash, struct span key)
{
    return e->hash == hash && e->key_len == key.n &&
           (key.n == 0 || memcmp(e->bytes, key.p, key.n) == 0);
}

#endif
