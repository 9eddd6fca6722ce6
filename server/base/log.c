/* SPDX-License-Identifier: MIT */
/* log.c - formats one line on the stack and writes it with one call, which never waits.
 */
#include "server/base/log.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "server/base/errno_text.h"

/* Written by log_open(), which runs before there are threads or when the log is
 * reopened; a line that is being written meanwhile goes to the old or the new place. */
static _Atomic int log_level = LOG_INFO;
static _Atomic int log_fd = STDERR_FILENO;
static _Atomic bool is_socket;
static _Atomic unsigned lost; /* lines, since the last one that got out */

static _Thread_local struct {
    const char *name;
    int slot;
} role = { "main", -1 };

static const char *const level_names[] = { "debug", "info", "warn", "err", "fatal" };

void log_open(enum log_level level, int fd)
{
    struct stat st;

    atomic_store(&is_socket, fstat(fd, &st) == 0 && S_ISSOCK(st.st_mode));
    atomic_store(&log_level, (int)level);
    atomic_store(&log_fd, fd);
}

/* A description of our own: the flag would be seen by all who share the one that we
 * were given, a terminal's shell for one. A socket cannot be opened that way, and needs
 * no flag: see put(). */
int log_unblock_stderr(void)
{
    struct stat st;
    int fd, rc = 0;

    if (fstat(STDERR_FILENO, &st) < 0)
        return -errno;
    if (!S_ISFIFO(st.st_mode) && !S_ISCHR(st.st_mode))
        return 0;
    fd = open("/proc/self/fd/2",
              O_WRONLY | O_APPEND | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
    if (fd < 0)
        return -errno;
    if (dup2(fd, STDERR_FILENO) < 0)
        rc = -errno;
    close(fd);
    return rc;
}

void log_forget_lost(void)
{
    atomic_store(&lost, 0);
}

void log_set_role(const char *name, int slot)
{
    role.name = name;
    role.slot = slot;
}

bool log_enabled(enum log_level level)
{
    return (int)level >= atomic_load_explicit(&log_level, memory_order_relaxed);
}

/* Appends `text` escaped; keeps four bytes free for "..." and the newline. */
static size_t put_escaped(char *line, size_t at, const char *text)
{
    const size_t end = LOG_LINE_MAX - 4;

    for (const char *p = text; *p != '\0'; p++) {
        unsigned char c = (unsigned char)*p;
        char piece[5] = { *p, '\0' };

        if (c == '\n')
            memcpy(piece, "\\n", 3);
        else if (c == '\\')
            memcpy(piece, "\\\\", 3);
        else if (c < 0x20 || c >= 0x7f)
            snprintf(piece, sizeof piece, "\\x%02x", c);

        size_t n = strlen(piece);
        if (at + n > end) {
            memcpy(line + at, "...", 3);
            return at + 3;
        }
        memcpy(line + at, piece, n);
        at += n;
    }
    return at;
}

static size_t put_head(char *line, enum log_level level)
{
    struct timespec now;
    struct tm tm;
    char slot[16] = "";

    clock_gettime(CLOCK_REALTIME, &now);
    gmtime_r(&now.tv_sec, &tm);
    if (role.slot >= 0)
        snprintf(slot, sizeof slot, ".%d", role.slot);
    int n = snprintf(line, 128, "%04d-%02d-%02dT%02d:%02d:%02d.%03ldZ %s %.32s%s[%ld] ",
                     tm.tm_year + 1900, tm.tm_mon + 1, tm.tm_mday, tm.tm_hour,
                     tm.tm_min, tm.tm_sec, now.tv_nsec / 1000000, level_names[level],
                     role.name, slot, (long)getpid());
    return (size_t)n;
}

/* A socket is that of a service manager. */
static bool put(const char *line, size_t n)
{
    int fd = atomic_load_explicit(&log_fd, memory_order_relaxed);
    ssize_t got = atomic_load_explicit(&is_socket, memory_order_relaxed)
                      ? send(fd, line, n, MSG_DONTWAIT | MSG_NOSIGNAL)
                      : write(fd, line, n);

    return got >= 0 || errno != EAGAIN;
}

/* When there is room again. */
static void tell_lost(void)
{
    unsigned count = atomic_exchange(&lost, 0);
    char line[LOG_LINE_MAX];
    size_t n;

    if (count == 0)
        return;
    n = put_head(line, LOG_WARN);
    n += (size_t)snprintf(line + n, sizeof line - n,
                          "%u lines of this log are lost: who reads it was behind\n",
                          count);
    if (!put(line, n))
        atomic_fetch_add(&lost, count);
}

static void put_line(enum log_level level, int err, const char *fmt, va_list ap)
{
    int saved = errno;
    char text[LOG_LINE_MAX];
    char line[LOG_LINE_MAX];

    if (!log_enabled(level))
        return;
    size_t n = put_head(line, level);
    vsnprintf(text, sizeof text, fmt, ap);
    n = put_escaped(line, n, text);
    if (err != 0 && n < LOG_LINE_MAX - 4) {
        n = put_escaped(line, n, ": ");
        n = put_escaped(line, n, errno_text(err));
    }
    line[n++] = '\n';
    tell_lost();
    if (!put(line, n))
        atomic_fetch_add(&lost, 1);
    errno = saved;
}

#define LOG_FUNCTION(name, level)    \
    void name(const char *fmt, ...)  \
    {                                \
        va_list ap;                  \
                                     \
        va_start(ap, fmt);           \
        put_line(level, 0, fmt, ap); \
        va_end(ap);                  \
    }

LOG_FUNCTION(log_debug, LOG_DEBUG)
LOG_FUNCTION(log_info, LOG_INFO)
LOG_FUNCTION(log_warn, LOG_WARN)
LOG_FUNCTION(log_err, LOG_ERR)
LOG_FUNCTION(log_fatal, LOG_FATAL)

void log_warn_errno(int err, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    put_line(LOG_WARN, err, fmt, ap);
    va_end(ap);
}
