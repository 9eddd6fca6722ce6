/* SPDX-License-Identifier: MIT */
/* wire.c - the table of base/io.h for TLS.
 *
 * What is written becomes records of at most RECORD bytes, one for each SSL_write(): a
 * head and a small body together, as they would be one segment without TLS. A record
 * that the socket did not take is kept by OpenSSL, which wants the same bytes again.
 */
#define TLS_IMPL
#include <errno.h>
#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "server/tls/tls_impl.h"

/* READ_AHEAD: OpenSSL asks the socket for at least so much at once. */
enum { RECORD = 16384, READ_AHEAD = 16384, FILE_BURST = 64 };

struct shake {
    SSL *ssl;
    bool done; /* the handshake */
    bool said_end;
    bool cut;      /* the peer ended the connection, and not TLS before that */
    bool buffered; /* a buffer between us and the socket: push_first() */
    enum tls_news news;
};

static const char plain_answer[] =
    "HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain\r\nContent-Length: 37\r\n"
    "Connection: close\r\n\r\nthis port speaks TLS: ask by https://";

static void note_handshake(struct shake *s)
{
    if (s->done || !SSL_is_init_finished(s->ssl))
        return;
    s->done = true;
    s->news = SSL_session_reused(s->ssl) ? TLS_RESUMED : TLS_SHAKEN;
}

/* After a call that did not succeed. 0: the peer has ended. */
static ssize_t failure(struct wire *wire, int rc)
{
    struct shake *s = wire->state;
    int err = errno;
    unsigned long code;

    switch (SSL_get_error(s->ssl, rc)) {
    case SSL_ERROR_WANT_READ:
        return -EAGAIN;
    case SSL_ERROR_WANT_WRITE:
        wire->needs_room = true;
        return -EAGAIN;
    case SSL_ERROR_ZERO_RETURN:
        s->cut = BIO_eof(SSL_get_rbio(s->ssl));
        return 0;
    }
    code = ERR_peek_error();
    wire->broken = true;
    if (!s->done && BIO_number_read(SSL_get_rbio(s->ssl)) > 0)
        s->news =
            TLS_FAILED; /* who only looks whether the port is open is no failure */
    if (!s->done && ERR_GET_REASON(code) == SSL_R_HTTP_REQUEST)
        (void)!send(wire->fd, plain_answer, sizeof plain_answer - 1,
                    MSG_NOSIGNAL | MSG_DONTWAIT);
    ERR_clear_error();
    if (code != 0)
        return -EPROTO;
    return err != 0 ? -err : 0;
}

/* Bytes may be on this side of the socket, or come from it one record at a time. */
static bool has_pending(const struct shake *s)
{
    return SSL_has_pending(s->ssl) || s->buffered ||
           BIO_get_ktls_recv(SSL_get_rbio(s->ssl));
}

/* The socket is empty when all that OpenSSL read from it was less than it had asked for
 * at once, and nothing was left over from before. */
static ssize_t tls_read(struct wire *wire, void *to, size_t n)
{
    struct shake *s = wire->state;
    BIO *bio = SSL_get_rbio(s->ssl);
    uint64_t raw = BIO_number_read(bio);
    bool more = has_pending(s);
    size_t got = 0;
    int rc;

    if (wire->broken)
        return -EPROTO;
    wire->needs_room = false;
    errno = 0;
    rc = SSL_read_ex(s->ssl, to, n, &got);
    note_handshake(s);
    wire->more = more || has_pending(s) || BIO_number_read(bio) - raw >= READ_AHEAD;
    if (rc == 1)
        return (ssize_t)got;
    wire->more = false;
    return failure(wire, rc);
}

/* 0 or a negative errno: all of it, or nothing that counts. */
static ssize_t write_record(struct wire *wire, const void *from, size_t n)
{
    struct shake *s = wire->state;
    size_t written = 0;
    ssize_t rc;

    if (wire->broken)
        return -EPROTO;
    errno = 0;
    if (SSL_write_ex(s->ssl, from, n, &written) == 1)
        return (ssize_t)written;
    rc = failure(wire, 0);
    wire->needs_room = false; /* who writes waits for room anyway */
    return rc == 0 ? -EPIPE : rc;
}

/* The next record: where it lies, or gathered in `to`. */
static const void *next_record(unsigned char to[RECORD], const struct iovec *from,
                               int count, size_t skip, size_t *ret_n)
{
    size_t n = 0;

    while (count > 0 && skip >= from->iov_len) {
        skip -= from->iov_len;
        from++;
        count--;
    }
    *ret_n = 0;
    if (count == 0)
        return NULL;
    if (count == 1 || from->iov_len - skip >= RECORD) {
        n = from->iov_len - skip;
        *ret_n = n < RECORD ? n : RECORD;
        return (const unsigned char *)from->iov_base + skip;
    }
    for (; count > 0 && n < RECORD; from++, count--) {
        size_t part = from->iov_len - skip;

        part = part < RECORD - n ? part : RECORD - n;
        memcpy(to + n, (const unsigned char *)from->iov_base + skip, part);
        n += part;
        skip = 0;
    }
    *ret_n = n;
    return to;
}

static ssize_t tls_writev(struct wire *wire, const struct iovec *from, int count,
                          bool more)
{
    static _Thread_local unsigned char buffer[RECORD];
    size_t done = 0, n;

    (void)more;
    for (;;) {
        const void *record = next_record(buffer, from, count, done, &n);
        ssize_t got;

        if (n == 0)
            return (ssize_t)done;
        got = write_record(wire, record, n);
        if (got < 0)
            return done > 0 && got == -EAGAIN ? (ssize_t)done : got;
        done += (size_t)got;
    }
}

/* By the kernel, where it encrypts. */
static ssize_t send_by_kernel(struct wire *wire, int file, uint64_t at, size_t n)
{
    struct shake *s = wire->state;
    ossl_ssize_t got;

    errno = 0;
    got = SSL_sendfile(s->ssl, file, (off_t)at, n, 0);
    if (got >= 0)
        return (ssize_t)got;
    return failure(wire, (int)got);
}

static ssize_t tls_send_file(struct wire *wire, int file, uint64_t at, size_t n)
{
    static _Thread_local unsigned char buffer[RECORD];
    struct shake *s = wire->state;
    size_t done = 0;

    if (BIO_get_ktls_send(SSL_get_wbio(s->ssl)))
        return send_by_kernel(wire, file, at, n);
    for (unsigned i = 0; i < FILE_BURST && done < n; i++) {
        size_t want = n - done < RECORD ? n - done : RECORD;
        ssize_t got = pread(file, buffer, want, (off_t)(at + done));

        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return -errno;
        if (got > 0)
            got = write_record(wire, buffer, (size_t)got);
        if (got <= 0)
            return done > 0 && (got == 0 || got == -EAGAIN) ? (ssize_t)done : got;
        done += (size_t)got;
    }
    return (ssize_t)done;
}

static void say_end(struct wire *wire)
{
    struct shake *s = wire->state;

    if (s->done && !s->said_end && !wire->broken && !s->cut)
        SSL_shutdown(s->ssl); /* sends; what the other side says is not waited for */
    s->said_end = true;
    ERR_clear_error();
}

static int tls_end(struct wire *wire)
{
    say_end(wire);
    return shutdown(wire->fd, SHUT_WR) < 0 ? -errno : 0;
}

static void tls_close(struct wire *wire)
{
    struct shake *s = wire->state;

    say_end(wire);
    SSL_free(s->ssl);
    free(s);
    wire->state = NULL;
    close(wire->fd);
}

static const struct io io_tls = {
    .name = "TLS",
    .read = tls_read,
    .writev = tls_writev,
    .send_file = tls_send_file,
    .end = tls_end,
    .close = tls_close,
};

/* What was read before comes first. */
static int push_first(SSL *ssl, const void *first, size_t n)
{
    BIO *buffer = BIO_new(BIO_f_buffer()), *socket = SSL_get_rbio(ssl);

    if (buffer == NULL ||
        BIO_set_buffer_read_data(buffer, (void *)(uintptr_t)first, (long)n) != 1) {
        BIO_free(buffer);
        return -ENOMEM;
    }
    BIO_up_ref(socket);
    SSL_set0_rbio(ssl, BIO_push(buffer, socket));
    return 0;
}

int wire_tls(struct wire *wire, struct tls *tls, const void *first, size_t n)
{
    struct shake *s = calloc(1, sizeof *s);

    if (s == NULL)
        return -ENOMEM;
    s->ssl = SSL_new(tls->at[0].ctx);
    if (s->ssl == NULL || SSL_set_fd(s->ssl, wire->fd) != 1 ||
        (n > 0 && push_first(s->ssl, first, n) < 0)) {
        ERR_clear_error();
        SSL_free(s->ssl);
        free(s);
        return -ENOMEM;
    }
    s->buffered = n > 0;
    SSL_set_accept_state(s->ssl);
    *wire = (struct wire){ .io = &io_tls, .state = s, .fd = wire->fd };
    return 0;
}

enum tls_news tls_news(struct wire *wire)
{
    struct shake *s = wire->state;
    enum tls_news news = wire->io == &io_tls ? s->news : TLS_NOTHING;

    if (news != TLS_NOTHING)
        s->news = TLS_NOTHING;
    return news;
}
