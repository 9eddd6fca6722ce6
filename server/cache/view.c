/* SPDX-License-Identifier: MIT */
/* view.c - the readers' side: find, and keep what was found.
 *
 * A reader of a shared heap works on the root that it saw when it entered its epoch; on
 * a private heap it is the owner itself, between two safepoints, and sees its own
 * changes at once. Nothing here writes to the heap but the visited flag of recency =
 * inline.
 */
#define CACHE_IMPL
#include <stdlib.h>

#include "server/base/check.h"
#include "server/cache/cache.h"
#include "server/cache/cache_impl.h"

enum { READER_MAGIC = 0x43524452 };

struct cache_reader {
    uint32_t magic;
    bool inside;
    struct cache *cache;
    struct gc_reader *gc;
    const void *root; /* shared heap, inside */
};

struct cache_reader *cache_reader_open(struct cache *c, unsigned seat)
{
    struct cache_reader *r = calloc(1, sizeof *r);

    if (r == NULL)
        return NULL;
    r->magic = READER_MAGIC;
    r->cache = c;
    r->gc = gc_reader_open(c->heap, seat);
    if (r->gc == NULL) {
        free(r);
        return NULL;
    }
    return r;
}

void cache_reader_close(struct cache_reader *r)
{
    if (r == NULL)
        return;
    CHECK_MAGIC(r, READER_MAGIC);
    CHECK(!r->inside);
    gc_reader_close(r->gc);
    r->magic = 0;
    free(r);
}

void cache_seat_clear(struct cache *c, unsigned seat)
{
    if (c->owner)
        gc_reader_clear(c->heap, seat);
}

void cache_enter(struct cache_reader *r)
{
    CHECK(!r->inside);
    r->inside = true;
    r->root = gc_reader_enter(r->gc);
}

void cache_leave(struct cache_reader *r)
{
    CHECK(r->inside);
    r->inside = false;
    gc_reader_leave(r->gc);
}

void cache_visit(struct cache_reader *r, const struct entry *e)
{
    struct entry *flagged = (struct entry *)(uintptr_t)e;

    if (r->cache->recency == CACHE_SIDE)
        side_visit(&r->cache->side, e->id);
    else if (!flagged->visited)
        flagged->visited = 1;
}

const struct entry *cache_peek(struct cache_reader *r, uint64_t hash, struct span key)
{
    struct cache *c = r->cache;

    CHECK(r->inside);
    return index_find(c->index.kind, c->shared ? r->root : gc_root(c->heap), hash, key);
}

const struct entry *cache_find(struct cache_reader *r, uint64_t hash, struct span key)
{
    const struct entry *e = cache_peek(r, hash, key);

    if (e != NULL)
        cache_visit(r, e);
    return e;
}

int cache_pin(struct cache_reader *r, const struct entry *e)
{
    CHECK(r->inside);
    return gc_pin(r->gc, e);
}

void cache_unpin(struct cache_reader *r, int pin)
{
    gc_unpin(r->gc, pin);
}

uint64_t cache_checked_ns(struct cache_reader *r, const struct entry *e)
{
    return atomic_load_explicit(&r->cache->side.checked[e->id], memory_order_relaxed);
}

void cache_set_checked_ns(struct cache_reader *r, const struct entry *e,
                          uint64_t now_ns)
{
    atomic_store_explicit(&r->cache->side.checked[e->id], now_ns, memory_order_relaxed);
}
