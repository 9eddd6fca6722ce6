/* SPDX-License-Identifier: MIT */
/* behind.h - a slot behind other servers: who the client is by their word, and the id
 * under which all of them know a request.
 */
#ifndef COWSHED_WORKER_BEHIND_H
#define COWSHED_WORKER_BEHIND_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "server/base/peer.h"

struct conn;
struct worker;

enum {
    BEHIND_ID_MAX = 128,  /* of somebody else's */
    BEHIND_ID_BYTES = 32, /* of our own */
    BEHIND_LINE_MAX = BEHIND_ID_MAX + 32,
};

struct behind {
    struct peer_list proxies; /* who begins with a PROXY header */
    struct peer_list trusted; /* whose fields about the client are believed */
    bool ids;                 /* every request has one */
    uint64_t id_prefix, id_next;
};

/* 0 or a negative errno. The options were checked. */
int behind_init(struct worker *);

/* The id of a request whose head is here: its own, if a trusted peer sends a good one,
 * else a new one, unique among all slots and starts. Nothing when they are off. */
void behind_name(struct conn *);
/* "X-Request-ID: ...\r\n" for the answer; how many bytes, at most BEHIND_LINE_MAX. */
size_t behind_line(const struct conn *, char *to);
/* Who is told to the log. */
struct peer behind_client(const struct conn *);

#endif
