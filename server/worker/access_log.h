/* SPDX-License-Identifier: MIT */
/* access_log.h - one line per request (access_line.h), written in batches.
 *
 * A batch is whole lines in one write(). It never makes the loop wait: pipes and
 * terminals are written through a non-blocking description of our own, and lines that
 * cannot be written (disk full, reader too slow) are dropped and counted.
 */
#ifndef COWSHED_WORKER_ACCESS_LOG_H
#define COWSHED_WORKER_ACCESS_LOG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "server/worker/access_line.h"

enum { ACCESS_LOG_BYTES = 64 * 1024 };

struct access_log {
    int fd;       /* -1: off. Ours */
    bool json;    /* else combined; set by the owner */
    bool is_pipe; /* at most PIPE_BUF in one write */
    bool torn;    /* the last write ended in the middle of a line */
    char *bytes;  /* ACCESS_LOG_BYTES, while on */
    size_t len;
    uint64_t lines; /* in bytes[] */
    int err;        /* negative errno of the last write that failed */
    int64_t time_s; /* what time[] says */
    char time[ACCESS_TIME_MAX];
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

#endif
