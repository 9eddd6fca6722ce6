/* SPDX-License-Identifier: MIT */
/* routes.c - from a request to the first write of its answer; see routes.h.
 *
 *   routes_handle -> lookup -> hit    answer(entry) inside the epoch
 *                           -> miss   fetch_get -> answer(fetched), or WAIT
 *   WAIT          -> routes_fetched -> answer(fetched)
 */
#include "server/worker/routes.h"

#include "server/base/check.h"
#include "server/base/clock.h"
#include "server/base/hash.h"
#include "server/cache/cache.h"
#include "server/conf/options.h"
#include "server/http/conditional.h"
#include "server/http/range.h"
#include "server/http/response.h"
#include "server/worker/answered.h"
#include "server/worker/worker_priv.h"

enum { EXTRA_MAX = RESPONSE_TIMING_MAX + BEHIND_LINE_MAX };

/* What a request can be answered with, wherever it comes from. */
struct source {
    struct response_meta meta;
    struct span head;          /* ready-made, for the whole of it */
    struct span location;      /* of a redirect, inside the head */
    const unsigned char *body; /* NULL: none, or in the file */
    const struct entry *entry; /* it lies in the heap */
    struct fetched *fetched;   /* a share for us; else NULL */
    int file;                  /* -1: none */
    const char *word;          /* for Server-Timing */
};

/* Before the work on a request, or on a refusal: then its fields may not be known. */
static void begin_timing(struct conn *c)
{
    struct worker *w = c->worker;
    const struct request *r = &c->intake->request;

    c->timed = w->options->server_timing ||
               (c->has_request && r->field[FIELD_X_COWSHED_TIMING].p != NULL);
    if (c->timed)
        c->intake->mark = timing_mark(w);
}

/* The fields that only some requests get: their time, their id. */
static void set_extra(struct conn *c, const char *cache, char to[EXTRA_MAX])
{
    size_t n = 0;

    c->intake->cache = cache;
    if (!c->timed && c->intake->id.n == 0)
        return;
    if (c->timed)
        n = timing_line(c->worker, &c->intake->mark, c->queue_ns, cache, to);
    n += behind_line(c, to + n);
    c->intake->out.part[SEND_EXTRA] = (struct span){ to, n };
}

/* What ends the head. Decides whether the connection goes on. */
static void set_tail(struct conn *c, bool last)
{
    struct worker *w = c->worker;
    const struct request *r = &c->intake->request;
    int64_t most = w->options->keepalive_requests;
    enum response_connection kind = RESPONSE_CLOSE;

    if (!last)
        kind = response_connection(r->minor, r->keep_alive,
                                   w->draining || (most > 0 && c->requests >= most));
    c->close_after = kind == RESPONSE_CLOSE;
    c->intake->out.part[SEND_TAIL] = response_tail(&w->clock, w->wall_s, kind);
}

/* The first write. What does not fit is kept, so that the epoch may end. */
static enum sent try_send(struct conn *c)
{
    struct worker *w = c->worker;
    uint64_t bytes = 0;
    bool pin_full;
    enum sent sent = send_some(&c->intake->out, &c->wire, &bytes);

    count(w->seat, COUNTER_bytes_out, bytes);
    if (c->intake->out.kept)
        c->intake->pace.bytes += bytes;
    if (sent == SENT_ALL || sent == SENT_FAILED || c->intake->out.kept)
        return sent;
    pace_begin_send(&c->intake->pace, w->now_ns, c->wire.fd, bytes);
    if (send_keep(&c->intake->out, &w->pins, &pin_full) < 0)
        return SENT_FAILED;
    if (pin_full)
        count(w->seat, COUNTER_pins_full, 1);
    return sent;
}

/* cache: for Server-Timing; "none" when it was not asked. */
static enum sent send_error(struct conn *c, unsigned status, bool last,
                            const char *cache)
{
    struct response_error error;
    char extra[EXTRA_MAX];
    bool head_only = c->intake->request.method == METHOD_HEAD;

    response_error(status, SPAN(""), &error);
    c->intake->out.status = (uint16_t)status;
    c->intake->out.part[SEND_HEAD] = error.head;
    if (!head_only)
        c->intake->out.part[SEND_BODY] = error.body;
    set_extra(c, cache, extra);
    set_tail(c, last);
    conn_goto(c, CONN_SEND);
    return try_send(c);
}

enum conn_next routes_refuse(struct conn *c, unsigned status)
{
    const char *cache = "miss";

    c->linger = true;
    if (c->state != CONN_WAIT) { /* nothing was begun */
        begin_timing(c);
        cache = "none";
    }
    return answered(c, send_error(c, status, true, cache));
}

enum conn_next routes_send(struct conn *c)
{
    return answered(c, try_send(c));
}

/* The part of it that the request asks for; head is memory for a head of its own.
 * False: it has to be answered with the error *ret_status. */
static bool choose(const struct request *r, struct source *s,
                   char head[RESPONSE_HEAD_MAX], struct range *part,
                   unsigned *ret_status)
{
    struct response_head made;
    unsigned status = conditional_status(r, &s->meta);

    if (status == 412) {
        *ret_status = status;
        return false;
    }
    if (status == 200 && r->method == METHOD_GET) {
        enum range_kind kind = range_of(r, &s->meta, part);

        status = kind == RANGE_PART ? 206 : kind == RANGE_NONE ? 416 : 200;
    }
    if (status == 200)
        return true;
    s->meta.status = status;
    s->meta.part = *part;
    if (response_format(head, RESPONSE_HEAD_MAX, &s->meta, &made) < 0) {
        *ret_status = 500;
        return false;
    }
    s->head = (struct span){ head, made.n };
    if (status != 206)
        *part = (struct range){ 0 };
    return true;
}

/* The key, and so the ready-made head, is without the query: a redirect gets it in
 * here, with its '?', from the bytes of the request. */
static void set_head(struct conn *c, const struct source *s)
{
    struct span query = c->intake->request.query;
    struct span *part = c->intake->out.part;

    part[SEND_HEAD] = s->head;
    if (s->location.n == 0 || query.n == 0)
        return;
    part[SEND_HEAD].n = (size_t)(s->location.p + s->location.n - s->head.p);
    part[SEND_QUERY] = (struct span){ query.p - 1, query.n + 1 };
    part[SEND_REST] = span_skip(s->head, part[SEND_HEAD].n);
}

static void set_body(struct conn *c, const struct source *s, const struct range *part)
{
    struct sending *out = &c->intake->out;

    if (part->length == 0 || c->intake->request.method == METHOD_HEAD)
        return;
    if (s->file >= 0) {
        out->file = s->file;
        out->file_at = part->first;
        out->file_left = part->length;
    } else {
        out->part[SEND_BODY] =
            (struct span){ (const char *)s->body + part->first, part->length };
        out->entry = s->entry;
    }
}

static enum sent answer(struct conn *c, struct source *s)
{
    const struct request *r = &c->intake->request;
    struct range part = { 0, s->meta.length };
    char head[RESPONSE_HEAD_MAX], extra[EXTRA_MAX];
    unsigned status;

    if (!r->plain && s->meta.status == 200 && !choose(r, s, head, &part, &status)) {
        fetched_drop(s->fetched);
        return send_error(c, status, false, s->word);
    }
    c->intake->out.status = (uint16_t)s->meta.status;
    set_head(c, s);
    c->intake->out.from = s->fetched;
    set_body(c, s, &part);
    set_extra(c, s->word, extra);
    set_tail(c, false);
    conn_goto(c, CONN_SEND);
    return try_send(c);
}

static enum sent answer_entry(struct conn *c, const struct entry *e)
{
    struct source s = {
        .meta = { .status = e->status,
                  .type = entry_type(e),
                  .etag = entry_etag(e),
                  .mtime_s = e->mtime_s,
                  .length = e->body_len,
                  .ranges = true },
        .head = entry_head(e),
        .body = e->body,
        .entry = e,
        .file = -1,
        .word = "hit",
    };

    /* Not when it was found: what the disk no longer holds must not stay because it is
     * asked for. */
    cache_visit(c->worker->reader, e);
    count(c->worker->seat, COUNTER_hits, 1);
    return answer(c, &s);
}

static enum sent answer_fetched(struct conn *c, struct fetched *f, const char *word)
{
    const struct origin_result *r = &f->result;
    struct source s = {
        .meta = { .status = r->status,
                  .type = r->type,
                  .etag = r->etag,
                  .mtime_s = r->mtime_s,
                  .length = r->length,
                  .ranges = true },
        .head = r->head,
        .location = r->location,
        .body = r->body,
        .fetched = f,
        .file = r->fd,
        .word = word,
    };

    if (r->status < 400)
        return answer(c, &s);
    unsigned status = r->status;
    fetched_drop(f);
    return send_error(c, status, false, word);
}

static enum conn_next miss(struct conn *c, uint64_t hash)
{
    struct worker *w = c->worker;
    struct fetched *f = NULL;
    bool was_there;
    enum fetch_answer got =
        fetch_get(w, hash, c->intake->request.path, c, &f, &was_there);

    count(w->seat, got == FETCH_READY && was_there ? COUNTER_hits : COUNTER_misses, 1);
    if (got == FETCH_READY)
        return answered(c, answer_fetched(c, f, was_there ? "hit" : "miss"));
    if (got == FETCH_BUSY)
        return answered(c, send_error(c, 503, false, "miss"));
    if (was_there)
        count(w->seat, COUNTER_coalesced, 1);
    conn_goto(c, CONN_WAIT);
    deadline_set(&w->deadlines, &c->deadline, DEADLINE_FETCH, w->now_ns);
    return CONN_PAUSE;
}

enum conn_next routes_fetched(struct conn *c)
{
    struct fetched *f = c->fetched;

    if (c->fetch != NULL)
        return CONN_PAUSE; /* run for another reason */
    c->fetched = NULL;
    if (f == NULL)
        return answered(c, send_error(c, 503, false, "miss"));
    return answered(c, answer_fetched(c, f, "miss"));
}

static bool must_check(const struct worker *w, const struct entry *e)
{
    if ((e->flags & RECORD_FILE) == 0)
        return false;
    uint64_t checked_ns = cache_checked_ns(w->reader, e);
    /* another slot may have looked at the clock later than we */
    uint64_t age_ns = w->now_ns > checked_ns ? w->now_ns - checked_ns : 0;
    return age_ns >= (uint64_t)w->options->cache_valid_ms * CLOCK_NS_PER_MS;
}

/* One that was fetched from what a reload or an upgrade put something else in the place
 * of is as good as none. */
static const struct entry *find(struct worker *w, uint64_t hash, struct span key)
{
    const struct entry *e = cache_peek(w->reader, hash, key);

    return e != NULL && e->source == w->source ? e : NULL;
}

/* The entry if the disk still holds what it was made from, else NULL. Outside of the
 * epoch while it looks, since a disk may be slow; so the entry has to be found again.
 */
static const struct entry *check(struct worker *w, const struct entry *e, uint64_t hash,
                                 struct span key)
{
    const struct origin_stamp stamp = { .file_id = e->file_id,
                                        .size = e->body_len,
                                        .mtime_ns = e->mtime_ns };
    bool same;

    cache_leave(w->reader);
    count(w->seat, COUNTER_revalidated, 1);
    same = origin_unchanged(w->origin, key, &stamp);
    cache_enter(w->reader);
    e = find(w, hash, key);
    if (e == NULL)
        return NULL;
    if (e->file_id != stamp.file_id || e->mtime_ns != stamp.mtime_ns)
        return must_check(w, e) ? NULL : e; /* replaced meanwhile */
    if (!same)
        return NULL;
    cache_set_checked_ns(w->reader, e, w->now_ns);
    return e;
}

static enum conn_next lookup(struct conn *c)
{
    struct worker *w = c->worker;
    const struct span key = c->intake->request.path;
    const struct entry *e;
    enum sent sent;
    uint64_t hash;

    if (w->cache == NULL)
        return miss(c, hash_sip13(&w->hash_key, key.p, key.n));
    hash = cache_hash(w->cache, key);
    cache_enter(w->reader);
    e = find(w, hash, key);
    if (e != NULL && must_check(w, e))
        e = check(w, e, hash, key);
    if (e == NULL) {
        cache_leave(w->reader);
        return miss(c, hash);
    }
    sent = answer_entry(c, e);
    cache_leave(w->reader);
    return answered(c, sent);
}

enum conn_next routes_handle(struct conn *c)
{
    const struct request *r = &c->intake->request;
    unsigned status = method_status(r->method);

    begin_timing(c);
    if (status == 0)
        status = r->path_status;
    if (status != 0)
        return answered(c, send_error(c, status, false, "none"));
    return lookup(c);
}
