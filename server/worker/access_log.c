/* SPDX-License-Identifier: MIT */
/* access_log.c - formats lines, batches them, writes the batch; see access_log.h. */
#include "server/worker/access_log.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "server/base/check.h"
#include "server/base/fd.h"
#include "server/worker/acceptor.h"

/* Bytes of a line that each part may have, escapes included. Together with the address
 * (46), the time (28), numbers (23) and punctuation they stay below ACCESS_LINE_MAX. */
enum { REQUEST_MAX = 2048, REFERER_MAX = 1024, AGENT_MAX = 640 };
enum { FLUSH_AT = ACCESS_LOG_BYTES / 4 };

_Static_assert(REQUEST_MAX + REFERER_MAX + AGENT_MAX + 128 < ACCESS_LINE_MAX,
               "a line fits");
_Static_assert(ACCESS_LINE_MAX <= PIPE_BUF, "a line fits a pipe");

static char *put(char *to, const char *bytes, size_t n)
{
    memcpy(to, bytes, n);
    return to + n;
}

static bool is_plain(unsigned char byte)
{
    return byte >= 0x20 && byte < 0x7f && byte != '"' && byte != '\\';
}

/* Control bytes, quotes, backslashes and everything that is not ASCII become \xHH. */
static char *put_escaped(char *to, struct span s, size_t max)
{
    static const char hex[] = "0123456789ABCDEF";
    char *end = to + max;

    for (size_t i = 0; i < s.n; i++) {
        unsigned char byte = (unsigned char)s.p[i];

        if (is_plain(byte)) {
            if (to == end)
                break;
            *to++ = (char)byte;
        } else {
            if (end - to < 4)
                break;
            to = put(to, "\\x", 2);
            *to++ = hex[byte >> 4];
            *to++ = hex[byte & 15];
        }
    }
    return to;
}

static char *put_or_dash(char *to, struct span s, size_t max)
{
    return s.n == 0 ? put(to, "-", 1) : put_escaped(to, s, max);
}

static char *put_number(char *to, uint64_t value)
{
    char digits[20];
    size_t n = 0;

    do {
        digits[n++] = (char)('0' + value % 10);
        value /= 10;
    } while (value > 0);
    while (n > 0)
        *to++ = digits[--n];
    return to;
}

static char *put_address(char *to, const struct peer *peer)
{
    const void *at = peer->at.any.sa_family == AF_INET6
                         ? (const void *)&peer->at.in6.sin6_addr
                         : (const void *)&peer->at.in.sin_addr;

    if (inet_ntop(peer->at.any.sa_family, at, to, INET6_ADDRSTRLEN) == NULL)
        return put(to, "-", 1);
    return to + strlen(to);
}

size_t access_line_format(char out[ACCESS_LINE_MAX], const struct access_line *line,
                          const char *when)
{
    char *to = put_address(out, line->peer);

    to = put(to, " - - [", 6);
    to = put(to, when, strlen(when));
    to = put(to, "] \"", 3);
    to = put_or_dash(to, line->request, REQUEST_MAX);
    to = put(to, "\" ", 2);
    to = put_number(to, line->status);
    to = put(to, " ", 1);
    to = put_number(to, line->bytes);
    to = put(to, " \"", 2);
    to = put_or_dash(to, line->referer, REFERER_MAX);
    to = put(to, "\" \"", 3);
    to = put_or_dash(to, line->user_agent, AGENT_MAX);
    to = put(to, "\"\n", 2);
    CHECK(to - out <= ACCESS_LINE_MAX);
    return (size_t)(to - out);
}

static void set_time(struct access_log *log, int64_t time_s)
{
    const time_t t = (time_t)time_s;
    struct tm tm;

    if (log->time_s == time_s && log->time[0] != '\0')
        return;
    gmtime_r(&t, &tm);
    strftime(log->time, sizeof log->time, "%d/%b/%Y:%H:%M:%S +0000", &tm);
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
    log->len += access_line_format(log->bytes + log->len, line, log->time);
    log->lines++;
    if (log->len >= FLUSH_AT)
        access_log_flush(log, dropped);
}
