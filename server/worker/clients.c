/* SPDX-License-Identifier: MIT */
/* clients.c - open addressing with linear probing, at most half full; see clients.h.
 *
 * A row whose count comes back to 0 is taken out at once, and those behind it that it
 * had pushed on move up: no marks of what was there stay behind.
 */
#include "server/worker/clients.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "server/base/check.h"
#include "server/worker/acceptor.h"

enum { SIZE_MIN = 64, IPV6_NETWORK_BYTES = 8, MAPPED_AT = 12 };

int clients_init(struct clients *c, unsigned limit)
{
    memset(c, 0, sizeof *c);
    c->limit = limit;
    return limit > 0 ? hash_key_random(&c->key) : 0;
}

void clients_free(struct clients *c)
{
    free(c->rows);
    c->rows = NULL;
    c->used = c->size = 0;
}

static uint64_t id_of(const struct clients *c, const struct peer *peer)
{
    const struct in6_addr *six = &peer->at.in6.sin6_addr;
    const void *at = &peer->at.in.sin_addr;
    size_t n = sizeof peer->at.in.sin_addr;
    uint64_t id;

    if (peer->at.any.sa_family == AF_INET6 && IN6_IS_ADDR_V4MAPPED(six)) {
        at = six->s6_addr + MAPPED_AT;
    } else if (peer->at.any.sa_family == AF_INET6) {
        at = six->s6_addr;
        n = IPV6_NETWORK_BYTES;
    } else if (peer->at.any.sa_family != AF_INET) {
        return 0; /* a Unix socket has no address to count by */
    }
    id = hash_sip13(&c->key, at, n);
    return id != 0 ? id : 1;
}

static unsigned find(const struct clients *c, uint64_t id)
{
    unsigned i = (unsigned)id & (c->size - 1);

    while (c->rows[i].id != 0 && c->rows[i].id != id)
        i = (i + 1) & (c->size - 1);
    return i;
}

static int grow(struct clients *c)
{
    struct clients bigger = *c;

    if (c->used * 2 < c->size)
        return 0;
    bigger.size = c->size > 0 ? c->size * 2 : SIZE_MIN;
    bigger.rows = calloc(bigger.size, sizeof bigger.rows[0]);
    if (bigger.rows == NULL)
        return -ENOMEM;
    for (unsigned i = 0; i < c->size; i++) {
        if (c->rows[i].id != 0)
            bigger.rows[find(&bigger, c->rows[i].id)] = c->rows[i];
    }
    free(c->rows);
    *c = bigger;
    return 0;
}

int clients_enter(struct clients *c, const struct peer *peer, uint64_t *ret_id)
{
    uint64_t id = c->limit > 0 ? id_of(c, peer) : 0;
    struct client_row *row;
    int rc;

    if (id == 0) {
        *ret_id = 0;
        return 0;
    }
    rc = grow(c);
    if (rc < 0)
        return rc;
    row = &c->rows[find(c, id)];
    if (row->count >= c->limit)
        return -EDQUOT;
    c->used += row->count == 0;
    row->id = id;
    row->count++;
    *ret_id = id;
    return 0;
}

static void take_out(struct clients *c, unsigned hole)
{
    const unsigned mask = c->size - 1;

    for (unsigned i = (hole + 1) & mask; c->rows[i].id != 0; i = (i + 1) & mask) {
        unsigned home = (unsigned)c->rows[i].id & mask;

        if (((i - home) & mask) < ((i - hole) & mask))
            continue; /* it is nearer to its home than the hole is */
        c->rows[hole] = c->rows[i];
        hole = i;
    }
    c->rows[hole] = (struct client_row){ 0 };
    c->used--;
}

void clients_leave(struct clients *c, uint64_t id)
{
    unsigned i;

    if (id == 0)
        return;
    i = find(c, id);
    CHECK(c->rows[i].id == id && c->rows[i].count > 0);
    if (--c->rows[i].count == 0)
        take_out(c, i);
}
