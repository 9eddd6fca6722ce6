/* SPDX-License-Identifier: MIT */
/* intake.c - a pool of input buffers with their parsers; see intake.h. */
#include "server/worker/intake.h"

#include <stdlib.h>
#include <string.h>

#include "server/base/check.h"

void intake_pool_init(struct intake_pool *pool, const struct request_limits *limits)
{
    list_init(&pool->spare);
    pool->count = 0;
    pool->limits = *limits;
    pool->head_max = request_head_max(limits);
}

static void destroy(struct intake *in)
{
    request_free(&in->request);
    free(in->bytes);
    free(in);
}

void intake_pool_free(struct intake_pool *pool)
{
    list_each_safe (it, &pool->spare) {
        list_remove(it);
        destroy(list_entry(it, struct intake, link));
    }
    pool->count = 0;
}

static struct intake *make(const struct intake_pool *pool)
{
    struct intake *in = calloc(1, sizeof *in);

    if (in == NULL)
        return NULL;
    in->bytes = malloc(INTAKE_BYTES);
    if (in->bytes == NULL) {
        free(in);
        return NULL;
    }
    in->cap = INTAKE_BYTES;
    list_init(&in->link);
    send_init(&in->out);
    request_init(&in->request, &pool->limits);
    return in;
}

struct intake *intake_take(struct intake_pool *pool)
{
    struct list *link = list_first(&pool->spare);

    if (link == NULL)
        return make(pool);
    list_remove(link);
    pool->count--;
    return list_entry(link, struct intake, link);
}

void intake_give(struct intake_pool *pool, struct intake *in, bool dirty)
{
    CHECK(!list_linked(&in->link));
    if (pool->count >= INTAKE_SPARE_MAX || in->cap > INTAKE_BYTES) {
        destroy(in);
        return;
    }
    if (dirty) {
        request_free(&in->request);
        request_init(&in->request, &pool->limits);
    }
    in->fed = false;
    in->id = SPAN("");
    in->cache = NULL;
    in->held = in->at = in->len = 0;
    list_push_front(&pool->spare, &in->link); /* the warmest is taken first */
    pool->count++;
}

static void compact(struct intake *in)
{
    size_t n = intake_left(in);

    if (in->at == in->held)
        return;
    memmove(in->bytes + in->held, in->bytes + in->at, n);
    in->at = in->held;
    in->len = in->held + n;
}

char *intake_room(struct intake_pool *pool, struct intake *in, size_t *ret_room)
{
    const size_t most = pool->head_max + INTAKE_BODY_ROOM;
    size_t end = in->held > 0 ? in->cap : in->cap - INTAKE_BODY_ROOM;

    if (in->at == in->len || in->len >= end)
        compact(in);
    if (in->len >= end && in->held == 0 && in->cap < most) {
        char *more = realloc(in->bytes, most);

        if (more == NULL)
            return NULL;
        in->bytes = more;
        in->cap = most;
        end = most - INTAKE_BODY_ROOM;
    }
    if (in->len >= end)
        return NULL;
    *ret_room = end - in->len;
    return in->bytes + in->len;
}

void intake_hold(struct intake *in)
{
    in->held = in->at;
}

void intake_next(struct intake *in)
{
    request_next(&in->request);
    in->id = SPAN("");
    in->cache = NULL;
    in->fed = false;
    in->held = 0;
    if (in->at == in->len)
        in->at = in->len = 0;
}
