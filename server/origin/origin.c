/* SPDX-License-Identifier: MIT */
/* origin.c - results, and the way to the origin that was chosen. */
#include "server/origin/origin.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "server/base/check.h"
#include "server/base/fd.h"
#include "server/base/hash.h"
#include "server/origin/impl.h"

enum { HEAD_FIXED = 512 }; /* all of a head but the spans of its meta */

void origin_result_error(struct origin_result *r, unsigned status, const char *why)
{
    *r = (struct origin_result){ .status = status, .fd = -1, .why = why };
}

int origin_result_head(struct origin_result *r, const struct response_meta *meta)
{
    size_t room =
        HEAD_FIXED + meta->type.n + meta->etag.n + meta->location.n + meta->more.n;
    struct response_head head;

    char *mem = malloc(room);
    if (mem == NULL) {
        return -ENOMEM;
    }
    int rc = response_format(mem, room, meta, &head);
    CHECK(rc == 0);
    r->status = meta->status;
    r->head_mem = mem;
    r->head = (struct span){ mem, head.n };
    r->type = head.type;
    r->etag = head.etag;
    r->location = head.location;
    r->mtime_s = meta->mtime_s;
    r->length = meta->length;
    return 0;
}

void origin_result_free(struct origin_result *r)
{
    free(r->head_mem);
    free(r->body);
    fd_close(&r->fd);
    *r = (struct origin_result){ .fd = -1 };
}

struct origin_result origin_result_take(struct origin_result *from)
{
    struct origin_result taken = *from;
    *from = (struct origin_result){ .fd = -1 };
    return taken;
}

enum origin_progress origin_fetch(struct origin *origin, struct event_base *base,
                                  struct span path, origin_done_fn *done, void *arg,
                                  struct origin_result *ret_result,
                                  struct origin_fetch **ret_fetch)
{
    return origin->ops->fetch(origin, base, path, done, arg, ret_result, ret_fetch);
}

void origin_cancel(struct origin_fetch *fetch)
{
    if (fetch != NULL) {
        fetch->cancel(fetch);
    }
}

bool origin_unchanged(struct origin *origin, struct span path,
                      const struct origin_stamp *stamp)
{
    return origin->ops->unchanged(origin, path, stamp);
}

bool origin_spare(struct origin *origin, bool spare)
{
    if (origin->ops->spare != NULL) {
        origin->ops->spare(origin, spare);
        return true;
    }
    return !spare;
}

uint32_t origin_source_of(const char *kind, const void *what, size_t n)
{
    static const struct hash_key key = { 0 }; /* the same in each process */
    uint64_t of_kind = hash_sip13(&key, kind, strlen(kind));
    uint64_t hash = of_kind ^ hash_sip13(&key, what, n);

    return (uint32_t)(hash ^ hash >> 32);
}

uint32_t origin_source(const struct origin *origin)
{
    return origin->source;
}

void origin_free(struct origin *origin)
{
    if (origin != NULL) {
        origin->ops->free(origin);
    }
}
