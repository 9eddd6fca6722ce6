/* SPDX-License-Identifier: MIT */
/* behind.c - see behind.h. */
#include "server/worker/behind.h"

#include <errno.h>
#include <string.h>
#include <sys/random.h>

#include "server/base/check.h"
#include "server/conf/options.h"
#include "server/http/forwarded.h"
#include "server/worker/conn.h"
#include "server/worker/worker_priv.h"

int behind_init(struct worker *w)
{
    struct behind *b = &w->behind;
    struct span bad;
    int rc = peer_list_parse(w->options->proxy_from, &b->proxies, &bad);

    CHECK(rc == 0);
    rc = peer_list_parse(w->options->trusted_peers, &b->trusted, &bad);
    CHECK(rc == 0);
    b->ids = w->options->request_id;
    if (!b->ids)
        return 0;
    return getrandom(&b->id_prefix, sizeof b->id_prefix, 0) == sizeof b->id_prefix
               ? 0
               : -errno;
}

static char *put_hex(char *to, uint64_t value)
{
    static const char digits[] = "0123456789abcdef";

    for (int shift = 60; shift >= 0; shift -= 4)
        *to++ = digits[value >> shift & 15];
    return to;
}

void behind_name(struct conn *c)
{
    struct worker *w = c->worker;
    struct behind *b = &w->behind;
    struct intake *in = c->intake;
    struct span given = in->request.field[FIELD_X_REQUEST_ID];

    if (!b->ids)
        return;
    if (given.n > 0 && forwarded_is_id(given) && peer_list_has(&b->trusted, &c->peer)) {
        in->id = given;
        return;
    }
    put_hex(put_hex(in->own_id, b->id_prefix), b->id_next++);
    in->id = span_make(in->own_id, BEHIND_ID_BYTES);
}

size_t behind_line(const struct conn *c, char *to)
{
    static const char name[] = "X-Request-ID: ";
    const struct span id = c->intake->id;
    char *at = to;

    if (id.n == 0)
        return 0;
    CHECK(id.n <= BEHIND_ID_MAX);
    memcpy(at, name, sizeof name - 1);
    at += sizeof name - 1;
    memcpy(at, id.p, id.n);
    at += id.n;
    memcpy(at, "\r\n", 2);
    return (size_t)(at + 2 - to);
}

struct peer behind_client(const struct conn *c)
{
    const struct request *r = &c->intake->request;
    struct peer client = c->peer;

    if (c->has_request && c->worker->behind.trusted.count > 0)
        forwarded_client(r->field[FIELD_FORWARDED], r->field[FIELD_X_FORWARDED_FOR],
                         &c->worker->behind.trusted, &client);
    return client;
}
