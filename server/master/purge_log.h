/* SPDX-License-Identifier: MIT */
/* purge_log.h - which purges a record that a worker publishes may have missed. Pure.
 *
 * A record carries the number of the last purge that its slot knew of when it began to
 * fetch. If a purge of its key has a larger number, what it holds may be older than the
 * purge: it is refused. The log remembers the last PURGE_LOG_MAX purges; a record older
 * than all of them is refused.
 */
#ifndef COWSHED_MASTER_PURGE_LOG_H
#define COWSHED_MASTER_PURGE_LOG_H

#include <stdbool.h>
#include <stdint.h>

enum { PURGE_LOG_MAX = 256 };

struct purge_log {
    uint64_t last;                /* number of the newest purge; the first one is 1 */
    uint64_t all;                 /* number of the newest purge of everything */
    uint64_t hash[PURGE_LOG_MAX]; /* of purge n at n % PURGE_LOG_MAX; undefined for one
                                     of all */
};

/* The number of the new purge. */
uint64_t purge_log_add(struct purge_log *, bool all, uint64_t hash);
/* May a record with this key, begun after purge `seen`, be stored? */
bool purge_log_allows(const struct purge_log *, uint64_t seen, uint64_t hash);

#endif
