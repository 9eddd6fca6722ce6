/* SPDX-License-Identifier: MIT */
/* conn.c - socket and parser of one connection. A request costs one send() and, when
 * the response fits the buffer, one recv(); no epoll_ctl(). Events are edges: epoll
 * looks once at a socket that has something, not again when it has been emptied, which
 * a recv() that does not fill the buffer is the sign of. */
#include "loadtest/conn.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "server/base/check.h"
#include "server/base/fd.h"

#define READING ((uint32_t)EPOLLIN | EPOLLRDHUP | EPOLLET)

static struct conn *conn_of(llhttp_t *parser)
{
    struct conn *conn = parser->data;
    CHECK_MAGIC(conn, CONN_MAGIC);
    return conn;
}

static int on_message_begin(llhttp_t *parser)
{
    /* a second response to one request: the connection is out of step */
    return conn_of(parser)->complete ? HPE_USER : HPE_OK;
}

/* 1 tells the parser that there is no body, whatever the headers say. */
static int on_headers_complete(llhttp_t *parser)
{
    struct conn *conn = conn_of(parser);
    conn->sized = (parser->flags & F_CONTENT_LENGTH) != 0;
    return conn->head && parser->status_code >= 200 ? 1 : 0;
}

static int on_message_complete(llhttp_t *parser)
{
    struct conn *conn = conn_of(parser);
    if (parser->status_code < 200) /* informational: the response is still to come */
        return HPE_OK;
    conn->complete = true;
    conn->status = parser->status_code;
    conn->keep = llhttp_should_keep_alive(parser) != 0;
    return HPE_OK;
}

static int on_header_field(llhttp_t *parser, const char *bytes, size_t n)
{
    struct conn *conn = conn_of(parser);
    size_t room = sizeof conn->field - conn->field_len;
    n = n < room ? n : room; /* a longer name is another one */
    memcpy(conn->field + conn->field_len, bytes, n);
    conn->field_len += (uint8_t)n;
    return HPE_OK;
}

static int on_header_value(llhttp_t *parser, const char *bytes, size_t n)
{
    struct conn *conn = conn_of(parser);
    size_t room = sizeof conn->timing - conn->timing_len;
    if (!span_eq_nocase(span_make(conn->field, conn->field_len), SPAN("server-timing")))
        return HPE_OK;
    n = n < room ? n : room;
    memcpy(conn->timing + conn->timing_len, bytes, n);
    conn->timing_len += (uint8_t)n;
    return HPE_OK;
}

static int on_header_value_complete(llhttp_t *parser)
{
    conn_of(parser)->field_len = 0;
    return HPE_OK;
}

static int on_body(llhttp_t *parser, const char *bytes, size_t n)
{
    body_sum_add(&conn_of(parser)->sum, bytes, n);
    return HPE_OK;
}

#define ALWAYS                                                                        \
    .on_message_begin = on_message_begin, .on_headers_complete = on_headers_complete, \
    .on_message_complete = on_message_complete
#define TIMING                                                              \
    .on_header_field = on_header_field, .on_header_value = on_header_value, \
    .on_header_value_complete = on_header_value_complete

/* Headers and bodies cost time, so they are looked at only where somebody wants to
 * know: [timing][body]. */
static const llhttp_settings_t parser_settings[2][2] = {
    { { ALWAYS }, { ALWAYS, .on_body = on_body } },
    { { ALWAYS, TIMING }, { ALWAYS, TIMING, .on_body = on_body } },
};

void conn_init(struct conn *conn, int epoll_fd, struct heads *heads,
               const struct conn_wants *wants)
{
    *conn = (struct conn){ .magic = CONN_MAGIC,
                           .fd = -1,
                           .epoll_fd = epoll_fd,
                           .heads = heads,
                           .wants_timing = wants->timing,
                           .wants_body = wants->body };
    list_init(&conn->link);
    llhttp_init(&conn->parser, HTTP_RESPONSE,
                &parser_settings[wants->timing][wants->body]);
    conn->parser.data = conn;
}

void conn_close(struct conn *conn)
{
    list_remove(&conn->link);
    tls_end(&conn->tls);
    fd_close(&conn->fd);
    conn->state = CONN_CLOSED;
    conn->unsent = 0;
    conn->ended = false;
}

void conn_free(struct conn *conn)
{
    conn_close(conn);
    tls_conn_free(&conn->tls);
    free(conn->rest);
    conn->rest = NULL;
    conn->magic = 0;
}

/* Tells epoll what to wait for, if that is news. */
static int watch(struct conn *conn, uint32_t events)
{
    struct epoll_event event = { .events = events, .data.ptr = conn };
    int op = conn->events == 0 ? EPOLL_CTL_ADD : EPOLL_CTL_MOD;
    if (conn->events == events)
        return 0;
    if (epoll_ctl(conn->epoll_fd, op, conn->fd, &event) < 0)
        return -errno;
    conn->events = events;
    return 0;
}

int conn_open(struct conn *conn, const struct target *target, uint64_t now_ns)
{
    const struct sockaddr *address = (const void *)&target->dial.address;
    int one = 1;
    CHECK(conn->state == CONN_CLOSED);
    conn->since_ns = now_ns;
    conn->target = target;
    conn->requests = 0;
    conn->events = 0;
    conn->fd =
        socket(address->sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (conn->fd < 0)
        return -errno;
    (void)setsockopt(conn->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    int err = connect(conn->fd, address, target->dial.address_len) < 0 ? -errno : 0;
    if (err == 0 || err == -EINPROGRESS)
        err = watch(conn, EPOLLOUT);
    if (err < 0) {
        fd_close(&conn->fd);
        return err;
    }
    list_remove(&conn->link);
    conn->state = CONN_CONNECTING;
    return 0;
}

static int socket_error(const struct conn *conn)
{
    int err = 0;
    socklen_t len = sizeof err;
    if (getsockopt(conn->fd, SOL_SOCKET, SO_ERROR, &err, &len) < 0)
        return -errno;
    return -err;
}

/* What a proxy says comes before TLS; a new socket has room for it. */
static int begin_tls(struct conn *conn)
{
    char preface[DIAL_PREFACE_MAX];
    size_t n = dial_preface(&conn->target->dial, conn->fd, preface);
    if (n > 0 && send(conn->fd, preface, n, MSG_NOSIGNAL) != (ssize_t)n)
        return errno != 0 ? -errno : -EIO;
    return tls_begin(&conn->tls, &conn->target->tls, conn->fd);
}

static int secure(struct conn *conn)
{
    bool to_write = false;
    int err = conn->tls.ssl == NULL ? begin_tls(conn) : 0;
    if (err == 0)
        err = tls_handshake(&conn->tls, &to_write);
    if (err != -EAGAIN)
        return err;
    err = watch(conn, to_write ? EPOLLOUT : EPOLLIN);
    return err < 0 ? err : -EAGAIN;
}

int conn_opened(struct conn *conn)
{
    CHECK(conn->state == CONN_CONNECTING);
    int err = conn->tls.ssl == NULL ? socket_error(conn) : 0;
    if (err == 0 && conn->target->tls.ctx != NULL)
        err = secure(conn);
    if (err < 0)
        return err;
    llhttp_reset(&conn->parser);
    conn->state = CONN_IDLE;
    return watch(conn, READING);
}

/* Keeps what the kernel did not take. */
static int keep_rest(struct conn *conn, const char *bytes, size_t len)
{
    if (conn->rest == NULL)
        conn->rest = malloc(DIAL_PREFACE_MAX + TARGET_REQUEST_MAX);
    if (conn->rest == NULL)
        return -ENOMEM;
    memmove(conn->rest, bytes, len);
    conn->unsent = len;
    return watch(conn, READING | EPOLLOUT);
}

static ssize_t transmit(struct conn *conn, const char *bytes, size_t len)
{
    return conn->tls.ssl != NULL ? tls_send(&conn->tls, bytes, len)
                                 : send(conn->fd, bytes, len, MSG_NOSIGNAL);
}

static int write_some(struct conn *conn, const char *bytes, size_t len)
{
    size_t taken = 0;
    ssize_t n;
    do { /* TLS takes a record at a time, which does not say that the socket is full */
        n = transmit(conn, bytes + taken, len - taken);
        if (n < 0 && errno != EAGAIN && errno != EINTR)
            return -errno;
        taken += n < 0 ? 0 : (size_t)n;
    } while (conn->tls.ssl != NULL && n > 0 && taken < len);
    if (taken < len)
        return keep_rest(conn, bytes + taken, len - taken);
    conn->unsent = 0;
    return watch(conn, READING);
}

int conn_send(struct conn *conn, const char *request, size_t len, bool head)
{
    CHECK(conn->state == CONN_IDLE);
    conn->requests++;
    conn->state = CONN_BUSY;
    conn->head = head;
    conn->complete = conn->begun = conn->sized = false;
    conn->malformed = NULL;
    conn->field_len = conn->timing_len = 0;
    conn->sum = (struct body_sum){ 0 };
    return write_some(conn, request, len);
}

int conn_flush(struct conn *conn)
{
    return conn->unsent == 0 ? 0 : write_some(conn, conn->rest, conn->unsent);
}

/* The server closed: a response whose end is the end of the connection is whole. */
static enum conn_read at_end(struct conn *conn)
{
    if (conn->state != CONN_BUSY || llhttp_finish(&conn->parser) != HPE_OK)
        return CONN_BROKEN;
    conn->keep = false;
    return conn->complete ? CONN_DONE : CONN_BROKEN;
}

void conn_note(struct conn *conn, uint32_t events)
{
    conn->ended |= (events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR)) != 0;
}

/* Its own words where it stops because we said so. */
static const char *what_is_wrong(const struct conn *conn)
{
    if (conn->complete)
        return "more bytes after its end";
    if (llhttp_get_errno(&conn->parser) == HPE_PAUSED_UPGRADE)
        return "it goes on in another protocol";
    return llhttp_get_error_reason(&conn->parser);
}

/* Takes in what has come of the response; false when it is not HTTP. */
static bool parse(struct conn *conn, const char *bytes, size_t n)
{
    bool whole =
        !conn->begun && !conn->head && !conn->wants_timing && !conn->wants_body;
    uint16_t status = whole ? heads_find(conn->heads, bytes, n) : 0;
    conn->begun = true;
    if (status != 0) {
        conn->status = status;
        conn->complete = conn->keep = true;
        return true;
    }
    if (llhttp_execute(&conn->parser, bytes, n) != HPE_OK) {
        conn->malformed = what_is_wrong(conn);
        return false;
    }
    if (whole && conn->complete && conn->keep && conn->sized)
        heads_add(conn->heads, bytes, n, conn->status);
    return true;
}

static ssize_t receive(struct conn *conn, char *buffer, size_t size)
{
    ssize_t n;
    do
        n = conn->tls.ssl != NULL ? tls_recv(&conn->tls, buffer, size)
                                  : recv(conn->fd, buffer, size, 0);
    while (n < 0 && errno == EINTR);
    return n;
}

/* What came with the end of a response is in our memory now, and no event will tell of
 * it: a ticket is kept; that the server ends the connection, or goes on, ends it. */
static void empty_tls(struct conn *conn, char *buffer, size_t size)
{
    if (!tls_pending(&conn->tls))
        return;
    ssize_t n = receive(conn, buffer, size);
    if (n >= 0 || errno != EAGAIN)
        conn->keep = false;
}

enum conn_read conn_read(struct conn *conn, char *buffer, size_t size,
                         uint64_t *ret_bytes)
{
    ssize_t n;
    *ret_bytes = 0;
    do {
        n = receive(conn, buffer, size);
        if (n < 0)
            return errno == EAGAIN ? CONN_MORE : CONN_BROKEN;
        if (n == 0)
            return at_end(conn);
        *ret_bytes += (uint64_t)n;
        if (conn->state != CONN_BUSY || !parse(conn, buffer, (size_t)n))
            return CONN_BROKEN;
    } while (!conn->complete &&
             ((size_t)n == size || conn->ended || conn->tls.ssl != NULL));
    if (!conn->complete)
        return CONN_MORE;
    if (conn->unsent > 0) /* answered before it was asked in full: out of step */
        conn->keep = false;
    if (conn->tls.ssl != NULL)
        empty_tls(conn, buffer, size);
    return CONN_DONE;
}
