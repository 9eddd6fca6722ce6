/* SPDX-License-Identifier: MIT */
/* access_log.h - one line per request in combined format, written in batches.
 *
 *   10.0.0.1 - - [10/Oct/2026:13:55:36 +0000] "GET /a HTTP/1.1" 200 2326 "-" "curl/8"
 *
 * A batch is whole lines in one write(). It never makes the loop wait: pipes and
 * terminals are written through a non-blocking description of our own, and lines that
 * cannot be written (disk full, reader too slow) are dropped and counted. What a client
 * sent is escaped, and cut so that a line fits the PIPE_BUF bytes that a pipe takes in
 * one piece.
 */
#ifndef COWSHED_WORKER_ACCESS_LOG_H
#define COWSHED_WORKER_ACCESS_LOG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "server/base/span.h"

struct peer;

enum { ACCESS_LOG_BYTES = 64 * 1024, ACCESS_LINE_MAX = 4096 };

struct access_log {
    int fd;       /* -1: off. Ours */
    bool is_pipe; /* at most PIPE_BUF in one write */
    bool torn;    /* the last write ended in the middle of a line */
    char *bytes;  /* ACCESS_LOG_BYTES, while on */
    size_t len;
    uint64_t lines; /* in bytes[] */
    int err;        /* negative errno of the last write that failed */
    int64_t time_s; /* what time[] says */
    char time[32];
};

struct access_line {
    const struct peer *peer;
    struct span request;             /* the request line; empty: "-" */
    struct span referer, user_agent; /* empty: "-" */
    unsigned status;
    uint64_t bytes; /* of the body that was sent */
    int64_t time_s; /* wall clock */
};

/* Makes a description of its own for fd (-1: the log is off); the caller's fd stays the
 * caller's. 0 or a negative errno. */
int access_log_open(struct access_log *, int fd);
/* The same, for rotation: the master has opened the file, which a worker may not. Lines
 * not yet written go to the old one. On failure the old file stays in use. */
int access_log_reopen(struct access_log *, int fd, uint64_t *dropped);
void access_log_close(struct access_log *); /* drops what was not flushed */

static inline bool access_log_is_on(const struct access_log *log)
{
    return log->fd >= 0;
}

/* Lines dropped by this call are added to *dropped. */
void access_log_add(struct access_log *, const struct access_line *, uint64_t *dropped);
void access_log_flush(struct access_log *, uint64_t *dropped);

/* The line with its end; how many bytes (at most ACCESS_LINE_MAX). time: as in the log.
 */
size_t access_line_format(char out[ACCESS_LINE_MAX], const struct access_line *,
                          const char *time);

#endif
