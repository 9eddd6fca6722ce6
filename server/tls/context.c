/* SPDX-License-Identifier: MIT */
/* context.c - options into contexts, and which of them a client gets. */
#define TLS_IMPL
#include <errno.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "server/base/clock.h"
#include "server/base/fd.h"
#include "server/base/log.h"
#include "server/base/span.h"
#include "server/conf/options.h"
#include "server/tls/tls_impl.h"

static const unsigned char alpn_http11[] = "http/1.1";

const char *tls_library(void)
{
    return OpenSSL_version(OPENSSL_VERSION);
}

/* --- callbacks -----------------------------------------------------------------------
 */

/* The first whose certificate names the host, without wildcards in parts of a label. */
static int choose_certificate(SSL *ssl, int *alert, void *arg)
{
    const struct tls *tls = arg;
    const char *name = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name);

    (void)alert;
    if (name == NULL)
        return SSL_TLSEXT_ERR_NOACK;
    for (unsigned i = 0; i < tls->count; i++) {
        if (X509_check_host(tls->at[i].leaf, name, 0,
                            X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS, NULL) != 1)
            continue;
        if (i > 0)
            SSL_set_SSL_CTX(ssl, tls->at[i].ctx);
        return SSL_TLSEXT_ERR_OK;
    }
    return SSL_TLSEXT_ERR_NOACK;
}

/* Who offers protocols and not ours would take our answer for something else. */
static int choose_protocol(SSL *ssl, const unsigned char **ret, unsigned char *ret_n,
                           const unsigned char *in, unsigned n, void *arg)
{
    const size_t ours = sizeof alpn_http11 - 1;

    (void)ssl;
    (void)arg;
    for (unsigned at = 0; at < n && at + 1 + in[at] <= n; at += 1u + in[at]) {
        if (in[at] != ours || memcmp(in + at + 1, alpn_http11, ours) != 0)
            continue;
        *ret = in + at + 1;
        *ret_n = in[at];
        return SSL_TLSEXT_ERR_OK;
    }
    return SSL_TLSEXT_ERR_ALERT_FATAL;
}

/* The one that goes to this client: its context may have two, by kind of key. */
static const struct tls_certificate *certificate_of(SSL *ssl)
{
    const struct tls_certificate *c = SSL_CTX_get_app_data(SSL_get_SSL_CTX(ssl));
    const X509 *leaf = SSL_get_certificate(ssl);

    for (unsigned i = 0; i < c->tls->count; i++)
        if (c->tls->at[i].leaf == leaf)
            return &c->tls->at[i];
    return c;
}

static int staple(SSL *ssl, void *arg)
{
    const struct tls_certificate *c = certificate_of(ssl);
    unsigned char *copy;

    (void)arg;
    if (c->ocsp == NULL || (int64_t)time(NULL) >= c->ocsp_until_s)
        return SSL_TLSEXT_ERR_NOACK;
    copy = OPENSSL_memdup(c->ocsp, (size_t)c->ocsp_len);
    if (copy == NULL)
        return SSL_TLSEXT_ERR_NOACK;
    SSL_set_tlsext_status_ocsp_resp(ssl, copy, c->ocsp_len); /* its own now */
    return SSL_TLSEXT_ERR_OK;
}

/* --- contexts ------------------------------------------------------------------------
 */

/* Asked of the kernel: an attempt for each connection would cost a call. */
static bool kernel_has_tls(void)
{
    char text[256];
    size_t n = 0;

    if (fd_read_file("/proc/sys/net/ipv4/tcp_available_ulp", text, sizeof text - 1,
                     &n) < 0)
        return false;
    text[n] = '\0';
    return strstr(text, "tls") != NULL;
}

/* A ticket that is renewed with each key goes on that long; RFC 8446, 4.6.1: at most a
 * week. */
static long session_s(const struct options *o)
{
    const int64_t week_s = 7 * 86400, s = 3 * o->tls_ticket_rotation_ms / 1000;

    return (long)(s < week_s ? s : week_s);
}

static void set_up(SSL_CTX *ctx, struct tls_certificate *c, const struct options *o)
{
    static const unsigned char id[] = "cowshed";
    uint64_t options = SSL_OP_NO_COMPRESSION | SSL_OP_NO_RENEGOTIATION |
                       SSL_OP_IGNORE_UNEXPECTED_EOF | SSL_OP_PRIORITIZE_CHACHA;

    if (kernel_has_tls())
        options |= SSL_OP_ENABLE_KTLS;
    SSL_CTX_set_options(ctx, options);
    SSL_CTX_set_mode(ctx, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_RELEASE_BUFFERS |
                              SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    SSL_CTX_set_min_proto_version(ctx, o->tls_min_version == TLS_1_3 ? TLS1_3_VERSION
                                                                     : TLS1_2_VERSION);
    SSL_CTX_set_read_ahead(ctx, 1); /* header and body of a record in one call */
    SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF); /* tickets alone */
    SSL_CTX_set_session_id_context(ctx, id, sizeof id - 1);
    SSL_CTX_set_timeout(ctx, session_s(o));
    SSL_CTX_set_tlsext_ticket_key_evp_cb(ctx, tls_ticket_key);
    SSL_CTX_set_tlsext_servername_callback(ctx, choose_certificate);
    SSL_CTX_set_tlsext_servername_arg(ctx, c->tls);
    SSL_CTX_set_alpn_select_cb(ctx, choose_protocol, NULL);
    SSL_CTX_set_tlsext_status_cb(ctx, staple);
    SSL_CTX_set_app_data(ctx, c);
}

static int make(struct tls_certificate *c, const struct options *o, char *why,
                size_t size)
{
    c->ctx = SSL_CTX_new(TLS_server_method());
    if (c->ctx == NULL) {
        snprintf(why, size, "out of memory");
        return -ENOMEM;
    }
    set_up(c->ctx, c, o);
    if (SSL_CTX_set_cipher_list(c->ctx, o->tls_ciphers) != 1) {
        ERR_clear_error();
        snprintf(why, size, "tls.ciphers = '%s': none of these is known",
                 o->tls_ciphers);
        return -EINVAL;
    }
    if (SSL_CTX_set1_groups_list(c->ctx, "X25519:P-256:P-384") != 1) {
        snprintf(why, size, "the groups X25519, P-256 and P-384: %s", tls_error_text());
        return -EINVAL;
    }
    return 0;
}

/* --- lists of files ------------------------------------------------------------------
 */

/* The next path of a list parted by blanks and commas; 0 or -ENAMETOOLONG. */
static int next_path(const char **list, char *path, size_t size)
{
    size_t n;

    *list += strspn(*list, " \t,");
    n = strcspn(*list, " \t,");
    if (n >= size)
        return -ENAMETOOLONG;
    memcpy(path, *list, n);
    path[n] = '\0';
    *list += n;
    return 0;
}

static int kind_of_key(const X509 *leaf)
{
    const EVP_PKEY *key = X509_get0_pubkey(leaf);

    return key != NULL ? EVP_PKEY_base_id(key) : EVP_PKEY_NONE;
}

/* One before it for the same names, with a key of another kind: OpenSSL sends the one
 * that the client can verify, so they share a context. Of the same kind: the later one
 * is never sent. A file that cannot be read is told by who loads it. */
static struct tls_certificate *find_twin(struct tls *tls, const char *path)
{
    X509 *leaf = tls_read_leaf(path);
    struct tls_certificate *twin = NULL;

    for (unsigned i = 0; leaf != NULL && i < tls->count; i++) {
        if (!tls_same_names(tls->at[i].leaf, leaf))
            continue;
        if (kind_of_key(tls->at[i].leaf) != kind_of_key(leaf)) {
            twin = &tls->at[i];
            continue;
        }
        log_warn("the certificate '%s' is never sent: one before it has the same names "
                 "and the same kind of key",
                 path);
        twin = NULL;
        break;
    }
    X509_free(leaf);
    ERR_clear_error();
    return twin;
}

static int add(struct tls *tls, const struct options *o, const char *certificate,
               const char *key, const char *ocsp, char *why, size_t size)
{
    struct tls_certificate *c = &tls->at[tls->count], *twin;
    int rc;

    if (tls->count == TLS_CERTIFICATES_MAX) {
        snprintf(why, size, "more than %d certificates", TLS_CERTIFICATES_MAX);
        return -E2BIG;
    }
    rc = tls_check_file("certificate", certificate, why, size);
    if (rc < 0)
        return rc;
    twin = find_twin(tls, certificate);
    tls->count++;
    c->tls = tls;
    if (twin != NULL) {
        c->ctx = twin->ctx;
        SSL_CTX_up_ref(c->ctx);
    }
    rc = twin != NULL ? 0 : make(c, o, why, size);
    if (rc < 0)
        return rc;
    return tls_load_certificate(c, certificate, key[0] != '\0' ? key : certificate,
                                ocsp[0] != '\0' && strcmp(ocsp, "-") != 0 ? ocsp : NULL,
                                why, size);
}

static int add_all(struct tls *tls, const struct options *o, char *why, size_t size)
{
    const char *certificates = o->tls_certificate, *keys = o->tls_key,
               *responses = o->tls_ocsp;
    char certificate[4096], key[4096], ocsp[4096];

    for (;;) {
        int rc = next_path(&certificates, certificate, sizeof certificate);

        if (rc == 0)
            rc = next_path(&keys, key, sizeof key);
        if (rc == 0)
            rc = next_path(&responses, ocsp, sizeof ocsp);
        if (rc < 0) {
            snprintf(why, size, "a path of 4096 bytes or more");
            return rc;
        }
        if (certificate[0] == '\0')
            break;
        rc = add(tls, o, certificate, key, ocsp, why, size);
        if (rc < 0)
            return rc;
    }
    if (tls->count == 0)
        snprintf(why, size, "tls.certificate names none, and tls.listen is on");
    else if (key[0] != '\0')
        snprintf(why, size, "tls.key names more files than tls.certificate");
    else if (ocsp[0] != '\0')
        snprintf(why, size, "tls.ocsp names more files than tls.certificate");
    else
        return 0;
    return -EINVAL;
}

int tls_new(const struct options *o, struct tls **ret, struct option_error *ret_error)
{
    char why[384] = "out of memory";
    struct tls *tls;
    int rc;

    *ret = NULL;
    if (strcmp(o->tls_listen, "off") == 0)
        return 0;
    tls = calloc(1, sizeof *tls);
    rc = tls == NULL ? -ENOMEM : add_all(tls, o, why, sizeof why);
    if (rc == 0) {
        tls->ticket_cipher = EVP_CIPHER_fetch(NULL, "AES-256-CBC", NULL);
        if (tls->ticket_cipher == NULL) {
            snprintf(why, sizeof why, "no AES-256-CBC: %s", tls_error_text());
            rc = -EINVAL;
        }
    }
    if (rc < 0) {
        snprintf(ret_error->text, sizeof ret_error->text, "TLS (%s): %s",
                 options_where(o, tls != NULL && tls->count > 0 ? "tls.certificate"
                                                                : "tls.listen"),
                 why);
        tls_free(tls);
        return rc;
    }
    *ret = tls;
    return 0;
}

void tls_free(struct tls *tls)
{
    if (tls == NULL)
        return;
    for (unsigned i = 0; i < tls->count; i++) {
        SSL_CTX_free(tls->at[i].ctx);
        free(tls->at[i].ocsp);
    }
    EVP_CIPHER_free(tls->ticket_cipher);
    free(tls);
}

void tls_use_keys(struct tls *tls, const struct tls_keys *keys)
{
    tls->keys = keys;
}
