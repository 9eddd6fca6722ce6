/* SPDX-License-Identifier: MIT */
/* access_line.h - a request as a line of the access log. Pure.
 *
 *   10.0.0.1 - - [10/Oct/2026:13:55:36 +0000] "GET /a HTTP/1.1" 200 2326 "-" "curl/8"
 *   {"time":"2026-10-10T13:55:36.123Z","client":"10.0.0.1","method":"GET", ...}
 *
 * What a client sent is escaped, and cut so that a line fits the PIPE_BUF bytes that a
 * pipe takes in one piece: a line is never torn, and a line of JSON always parses.
 */
#ifndef COWSHED_WORKER_ACCESS_LINE_H
#define COWSHED_WORKER_ACCESS_LINE_H

#include <stddef.h>
#include <stdint.h>

#include "server/base/span.h"

struct peer;

enum { ACCESS_LINE_MAX = 4096 };

struct access_line {
    const struct peer *peer;
    struct span request;             /* the request line; empty: it was not read */
    struct span referer, user_agent; /* empty: not sent */
    struct span id;                  /* empty: left out */
    const char *cache;               /* "hit", "miss", "none" */
    unsigned status, slot;
    uint32_t generation;
    uint64_t bytes; /* of the body that was sent */
    uint64_t duration_ns, queue_ns;
    int64_t time_s; /* wall clock */
    unsigned time_ms;
};

/* The line with its end; how many bytes. time: as access_time_*() writes it. */
size_t access_line_combined(char out[ACCESS_LINE_MAX], const struct access_line *,
                            const char *time);
size_t access_line_json(char out[ACCESS_LINE_MAX], const struct access_line *,
                        const char *time);

enum { ACCESS_TIME_MAX = 32 };
/* The second, in UTC. */
void access_time_combined(char out[ACCESS_TIME_MAX], int64_t time_s);
void access_time_json(char out[ACCESS_TIME_MAX], int64_t time_s);

#endif
