/* SPDX-License-Identifier: MIT */
/* policy.h - how much an entry counts and how much must go; values in, values out. */
#ifndef COWSHED_CACHE_POLICY_H
#define COWSHED_CACHE_POLICY_H

#include <stddef.h>
#include <stdint.h>

enum {
    /* What one entry adds to index and side tables, on average and rounded up: a trie
     * slot with its share of nodes, or two slots of a table at its emptiest (32); the
     * side tables (25). */
    POLICY_ENTRY_SHARE = 64,
};

/* 0 and in *ret_excess how many bytes must be evicted before an entry of `cost` may
 * come in where `held` bytes are, `replaced` of which go away with it. -E2BIG: larger
 * than the limit. */
int policy_admit(uint64_t held, uint64_t replaced, uint64_t cost, uint64_t limit,
                 uint64_t *ret_excess);

/* The hard limit of a heap that holds `bytes` of live entries and collects when it has
 * grown by `percent`: so wide that it is met only when something holds the collector
 * back. */
size_t policy_heap_limit(size_t bytes, unsigned percent);

/* How many entries can be in the cache at once. */
uint32_t policy_ids(size_t bytes);

#endif
