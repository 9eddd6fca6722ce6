/* SPDX-License-Identifier: MIT */
/* test_cache.c - the cache of one process: every combination of knobs against a model,
 * the limit, refusals, and what happens without memory. */
#define CACHE_IMPL
#include "server/cache/cache.h"

#include <errno.h>
#include <stdio.h>

#include "server/cache/cache_impl.h"
#include "server/cache/policy.h"
#include "tests/test.h"
#include "tests/unit/cache/model.h"

enum { LIMIT = 96 << 10, SEATS = 2 };

static struct cache_config plain_config(void)
{
    return (struct cache_config){
        .index = CACHE_HAMT,
        .recency = CACHE_SIDE,
        .bytes = LIMIT,
        .hash_key = "sixteen bytes .",
        .seats = SEATS,
        .heap = { .min_heap_bytes = 64 << 10,
                  .max_pause_ns = 10000,
                  .marks = GC_MARKS_SIDE,
                  .reuse = GC_REUSE_ANY,
                  .schedule = GC_STW,
                  .reserve_bytes = 256 << 20 },
    };
}

static struct cache *open_cache(const struct cache_config *config)
{
    const char *why = "";
    struct cache *c = cache_new(config, &why);

    if (c == NULL)
        check_str(why, NULL);
    return c;
}

struct combination {
    enum cache_index_kind index;
    enum cache_recency_kind recency;
    enum gc_marks marks;
    enum gc_schedule schedule;
    bool shared, stress, collide;
    char name[128];
};

static bool works(const struct combination *k)
{
    return !k->shared || (k->index == CACHE_HAMT && k->recency == CACHE_SIDE &&
                          k->marks == GC_MARKS_SIDE);
}

/* Combination number `n`; false behind the last. */
static bool nth(unsigned n, struct combination *k)
{
    if (n >= 1u << 7)
        return false;
    *k = (struct combination){
        .index = n & 1 ? CACHE_HAMT : CACHE_TABLE,
        .recency = n & 2 ? CACHE_SIDE : CACHE_INLINE,
        .marks = n & 4 ? GC_MARKS_SIDE : GC_MARKS_HEADER,
        .schedule = n & 8 ? GC_INCREMENTAL : GC_STW,
        .shared = n & 16,
        .stress = n & 32,
        .collide = n & 64,
    };
    snprintf(k->name, sizeof k->name, "%s %s %s %s %s%s%s",
             k->index == CACHE_HAMT ? "hamt" : "table",
             k->recency == CACHE_SIDE ? "side" : "inline",
             k->marks == GC_MARKS_SIDE ? "side-marks" : "header-marks",
             k->schedule == GC_STW ? "stw" : "incremental",
             k->shared ? "shared" : "private", k->stress ? " stress" : "",
             k->collide ? " colliding" : "");
    return true;
}

static void walk_combination(const struct combination *k, unsigned steps)
{
    static struct model m;
    struct cache_config config = plain_config();
    struct cache *c;

    config.index = k->index;
    config.recency = k->recency;
    config.heap.marks = k->marks;
    config.heap.schedule = k->schedule;
    config.heap.shared = k->shared;
    config.heap.stress = k->stress;
    config.heap.verify = !k->stress;
    c = open_cache(&config);
    if (k->collide)
        c->hash_mask = UINT64_C(0x8000000000000003);
    model_open(&m, c, 0, LIMIT, 7);
    check_str(model_walk(&m, steps, 100), NULL, "%s", k->name);
    check_str(model_compare(&m), NULL, "%s", k->name);
    model_close(&m);
    cache_free(c);
}

static void every_combination_agrees_with_the_model(void **state)
{
    struct combination k;
    unsigned walked = 0;

    (void)state;
    for (unsigned n = 0; nth(n, &k); n++)
        if (works(&k)) {
            walk_combination(&k, k.stress ? 700 : 2000);
            walked++;
        }
    check_uint(walked, 64 + 8);
}

static void combinations_that_cannot_work_are_refused_with_the_reason(void **state)
{
    static const struct {
        const char *what;
        enum cache_index_kind index;
        enum cache_recency_kind recency;
        enum gc_marks marks;
        bool shared;
        size_t bytes;
    } cases[] = {
        { "shared table", CACHE_TABLE, CACHE_SIDE, GC_MARKS_SIDE, true, LIMIT },
        { "shared inline", CACHE_HAMT, CACHE_INLINE, GC_MARKS_SIDE, true, LIMIT },
        { "shared header", CACHE_HAMT, CACHE_SIDE, GC_MARKS_HEADER, true, LIMIT },
        { "no bytes", CACHE_HAMT, CACHE_SIDE, GC_MARKS_SIDE, false, 0 },
    };

    (void)state;
    for (size_t i = 0; i < TEST_COUNT(cases); i++) {
        struct cache_config config = plain_config();
        const char *why = NULL;

        config.index = cases[i].index;
        config.recency = cases[i].recency;
        config.heap.marks = cases[i].marks;
        config.heap.shared = cases[i].shared;
        config.bytes = cases[i].bytes;
        check_null(cache_new(&config, &why), "%s", cases[i].what);
        check_true(why != NULL && strlen(why) > 10, "%s", cases[i].what);
        check_null(cache_new(&config, NULL), "%s", cases[i].what);
    }
    cache_free(NULL);
}

static void a_check_of_frozen_bytes_is_refused_where_hits_write_them(void **state)
{
    struct cache_config config = plain_config();
    const char *why = NULL;

    (void)state;
    config.recency = CACHE_INLINE;
    config.heap.after_fork = GC_ARENA;
    config.heap.verify = true;
    check_null(cache_new(&config, &why));
    check_not_null(why);
    config.heap.verify = false;
    cache_free(open_cache(&config));
}

static struct cache_record record_of(const char *key, size_t body_n)
{
    static char body[1 << 20];

    return (struct cache_record){ .key = span_of(key),
                                  .head = SPAN("HTTP/1.1 200 OK\r\n"),
                                  .body = { body, body_n },
                                  .status = 200 };
}

static uint64_t cost_of(const struct cache_record *r)
{
    return entry_cost((uint32_t)r->key.n, (uint32_t)r->head.n, r->body.n);
}

static void an_entry_as_large_as_the_limit_fits_and_one_more_byte_does_not(void **state)
{
    struct cache_record r = record_of("/key", 10000);
    struct cache_config config = plain_config();
    struct cache_stats stats;
    struct cache *c;

    (void)state;
    config.bytes = cost_of(&r);
    c = open_cache(&config);
    check_int(cache_insert(c, &r, 1), 0);
    check_int(cache_insert(c, &r, 2), 0, "it may replace itself");
    r.key = SPAN("/kez");
    check_int(cache_insert(c, &r, 3), 0, "it may replace another");
    cache_get_stats(c, &stats);
    check_uint(stats.bytes, stats.bytes_limit);
    check_uint(stats.entries, 1);
    check_uint(stats.inserted, 3);
    check_uint(stats.replaced, 1);
    check_uint(stats.evicted, 1);
    cache_free(c);

    config.bytes--;
    c = open_cache(&config);
    check_int(cache_insert(c, &r, 1), -E2BIG);
    cache_get_stats(c, &stats);
    check_uint(stats.refused, 1);
    check_uint(stats.entries, 0);
    check_uint(cache_verify(c, NULL, NULL), 0);
    cache_free(c);
}

static void a_record_that_is_not_one_is_refused(void **state)
{
    struct cache_config config = plain_config();
    struct cache *c = open_cache(&config);
    struct cache_record r = record_of("", 10);

    (void)state;
    check_int(cache_insert(c, &r, 1), -EINVAL, "no key");
    r = record_of("/k", 10);
    r.status = 99;
    check_int(cache_insert(c, &r, 1), -EINVAL, "status");
    r.status = 200;
    r.etag = SPAN("elsewhere");
    check_int(cache_insert(c, &r, 1), -EINVAL, "etag outside the head");
    cache_free(c);
}

/* Costs add up to what the heap holds, but for the share of index and side tables. */
static void the_cost_is_what_the_heap_spends(void **state)
{
    struct cache_config config = plain_config();
    struct cache_stats stats;
    struct cache *c;
    uint64_t index, objects;

    (void)state;
    config.bytes = 64 << 20;
    c = open_cache(&config);
    for (unsigned i = 0; i < 5000; i++) {
        char key[32];
        struct cache_record r;

        snprintf(key, sizeof key, "/cost/%u", i);
        r = record_of(key, (size_t)i * 3);
        check_int(cache_insert(c, &r, 1), 0);
        cache_safepoint(c);
    }
    cache_collect(c);
    cache_get_stats(c, &stats);
    check_uint(stats.entries, 5000);
    objects = stats.bytes - stats.entries * POLICY_ENTRY_SHARE;
    check_true(stats.heap.live_bytes > objects);
    index = stats.heap.live_bytes - objects;
    check_true(index / stats.entries < 40, "%ju bytes of nodes per entry",
               (uintmax_t)(index / stats.entries));
    cache_free(c);
}

static unsigned fill(struct cache *c, unsigned n, size_t body_n)
{
    unsigned stored = 0;
    char key[32];

    for (unsigned i = 0; i < n; i++) {
        struct cache_record r;

        snprintf(key, sizeof key, "/fill/%u", i);
        r = record_of(key, body_n);
        stored += cache_insert(c, &r, 1) == 0;
        cache_safepoint(c);
    }
    return stored;
}

/* All of the heap's memory, in all sizes and both kinds of blocks. Entries without a
 * body are the traced ones. */
static void exhaust(struct cache *c)
{
    for (size_t bytes = 1 << 16; bytes >= 8;
         bytes = bytes > 400 ? bytes / 2 : bytes - 8)
        while (gc_alloc(c->heap, GC_BYTES, bytes) != NULL)
            ;
    for (size_t bytes = 16; bytes <= 8 + 32 * 8; bytes += 8) {
        void *p;

        while ((p = gc_alloc(c->heap, c->index.type, bytes)) != NULL)
            memset(p, 0, bytes);
    }
}

static struct cache *open_small(const struct cache_config *base)
{
    struct cache_config config = *base;

    config.bytes = 2 << 20;
    config.heap.limit_bytes = 6 << 20;
    return open_cache(&config);
}

static void without_memory_an_insertion_is_refused_and_nothing_breaks(void **state)
{
    static const enum cache_index_kind kinds[] = { CACHE_HAMT, CACHE_TABLE };

    (void)state;
    for (size_t i = 0; i < TEST_COUNT(kinds); i++) {
        struct cache_config config = plain_config();
        struct cache_record r = record_of("/new", 100);
        struct cache_stats before, after;
        struct cache *c;

        config.index = kinds[i];
        c = open_small(&config);
        check_uint(fill(c, 500, 1000), 500);
        cache_get_stats(c, &before);
        exhaust(c);
        check_int(cache_insert(c, &r, 1), -ENOSPC);
        cache_get_stats(c, &after);
        check_uint(after.refused, before.refused + 1);
        check_uint(after.entries, before.entries);
        check_uint(cache_verify(c, NULL, NULL), 0);
        cache_safepoint(c); /* garbage was all there was: now there is room again */
        cache_collect(c);
        check_int(cache_insert(c, &r, 1), 0);
        check_uint(cache_verify(c, NULL, NULL), 0);
        cache_free(c);
    }
}

static void a_removal_that_finds_no_memory_empties_the_cache(void **state)
{
    struct cache_config config = plain_config();
    struct cache *c = open_small(&config);
    struct cache_reader *r = cache_reader_open(c, 0);
    struct cache_stats stats;
    struct span key = SPAN("/fill/7");

    (void)state;
    check_uint(fill(c, 500, 1000), 500);
    exhaust(c);
    check_true(cache_remove(c, key));
    cache_enter(r);
    check_null(cache_find(r, cache_hash(c, key), key));
    cache_leave(r);
    cache_get_stats(c, &stats);
    check_uint(stats.entries, 0);
    check_uint(stats.bytes, 0);
    check_uint(stats.removed, 500);
    cache_collect(c);
    check_uint(cache_verify(c, NULL, NULL), 0);
    check_uint(fill(c, 10, 1000), 10);
    cache_reader_close(r);
    cache_free(c);
}

/* Inserts far more than fits, with safepoints as the event loop has them: no refusal.
 */
static void the_hard_limit_is_not_met_while_the_collector_keeps_up(void **state)
{
    struct combination k;

    (void)state;
    for (unsigned n = 0; nth(n, &k); n++) {
        struct cache_config config = plain_config();
        struct cache_stats stats;
        struct cache *c;

        if (!works(&k) || k.stress || k.collide)
            continue;
        config.index = k.index;
        config.recency = k.recency;
        config.heap.marks = k.marks;
        config.heap.schedule = k.schedule;
        config.heap.shared = k.shared;
        config.heap.max_pause_ns = 1000000;
        config.bytes = 1 << 20;
        c = open_cache(&config);
        check_uint(fill(c, 4000, 3000), 4000, "%s", k.name);
        cache_get_stats(c, &stats);
        check_uint(stats.heap.limit_hits, 0, "%s", k.name);
        check_true(stats.heap.cycles > 2, "%s: %ju cycles", k.name,
                   (uintmax_t)stats.heap.cycles);
        cache_free(c);
    }
}

static void when_an_entry_was_checked_is_remembered_beside_it(void **state)
{
    struct cache_config config = plain_config();
    struct cache *c = open_cache(&config);
    struct cache_reader *r = cache_reader_open(c, 1);
    struct cache_record record = record_of("/key", 10);
    const struct entry *e;

    (void)state;
    check_int(cache_insert(c, &record, 1000), 0);
    cache_enter(r);
    e = cache_find(r, cache_hash(c, record.key), record.key);
    check_uint(cache_checked_ns(r, e), 1000);
    cache_set_checked_ns(r, e, 1005);
    check_uint(cache_checked_ns(r, e), 1005);
    cache_leave(r);
    check_int(cache_insert(c, &record, 1002), 0);
    cache_enter(r);
    e = cache_find(r, cache_hash(c, record.key), record.key);
    check_uint(cache_checked_ns(r, e), 1002, "a new entry starts anew");
    cache_leave(r);
    cache_reader_close(r);
    cache_free(c);
}

static void pins_run_out_and_come_back(void **state)
{
    struct cache_config config = plain_config();
    struct cache_record record = record_of("/key", 10);
    struct cache_reader *r;
    const struct entry *e;
    struct cache *c;
    int pins[3];

    (void)state;
    config.heap.pins_per_reader = 3;
    config.heap.shared = true;
    c = open_cache(&config);
    r = cache_reader_open(c, 0);
    check_null(cache_reader_open(c, SEATS), "there is no such seat");
    check_int(cache_insert(c, &record, 1), 0);
    cache_enter(r);
    e = cache_find(r, cache_hash(c, record.key), record.key);
    for (size_t i = 0; i < TEST_COUNT(pins); i++) {
        pins[i] = cache_pin(r, e);
        check_true(pins[i] >= 0, "pin %zu", i);
    }
    check_int(cache_pin(r, e), -ENOSPC);
    cache_unpin(r, pins[1]);
    pins[1] = cache_pin(r, e);
    check_true(pins[1] >= 0);
    cache_leave(r);
    for (size_t i = 0; i < TEST_COUNT(pins); i++)
        cache_unpin(r, pins[i]);
    cache_reader_close(r);
    cache_free(c);
}

static void keep_first(const char *what, void *arg)
{
    const char **first = arg;

    if (*first == NULL)
        *first = what;
}

static void verify_tells_what_is_broken(void **state)
{
    struct cache_config config = plain_config();
    struct cache *c = open_cache(&config);
    const char *first = NULL;

    (void)state;
    fill(c, 50, 100);
    check_uint(cache_verify(c, keep_first, &first), 0);
    check_null(first);
    c->bytes += 1;
    check_true(cache_verify(c, keep_first, &first) > 0, "bytes");
    check_not_null(first);
    c->bytes -= 1;
    c->sieve.count++;
    check_true(cache_verify(c, NULL, NULL) > 0, "queue");
    c->sieve.count--;
    c->side.used--;
    check_true(cache_verify(c, NULL, NULL) > 0, "numbers");
    c->side.used++;
    c->side.entries[3] = c->side.entries[4];
    check_true(cache_verify(c, NULL, NULL) > 0, "side table");
    cache_free(c);
}

TEST_MAIN(test(every_combination_agrees_with_the_model),
          test(combinations_that_cannot_work_are_refused_with_the_reason),
          test(a_check_of_frozen_bytes_is_refused_where_hits_write_them),
          test(an_entry_as_large_as_the_limit_fits_and_one_more_byte_does_not),
          test(a_record_that_is_not_one_is_refused),
          test(the_cost_is_what_the_heap_spends),
          test(without_memory_an_insertion_is_refused_and_nothing_breaks),
          test(a_removal_that_finds_no_memory_empties_the_cache),
          test(the_hard_limit_is_not_met_while_the_collector_keeps_up),
          test(when_an_entry_was_checked_is_remembered_beside_it),
          test(pins_run_out_and_come_back), test(verify_tells_what_is_broken))
