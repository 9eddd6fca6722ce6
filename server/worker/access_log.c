/* SPDX-License-Identifier: MIT */
/* access_log.c - batches lines and writes the batch; see access_log.h. */
#include "server/worker/access_log.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "server/base/check.h"
#include "server/base/fd.h"

enum { FLUSH_AT = ACCESS_LOG_BYTES / 4 };

static void set_time(struct access_log *log, int64_t time_s)
{
    if (log->time_s == time_s && log->time[0] != '\0')
        return;
    if (log->json)
        access_time_json(log->time, time_s);
    else
        access_time_combined(log->time, time_s);
    log->time_s = time_s;
}

/* Pipes and terminals: the same object through a description that does not block, so
 * that the flag is not seen by those who share the one we were given. Anything else: a
 * duplicate. */
static int own_description(int fd, bool is_pipe)
{
    char path[40];
    int own = -1;

    if (is_pipe) {
        snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
        own = open(path, O_WRONLY | O_APPEND | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
    }
    if (own < 0)
        own = fcntl(fd, F_DUPFD_CLOEXEC, 3);
    return own < 0 ? -errno : own;
}

int access_log_open(struct access_log *log, int fd)
{
    struct stat st;
    int own;

    memset(log, 0, sizeof *log);
    log->fd = -1;
    if (fd < 0)
        return 0;
    if (fstat(fd, &st) < 0)
        return -errno;
    log->is_pipe = !S_ISREG(st.st_mode);
    log->bytes = malloc(ACCESS_LOG_BYTES);
    if (log->bytes == NULL)
        return -ENOMEM;
    own = own_description(fd, log->is_pipe);
    if (own < 0) {
        access_log_close(log);
        return own;
    }
    log->fd = own;
    return 0;
}

int access_log_reopen(struct access_log *log, int fd, uint64_t *dropped)
{
    struct stat st;
    int own;

    access_log_flush(log, dropped);
    if (fstat(fd, &st) < 0)
        return -errno;
    own = own_description(fd, !S_ISREG(st.st_mode));
    if (own < 0)
        return own;
    log->is_pipe = !S_ISREG(st.st_mode);
    log->torn = false;
    fd_close(&log->fd);
    log->fd = own;
    return 0;
}

void access_log_close(struct access_log *log)
{
    fd_close(&log->fd);
    free(log->bytes);
    log->bytes = NULL;
    log->len = 0;
}

/* Bytes of the next piece: all of it, or the whole lines that a pipe takes in one
 * piece. */
static size_t next_piece(const struct access_log *log, const char *from, size_t n)
{
    const char *last;

    if (!log->is_pipe || n <= PIPE_BUF)
        return n;
    last = memrchr(from, '\n', PIPE_BUF);
    CHECK(last != NULL);
    return (size_t)(last - from) + 1;
}

static uint64_t count_lines(const char *from, size_t n)
{
    uint64_t lines = 0;

    for (const char *end = from + n; from < end; lines++) {
        from = memchr(from, '\n', (size_t)(end - from));
        if (from == NULL)
            break;
        from++;
    }
    return lines;
}

/* 0, or -1 when the rest of the batch has to be dropped. A write that stops in the
 * middle is continued once: on a full disk that fails, and the next batch begins with a
 * line end. */
static int write_piece(struct access_log *log, const char *from, size_t n,
                       size_t *ret_written)
{
    size_t at = 0;

    while (at < n) {
        ssize_t got = write(log->fd, from + at, n - at);

        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0) {
            log->err = got < 0 ? -errno : -EIO;
            break;
        }
        at += (size_t)got;
    }
    *ret_written = at;
    log->torn = at > 0 ? from[at - 1] != '\n' : log->torn;
    return at == n ? 0 : -1;
}

void access_log_flush(struct access_log *log, uint64_t *dropped)
{
    size_t at = 0, written = 0;

    if (log->len == 0)
        return;
    if (log->torn && write_piece(log, "\n", 1, &written) < 0) {
        *dropped += log->lines;
        log->len = 0;
        log->lines = 0;
        return;
    }
    while (at < log->len) {
        size_t n = next_piece(log, log->bytes + at, log->len - at);

        if (write_piece(log, log->bytes + at, n, &written) < 0) {
            at += written;
            *dropped += count_lines(log->bytes + at, log->len - at);
            break;
        }
        at += n;
    }
    log->len = 0;
    log->lines = 0;
}

void access_log_add(struct access_log *log, const struct access_line *line,
                    uint64_t *dropped)
{
    CHECK(access_log_is_on(log));
    if (log->len + ACCESS_LINE_MAX > ACCESS_LOG_BYTES)
        access_log_flush(log, dropped);
    set_time(log, line->time_s);
    if (log->json)
        log->len += access_line_json(log->bytes + log->len, line, log->time);
    else
        log->len += access_line_combined(log->bytes + log->len, line, log->time);
    log->lines++;
    if (log->len >= FLUSH_AT)
        access_log_flush(log, dropped);
}
