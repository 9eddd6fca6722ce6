/* SPDX-License-Identifier: MIT */
/* tls.c - OpenSSL behind a handful of calls. Its error queue belongs to the thread: it
 * is emptied before each call that SSL_get_error() is asked about. */
#include "loadtest/tls.h"

#include <arpa/inet.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include <openssl/err.h>
#include <openssl/x509v3.h>

#include "server/base/span.h"

static const unsigned char alpn[] = "\x08http/1.1";

/* A server sends tickets when it likes: the newest is kept. 1: the reference is ours.
 */
static int on_session(SSL *ssl, SSL_SESSION *session)
{
    struct tls_conn *conn = SSL_get_app_data(ssl);
    SSL_SESSION_free(conn->session);
    conn->session = session;
    return 1;
}

static const char *last_reason(void)
{
    const char *reason = ERR_reason_error_string(ERR_peek_last_error());
    return reason != NULL ? reason : "no reason given";
}

static int trust(SSL_CTX *ctx, const struct tls_config *config, char *error)
{
    if (config->insecure)
        return 0;
    SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER, NULL);
    ERR_clear_error();
    if (config->cacert == NULL ? SSL_CTX_set_default_verify_paths(ctx) == 1
                               : SSL_CTX_load_verify_file(ctx, config->cacert) == 1)
        return 0;
    snprintf(error, TLS_ERROR_MAX, "could not read certificates from '%.100s': %s",
             config->cacert != NULL ? config->cacert : "the system", last_reason());
    return -EINVAL;
}

int tls_init(struct tls *ret_tls, const struct tls_config *config,
             const struct url *url, char error[TLS_ERROR_MAX])
{
    struct tls tls = { .ctx = SSL_CTX_new(TLS_client_method()),
                       .insecure = config->insecure };
    if (tls.ctx == NULL) {
        snprintf(error, TLS_ERROR_MAX, "could not start TLS: %s", last_reason());
        return -ENOMEM;
    }
    memcpy(tls.host, url->host, sizeof tls.host);
    /* one read() for a record instead of two */
    SSL_CTX_set_read_ahead(tls.ctx, 1);
    SSL_CTX_set_mode(tls.ctx, SSL_MODE_ENABLE_PARTIAL_WRITE |
                                  SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    SSL_CTX_set_session_cache_mode(tls.ctx,
                                   SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
    SSL_CTX_sess_set_new_cb(tls.ctx, on_session);
    int err =
        SSL_CTX_set_alpn_protos(tls.ctx, alpn, sizeof alpn - 1) == 0 ? 0 : -ENOMEM;
    if (err == 0)
        err = trust(tls.ctx, config, error);
    if (err < 0)
        tls_free(&tls);
    else
        *ret_tls = tls;
    return err;
}

void tls_free(struct tls *tls)
{
    SSL_CTX_free(tls->ctx);
    *tls = (struct tls){ 0 };
}

static bool is_address(const char *host)
{
    unsigned char bytes[sizeof(struct in6_addr)];
    return inet_pton(AF_INET, host, bytes) == 1 ||
           inet_pton(AF_INET6, host, bytes) == 1;
}

/* Who the server must be: a name is told to it (SNI), an address must not be. */
static bool name_server(SSL *ssl, const struct tls *tls)
{
    if (is_address(tls->host))
        return tls->insecure ||
               X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl), tls->host) == 1;
    return SSL_set_tlsext_host_name(ssl, tls->host) == 1 &&
           (tls->insecure || SSL_set1_host(ssl, tls->host) == 1);
}

int tls_begin(struct tls_conn *conn, const struct tls *tls, int fd)
{
    conn->ssl = SSL_new(tls->ctx);
    if (conn->ssl == NULL)
        return -ENOMEM;
    SSL_set_app_data(conn->ssl, conn);
    SSL_set_quiet_shutdown(conn->ssl, 1);
    SSL_set_connect_state(conn->ssl);
    if (SSL_set_fd(conn->ssl, fd) == 1 && name_server(conn->ssl, tls) &&
        (conn->session == NULL || SSL_set_session(conn->ssl, conn->session) == 1))
        return 0;
    tls_end(conn);
    return -ENOMEM;
}

int tls_handshake(struct tls_conn *conn, bool *ret_write)
{
    ERR_clear_error();
    errno = 0;
    int result = SSL_do_handshake(conn->ssl);
    if (result == 1)
        return 0;
    int why = SSL_get_error(conn->ssl, result);
    *ret_write = why == SSL_ERROR_WANT_WRITE;
    if (why == SSL_ERROR_WANT_READ || why == SSL_ERROR_WANT_WRITE)
        return -EAGAIN;
    /* what could not be resumed must not be tried again */
    SSL_SESSION_free(conn->session);
    conn->session = NULL;
    if (why == SSL_ERROR_SYSCALL)
        return errno != 0 ? -errno : -ECONNRESET;
    switch (ERR_GET_REASON(ERR_peek_error())) {
    case SSL_R_CERTIFICATE_VERIFY_FAILED:
        return -EKEYREJECTED;
    case SSL_R_WRONG_VERSION_NUMBER:   /* the first bytes are no record of TLS; */
    case SSL_R_PACKET_LENGTH_TOO_LONG: /* OpenSSL 3.2 looks at the length first */
        return -EPROTONOSUPPORT;
    default:
        return -EPROTO;
    }
}

bool tls_resumed(const struct tls_conn *conn)
{
    return SSL_session_reused(conn->ssl) == 1;
}

/* What a call of SSL_read() or SSL_write() that moved nothing is in terms of recv(). */
static ssize_t explain(struct tls_conn *conn, int result)
{
    int system = errno;
    switch (SSL_get_error(conn->ssl, result)) {
    case SSL_ERROR_WANT_READ:
    case SSL_ERROR_WANT_WRITE:
        errno = EAGAIN;
        return -1;
    case SSL_ERROR_ZERO_RETURN: /* the peer said that this is all */
        return 0;
    case SSL_ERROR_SYSCALL:
        errno = system != 0 ? system : ECONNRESET;
        return -1;
    default: /* a stream cut short is among these: it cannot be told from an attack */
        errno = EPROTO;
        return -1;
    }
}

static int at_most_int(size_t n)
{
    return n > INT_MAX ? INT_MAX : (int)n;
}

ssize_t tls_recv(struct tls_conn *conn, void *bytes, size_t n)
{
    ERR_clear_error();
    errno = 0;
    int result = SSL_read(conn->ssl, bytes, at_most_int(n));
    return result > 0 ? result : explain(conn, result);
}

ssize_t tls_send(struct tls_conn *conn, const void *bytes, size_t n)
{
    ERR_clear_error();
    errno = 0;
    int result = SSL_write(conn->ssl, bytes, at_most_int(n));
    ssize_t sent = result > 0 ? result : explain(conn, result);
    if (sent == 0)
        errno = EPIPE;
    return sent > 0 ? sent : -1;
}

bool tls_pending(const struct tls_conn *conn)
{
    return SSL_has_pending(conn->ssl) == 1;
}

void tls_end(struct tls_conn *conn)
{
    if (conn->ssl == NULL)
        return;
    /* quiet: sends nothing, but leaves the session fit to be resumed */
    (void)SSL_shutdown(conn->ssl);
    SSL_free(conn->ssl);
    conn->ssl = NULL;
    ERR_clear_error();
}

void tls_conn_free(struct tls_conn *conn)
{
    tls_end(conn);
    SSL_SESSION_free(conn->session);
    conn->session = NULL;
}

const char *tls_strerror(int err)
{
    switch (err) {
    case EKEYREJECTED:
        return "its certificate is not trusted (--cacert says whom to trust, "
               "--insecure trusts anyone)";
    case EPROTONOSUPPORT:
        return "what answers there does not speak TLS (https)";
    case EPROTO:
        return "the TLS handshake failed";
    default:
        return strerror(err);
    }
}
