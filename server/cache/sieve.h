/* SPDX-License-Identifier: MIT */
/* sieve.h - which entry goes when room is needed: SIEVE.
 *
 * Zhang et al., "SIEVE is Simpler than LRU" (NSDI 2024): a queue in order of insertion,
 * a visited bit per entry, and a hand that walks from the oldest to the newest, clears
 * what is visited and evicts the first entry that is not. A hit only sets the bit;
 * nothing is moved.
 *
 * recency = inline keeps links and bit in the entries, so that a hit and a neighbour's
 * eviction write to the heap; recency = side keeps them in the side tables. Either way
 * the queue does not keep entries alive: what is in it is in the index too (rule 4).
 *
 * For the owner only. Memory is that of the side tables; nothing here fails.
 */
#ifndef COWSHED_CACHE_SIEVE_H
#define COWSHED_CACHE_SIEVE_H

#include <stdbool.h>
#include <stdint.h>

#include "server/cache/side.h"

struct entry;

/* A place in the queue: the number of an entry (side) or its address (inline); 0: none.
 */
struct sieve {
    struct side *side;
    bool inside; /* recency = inline */
    uintptr_t newest, oldest;
    uintptr_t hand; /* 0: begins at the oldest */
    uint64_t count;
};

void sieve_init(struct sieve *, struct side *, bool inside);
void sieve_reset(struct sieve *); /* empty; the entries are not touched */
void sieve_add(struct sieve *, struct entry *);
void sieve_drop(struct sieve *, struct entry *);
/* The entry that has to go next, still in the queue; NULL when the queue is empty.
 * After two rounds in which readers set every bit again it takes the one under the
 * hand. */
struct entry *sieve_victim(struct sieve *);

/* From the oldest to the newest; NULL at the end. */
struct entry *sieve_oldest(const struct sieve *);
struct entry *sieve_newer(const struct sieve *, const struct entry *);
/* Links agree in both directions, the hand is in the queue, the count is right: NULL,
 * or what is wrong. */
const char *sieve_fault(const struct sieve *);

#endif
