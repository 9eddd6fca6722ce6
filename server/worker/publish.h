/* SPDX-License-Identifier: MIT */
/* publish.h - what a slot fetched, on its way to the master's heap.
 *
 * Small records go through the ring of the seat, large ones in a sealed memfd over the
 * channel: PUBLISH_FILES_BYTES of them, or one that is larger, until the master has
 * taken some. Nothing here waits: when the way is full the record is dropped and
 * counted, and some slot will fetch it again. The doorbell is one message per turn of
 * the loop.
 */
#ifndef COWSHED_WORKER_PUBLISH_H
#define COWSHED_WORKER_PUBLISH_H

#include <stdbool.h>
#include <stdint.h>

#include "server/shared/ring.h"

struct cache_record;
struct worker;

enum { PUBLISH_MEMFD_FROM = 256 * 1024 };

struct publisher {
    struct ring ring;
    bool doorbell;       /* the master has to be told */
    uint64_t files_sent; /* bytes of memfds, ever */
};

void publisher_init(struct worker *);
void publish(struct worker *, const struct cache_record *);
/* At the end of a turn; also tries again when the channel was full. */
void publish_ring_bell(struct worker *);

#endif
