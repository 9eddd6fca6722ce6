/* SPDX-License-Identifier: MIT */
/* side.h - everything about entries that changes, in tables beside the heap.
 *
 * An entry has a number (id) from insertion to removal, its index here. The tables lie
 * in mappings of their own that are reserved once and cost memory where they were used:
 *
 *   table    written by               read by   private heap    shared heap
 *   entries  owner                    owner     copy-on-write   owner only (DONTFORK)
 *   links    owner                    owner     copy-on-write   owner only (DONTFORK)
 *   visited  readers set, the owner   owner     see below       MAP_SHARED
 *            clears
 *   checked  readers                  readers   copy-on-write   MAP_SHARED
 *
 * visited in a private heap: the master's table is MAP_SHARED, and a child sets there
 * what it hits, so that the master's queue learns from it. The child's own queue has a
 * table of its own (side_fork_child()), because to clear in a shared one would spoil
 * the queue of everybody else. A child never gives an inherited number to an entry of
 * its own: the master may have given it to another.
 *
 * Stale reads are harmless: a number may be given anew while a reader still holds the
 * entry that had it before. That reader can then set `visited` for a stranger, which
 * stays a little longer, or `checked`, which is no older than the stranger itself
 * (rule 7).
 */
#ifndef COWSHED_CACHE_SIDE_H
#define COWSHED_CACHE_SIDE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct entry;

struct side_link {
    uint32_t newer; /* also: next free number */
    uint32_t older;
};

struct side {
    bool shared;
    uint32_t capacity;  /* numbers 1 .. capacity - 1 */
    uint32_t next;      /* lowest number never given */
    uint32_t free;      /* first of the free ones, 0: none */
    uint32_t inherited; /* numbers below it came with the fork */
    uint32_t used;      /* numbers given by this process and not returned */
    struct entry **entries;
    struct side_link *links;
    _Atomic uint8_t *visited;
    _Atomic uint8_t
        *tell; /* the master's visited; NULL but in the child of a private heap */
    _Atomic uint64_t *checked; /* CLOCK_MONOTONIC, ns */
};

/* 0 or -ENOMEM. A private heap gets room for as many numbers again, for what a child
 * adds. */
int side_init(struct side *, uint32_t ids, bool shared);
void side_free(struct side *); /* a zeroed struct is fine */

/* Owner. A number for a new entry, not visited, checked now; 0 when there is none left.
 */
uint32_t side_take(struct side *, uint64_t now_ns);
void side_give(struct side *, uint32_t id);
/* Owner. All numbers are free again but the inherited ones. */
void side_reset(struct side *);

/* 0 or -ENOMEM. */
int side_fork_child(struct side *);

/* Pages of the tables that are in use, made present and writable in this process. */
uint64_t side_pretouch(struct side *);

/* Readers. Stores only what is not there yet: the line may be shared by all slots. */
static inline void side_visit(const struct side *s, uint32_t id)
{
    if (!atomic_load_explicit(&s->visited[id], memory_order_relaxed))
        atomic_store_explicit(&s->visited[id], 1, memory_order_relaxed);
    if (s->tell != NULL && id < s->inherited &&
        !atomic_load_explicit(&s->tell[id], memory_order_relaxed))
        atomic_store_explicit(&s->tell[id], 1, memory_order_relaxed);
}

#endif
