/* SPDX-License-Identifier: MIT */
/* fetch.c - a small blocking HTTP client. */
#include "loadtest/fetch.h"

#include <errno.h>
#include <llhttp.h>
#include <netdb.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "loadtest/url.h"
#include "server/base/clock.h"
#include "server/base/fd.h"

struct fetch {
    llhttp_t parser;
    struct buf *body;
    int err;
    bool complete;
};

static int on_body(llhttp_t *parser, const char *bytes, size_t n)
{
    struct fetch *fetch = parser->data;
    fetch->err = buf_append(fetch->body, bytes, n);
    return fetch->err < 0 ? HPE_USER : HPE_OK;
}

static int on_complete(llhttp_t *parser)
{
    struct fetch *fetch = parser->data;
    fetch->complete = true;
    return HPE_OK;
}

static const llhttp_settings_t settings = { .on_body = on_body,
                                            .on_message_complete = on_complete };

/* A connected socket whose waits end at the timeout, or a negative errno. */
static int open_socket(const struct url *url, uint64_t timeout_ns)
{
    struct addrinfo hints = { .ai_socktype = SOCK_STREAM }, *found;
    struct timeval limit = {
        .tv_sec = (time_t)(timeout_ns / CLOCK_NS_PER_S),
        .tv_usec = (suseconds_t)(timeout_ns % CLOCK_NS_PER_S / CLOCK_NS_PER_US),
    };
    if (getaddrinfo(url->host, url->port, &hints, &found) != 0)
        return -EADDRNOTAVAIL;
    int fd = socket(found->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    int err = fd < 0 ? -errno : 0;
    if (err == 0) {
        (void)setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
        (void)setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
        if (connect(fd, found->ai_addr, found->ai_addrlen) < 0)
            err = -errno;
    }
    freeaddrinfo(found);
    if (err < 0)
        fd_close(&fd);
    return err < 0 ? err : fd;
}

static int read_response(struct fetch *fetch, int fd, uint64_t deadline_ns)
{
    char bytes[16384];
    while (!fetch->complete) {
        ssize_t n = recv(fd, bytes, sizeof bytes, 0);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return errno == EAGAIN ? -ETIMEDOUT : -errno;
        if (clock_ns() > deadline_ns)
            return -ETIMEDOUT;
        llhttp_errno_t code = n == 0 ? llhttp_finish(&fetch->parser)
                                     : llhttp_execute(&fetch->parser, bytes, (size_t)n);
        if (fetch->err < 0)
            return fetch->err;
        if (code != HPE_OK || (n == 0 && !fetch->complete))
            return -EPROTO;
    }
    return fetch->parser.status_code == 200 ? 0 : -EPROTO;
}

static int fetch(const char *method, const char *address, const char *path,
                 uint64_t timeout_ns, struct buf *ret_body)
{
    char text[512];
    struct url url;
    struct fetch state = { .body = ret_body };
    buf_init(ret_body, FETCH_BODY_MAX);
    snprintf(text, sizeof text, "http://%s%s", address, path);
    if (url_parse(text, &url) != NULL)
        return -EINVAL;
    int fd = open_socket(&url, timeout_ns);
    if (fd < 0)
        return fd;
    int n = snprintf(text, sizeof text,
                     "%s %s HTTP/1.1\r\nHost: %s\r\nConnection: close\r\n\r\n", method,
                     path, address);
    int err = fd_write_all(fd, text, (size_t)n);
    llhttp_init(&state.parser, HTTP_RESPONSE, &settings);
    state.parser.data = &state;
    if (err == 0)
        err = read_response(&state, fd, clock_ns() + timeout_ns);
    fd_close(&fd);
    return err;
}

int fetch_get(const char *address, const char *path, uint64_t timeout_ns,
              struct buf *ret_body)
{
    return fetch("GET", address, path, timeout_ns, ret_body);
}

int fetch_post(const char *address, const char *path, uint64_t timeout_ns,
               struct buf *ret_body)
{
    return fetch("POST", address, path, timeout_ns, ret_body);
}
