/* SPDX-License-Identifier: MIT */
/* buf.c - memory grows by doubling, the content slides to the front before it grows. */
#include "server/base/buf.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "server/base/check.h"

enum { CAP_MIN = 256 };

void buf_init(struct buf *b, size_t limit)
{
    *b = (struct buf){ .limit = limit };
}

void buf_free(struct buf *b)
{
    free(b->mem);
    buf_init(b, b->limit);
}

static int grow(struct buf *b, size_t need)
{
    size_t cap = b->cap < CAP_MIN ? CAP_MIN : b->cap;

    while (cap < need)
        cap = cap > SIZE_MAX / 2 ? need : cap * 2;
    if (cap > b->limit && b->limit >= need)
        cap = b->limit;
    char *mem = realloc(b->mem, cap);
    if (mem == NULL)
        return -ENOMEM;
    b->mem = mem;
    b->cap = cap;
    return 0;
}

int buf_reserve(struct buf *b, size_t n, char **ret_room)
{
    CHECK(b->len <= b->limit);
    CHECK(b->at + b->len <= b->cap);
    if (n > b->limit - b->len)
        return -ENOBUFS;
    if (n > b->cap - b->at - b->len && b->at > 0) {
        memmove(b->mem, b->mem + b->at, b->len);
        b->at = 0;
    }
    if (b->mem == NULL || n > b->cap - b->at - b->len) {
        int err = grow(b, b->len + n);

        if (err != 0)
            return err;
    }
    *ret_room = b->mem + b->at + b->len;
    return 0;
}

void buf_commit(struct buf *b, size_t n)
{
    CHECK(n <= b->cap - b->at - b->len);
    CHECK(n <= b->limit - b->len);
    b->len += n;
}

int buf_append(struct buf *b, const void *p, size_t n)
{
    char *room;
    int err = buf_reserve(b, n, &room);

    if (err != 0)
        return err;
    if (n > 0)
        memcpy(room, p, n);
    buf_commit(b, n);
    return 0;
}

int buf_append_span(struct buf *b, struct span s)
{
    return buf_append(b, s.p, s.n);
}

int buf_append_str(struct buf *b, const char *cstr)
{
    return buf_append(b, cstr, strlen(cstr));
}

int buf_vprintf(struct buf *b, const char *fmt, va_list ap)
{
    char small[256];
    va_list again;

    va_copy(again, ap);
    int n = vsnprintf(small, sizeof small, fmt, ap);
    int err = n < 0 ? -EINVAL : 0;
    if (err == 0 && (size_t)n < sizeof small) {
        err = buf_append(b, small, (size_t)n);
    } else if (err == 0 && (size_t)n > buf_room(b)) {
        err = -ENOBUFS;
    } else if (err == 0) {
        char *text = malloc((size_t)n + 1);

        if (text != NULL)
            vsnprintf(text, (size_t)n + 1, fmt, again);
        err = text != NULL ? buf_append(b, text, (size_t)n) : -ENOMEM;
        free(text);
    }
    va_end(again);
    return err;
}

int buf_printf(struct buf *b, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    int err = buf_vprintf(b, fmt, ap);
    va_end(ap);
    return err;
}

void buf_consume(struct buf *b, size_t n)
{
    CHECK(n <= b->len);
    b->at += n;
    b->len -= n;
    if (b->len == 0)
        b->at = 0;
}

void buf_clear(struct buf *b)
{
    buf_consume(b, b->len);
}

void buf_release(struct buf *b)
{
    if (b->len == 0)
        buf_free(b);
}
