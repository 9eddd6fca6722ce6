/* SPDX-License-Identifier: MIT */
/* intake.h - what a connection needs only while it has a request: buffer and parser,
 * and then the response on its way.
 *
 * A connection takes one when bytes arrive and gives it back when it has none left, so
 * that an idle connection costs no buffer, and a busy worker uses the same few (warm)
 * ones.
 *
 *   bytes:   [0 .. held)   the head of the request in hand: does not move
 *            [at .. len)   arrived, not yet consumed; at >= held
 *            [len .. cap)  room
 */
#ifndef COWSHED_WORKER_INTAKE_H
#define COWSHED_WORKER_INTAKE_H

#include <stdbool.h>
#include <stddef.h>

#include "server/base/list.h"
#include "server/http/request.h"
#include "server/worker/behind.h"
#include "server/worker/pace.h"
#include "server/worker/send.h"
#include "server/worker/timing.h"

/* INTAKE_BODY_ROOM is kept free behind a head: the head is pointed into and cannot move
 * while the body is read, which needs no more than this because it is consumed as it
 * comes. */
enum { INTAKE_BYTES = 16 * 1024, INTAKE_BODY_ROOM = 1024, INTAKE_SPARE_MAX = 64 };

struct intake {
    struct list link; /* while in the pool */
    struct request request;
    char *bytes;
    size_t cap, held, at, len;
    bool fed;                     /* the parser has seen bytes since the last request */
    const char *cache;            /* what was found there; NULL: not asked */
    struct span id;               /* of the request; empty: it has none */
    char own_id[BEHIND_ID_BYTES]; /* if it is ours */
    struct timing_mark mark;      /* of a request that wants Server-Timing */
    struct pace pace;             /* of a body that comes, then of the response */
    struct sending out;           /* free when the intake is given back */
};

struct intake_pool {
    struct list spare;
    unsigned count; /* in spare */
    struct request_limits limits;
    size_t head_max;
};

void intake_pool_init(struct intake_pool *, const struct request_limits *);
void intake_pool_free(struct intake_pool *); /* what was taken must be back */

/* Empty, with a parser that expects a request head; NULL when memory is short. */
struct intake *intake_take(struct intake_pool *);
/* dirty: the parser stopped in the middle of a message. */
void intake_give(struct intake_pool *, struct intake *, bool dirty);

/* Room behind the bytes, at least one byte: moves and grows what may be moved and
 * grown. NULL when memory is short, or when the buffer is at its limit (cannot be for a
 * head: the parser refuses it before). */
char *intake_room(struct intake_pool *, struct intake *, size_t *ret_room);

/* The head is consumed and stays where it is until intake_next(). */
void intake_hold(struct intake *);
/* Parser and buffer are ready for the next head. */
void intake_next(struct intake *);

static inline size_t intake_left(const struct intake *in)
{
    return in->len - in->at;
}

#endif
