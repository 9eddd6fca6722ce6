/* SPDX-License-Identifier: MIT */
/* event_lines.c - /events: the rings of all seats and of the master as one list. */
#include <errno.h>
#include <event2/buffer.h>
#include <inttypes.h>
#include <stdlib.h>

#include "server/admin/pages.h"
#include "server/shared/region.h"

struct collected {
    struct event_record *at;
    size_t n, room;
};

static int collect(struct collected *all, const struct event_ring *ring)
{
    if (atomic_load_explicit(&ring->written, memory_order_relaxed) == 0)
        return 0;
    if (all->room - all->n < EVENT_RING_SIZE) {
        size_t room = all->room * 2 + EVENT_RING_SIZE;
        struct event_record *at = realloc(all->at, room * sizeof *at);

        if (at == NULL)
            return -ENOMEM;
        all->at = at;
        all->room = room;
    }
    all->n += event_read(ring, 0, all->at + all->n, EVENT_RING_SIZE);
    return 0;
}

static uint64_t end_of(const struct event_record *e)
{
    return e->start_ns + e->duration_ns;
}

static int by_end(const void *a, const void *b)
{
    uint64_t x = end_of(a), y = end_of(b);

    return (x > y) - (x < y);
}

/* The master has no slot: null.  `end_ns` is what `since=` compares: the largest one
 * seen is the cursor for the next question. */
static void write_line(struct evbuffer *out, const struct event_record *e)
{
    evbuffer_add_printf(out, "{\"kind\":\"%s\",", event_name((enum event_kind)e->kind));
    if (e->slot == UINT16_MAX)
        evbuffer_add_printf(out, "\"slot\":null,");
    else
        evbuffer_add_printf(out, "\"slot\":%u,", e->slot);
    evbuffer_add_printf(
        out,
        "\"generation\":%" PRIu32 ",\"start_ns\":%" PRIu64 ",\"end_ns\":%" PRIu64
        ",\"duration_ns\":%" PRIu64 ",\"a\":%" PRIu64 ",\"b\":%" PRIu64 "}\n",
        e->generation, e->start_ns, end_of(e), e->duration_ns, e->a, e->b);
}

int page_events(struct evbuffer *out, const struct region *region, uint64_t since_ns,
                uint64_t limit)
{
    struct collected all = { NULL, 0, 0 };
    int rc = collect(&all, &region->master.events);
    size_t from = 0;

    if (rc == 0)
        rc = collect(&all, &region->master.traffic);
    for (unsigned i = 0; rc == 0 && i < SEATS_MAX; i++)
        rc = collect(&all, &region->seats[i].events);
    if (rc < 0) {
        free(all.at);
        return rc;
    }
    if (all.n > 0)
        qsort(all.at, all.n, sizeof all.at[0], by_end);
    while (from < all.n && end_of(&all.at[from]) <= since_ns)
        from++;
    if (since_ns == 0 && all.n - from > limit)
        from = all.n - (size_t)limit;
    for (uint64_t i = 0; from + i < all.n && i < limit; i++)
        write_line(out, &all.at[from + i]);
    free(all.at);
    return 0;
}
