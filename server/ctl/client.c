/* SPDX-License-Identifier: MIT */
/* client.c - see client.h. HTTP/1.0: the answer ends where the connection does. */
#include "server/ctl/client.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "server/base/buf.h"
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

static int read_all(int fd, struct buf *b)
{
    for (;;) {
        char *room;
        ssize_t n;
        int rc = buf_reserve(b, PIECE, &room);

        if (rc < 0)
            return rc;
        n = read(fd, room, PIECE);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return errno == EAGAIN ? -ETIMEDOUT : -errno;
        if (n == 0)
            return 0;
        buf_commit(b, (size_t)n);
    }
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
    return 0;
}

int client_ask(const char *admin, const char *method, const char *target,
               unsigned timeout_s, struct client_answer *ret)
{
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
        rc = read_all(fd, &b);
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
