/* SPDX-License-Identifier: MIT */
/* model.c - walks over a cache and a plain model of it. */
#define CACHE_IMPL
#include "tests/unit/cache/model.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "server/base/check.h"
#include "server/cache/cache_impl.h"

static const char *differs(struct model *m, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

static const char *differs(struct model *m, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(m->why, sizeof m->why, fmt, ap);
    va_end(ap);
    return m->why;
}

struct span model_key(unsigned name)
{
    static char key[64];

    /* Lengths differ, prefixes are equal. */
    int n = snprintf(key, sizeof key, "/%.*s%u", (int)(name % 40),
                     "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", name);

    return (struct span){ key, (size_t)n };
}

/* Mostly small, some of a page or two, a few that are page runs, some empty. */
static size_t body_len(uint64_t mix)
{
    switch (mix % 16) {
    case 0:
        return 0;
    case 1:
        return mix / 16 % MODEL_BODY_MAX;
    case 2:
    case 3:
        return mix / 16 % 5000;
    }
    return mix / 16 % 300;
}

struct cache_record model_record(unsigned name, uint32_t version)
{
    static char head[128], body[MODEL_BODY_MAX];
    uint64_t seed = (uint64_t)name << 32 | version;
    size_t n = body_len(prng_splitmix64(&seed));
    int head_n = snprintf(head, sizeof head,
                          "HTTP/1.1 200 OK\r\nContent-Type: text/x-%u\r\n"
                          "ETag: \"%u\"\r\n",
                          name, version);

    for (size_t i = 0; i < n; i += 8) {
        uint64_t word = prng_splitmix64(&seed);

        memcpy(body + i, &word, n - i < 8 ? n - i : 8);
    }
    return (struct cache_record){
        .key = model_key(name),
        .head = { head, (size_t)head_n },
        .body = { body, n },
        .status = 200,
        .etag = { strchr(head, '"'), strlen(strchr(head, '"')) - 2 },
        .type = { strstr(head, "text/x-"), strcspn(strstr(head, "text/x-"), "\r") },
        .mtime_s = (int64_t)name - 50,
        .file_id = version,
    };
}

bool model_entry_is(const struct entry *e, unsigned name, uint32_t version)
{
    struct cache_record r = model_record(name, version);

    return span_eq(entry_key(e), r.key) && span_eq(entry_head(e), r.head) &&
           span_eq(entry_type(e), r.type) && span_eq(entry_etag(e), r.etag) &&
           e->status == r.status && e->mtime_s == r.mtime_s && e->file_id == version &&
           e->body_len == r.body.n &&
           (r.body.n == 0 || memcmp(e->body, r.body.p, r.body.n) == 0);
}

void model_open(struct model *m, struct cache *cache, unsigned seat, size_t limit,
                uint64_t seed)
{
    memset(m, 0, sizeof *m);
    m->cache = cache;
    m->limit = limit;
    prng_seed(&m->prng, seed);
    model_reopen(m, seat);
}

void model_reopen(struct model *m, unsigned seat)
{
    for (size_t i = 0; i < MODEL_PINS; i++)
        m->pins[i].pin = -1;
    m->versions_at_fork = m->versions;
    m->reader = cache_reader_open(m->cache, seat);
    CHECK(m->reader != NULL);
}

void model_close(struct model *m)
{
    for (size_t i = 0; i < MODEL_PINS; i++)
        if (m->pins[i].pin >= 0)
            cache_unpin(m->reader, m->pins[i].pin);
    cache_reader_close(m->reader);
    m->reader = NULL;
}

void model_told(struct model *m, unsigned name)
{
    sieve_model_visit(&m->queue, name);
}

static void drop(struct model *m, unsigned name)
{
    sieve_model_drop(&m->queue, name);
    m->names[name].in = false;
    m->held -= m->names[name].cost;
}

static const char *check_sums(struct model *m, const char *after)
{
    struct cache_stats stats;

    cache_get_stats(m->cache, &stats);
    if (stats.bytes > stats.bytes_limit)
        return differs(m, "over the limit after %s", after);
    if (stats.bytes != m->held || stats.entries != m->queue.n)
        return differs(m, "after %s: %ju bytes in %ju entries, want %ju in %u", after,
                       (uintmax_t)stats.bytes, (uintmax_t)stats.entries,
                       (uintmax_t)m->held, m->queue.n);
    return NULL;
}

const char *model_insert(struct model *m, unsigned name)
{
    uint32_t version = ++m->versions;
    struct cache_record r = model_record(name, version);
    uint64_t cost = entry_cost((uint32_t)r.key.n, (uint32_t)r.head.n, r.body.n);
    int err = cache_insert(m->cache, &r, version);

    if (cost > m->limit)
        return err == -E2BIG ? NULL : differs(m, "too large, got %d", err);
    if (err ==
        -ENOSPC) { /* legal, but the queue may have moved: a test with room fails */
        return differs(m, "no memory for %ju bytes", (uintmax_t)cost);
    }
    if (err != 0)
        return differs(m, "insert says %d", err);
    while (m->held - (m->names[name].in ? m->names[name].cost : 0) + cost > m->limit)
        drop(m, sieve_model_victim(&m->queue));
    if (m->names[name].in)
        drop(m, name);
    sieve_model_add(&m->queue, name);
    m->names[name].in = true;
    m->names[name].version = version;
    m->names[name].cost = cost;
    m->held += cost;
    return check_sums(m, "an insertion");
}

static const struct entry *find(struct model *m, unsigned name)
{
    struct span key = model_key(name);

    return cache_find(m->reader, cache_hash(m->cache, key), key);
}

/* Sometimes keeps what was found. */
static void maybe_pin(struct model *m, const struct entry *e, unsigned name)
{
    struct model_pin *p = &m->pins[prng_below(&m->prng, MODEL_PINS)];

    if (p->pin >= 0 || prng_below(&m->prng, 4) != 0)
        return;
    *p = (struct model_pin){ cache_pin(m->reader, e), name, m->names[name].version, e };
}

const char *model_find(struct model *m, unsigned name)
{
    const struct entry *e;
    const char *why = NULL;

    cache_enter(m->reader);
    e = find(m, name);
    if ((e != NULL) != m->names[name].in)
        why = differs(m, "name %u is %s", name, e == NULL ? "missing" : "still there");
    else if (e != NULL && !model_entry_is(e, name, m->names[name].version))
        why = differs(m, "name %u has other bytes", name);
    else if (e != NULL)
        maybe_pin(m, e, name);
    cache_leave(m->reader);
    if (why == NULL && e != NULL) {
        sieve_model_visit(&m->queue, name);
        if (m->names[name].version <= m->versions_at_fork)
            m->names[name].told = true;
    }
    return why;
}

const char *model_remove(struct model *m, unsigned name)
{
    bool was = m->names[name].in;

    if (cache_remove(m->cache, model_key(name)) != was)
        return differs(m, "removal of name %u disagrees", name);
    if (was)
        drop(m, name);
    return check_sums(m, "a removal");
}

static const char *clear(struct model *m)
{
    if (cache_clear(m->cache) != m->queue.n)
        return differs(m, "clear counts otherwise");
    while (m->queue.n > 0)
        drop(m, m->queue.names[0]);
    m->queue.hand = 0;
    return check_sums(m, "clear");
}

static const char *check_pins(struct model *m, bool release)
{
    for (size_t i = 0; i < MODEL_PINS; i++) {
        struct model_pin *p = &m->pins[i];

        if (p->pin < 0)
            continue;
        if (!model_entry_is(p->entry, p->name, p->version))
            return differs(m, "pinned entry %u was changed", p->name);
        if (release && prng_below(&m->prng, 2) == 0) {
            cache_unpin(m->reader, p->pin);
            p->pin = -1;
        }
    }
    return NULL;
}

const char *model_step(struct model *m)
{
    unsigned name = (unsigned)prng_below(&m->prng, MODEL_NAMES);
    unsigned what = (unsigned)prng_below(&m->prng, 1000);
    const char *why;

    if (what < 450)
        why = model_find(m, name);
    else if (what < 900)
        why = model_insert(m, name);
    else if (what < 990)
        why = model_remove(m, name);
    else if (what < 992)
        why = clear(m);
    else
        why = check_pins(m, true);
    if (why != NULL)
        return why;
    if (what % 3 == 0)
        cache_safepoint(m->cache);
    else if (what % 50 == 1)
        cache_tick(m->cache, 20000);
    else if (what % 200 == 2)
        cache_collect(m->cache);
    return NULL;
}

const char *model_walk(struct model *m, unsigned steps, unsigned verify_every)
{
    const char *why = NULL;

    for (unsigned step = 0; step < steps && why == NULL; step++) {
        why = model_step(m);
        if (why == NULL && step % verify_every == verify_every - 1)
            why = model_compare(m);
    }
    return why;
}

static void keep_words(const char *what, void *arg)
{
    struct model *m = arg;

    snprintf(m->why, sizeof m->why, "verify: %s", what);
}

const char *model_compare(struct model *m)
{
    if (cache_verify(m->cache, keep_words, m) != 0)
        return m->why;
    for (unsigned name = 0; name < MODEL_NAMES; name++) {
        struct span key = model_key(name);
        const struct entry *e =
            index_find(m->cache->index.kind, gc_root(m->cache->heap),
                       cache_hash(m->cache, key), key);

        if ((e != NULL) != m->names[name].in)
            return differs(m, "compare: name %u", name);
        if (e != NULL && !model_entry_is(e, name, m->names[name].version))
            return differs(m, "compare: bytes of name %u", name);
    }
    return check_pins(m, false);
}
