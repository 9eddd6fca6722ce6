/* SPDX-License-Identifier: MIT */
/* hamt.h - a persistent hash array mapped trie of entries; see hamt.c. */
#ifndef COWSHED_CACHE_HAMT_H
#define COWSHED_CACHE_HAMT_H

#include "server/cache/index.h"

extern const struct gc_type hamt_type;

/* The empty trie is NULL. `type` is the number of hamt_type in the heap. New roots go
 * to *ret, which is untouched on failure; the old root stays what it was. */
const struct entry *hamt_find(const void *root, uint64_t hash, struct span key);
int hamt_put(struct gc_heap *, int type, const void *root, const struct entry *,
             void **ret);
int hamt_remove(struct gc_heap *, int type, const void *root, uint64_t hash,
                struct span key, void **ret);
void hamt_each(const void *root, index_visit_fn *, void *arg);
unsigned hamt_faults(const void *root, index_tell_fn *, void *arg);

#endif
