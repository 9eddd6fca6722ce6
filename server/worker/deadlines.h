/* SPDX-License-Identifier: MIT */
/* deadlines.h - one deadline per connection, without a timer per connection.
 *
 * Each kind of wait has one timeout for all connections, so the deadlines of a kind,
 * kept in the order in which they were set, are sorted: setting, moving and clearing
 * are a few pointer writes, and only the fronts are looked at when the coarse timer
 * ticks. A deadline is told at most one tick late, never early.
 */
#ifndef COWSHED_WORKER_DEADLINES_H
#define COWSHED_WORKER_DEADLINES_H

#include <stdint.h>

#include "server/base/list.h"

enum deadline_kind {
    DEADLINE_NONE,
    DEADLINE_KEEPALIVE, /* next request */
    DEADLINE_HEAD,      /* rest of a request head */
    DEADLINE_BODY,      /* more of a request body */
    DEADLINE_FETCH,     /* a fetch */
    DEADLINE_SEND,      /* room in the socket */
    DEADLINE_LINGER,    /* the peer's close */
    DEADLINE_QUIET,     /* next request, while the slot drains */
    DEADLINE_KINDS
};

struct deadline {
    struct list link;
    uint64_t at_ns;
    enum deadline_kind kind; /* DEADLINE_NONE: not set */
};

struct deadlines {
    struct list lists[DEADLINE_KINDS];
    uint64_t timeout_ns[DEADLINE_KINDS];
};

void deadlines_init(struct deadlines *);
/* Only while no deadline of the kind is set. */
void deadlines_set_timeout(struct deadlines *, enum deadline_kind, uint64_t timeout_ns);

void deadline_init(struct deadline *);
/* Sets or moves it to now + the timeout of the kind. now_ns must not go backwards. */
void deadline_set(struct deadlines *, struct deadline *, enum deadline_kind,
                  uint64_t now_ns);
void deadline_clear(struct deadline *); /* also when it is not set */

/* A deadline that has passed, or NULL. It is still set: clear it or set another. */
struct deadline *deadlines_passed(const struct deadlines *, uint64_t now_ns);

#endif
