/* SPDX-License-Identifier: MIT */
/* clients.h - how many connections of a slot come from one client address.
 *
 * A table of counts by a keyed hash of the address: of all four bytes of IPv4, of the
 * first eight of IPv6, since a customer there has at least so much to himself. Two
 * clients with the same 64-bit hash would share a count; nobody without the key can
 * choose such addresses.
 */
#ifndef COWSHED_WORKER_CLIENTS_H
#define COWSHED_WORKER_CLIENTS_H

#include <netinet/in.h>
#include <stdint.h>

#include "server/base/hash.h"

struct peer;

struct clients {
    struct hash_key key;
    unsigned limit; /* 0: nobody is counted */
    struct client_row {
        uint64_t id; /* 0: free */
        uint32_t count;
    } * rows;
    unsigned used, size; /* size: a power of two, or 0 */
};

/* 0 or a negative errno. */
int clients_init(struct clients *, unsigned limit);
void clients_free(struct clients *);

/* One connection more of this address. 0 and its id for clients_leave() (0: not
 * counted); -EDQUOT: it has as many as it may; -ENOMEM. */
int clients_enter(struct clients *, const struct peer *, uint64_t *ret_id);
void clients_leave(struct clients *, uint64_t id);

#endif
