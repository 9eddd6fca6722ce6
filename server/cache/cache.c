/* SPDX-License-Identifier: MIT */
/* cache.c - the owner's side of the cache: what comes in, what goes, and the fork.
 *
 * An insertion makes the entry, evicts until there is room, puts it into the index and
 * then into the queue. Each step leaves a cache that is right by itself, so an
 * insertion that finds no memory may have evicted, but never leaves a half (rule 5).
 */
#define CACHE_IMPL
#include "server/cache/cache.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "server/base/check.h"
#include "server/cache/cache_impl.h"
#include "server/cache/policy.h"

static const size_t reserve_default = (size_t)64 << 30;
static const size_t reserve_most = (size_t)1 << 40; /* of gc/ */

static void trace_entry(const void *obj, struct gc_visitor *v)
{
    const struct entry *e = obj;

    gc_visit(v, e->body); /* the links are not shown: they keep nothing alive */
}

static const struct gc_type type_of_entry = { .name = "entry", .trace = trace_entry };

static const char *refusal(const struct cache_config *config)
{
    if (config->bytes == 0)
        return "a cache of 0 bytes holds nothing";
    if (config->heap.shared && config->index == CACHE_TABLE)
        return "the mutable table cannot be read while it changes: a shared heap needs "
               "the "
               "trie (cache.index = hamt)";
    if (config->heap.shared && config->recency == CACHE_INLINE)
        return "a reader of a shared heap cannot write to it: it needs cache.recency = "
               "side";
    if (config->heap.verify && config->recency == CACHE_INLINE &&
        config->heap.after_fork == GC_ARENA)
        return "heap.verify finds that recency = inline writes to frozen entries";
    return NULL;
}

static struct gc_config heap_config(const struct cache_config *config)
{
    struct gc_config heap = config->heap;

    heap.readers = config->seats;
    if (heap.limit_bytes == 0)
        heap.limit_bytes =
            policy_heap_limit(config->bytes, heap.percent == 0 ? 100 : heap.percent);
    /* A child of a private heap adds as much again to what it inherited. */
    if (heap.reserve_bytes == 0 && heap.limit_bytes > reserve_default / 2)
        heap.reserve_bytes =
            heap.limit_bytes < reserve_most / 2 ? heap.limit_bytes * 2 : reserve_most;
    return heap;
}

struct cache *cache_new(const struct cache_config *config, const char **ret_why)
{
    const char *why = refusal(config);
    struct gc_config heap = heap_config(config);
    struct cache *c = NULL;
    bool shared = heap.shared;

    if (why != NULL)
        goto fail;
    why = "out of memory";
    c = calloc(1, sizeof *c);
    if (c == NULL)
        goto fail;
    c->owner = true;
    c->shared = shared;
    c->recency = config->recency;
    c->limit = config->bytes;
    c->config = *config;
    c->hash_mask = UINT64_MAX;
    memcpy(&c->hash_key, config->hash_key, sizeof c->hash_key);
    if (side_init(&c->side, policy_ids(config->bytes), shared) != 0)
        goto fail;
    sieve_init(&c->sieve, &c->side, config->recency == CACHE_INLINE);
    c->heap = gc_new(&heap, &why);
    if (c->heap == NULL)
        goto fail;
    c->entry_type = gc_type_add(c->heap, &type_of_entry);
    CHECK(c->entry_type > 0); /* a new heap has room for two types */
    CHECK(index_init(&c->index, config->index, c->heap) == 0);
    return c;
fail:
    if (ret_why != NULL)
        *ret_why = why;
    cache_free(c);
    return NULL;
}

struct cache *cache_new_like(const struct cache *c, const char **ret_why)
{
    struct cache_config config = c->config;

    config.heap.on_event = NULL; /* the listener is for the heap of its thread */
    config.heap.arg = NULL;
    return cache_new(&config, ret_why);
}

void cache_free(struct cache *c)
{
    if (c == NULL)
        return;
    gc_free(c->heap);
    side_free(&c->side);
    free(c);
}

uint64_t cache_hash(const struct cache *c, struct span key)
{
    return hash_sip13(&c->hash_key, key.p, key.n) & c->hash_mask;
}

static const struct entry *look(const struct cache *c, uint64_t hash, struct span key)
{
    return index_find(c->index.kind, gc_root(c->heap), hash, key);
}

/* The entry is out of the index: gives back what it had beside the heap. */
static void forget(struct cache *c, const struct entry *gone)
{
    struct entry *e = (struct entry *)(uintptr_t)gone;

    sieve_drop(&c->sieve, e);
    side_give(&c->side, e->id);
    CHECK(c->entries > 0 && c->bytes >= cache_entry_cost(e));
    c->entries--;
    c->bytes -= cache_entry_cost(e);
}

static uint16_t offset(struct span inner, struct span outer)
{
    return inner.n == 0 ? 0 : (uint16_t)(inner.p - outer.p);
}

/* NULL when memory is short. */
static struct entry *make_entry(struct cache *c, const struct cache_record *r,
                                uint32_t id)
{
    void *body = NULL;
    struct entry *e;

    if (r->body.n != 0) {
        body = gc_alloc(c->heap, GC_BYTES, r->body.n);
        if (body == NULL)
            return NULL;
        memcpy(body, r->body.p, r->body.n);
    }
    e = gc_alloc(c->heap, c->entry_type, sizeof *e + r->key.n + r->head.n);
    if (e == NULL)
        return NULL;
    *e = (struct entry){
        .hash = cache_hash(c, r->key),
        .body = body,
        .body_len = r->body.n,
        .mtime_s = r->mtime_s,
        .mtime_ns = r->mtime_ns,
        .file_id = r->file_id,
        .id = id,
        .key_len = (uint32_t)r->key.n,
        .head_len = (uint32_t)r->head.n,
        .source = r->source,
        .type_at = offset(r->type, r->head),
        .type_len = (uint16_t)r->type.n,
        .etag_at = offset(r->etag, r->head),
        .etag_len = (uint16_t)r->etag.n,
        .status = r->status,
        .flags = r->flags,
    };
    memcpy(e->bytes, r->key.p, r->key.n);
    if (r->head.n != 0)
        memcpy(e->bytes + r->key.n, r->head.p, r->head.n);
    return e;
}

/* Evicts until `cost` more bytes fit beside what is kept of an older entry of the key.
 */
static int make_room(struct cache *c, uint64_t hash, struct span key, uint64_t cost)
{
    for (;;) {
        const struct entry *old = look(c, hash, key);
        uint64_t excess = 0;
        const struct entry *victim;
        int err = policy_admit(c->bytes, old == NULL ? 0 : cache_entry_cost(old), cost,
                               c->limit, &excess);

        if (err != 0 || excess == 0)
            return err;
        victim = sieve_victim(&c->sieve);
        CHECK(victim != NULL); /* bytes are held, so something is in the queue */
        err = index_remove(&c->index, victim->hash, entry_key(victim));
        if (err != 0)
            return err;
        forget(c, victim);
        c->evicted++;
    }
}

static int insert(struct cache *c, const struct cache_record *r, uint64_t now_ns)
{
    uint64_t cost = entry_cost((uint32_t)r->key.n, (uint32_t)r->head.n, r->body.n);
    const struct entry *old;
    struct entry *e = NULL;
    uint32_t id;
    int err;

    if (cost > c->limit)
        return -E2BIG;
    id = side_take(&c->side, now_ns);
    if (id == 0)
        return -ENOSPC;
    e = make_entry(c, r, id);
    err = e == NULL ? -ENOSPC : make_room(c, e->hash, r->key, cost);
    if (err == 0) {
        old = look(c, e->hash, r->key);
        err = index_put(&c->index, e);
    }
    if (err != 0) {
        side_give(&c->side, id);
        return err;
    }
    if (old != NULL) {
        forget(c, old);
        c->replaced++;
    }
    sieve_add(&c->sieve, e);
    c->entries++;
    c->bytes += cost;
    c->inserted++;
    CHECK(c->bytes <= c->limit);
    return 0;
}

int cache_insert(struct cache *c, const struct cache_record *r, uint64_t now_ns)
{
    int err;

    if (!c->owner)
        return -EPERM;
    if (record_check(r, SIZE_MAX) != 0)
        return -EINVAL;
    err = insert(c, r, now_ns);
    if (err != 0)
        c->refused++;
    return err;
}

bool cache_remove(struct cache *c, struct span key)
{
    uint64_t hash = cache_hash(c, key);
    const struct entry *e;

    if (!c->owner)
        return false;
    e = look(c, hash, key);
    if (e == NULL)
        return false;
    if (index_remove(&c->index, hash, key) != 0) {
        /* A removal cannot be refused: somebody was promised that this entry is not
         * served again. Where there is no memory for a new path, all goes: that needs
         * none. */
        cache_clear(c);
        return true;
    }
    forget(c, e);
    c->removed++;
    return true;
}

uint64_t cache_clear(struct cache *c)
{
    uint64_t n = c->entries;

    if (!c->owner)
        return 0;
    index_clear(&c->index);
    sieve_reset(&c->sieve);
    side_reset(&c->side);
    c->entries = 0;
    c->bytes = 0;
    c->removed += n;
    return n;
}

void cache_safepoint(struct cache *c)
{
    if (c->owner)
        gc_safepoint(c->heap);
}

void cache_tick(struct cache *c, uint64_t budget_ns)
{
    if (c->owner)
        gc_step(c->heap, budget_ns);
}

void cache_collect(struct cache *c)
{
    if (c->owner)
        gc_collect(c->heap, GC_REASON_ASKED); /* -EAGAIN: later safepoints finish it */
}

bool cache_is_owner(const struct cache *c)
{
    return c->owner;
}

bool cache_is_shared(const struct cache *c)
{
    return c->shared;
}

struct gc_heap *cache_heap(struct cache *c)
{
    return c->heap;
}

void cache_get_stats(const struct cache *c, struct cache_stats *ret)
{
    *ret = (struct cache_stats){
        .entries = c->entries,
        .bytes = c->bytes,
        .bytes_limit = c->limit,
        .inserted = c->inserted,
        .replaced = c->replaced,
        .removed = c->removed,
        .evicted = c->evicted,
        .refused = c->refused,
    };
    gc_get_stats(c->heap, &ret->heap);
}

void cache_fork_prepare(struct cache *c)
{
    gc_fork_prepare(c->heap);
}

void cache_fork_parent(struct cache *c, pid_t pid)
{
    (void)pid; /* a fork that failed has to be undone all the same */
    gc_fork_parent(c->heap);
}

int cache_fork_child(struct cache *c)
{
    int err = gc_fork_child(c->heap);

    if (err == 0)
        err = side_fork_child(&c->side);
    if (c->shared)
        c->owner = false;
    else
        c->child = true;
    if (err == 0 && c->owner)
        err = index_fork_child(&c->index);
    return err;
}

uint64_t cache_pretouch(struct cache *c, enum gc_pretouch how)
{
    long pages = gc_pretouch(c->heap, how);

    return (pages > 0 ? (uint64_t)pages : 0) + side_pretouch(&c->side);
}
