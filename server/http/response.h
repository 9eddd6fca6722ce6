/* SPDX-License-Identifier: MIT */
/* response.h - the bytes of a response head.
 *
 * A head is kept ready-made, without what changes: status line and fields, each with
 * its line end, but no Date, no Connection and no empty line. A tail (one of three per
 * second, kept ready as well) ends it:  head | tail | body.
 */
#ifndef COWSHED_RESPONSE_H
#define COWSHED_RESPONSE_H

#include <stddef.h>
#include <stdbool.h>
#include <stdint.h>

#include "server/base/span.h"
#include "server/http/date.h"
#include "server/http/range.h"

/* Room that suffices for any head whose variable spans are, together, at most
 * RESPONSE_HEAD_MAX - 512 bytes. */
enum { RESPONSE_HEAD_MAX = 1024 };

/* What a response says of what it represents. Empty spans and 0 are left out. */
struct response_meta {
    unsigned status;
    struct span type;     /* Content-Type */
    struct span etag;     /* with its quotes */
    int64_t mtime_s;      /* Last-Modified; 0: none */
    uint64_t length;      /* Content-Length: of the whole representation */
    bool ranges;          /* Accept-Ranges: bytes */
    struct range part;    /* status 206: the part that is sent */
    struct span location; /* 301 */
    struct span more;     /* further fields, each with its line end */
};

struct response_head {
    size_t n;                         /* bytes written */
    struct span type, etag, location; /* the values, inside the bytes written */
};

/* "Not Found"; "Unknown" for what the table does not hold. */
const char *response_reason(unsigned status);

/* Writes the head. 206: Content-Range, and the length of the part; 304: without length
 * and type. 0 or -ENOBUFS. */
int response_format(char *to, size_t room, const struct response_meta *,
                    struct response_head *ret_head);

/* A whole error response in memory of the caller's; spans point into `bytes`. */
struct response_error {
    char bytes[RESPONSE_HEAD_MAX];
    struct span head, body;
};
/* `more`: further fields, each with its line end, at most 256 bytes (else left out);
 * 405 brings its Allow and 503 its Retry-After along. For HEAD send the head alone. */
void response_error(unsigned status, struct span more, struct response_error *ret);

enum response_connection {
    RESPONSE_KEEP,    /* HTTP/1.1 goes on: nothing to say */
    RESPONSE_KEEP_10, /* HTTP/1.0 that asked for keep-alive */
    RESPONSE_CLOSE,
    RESPONSE_CONNECTION_N
};
/* What a request gets: `last` when the server wants to close whatever the client asks.
 */
enum response_connection response_connection(unsigned minor, bool keep_alive,
                                             bool last);

/* The tails of the current second. Zero it, use it from one thread. */
struct response_clock {
    int64_t s;
    struct {
        char bytes[96];
        size_t n;
    } tail[RESPONSE_CONNECTION_N];
};
/* "Date: ...\r\n[Connection: ...\r\n]\r\n"; good until the next call with another
 * second. */
struct span response_tail(struct response_clock *, int64_t now_s,
                          enum response_connection);

#define RESPONSE_CONTINUE "HTTP/1.1 100 Continue\r\n\r\n"

/* "xxx-yyy" in hex, quoted, from modification time and size: the same on every machine
 * that holds the same file. Writes at most RESPONSE_ETAG_MAX bytes. */
enum { RESPONSE_ETAG_MAX = 40 };
struct span response_etag(char to[RESPONSE_ETAG_MAX], int64_t mtime_ns, uint64_t size);

/* Server-Timing, one line with its end, as DESIGN calls its parts:
 *   w;desc="slot.generation", q;dur=ms, gc;dur=ms, cow;desc="faults", app;dur=ms,
 * cache;desc=hit */
struct response_timing {
    unsigned slot;
    uint32_t generation;
    uint64_t queue_ns; /* from readable to the start of work */
    uint64_t gc_ns;    /* collector pauses while the request was there */
    uint64_t faults;   /* minor faults of the thread while the request was there */
    uint64_t app_ns;   /* work on the request until the first byte was written */
    const char *cache; /* a token: hit, miss; none when it was not asked */
};
enum { RESPONSE_TIMING_MAX = 256 };
size_t response_timing(char to[RESPONSE_TIMING_MAX], const struct response_timing *);

#endif
