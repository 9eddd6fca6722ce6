/* SPDX-License-Identifier: MIT */
/* fetch.c - one fetch per key and slot; see fetch.h. */
#include "server/worker/fetch.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "server/base/check.h"
#include "server/base/clock.h"
#include "server/base/log.h"
#include "server/cache/cache.h"
#include "server/conf/options.h"
#include "server/worker/conn.h"
#include "server/worker/worker_priv.h"

#define FETCH_MAGIC 0x46544348u

struct fetch {
    unsigned magic;
    struct worker *worker;
    struct list in_bucket;
    struct list in_state; /* fetches->finished or ->dropped */
    struct list waiters;
    struct origin_fetch *at_origin; /* NULL: finished */
    struct fetched *result;         /* finished */
    bool dropped;
    uint64_t hash, purge_seq, finished_ns;
    size_t key_len;
    char key[];
};

void fetches_init(struct fetches *all)
{
    memset(all, 0, sizeof *all);
    for (unsigned i = 0; i < FETCH_BUCKETS; i++)
        list_init(&all->buckets[i]);
    list_init(&all->finished);
    list_init(&all->dropped);
}

static uint64_t bytes_of(const struct fetched *f)
{
    return sizeof *f + (f->result.body != NULL ? f->result.length : 0);
}

struct fetched *fetched_share(struct fetched *f)
{
    f->shares++;
    return f;
}

void fetched_drop(struct fetched *f)
{
    if (f == NULL)
        return;
    CHECK(f->shares > 0);
    if (--f->shares > 0)
        return;
    f->all->held_bytes -= bytes_of(f);
    origin_result_free(&f->result);
    free(f);
}

static struct fetched *make_fetched(struct fetches *all, struct origin_result *result)
{
    struct fetched *f = malloc(sizeof *f);

    if (f == NULL) {
        origin_result_free(result);
        return NULL;
    }
    f->shares = 1;
    f->all = all;
    f->result = origin_result_take(result);
    all->held_bytes += bytes_of(f);
    return f;
}

static struct span key_of(const struct fetch *f)
{
    return (struct span){ f->key, f->key_len };
}

static struct list *bucket_of(struct fetches *all, uint64_t hash)
{
    return &all->buckets[hash % FETCH_BUCKETS];
}

static struct fetch *find(struct fetches *all, uint64_t hash, struct span key)
{
    list_each (it, bucket_of(all, hash)) {
        struct fetch *f = list_entry(it, struct fetch, in_bucket);

        if (f->hash == hash && span_eq(key_of(f), key))
            return f;
    }
    return NULL;
}

static void forget(struct fetches *all, struct fetch *f)
{
    CHECK_MAGIC(f, FETCH_MAGIC);
    CHECK(list_empty(&f->waiters));
    if (f->at_origin != NULL) {
        origin_cancel(f->at_origin);
        all->pending--;
    } else if (f->result != NULL && list_linked(&f->in_state)) {
        all->finished_bytes -= bytes_of(f->result);
    }
    list_remove(&f->in_bucket);
    list_remove(&f->in_state);
    fetched_drop(f->result);
    f->magic = 0;
    free(f);
}

static struct fetch *make(struct worker *w, uint64_t hash, struct span key)
{
    struct fetch *f = calloc(1, sizeof *f + key.n);

    if (f == NULL)
        return NULL;
    f->magic = FETCH_MAGIC;
    f->worker = w;
    f->hash = hash;
    f->purge_seq = w->purge_seq;
    f->key_len = key.n;
    memcpy(f->key, key.p, key.n);
    list_init(&f->in_bucket);
    list_init(&f->in_state);
    list_init(&f->waiters);
    return f;
}

/* Into the slot's own heap, and to the master. */
static void store(struct worker *w, const struct fetch *f,
                  const struct origin_result *r)
{
    const struct cache_record record = {
        .key = key_of(f),
        .head = r->head,
        .body = { (const char *)r->body, r->length },
        .status = (uint16_t)r->status,
        .flags = r->is_file ? RECORD_FILE : 0,
        .source = w->source,
        .type = r->type,
        .etag = r->etag,
        .mtime_s = r->mtime_s,
        .file_id = r->stamp.file_id,
        .mtime_ns = r->stamp.mtime_ns,
        .purge_seq = f->purge_seq,
    };

    if (w->owns_heap && cache_insert(w->cache, &record, w->now_ns) == 0)
        count(w->seat, COUNTER_stored, 1);
    publish(w, &record);
}

static bool may_store(const struct worker *w, const struct fetch *f,
                      const struct origin_result *r)
{
    return w->cache != NULL && !f->dropped && r->cacheable && r->status < 400 &&
           r->fd < 0;
}

/* How long a finished fetch may answer: not at all in a private heap, where the entry
 * is found in the cache; not longer than a file may go unchecked. */
static uint64_t stay_ns(const struct worker *w, const struct origin_result *r)
{
    int64_t ms = FETCH_STAY_MS;

    if (w->owns_heap)
        return 0;
    if (r->is_file && w->options->cache_valid_ms < ms)
        ms = w->options->cache_valid_ms;
    return (uint64_t)ms * CLOCK_NS_PER_MS;
}

/* What is short (503) and what is broken are told apart, so that a storm of the one
 * does not hide the other. */
static void complain(struct worker *w, const struct fetch *f,
                     const struct origin_result *r)
{
    char more[LOG_LEFT_OUT_MAX];
    uint64_t left_out;

    if (log_limit_pass(&w->fetches.told[r->status == 503], w->now_ns, &left_out))
        log_warn("could not fetch '%.*s': %s%s", SPAN_ARG(key_of(f)),
                 r->why != NULL ? r->why : "no reason given",
                 log_left_out(more, left_out));
}

static void tell_left_out(struct worker *w)
{
    uint64_t left_out;

    for (unsigned i = 0; i < 2; i++)
        if (log_limit_due(&w->fetches.told[i], w->now_ns, &left_out))
            log_warn("%" PRIu64 " more fetches failed since the last such line",
                     left_out);
}

static void finish(struct worker *w, struct fetch *f, struct fetched *got)
{
    struct fetches *all = &w->fetches;
    bool stay = may_store(w, f, &got->result);

    if (stay) {
        store(w, f, &got->result);
        stay = stay_ns(w, &got->result) > 0 &&
               all->finished_bytes + bytes_of(got) <= FETCH_STAY_BYTES;
    } else if (got->result.status >= 400) {
        count(w->seat, COUNTER_fetch_errors, 1);
        if (got->result.status >= 500)
            complain(w, f, &got->result);
    }
    if (!stay) {
        forget(all, f);
        return;
    }
    f->result = fetched_share(got);
    f->finished_ns = w->now_ns;
    all->finished_bytes += bytes_of(got);
    list_push_back(&all->finished, &f->in_state);
    if (!list_linked(&f->in_bucket))
        list_push_back(bucket_of(all, f->hash), &f->in_bucket);
}

/* Each waiter goes on with a share of the result; NULL: there was no memory for it.
 * What a waiter does may begin and end other fetches, so this one is settled before. */
static void wake(struct list *waiters, struct fetched *got)
{
    struct list *it;

    while ((it = list_first(waiters)) != NULL) {
        struct conn *c = list_entry(it, struct conn, in_fetch);

        list_remove(it);
        c->fetch = NULL;
        c->fetched = got != NULL ? fetched_share(got) : NULL;
        conn_run(c);
    }
}

static void move_list(struct list *to, struct list *from)
{
    list_init(to);
    if (list_empty(from))
        return;
    list_insert_before(from, to);
    list_remove(from);
}

static void on_done(struct origin_result *result, void *arg)
{
    struct fetch *f = arg;
    struct worker *w;
    struct fetched *got;
    struct list waiters;

    CHECK_MAGIC(f, FETCH_MAGIC);
    w = f->worker;
    worker_enter(w);
    f->at_origin = NULL;
    w->fetches.pending--;
    move_list(&waiters, &f->waiters);
    got = make_fetched(&w->fetches, result);
    if (got != NULL)
        finish(w, f, got);
    else
        forget(&w->fetches, f);
    wake(&waiters, got);
    fetched_drop(got);
}

static void wait_for(struct fetch *f, struct conn *c)
{
    c->fetch = f;
    list_push_back(&f->waiters, &c->in_fetch);
}

/* False: another body would be too much, and can only be in memory. */
static bool make_room(struct worker *w)
{
    struct fetches *all = &w->fetches;
    uint64_t most = (uint64_t)w->options->miss_bytes;
    struct list *it;

    while (all->held_bytes >= most && (it = list_first(&all->finished)) != NULL)
        forget(all, list_entry(it, struct fetch, in_state));
    return origin_spare(w->origin, all->held_bytes >= most);
}

static enum fetch_answer begin(struct worker *w, uint64_t hash, struct span key,
                               struct conn *c, struct fetched **ret)
{
    struct origin_result result;
    struct fetch *f;

    if (w->fetches.pending >= FETCH_PENDING_MAX || !make_room(w))
        return FETCH_BUSY;
    f = make(w, hash, key);
    if (f == NULL)
        return FETCH_BUSY;
    count(w->seat, COUNTER_fetches, 1);
    if (origin_fetch(w->origin, w->base, key, on_done, f, &result, &f->at_origin) ==
        ORIGIN_PENDING) {
        w->fetches.pending++;
        list_push_back(bucket_of(&w->fetches, hash), &f->in_bucket);
        wait_for(f, c);
        return FETCH_WAIT;
    }
    f->at_origin = NULL;
    struct fetched *got = make_fetched(&w->fetches, &result);
    if (got == NULL) {
        forget(&w->fetches, f);
        return FETCH_BUSY;
    }
    finish(w, f, got);
    *ret = got;
    return FETCH_READY;
}

enum fetch_answer fetch_get(struct worker *w, uint64_t hash, struct span key,
                            struct conn *c, struct fetched **ret, bool *ret_was_there)
{
    struct fetch *f = find(&w->fetches, hash, key);

    *ret_was_there = f != NULL;
    if (f != NULL && f->result != NULL &&
        w->now_ns - f->finished_ns >= stay_ns(w, &f->result->result)) {
        forget(&w->fetches, f);
        f = NULL;
        *ret_was_there = false;
    }
    if (f == NULL)
        return begin(w, hash, key, c, ret);
    if (f->result != NULL) {
        *ret = fetched_share(f->result);
        return FETCH_READY;
    }
    wait_for(f, c);
    return FETCH_WAIT;
}

void fetch_leave(struct conn *c)
{
    list_remove(&c->in_fetch);
    c->fetch = NULL;
}

static void purge_one(struct fetches *all, struct fetch *f)
{
    if (f->at_origin == NULL) {
        forget(all, f);
        return;
    }
    f->dropped = true;
    list_remove(&f->in_bucket);
    list_push_back(&all->dropped, &f->in_state);
}

void fetches_purge(struct worker *w, struct span key)
{
    for (unsigned i = 0; i < FETCH_BUCKETS; i++) {
        list_each_safe (it, &w->fetches.buckets[i]) {
            struct fetch *f = list_entry(it, struct fetch, in_bucket);

            if (key.n == 0 || span_eq(key_of(f), key))
                purge_one(&w->fetches, f);
        }
    }
}

void fetches_tick(struct worker *w)
{
    struct list *it;

    tell_left_out(w);
    while ((it = list_first(&w->fetches.finished)) != NULL) {
        struct fetch *f = list_entry(it, struct fetch, in_state);

        if (w->now_ns - f->finished_ns < (uint64_t)FETCH_STAY_MS * CLOCK_NS_PER_MS)
            break;
        forget(&w->fetches, f);
    }
}

void fetches_free(struct worker *w)
{
    struct fetches *all = &w->fetches;

    for (unsigned i = 0; i < FETCH_BUCKETS; i++) {
        list_each_safe (it, &all->buckets[i])
            forget(all, list_entry(it, struct fetch, in_bucket));
    }
    list_each_safe (at, &all->dropped)
        forget(all, list_entry(at, struct fetch, in_state));
    CHECK(all->pending == 0);
    CHECK(all->finished_bytes == 0);
    CHECK(all->held_bytes == 0);
}
