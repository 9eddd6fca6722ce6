/* SPDX-License-Identifier: MIT */
/* tls.h - the client side of TLS on a socket that does not block, by OpenSSL.
 *
 *   struct tls        what all connections of a run share: certificates, the name that
 *                     the server must have; read only while threads run
 *   struct tls_conn   one connection, and the session of the one before it, which the
 *                     next handshake resumes; all zero is a connection without TLS
 *
 * A session belongs to one connection: threads share none, and a ticket is not used on
 * two connections at a time. Nothing is written to a socket that is being closed.
 * OpenSSL writes with write(): threads block SIGPIPE.
 */
#ifndef LOADTEST_TLS_H
#define LOADTEST_TLS_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include <openssl/ssl.h>

#include "loadtest/url.h"

enum { TLS_ERROR_MAX = 256 };

struct tls_config {
    bool insecure;      /* any certificate will do */
    const char *cacert; /* PEM file of whom to trust; NULL: whom the system trusts */
};

struct tls {
    SSL_CTX *ctx;
    char host[URL_HOST_MAX + 1];
    bool insecure;
};

struct tls_conn {
    SSL *ssl;
    SSL_SESSION *session; /* to resume; owned */
};

/* 0, or a negative errno with a message in `error`. */
int tls_init(struct tls *ret_tls, const struct tls_config *config,
             const struct url *url, char error[TLS_ERROR_MAX]);
void tls_free(struct tls *tls); /* takes one that is all zero */

/* Begins on a connected socket, whose owner stays the caller. 0 or -ENOMEM. */
int tls_begin(struct tls_conn *conn, const struct tls *tls, int fd);
/* Goes on with the handshake: 0 when it is done; -EAGAIN until the socket is readable,
 * or writable if *ret_write; -EKEYREJECTED: the certificate is not to be trusted;
 * -EPROTO and others: it failed. */
int tls_handshake(struct tls_conn *conn, bool *ret_write);
bool tls_resumed(const struct tls_conn *conn);
/* As recv() and send(): -1 and errno, EAGAIN when it must wait. */
ssize_t tls_recv(struct tls_conn *conn, void *bytes, size_t n);
ssize_t tls_send(struct tls_conn *conn, const void *bytes, size_t n);
/* Is there more to take out without reading from the socket? */
bool tls_pending(const struct tls_conn *conn);
/* Ends the connection, keeps its session. */
void tls_end(struct tls_conn *conn);
void tls_conn_free(struct tls_conn *conn);

/* strerror() for what tls_handshake() gives as well. */
const char *tls_strerror(int err);

#endif
