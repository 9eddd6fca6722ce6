/* SPDX-License-Identifier: MIT */
/* tls_impl.h - the inside of struct tls, for the files of server/tls/. */
#ifndef TLS_IMPL
#error "private to server/tls/: use tls.h"
#endif
#ifndef COWSHED_TLS_IMPL_H
#define COWSHED_TLS_IMPL_H

#include <openssl/ssl.h>
#include <stdbool.h>
#include <stdint.h>

#include "server/tls/tls.h"

enum { TLS_CERTIFICATES_MAX = 32 };

struct tls_certificate {
    struct tls *tls;
    SSL_CTX *ctx;
    X509 *leaf;          /* the context's; two may share one, with keys of two kinds */
    unsigned char *ocsp; /* DER of the response to staple; NULL: none */
    long ocsp_len;
    int64_t ocsp_until_s; /* CLOCK_REALTIME; not stapled from then on */
};

struct tls {
    const struct tls_keys *keys; /* NULL: no tickets */
    EVP_CIPHER *ticket_cipher;   /* looked up once, not for each ticket */
    unsigned count;
    struct tls_certificate at[TLS_CERTIFICATES_MAX];
};

/* tickets.c */
int tls_ticket_key(SSL *, unsigned char name[16], unsigned char iv[EVP_MAX_IV_LENGTH],
                   EVP_CIPHER_CTX *, EVP_MAC_CTX *, int encrypt);
/* certificate.c: names, files. */
int tls_load_certificate(struct tls_certificate *, const char *certificate,
                         const char *key, const char *ocsp, char *why, size_t size);
/* It is a file with something in it. 0 or a negative errno, and why not. */
int tls_check_file(const char *what, const char *path, char *why, size_t size);
/* The first certificate of a file; owned by the caller. NULL: it cannot be read. */
X509 *tls_read_leaf(const char *certificate);
/* Both are for the same names, in whatever order. */
bool tls_same_names(const X509 *, const X509 *);
/* The words of OpenSSL for what went wrong last. */
const char *tls_error_text(void);

#endif
