/* SPDX-License-Identifier: MIT */
/* table.h - a mutable hash table of entries, the control of the trie; see table.c. */
#ifndef COWSHED_CACHE_TABLE_H
#define COWSHED_CACHE_TABLE_H

#include "server/cache/index.h"

extern const struct gc_type table_type;

/* The empty table may be NULL. `type` is the number of table_type in the heap. When a
 * table grows, *ret is another one; untouched on failure. */
const struct entry *table_find(const void *root, uint64_t hash, struct span key);
int table_put(struct gc_heap *, int type, void *root, const struct entry *, void **ret);
int table_remove(struct gc_heap *, void *root, uint64_t hash, struct span key);
/* A copy of the same size, in memory of this process. */
int table_copy(struct gc_heap *, int type, const void *root, void **ret);
void table_each(const void *root, index_visit_fn *, void *arg);
unsigned table_faults(const void *root, index_tell_fn *, void *arg);

#endif
