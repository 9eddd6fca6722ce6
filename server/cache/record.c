/* SPDX-License-Identifier: MIT */
/* record.c - a record as one run of bytes.
 *
 *   struct wire | key | head | body
 *
 * without padding between, in the integers of this machine: both sides are processes of
 * one server.
 *
 * record_decode() copies the header before it looks at it, so that a writer who changes
 * it in the meantime cannot change a length that was already checked.
 */
#include "server/cache/record.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>

#include "server/base/check.h"

enum { WIRE_MAGIC = 0x31525743, STATUS_MIN = 200, STATUS_MAX = 599 };

static const uint16_t known_flags = RECORD_FILE;

/* Written whole: `zero` is where the compiler would pad. */
struct wire {
    uint32_t magic;
    uint16_t status;
    uint16_t flags;
    uint32_t key_n;
    uint32_t head_n;
    uint64_t body_n;
    uint16_t type_at, type_n;
    uint16_t etag_at, etag_n;
    int64_t mtime_s;
    int64_t mtime_ns;
    uint64_t file_id;
    uint64_t purge_seq;
    uint32_t source, zero;
};

_Static_assert(sizeof(struct wire) == 72, "no padding");
_Static_assert(RECORD_HEAD_MAX <= UINT16_MAX, "offsets inside the head fit 16 bits");

static bool inside(struct span inner, struct span outer)
{
    return inner.n == 0 || (inner.p >= outer.p && inner.n <= outer.n &&
                            (size_t)(inner.p - outer.p) <= outer.n - inner.n);
}

int record_check(const struct cache_record *r, size_t body_max)
{
    if (r->key.n == 0 || r->key.n > RECORD_KEY_MAX || r->head.n > RECORD_HEAD_MAX)
        return -EBADMSG;
    if (r->status < STATUS_MIN || r->status > STATUS_MAX || (r->flags & ~known_flags))
        return -EBADMSG;
    if (r->body.n > body_max)
        return -EBADMSG;
    if (!inside(r->type, r->head) || !inside(r->etag, r->head))
        return -EBADMSG;
    return 0;
}

size_t record_encoded_size(const struct cache_record *r)
{
    return sizeof(struct wire) + r->key.n + r->head.n + r->body.n;
}

static uint16_t offset_in(struct span inner, struct span outer)
{
    return inner.n == 0 ? 0 : (uint16_t)(inner.p - outer.p);
}

static unsigned char *put(unsigned char *to, struct span s)
{
    if (s.n != 0)
        memcpy(to, s.p, s.n);
    return to + s.n;
}

void record_encode(const struct cache_record *r, void *to)
{
    struct wire w = {
        .magic = WIRE_MAGIC,
        .status = r->status,
        .flags = r->flags,
        .key_n = (uint32_t)r->key.n,
        .head_n = (uint32_t)r->head.n,
        .body_n = r->body.n,
        .type_at = offset_in(r->type, r->head),
        .type_n = (uint16_t)r->type.n,
        .etag_at = offset_in(r->etag, r->head),
        .etag_n = (uint16_t)r->etag.n,
        .mtime_s = r->mtime_s,
        .mtime_ns = r->mtime_ns,
        .file_id = r->file_id,
        .purge_seq = r->purge_seq,
        .source = r->source,
    };
    unsigned char *at = to;

    CHECK(record_check(r, SIZE_MAX) == 0);
    memcpy(at, &w, sizeof w);
    at = put(at + sizeof w, r->key);
    at = put(at, r->head);
    put(at, r->body);
}

int record_decode(const void *from, size_t n, size_t body_max, struct cache_record *ret)
{
    const char *at = from;
    struct wire w;
    struct cache_record r;

    if (n < sizeof w)
        return -EBADMSG;
    memcpy(&w, from, sizeof w);
    at += sizeof w;
    n -= sizeof w;
    if (w.magic != WIRE_MAGIC || w.key_n > n || w.head_n > n - w.key_n ||
        w.body_n != n - w.key_n - w.head_n)
        return -EBADMSG;
    if ((size_t)w.type_at + w.type_n > w.head_n ||
        (size_t)w.etag_at + w.etag_n > w.head_n)
        return -EBADMSG;
    r = (struct cache_record){
        .key = { at, w.key_n },
        .head = { at + w.key_n, w.head_n },
        .body = { at + w.key_n + w.head_n, (size_t)w.body_n },
        .status = w.status,
        .flags = w.flags,
        .type = { at + w.key_n + w.type_at, w.type_n },
        .etag = { at + w.key_n + w.etag_at, w.etag_n },
        .mtime_s = w.mtime_s,
        .mtime_ns = w.mtime_ns,
        .file_id = w.file_id,
        .purge_seq = w.purge_seq,
        .source = w.source,
    };
    if (record_check(&r, body_max) != 0)
        return -EBADMSG;
    *ret = r;
    return 0;
}
