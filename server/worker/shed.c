/* SPDX-License-Identifier: MIT */
/* shed.c - see shed.h. */
#include "server/worker/shed.h"

#include "server/base/clock.h"
#include "server/worker/acceptor.h"
#include "server/worker/conn.h"
#include "server/worker/worker_priv.h"

/* At once; and how long a client must have been silent before it is let go: one that
 * has just been answered, or has just come, may be about to ask. */
enum { SHED_MAX = 64 };

static const struct {
    enum deadline_kind kind;
    unsigned after_ms;
} order[] = {
    { DEADLINE_LINGER, 500 },
    { DEADLINE_KEEPALIVE, 1000 },
    { DEADLINE_HEAD, 5000 },
    { DEADLINE_BODY, 5000 },
};

/* The deadlines of a kind are in the order in which they were set. */
static unsigned shed(struct worker *w, enum deadline_kind kind, uint64_t after_ms,
                     unsigned most)
{
    const struct list *all = &w->deadlines.lists[kind];
    const uint64_t timeout_ns = w->deadlines.timeout_ns[kind];
    unsigned tries = most, n = 0;
    struct list *front;

    while (tries-- > 0 && (front = list_first(all)) != NULL) {
        struct deadline *d = list_entry(front, struct deadline, link);

        if (w->now_ns + timeout_ns - d->at_ns < after_ms * CLOCK_NS_PER_MS)
            break;
        n += conn_shed(list_entry(d, struct conn, deadline));
    }
    return n;
}

void shed_tick(struct worker *w)
{
    unsigned others = 0, n = 0;

    if (w->accepts && acceptor_is_full(w->acceptor))
        others = acceptor_queued(w->acceptor);
    if (others > 0 && w->shed.others_waited) {
        others = others < SHED_MAX ? others : SHED_MAX;
        for (size_t i = 0; i < sizeof order / sizeof order[0]; i++)
            n += shed(w, order[i].kind, order[i].after_ms, others - n);
        count(w->seat, COUNTER_shed, n);
    }
    w->shed.others_waited = others > 0;
}
