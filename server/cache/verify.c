/* SPDX-License-Identifier: MIT */
/* verify.c - checks every rule of the README on a living cache. Slow, for tests and for
 * doubt. */
#define CACHE_IMPL
#include <stdio.h>
#include <stdlib.h>

#include "server/cache/cache.h"
#include "server/cache/cache_impl.h"

struct audit {
    struct cache *cache;
    void (*tell)(const char *what, void *arg);
    void *arg;
    unsigned faults;
    unsigned char *seen; /* one byte per number */
    uint64_t entries, bytes, own;
};

static void fault(struct audit *a, const char *what)
{
    a->faults++;
    if (a->tell != NULL)
        a->tell(what, a->arg);
}

static void shape_fault(const char *what, void *arg)
{
    fault(arg, what);
}

static void heap_fault(void *arg, const char *rule, const void *where)
{
    char what[256];

    snprintf(what, sizeof what, "heap: %s (%p)", rule, where);
    fault(arg, what);
}

static void check_object(struct audit *a, const struct entry *e)
{
    uint64_t head_end = (uint64_t)e->type_at + e->type_len;
    uint64_t etag_end = (uint64_t)e->etag_at + e->etag_len;

    if (gc_type_of(e) != a->cache->entry_type) {
        fault(a, "entry: an object of another type");
        return;
    }
    if (gc_size(e) != sizeof *e + (uint64_t)e->key_len + e->head_len)
        fault(a, "entry: its lengths do not add up to its size");
    if ((e->body == NULL) != (e->body_len == 0))
        fault(a, "entry: a body without length or the reverse");
    if (e->body != NULL &&
        (gc_type_of(e->body) != GC_BYTES || gc_size(e->body) != e->body_len))
        fault(a, "entry: a body of another length");
    if (head_end > e->head_len || etag_end > e->head_len)
        fault(a, "entry: type or etag outside the head");
}

static void check_entry(void *arg, const struct entry *e)
{
    struct audit *a = arg;
    struct cache *c = a->cache;
    struct side *s = &c->side;

    check_object(a, e);
    a->entries++;
    a->bytes += cache_entry_cost(e);
    a->own += e->id >= s->inherited;
    if (e->hash != cache_hash(c, entry_key(e)))
        fault(a, "entry: a hash that is not its key's");
    if (index_find(c->index.kind, gc_root(c->heap), e->hash, entry_key(e)) != e)
        fault(a, "index: a lookup does not find an entry that is there");
    if (e->id == 0 || e->id >= s->next) {
        fault(a, "side: a number that was never given");
        return;
    }
    if (a->seen[e->id]++ != 0)
        fault(a, "side: two entries with one number");
    if (!c->sieve.inside && s->entries[e->id] != e)
        fault(a, "side: the number leads to another entry");
}

/* What is in the queue and was not met in the index is a fault, and the reverse is
 * found by the counts. */
static void check_queue(struct audit *a)
{
    const struct sieve *q = &a->cache->sieve;
    const char *what = sieve_fault(q);

    if (what != NULL) {
        fault(a, what);
        return;
    }
    if (q->count != a->entries)
        fault(a, "queue: its length is not that of the index");
    for (struct entry *e = sieve_oldest(q); e != NULL; e = sieve_newer(q, e))
        if (e->id >= a->cache->side.next || a->seen[e->id]++ != 1)
            fault(a, "queue: an entry that is not in the index, or twice");
}

static void check_numbers(struct audit *a)
{
    const struct side *s = &a->cache->side;
    uint32_t first = s->inherited != 0 ? s->inherited : 1;
    uint64_t free_count = 0;

    for (uint32_t id = s->free; id != 0 && free_count < s->next;
         id = s->links[id].newer) {
        free_count++;
        if (id < first || id >= s->next || a->seen[id] != 0)
            fault(a, "side: a free number is in use");
    }
    if (s->used != a->own || first + s->used + free_count != s->next)
        fault(a, "side: numbers were lost");
}

static void check_sums(struct audit *a)
{
    const struct cache *c = a->cache;

    if (a->entries != c->entries || a->bytes != c->bytes)
        fault(a, "cache: entries or bytes are not what is counted");
    if (c->bytes > c->limit)
        fault(a, "cache: more bytes than the limit");
}

unsigned cache_verify(struct cache *c, void (*tell)(const char *what, void *arg),
                      void *arg)
{
    struct audit a = { .cache = c, .tell = tell, .arg = arg };

    if (!c->owner)
        return 0; /* the tables of the owner are not here */
    a.seen = calloc(c->side.next, 1);
    if (a.seen == NULL) {
        fault(&a, "verify: out of memory");
        return a.faults;
    }
    gc_verify(c->heap, 2, heap_fault, &a);
    if (a.faults == 0)
        index_faults(&c->index, shape_fault, &a);
    if (a.faults == 0) { /* a broken index cannot be walked safely */
        index_each(&c->index, check_entry, &a);
        check_sums(&a);
        check_queue(&a);
        check_numbers(&a);
    }
    free(a.seen);
    return a.faults;
}
