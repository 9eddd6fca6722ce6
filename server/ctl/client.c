/* SPDX-License-Identifier: MIT */
/* client.c - see client.h. HTTP/1.0: the answer ends where the connection does. */
#include "server/ctl/client.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "server/base/buf.h"
#include "server/base/clock.h"
#include "server/base/fd.h"
#include "server/base/num.h"
#include "server/shared/sockets.h"

enum { ANSWER_MAX = 64 << 20, PIECE = 65536 };

static int connect_to(const char *admin, unsigned timeout_s, int *ret_fd)
{
    const struct timeval timeout = { .tv_sec = (time_t)timeout_s };
    struct address at;
    const char *why;
    int rc = address_parse(admin, &at, &why), fd;

    if (rc < 0)
        return rc;
    fd = socket(at.at.any.sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -errno;
    if (setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof timeout) < 0 ||
        setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &timeout, sizeof timeout) < 0 ||
        connect(fd, &at.at.any, at.length) < 0) {
        rc = -errno;
        close(fd);
        return rc;
    }
    *ret_fd = fd;
    return 0;
}

/* 0 when there is something to read, or an end. */
static int await(int fd, uint64_t deadline_ns)
{
    struct pollfd p = { .fd = fd, .events = POLLIN };
    uint64_t now_ns = clock_ns();
    int n;

    if (now_ns >= deadline_ns)
        return -ETIMEDOUT;
    n = poll(&p, 1, (int)((deadline_ns - now_ns) / CLOCK_NS_PER_MS) + 1);
    return n < 0 && errno != EINTR ? -errno : 0;
}

static int read_all(int fd, uint64_t deadline_ns, struct buf *b)
{
    for (;;) {
        char *room;
        ssize_t n;
        int rc = await(fd, deadline_ns);

        if (rc == 0)
            rc = buf_reserve(b, PIECE, &room);
        if (rc < 0)
            return rc;
        n = recv(fd, room, PIECE, MSG_DONTWAIT);
        if (n < 0 && (errno == EINTR || errno == EAGAIN))
            continue;
        if (n < 0)
            return -errno;
        if (n == 0)
            return 0;
        buf_commit(b, (size_t)n);
    }
}

/* What answers may be anything: its bytes are for a terminal. */
static void disarm(char *words)
{
    for (; *words != '\0'; words++)
        if (((unsigned char)*words < ' ' && *words != '\n') || *words == 0x7f)
            *words = '?';
}

/* "HTTP/1.x NNN ...": takes the text from the buffer. */
static int split(struct buf *b, struct client_answer *ret)
{
    struct span all = buf_span(b), status = span_take(span_skip(all, 9), 3);
    uint64_t code;
    char *end;

    if (!span_starts(all, SPAN("HTTP/1.")) ||
        num_parse_u64(status, 100, 599, &code) < 0)
        return -EBADMSG;
    ret->text = strndup(all.p, all.n);
    if (ret->text == NULL)
        return -ENOMEM;
    end = strstr(ret->text, "\r\n\r\n");
    ret->status = (int)code;
    ret->body = end != NULL ? end + 4 : "";
    if (end != NULL)
        disarm(end + 4);
    return 0;
}

int client_ask(const char *admin, const char *method, const char *target,
               unsigned timeout_s, struct client_answer *ret)
{
    uint64_t deadline_ns = clock_ns() + timeout_s * CLOCK_NS_PER_S;
    struct buf b;
    int fd = -1, rc = connect_to(admin, timeout_s, &fd);

    if (rc < 0)
        return rc;
    buf_init(&b, ANSWER_MAX);
    rc = buf_printf(&b, "%s %s HTTP/1.0\r\nContent-Length: 0\r\n\r\n", method, target);
    if (rc == 0)
        rc = fd_write_all(fd, buf_span(&b).p, buf_span(&b).n);
    buf_clear(&b);
    if (rc == 0)
        rc = read_all(fd, deadline_ns, &b);
    if (rc == 0)
        rc = split(&b, ret);
    buf_free(&b);
    close(fd);
    return rc;
}

void client_free(struct client_answer *answer)
{
    free(answer->text);
    *answer = (struct client_answer){ 0 };
}
