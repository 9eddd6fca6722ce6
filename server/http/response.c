/* SPDX-License-Identifier: MIT */
/* response.c - see response.h. Everything is written through a `struct out`, which
 * notes when there was no room, so that each writer can go on and one test at the end
 * suffices. */
#include "server/http/response.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "server/base/check.h"
#include "server/http/request.h"

enum { MORE_MAX = 256 }; /* as response_error() promises */

static const struct status {
    unsigned code;
    const char *reason, *fields;
} statuses[] = {
#define STATUS(code, reason, fields) { code, reason, fields },
#include "server/http/statuses.def"
#undef STATUS
};

struct out {
    char *p;
    size_t n, room;
    bool full;
};

static void put(struct out *o, struct span s)
{
    if (s.n > o->room - o->n) {
        o->full = true;
    } else if (s.n > 0) {
        memcpy(o->p + o->n, s.p, s.n);
        o->n += s.n;
    }
}

static void put_str(struct out *o, const char *cstr)
{
    put(o, span_of(cstr));
}

static void put_number(struct out *o, uint64_t v)
{
    char digits[20];
    size_t at = sizeof digits;

    do {
        digits[--at] = (char)('0' + v % 10);
        v /= 10;
    } while (v > 0);
    put(o, (struct span){ digits + at, sizeof digits - at });
}

static void put_hex(struct out *o, uint64_t v)
{
    char digits[16];
    size_t at = sizeof digits;

    do {
        digits[--at] = "0123456789abcdef"[v & 15];
        v >>= 4;
    } while (v > 0);
    put(o, (struct span){ digits + at, sizeof digits - at });
}

/* "Name: value\r\n" unless the value is empty; where the value now lies. */
static struct span put_field(struct out *o, const char *name, struct span value)
{
    if (value.n == 0) {
        return (struct span){ o->p, 0 };
    }
    put_str(o, name);
    put(o, value);
    struct span at = { o->p + o->n - value.n, value.n };
    put_str(o, "\r\n");
    return at;
}

static const struct status *find_status(unsigned code)
{
    for (size_t i = 0; i < sizeof statuses / sizeof statuses[0]; i++) {
        if (statuses[i].code == code) {
            return &statuses[i];
        }
    }
    return NULL;
}

const char *response_reason(unsigned status)
{
    const struct status *s = find_status(status);
    return s != NULL ? s->reason : "Unknown";
}

static void put_status_line(struct out *o, unsigned status)
{
    put_str(o, "HTTP/1.1 ");
    put_number(o, status);
    put_str(o, " ");
    put_str(o, response_reason(status));
    put_str(o, "\r\nServer: cowshed\r\n");
}

/* Which part of it is sent, and how many bytes follow. */
static void put_length(struct out *o, const struct response_meta *m)
{
    uint64_t length = m->length;

    if (m->status == 206) {
        length = m->part.length;
        put_str(o, "Content-Range: bytes ");
        put_number(o, m->part.first);
        put_str(o, "-");
        put_number(o, m->part.first + length - 1);
    } else if (m->status == 416) {
        length = 0;
        put_str(o, "Content-Range: bytes *");
    }
    if (m->status == 206 || m->status == 416) {
        put_str(o, "/");
        put_number(o, m->length);
        put_str(o, "\r\n");
    }
    put_str(o, "Content-Length: ");
    put_number(o, length);
    put_str(o, "\r\n");
}

int response_format(char *to, size_t room, const struct response_meta *m,
                    struct response_head *ret_head)
{
    struct out o = { to, 0, room, false };
    struct response_head head = { 0 };
    char date[DATE_LEN];

    CHECK(m->status != 206 || (m->part.length > 0 && m->part.length <= m->length &&
                               m->part.first <= m->length - m->part.length));
    put_status_line(&o, m->status);
    if (m->status != 304) {
        struct span type = m->status == 416 ? (struct span){ 0 } : m->type;
        head.type = put_field(&o, "Content-Type: ", type);
        put_length(&o, m);
    }
    if (m->mtime_s != 0) {
        date_format(date, m->mtime_s);
        put_field(&o, "Last-Modified: ", (struct span){ date, sizeof date });
    }
    head.etag = put_field(&o, "ETag: ", m->etag);
    if (m->ranges && m->status != 304) {
        put_str(&o, "Accept-Ranges: bytes\r\n");
    }
    head.location = put_field(&o, "Location: ", m->location);
    put(&o, m->more);
    if (o.full) {
        return -ENOBUFS;
    }
    head.n = o.n;
    *ret_head = head;
    return 0;
}

static void put_page(struct out *o, unsigned status)
{
    put_str(o, "<!doctype html>\n<title>");
    put_number(o, status);
    put_str(o, " ");
    put_str(o, response_reason(status));
    put_str(o, "</title>\n<h1>");
    put_number(o, status);
    put_str(o, " ");
    put_str(o, response_reason(status));
    put_str(o, "</h1>\n");
}

void response_error(unsigned status, struct span more, struct response_error *ret)
{
    const struct status *s = find_status(status);
    char page[RESPONSE_HEAD_MAX / 2];
    struct out body = { page, 0, sizeof page, false };
    struct out o = { ret->bytes, 0, sizeof ret->bytes, false };

    put_page(&body, status);
    put_status_line(&o, status);
    put_str(&o, "Content-Type: text/html; charset=utf-8\r\nContent-Length: ");
    put_number(&o, body.n);
    put_str(&o, "\r\n");
    if (s != NULL) {
        put_str(&o, s->fields);
    }
    if (more.n <= MORE_MAX) {
        put(&o, more);
    }
    ret->head = (struct span){ ret->bytes, o.n };
    put(&o, (struct span){ page, body.n });
    ret->body = (struct span){ ret->bytes + ret->head.n, body.n };
    CHECK(!o.full && !body.full);
}

enum response_connection response_connection(unsigned minor, bool keep_alive, bool last)
{
    if (last || !keep_alive) {
        return RESPONSE_CLOSE;
    }
    return minor == 0 ? RESPONSE_KEEP_10 : RESPONSE_KEEP;
}

struct span response_tail(struct response_clock *clock, int64_t now_s,
                          enum response_connection how)
{
    static const char *const fields[] = {
        [RESPONSE_KEEP] = "",
        [RESPONSE_KEEP_10] = "Connection: keep-alive\r\n",
        [RESPONSE_CLOSE] = "Connection: close\r\n",
    };

    if (clock->s != now_s || clock->tail[how].n == 0) {
        char date[DATE_LEN];
        date_format(date, now_s);
        for (int i = 0; i < RESPONSE_CONNECTION_N; i++) {
            struct out o = { clock->tail[i].bytes, 0, sizeof clock->tail[i].bytes,
                             false };
            put_field(&o, "Date: ", (struct span){ date, sizeof date });
            put_str(&o, fields[i]);
            put_str(&o, "\r\n");
            CHECK(!o.full);
            clock->tail[i].n = o.n;
        }
        clock->s = now_s;
    }
    return (struct span){ clock->tail[how].bytes, clock->tail[how].n };
}

struct span response_etag(char to[RESPONSE_ETAG_MAX], int64_t mtime_ns, uint64_t size)
{
    struct out o = { to, 0, RESPONSE_ETAG_MAX, false };

    put_str(&o, "\"");
    put_hex(&o, (uint64_t)mtime_ns);
    put_str(&o, "-");
    put_hex(&o, size);
    put_str(&o, "\"");
    CHECK(!o.full);
    return (struct span){ to, o.n };
}

/* "name;dur=1.234": milliseconds with three digits */
static void put_duration(struct out *o, const char *name, uint64_t ns)
{
    uint64_t us = ns / 1000;

    put_str(o, name);
    put_str(o, ";dur=");
    put_number(o, us / 1000);
    put(o, (struct span){ (char[]){ '.', (char)('0' + us / 100 % 10),
                                    (char)('0' + us / 10 % 10), (char)('0' + us % 10) },
                          4 });
    put_str(o, ", ");
}

size_t response_timing(char to[RESPONSE_TIMING_MAX], const struct response_timing *t)
{
    struct out o = { to, 0, RESPONSE_TIMING_MAX, false };

    put_str(&o, "Server-Timing: w;desc=\"");
    put_number(&o, t->slot);
    put_str(&o, ".");
    put_number(&o, t->generation);
    put_str(&o, "\", ");
    put_duration(&o, "q", t->queue_ns);
    put_duration(&o, "gc", t->gc_ns);
    put_str(&o, "cow;desc=\"");
    put_number(&o, t->faults);
    put_str(&o, "\", ");
    put_duration(&o, "app", t->app_ns);
    put_str(&o, "cache;desc=");
    put_str(&o, t->cache);
    put_str(&o, "\r\n");
    CHECK(!o.full);
    return o.n;
}
