/* SPDX-License-Identifier: MIT */
/* fetch.h - misses: one fetch per key and slot, everybody else waits for it.
 *
 *   1 pending   the origin works; conns wait in fetch->waiters
 *   2 finished  the waiters have been answered. In a shared heap the result stays to be
 *               found for FETCH_STAY_MS, until the master has published it; else the
 *               fetch is gone
 *   3 dropped   purged while pending: new requests do not find it, what it brings is
 *               answered to those who came before the purge and kept nowhere
 *
 * A result is shared by those who send it (struct fetched); nobody copies a body. All
 * of them together stay near `miss_bytes`: beyond it finished ones go, then files are
 * sent from the disk, and what has no other place than memory is busy.
 */
#ifndef COWSHED_WORKER_FETCH_H
#define COWSHED_WORKER_FETCH_H

#include <stdbool.h>
#include <stdint.h>

#include "server/base/list.h"
#include "server/base/span.h"
#include "server/base/log_limit.h"
#include "server/origin/origin.h"

struct conn;
struct worker;

enum { FETCH_STAY_MS = 1000, FETCH_STAY_BYTES = 64 << 20 };
enum { FETCH_BUCKETS = 256, FETCH_PENDING_MAX = 4096 };

struct fetched {
    unsigned shares;
    struct fetches *all;
    struct origin_result result;
};

struct fetches {
    struct list buckets[FETCH_BUCKETS];
    struct list finished; /* oldest first */
    struct list dropped;  /* pending */
    unsigned pending;
    uint64_t finished_bytes;
    uint64_t held_bytes;      /* of all results that somebody still has a share of */
    struct log_limit told[2]; /* lines about what was broken, and what was short */
};

enum fetch_answer {
    FETCH_READY, /* *ret: a share for the caller */
    FETCH_WAIT,  /* the conn waits; it is called when the fetch ends */
    FETCH_BUSY,  /* too many fetches at the same time, or no memory */
};

void fetches_init(struct fetches *);
/* Ends what is pending, forgets what is finished; no conn waits any more. */
void fetches_free(struct worker *);

/* For a key that the cache does not hold. *ret_was_there: no fetch had to begin. */
enum fetch_answer fetch_get(struct worker *, uint64_t hash, struct span key,
                            struct conn *, struct fetched **ret, bool *ret_was_there);
/* The conn does not wait any more. */
void fetch_leave(struct conn *);
/* A purge: key.n == 0 means all. */
void fetches_purge(struct worker *, struct span key);
/* Forgets finished ones whose time is over. */
void fetches_tick(struct worker *);

struct fetched *fetched_share(struct fetched *);
void fetched_drop(struct fetched *); /* takes NULL */

#endif
