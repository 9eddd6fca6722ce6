/* SPDX-License-Identifier: MIT */
/* cache.h - the request cache: responses on the collected heap, found by their key.
 *
 *   1 made       cache_new()          in the master, before the first fork: owner
 *   2 inherited  cache_fork_child()   in a worker. Private heap: the worker owns its
 *                                     copy from here on. Shared heap: it only reads
 *   3 read       cache_reader_open()  a reader per seat (a thread): find, pin, unpin
 *   4 gone       cache_free()         in the process that made it; a child just exits
 *
 * Owner functions (insert, remove, safepoint, fork) belong to one thread of the owning
 * process. Reader functions touch nothing that a second reader touches, except relaxed
 * stores into the side table of visited bits. Entries never change once they are in
 * (recency = inline excepted: that is the control, and needs a private heap).
 */
#ifndef COWSHED_CACHE_CACHE_H
#define COWSHED_CACHE_CACHE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "gc/gc.h"
#include "server/base/span.h"
#include "server/cache/entry.h"
#include "server/cache/record.h"

struct cache;        /* cache.c */
struct cache_reader; /* view.c */

enum cache_index_kind { CACHE_TABLE, CACHE_HAMT };
enum cache_recency_kind { CACHE_INLINE, CACHE_SIDE };

struct cache_config {
    enum cache_index_kind index;
    enum cache_recency_kind recency; /* CACHE_INLINE needs a private heap */
    size_t bytes;                    /* limit: sum of entry_cost() over the index */
    uint8_t hash_key[16];            /* random per start of the master */
    unsigned seats;                  /* readers that may exist */
    struct gc_config heap;           /* limit 0: worked out from bytes */
};

struct cache_stats {
    uint64_t entries, bytes, bytes_limit;
    uint64_t inserted, replaced, removed, evicted, refused;
    struct gc_stats heap;
};

/* NULL with a reason when memory is short or the combination cannot work. */
struct cache *cache_new(const struct cache_config *, const char **ret_why);
/* Empty, of the same configuration, owned by the calling thread; nobody listens to its
 * collector. For a thread in a process whose private heap belongs to another. */
struct cache *cache_new_like(const struct cache *, const char **ret_why);
void cache_free(struct cache *); /* takes NULL */

/* Owner. Stores a copy of the record; an older entry of the same key is replaced;
 * entries that SIEVE points at are evicted to keep the limit. 0, -E2BIG (larger than
 * the limit allows), -ENOSPC (heap at its hard limit until the next collection; an
 * older entry of the key may still be there), -EINVAL (record_check() refuses it),
 * -EPERM (this process only reads). */
int cache_insert(struct cache *, const struct cache_record *, uint64_t now_ns);
/* Owner. True when the key was there. Never fails: where there is no memory for the new
 * path of a trie, all entries go. */
bool cache_remove(struct cache *, struct span key);
/* Owner. Removes all entries; how many there were. */
uint64_t cache_clear(struct cache *);
/* Owner. The collector may run: only pinned entries may be held across it. */
void cache_safepoint(struct cache *);
/* Owner, about every 100 ms and when idle: lets a cycle that waits for readers end,
 * gives empty memory back. Work is bounded by budget_ns. */
void cache_tick(struct cache *, uint64_t budget_ns);
/* Owner. A full collection now (as far as readers let it end). */
void cache_collect(struct cache *);

bool cache_is_owner(const struct cache *);
bool cache_is_shared(const struct cache *);
struct gc_heap *cache_heap(struct cache *);
void cache_get_stats(const struct cache *, struct cache_stats *ret);
/* Walks index, recency queue and heap and checks every rule; 0 or the number of faults
 * told. */
unsigned cache_verify(struct cache *, void (*tell)(const char *what, void *arg),
                      void *arg);

/* Around fork(), in this order; prepare is followed by parent in the master whether or
 * not the fork worked (pid < 0), and by child in the child. */
void cache_fork_prepare(struct cache *);
void cache_fork_parent(struct cache *, pid_t pid);
int cache_fork_child(struct cache *); /* 0 or negative errno: the child must end */
/* pretouch = child or map, in the child after cache_fork_child(): pages touched. */
uint64_t cache_pretouch(struct cache *, enum gc_pretouch how);

/* One reader; NULL when memory is short. The seat must not be in use. */
struct cache_reader *cache_reader_open(struct cache *, unsigned seat);
void cache_reader_close(struct cache_reader *); /* takes NULL; pins must be gone */
/* Owner, when the process that used the seat has been waited for. */
void cache_seat_clear(struct cache *, unsigned seat);

/* Between enter and leave entries stay valid. Both do not nest, are cheap, and never
 * block. */
void cache_enter(struct cache_reader *);
void cache_leave(struct cache_reader *);
uint64_t cache_hash(const struct cache *, struct span key);
/* Inside enter/leave. NULL when the key is not there. */
const struct entry *cache_peek(struct cache_reader *, uint64_t hash, struct span key);
/* An entry found in there is served: eviction passes it over once. */
void cache_visit(struct cache_reader *, const struct entry *);
/* Both. */
const struct entry *cache_find(struct cache_reader *, uint64_t hash, struct span key);
/* Inside enter/leave, for an entry found in there. The entry and its body then stay
 * until unpin. The pin's number (>= 0), or -ENOSPC: then copy what must be kept. */
int cache_pin(struct cache_reader *, const struct entry *);
void cache_unpin(struct cache_reader *, int pin);

/* When a file entry was last compared with the disk (CLOCK_MONOTONIC). Kept beside the
 * heap; seen by all slots in a shared heap. */
uint64_t cache_checked_ns(struct cache_reader *, const struct entry *);
void cache_set_checked_ns(struct cache_reader *, const struct entry *, uint64_t now_ns);

#endif
