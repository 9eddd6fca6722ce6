/* SPDX-License-Identifier: MIT */
/* publish.h - takes what workers offer into the master's cache.
 *
 * What a worker wrote is untrusted: a record is copied out of the shared ring before it
 * is decoded (its writer could change it under our eyes), and a memfd is taken only
 * when it is sealed against writing and shrinking. Whoever lies about its ring is told
 * apart by -EBADMSG and ended by the caller.
 */
#ifndef COWSHED_MASTER_PUBLISH_H
#define COWSHED_MASTER_PUBLISH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct cache;
struct event_source;
struct purge_log;
struct region;
struct ring;

struct publish {
    struct cache *cache; /* NULL: everything is refused */
    struct region *region;
    const struct event_source *events;
    const struct purge_log *purges;
    size_t body_max;     /* cache_object_max */
    unsigned char *copy; /* owned; as large as the largest record of a ring */
};

int publish_open(struct publish *); /* the other fields are set; 0 or -ENOMEM */
void publish_close(struct publish *);

/* At most max records: 1 when there may be more, 0 when the ring is empty, -EBADMSG.
 * Then give the collector its turn. */
int publish_take(struct publish *, struct ring *, unsigned max);
/* One record in a memfd (stays the caller's). 0 or a negative errno: -EPERM not sealed.
 */
int publish_take_fd(struct publish *, int fd);

#endif
