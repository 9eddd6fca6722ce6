/* SPDX-License-Identifier: MIT */
/* buf.h - a growable queue of bytes with a hard limit: append behind, consume in front.
 *
 * The owner calls buf_init() and buf_free(); a zeroed struct is an empty buffer with
 * limit 0.  Appending returns 0, -ENOBUFS when the limit would be passed, -ENOMEM
 * when memory is short; the content is unchanged on failure.  Pointers from buf_data()
 * are good until the next call that appends, reserves or consumes.
 */
#ifndef COWSHED_BUF_H
#define COWSHED_BUF_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>

#include "server/base/span.h"

struct buf {
    char *mem;
    size_t at;    /* where the content begins in mem */
    size_t len;   /* bytes of content */
    size_t cap;   /* bytes of mem */
    size_t limit; /* len never exceeds it */
};

void buf_init(struct buf *b, size_t limit);
void buf_free(struct buf *b); /* leaves an empty buffer with the same limit */

static inline struct span buf_span(const struct buf *b)
{
    return (struct span){ b->mem != NULL ? b->mem + b->at : "", b->len };
}

static inline size_t buf_room(const struct buf *b) /* until the limit */
{
    return b->limit - b->len;
}

int buf_append(struct buf *b, const void *p, size_t n);
int buf_append_span(struct buf *b, struct span s);
int buf_append_str(struct buf *b, const char *cstr);
int buf_printf(struct buf *b, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));
int buf_vprintf(struct buf *b, const char *fmt, va_list ap)
    __attribute__((format(printf, 2, 0)));

/* For read(): room for `n` more bytes behind the content in *ret_room; after writing
 * there, buf_commit() makes the first of them content. */
int buf_reserve(struct buf *b, size_t n, char **ret_room);
void buf_commit(struct buf *b, size_t n);

/* Drops the first n bytes, n <= len.  Memory is kept for what comes next. */
void buf_consume(struct buf *b, size_t n);
void buf_clear(struct buf *b);   /* no content, memory kept */
void buf_release(struct buf *b); /* gives memory back when there is no content */

#endif
