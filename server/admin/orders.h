/* SPDX-License-Identifier: MIT */
/* orders.h - orders on their way to the master, and the requests that wait for its
 * answers.
 *
 *   1 taken     orders_take()  sent to the master with a number; the request waits
 *   2 answered  orders_hear()  CTL_DONE came, its time is over, or the client has gone
 */
#ifndef COWSHED_ADMIN_ORDERS_H
#define COWSHED_ADMIN_ORDERS_H

#include <stdbool.h>
#include <stdint.h>

#include "server/base/list.h"
#include "server/shared/channel.h"

struct event_base;
struct evhttp_request;

typedef void order_answer_fn(void *arg, struct evhttp_request *, int status,
                             const char *words);

struct orders {
    struct event_base *base;
    struct channel channel;
    uint64_t last;
    struct list waiting;
    unsigned count;
    order_answer_fn *answer;
    void *arg;
};

void orders_init(struct orders *, struct event_base *, int channel_fd,
                 uint32_t generation, order_answer_fn *answer, void *arg);
/* `name`: gc, purge (with ?url=), refork, reload, reopen, upgrade, drain. 0: it waits.
 * Else the status to answer at once, with words. */
int orders_take(struct orders *, struct evhttp_request *, const char *name,
                const char **ret_words);
/* Reads the channel. False: told to end, or the master is gone. */
bool orders_hear(struct orders *);
/* Answers those that still wait: the server leaves. */
void orders_end(struct orders *);

/* Pure. The key of the cache for what an operator names: a path or a whole URL, with or
 * without query. Empty text is everything. 0 and its length, or -EINVAL. `to` has room
 * for the text. */
int orders_key(const char *url, char *to, size_t *ret_n);

#endif
