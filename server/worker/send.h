/* SPDX-License-Identifier: MIT */
/* send.h - a response on its way to the socket.
 *
 *   1 filled   by routes.c: head, tail, body or file, and who keeps the body alive
 *   2 tried    send_some() at once, inside the epoch in which the entry was found
 *   3 kept     send_keep() when the socket is full: what is left gets a life of its own
 *   4 freed    send_free(): unpins, drops the share, frees the copy
 *
 * The spans of step 1 are borrowed until the end of the callback (head and body from
 * the heap, the tail from the clock, error bodies from the stack). Only a response that
 * does not fit the socket pays for keeping: one pin for a cache entry, or a copy when
 * no pin is free.
 */
#ifndef COWSHED_WORKER_SEND_H
#define COWSHED_WORKER_SEND_H

#include <stdbool.h>
#include <stdint.h>

#include "server/base/span.h"

struct cache_reader;
struct entry;
struct fetched;
struct wire;

/* PART: the socket is full, an event tells of room.  AGAIN: it may have room, but
 * others have their turn first. */
enum sent { SENT_ALL, SENT_PART, SENT_AGAIN, SENT_FAILED };

/* QUERY and REST: only of a redirect that takes the query along, inside its head. */
enum send_part {
    SEND_HEAD,
    SEND_QUERY,
    SEND_REST,
    SEND_EXTRA,
    SEND_TAIL,
    SEND_BODY,
    SEND_PARTS
};

struct sending {
    struct span part[SEND_PARTS]; /* what is left of each */
    int file;                     /* -1, or the body: borrowed from `from` */
    uint64_t file_at, file_left;
    uint64_t body_sent; /* of body or file: for the log */
    uint16_t status;
    bool failed;               /* SENT_FAILED: by a file that became shorter */
    bool kept;                 /* send_keep() was called */
    const struct entry *entry; /* body lies in the heap, not pinned yet */
    int pin;                   /* -1: none */
    struct fetched *from;      /* body or file belongs to it: a share of ours */
    char *copy;                /* ours */
};

/* Of one slot. */
struct send_pins {
    struct cache_reader *reader; /* NULL: the cache is off, and no entry is ever sent */
    unsigned held;
};

void send_init(struct sending *);
/* Everything is written, some of it, or the connection is of no use any more (FAILED).
 */
enum sent send_some(struct sending *, struct wire *, uint64_t *ret_bytes);
/* What is left stays valid after this. *ret_pin_full tells that the body was copied. 0
 * or -ENOMEM. */
int send_keep(struct sending *, struct send_pins *, bool *ret_pin_full);
void send_free(struct sending *, struct send_pins *);

#endif
