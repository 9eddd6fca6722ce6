/* SPDX-License-Identifier: MIT */
/* certificate.c - files into a context: chain, key, the response to staple. */
#define TLS_IMPL
#include <errno.h>
#include <inttypes.h>
#include <openssl/err.h>
#include <openssl/ocsp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <openssl/x509err.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "server/base/fd.h"
#include "server/base/log.h"
#include "server/tls/tls_impl.h"

enum { OCSP_MAX = 64 * 1024, OCSP_SKEW_S = 300, EXPIRES_SOON_S = 14 * 86400 };

const char *tls_error_text(void)
{
    static char text[256]; /* the master has one thread */
    unsigned long err = ERR_peek_last_error(), first = ERR_peek_error();
    const char *reason = ERR_reason_error_string(err);

    if (ERR_SYSTEM_ERROR(first)) /* the file: what came of it says less */
        snprintf(text, sizeof text, "%s", log_errno_text(ERR_GET_REASON(first)));
    else
        snprintf(text, sizeof text, "%s", reason != NULL ? reason : "it is malformed");
    ERR_clear_error();
    return text;
}

/* A key that needs one cannot be used by a server that starts unattended. */
static int no_password(char *to, int size, int writing, void *arg)
{
    (void)to;
    (void)size;
    (void)writing;
    (void)arg;
    return -1;
}

static int64_t seconds_of(const ASN1_TIME *t)
{
    struct tm tm;

    return t != NULL && ASN1_TIME_to_tm(t, &tm) == 1 ? (int64_t)timegm(&tm) : 0;
}

static void warn_of_expiry(const struct tls_certificate *c, const char *path)
{
    int64_t left_s = seconds_of(X509_get0_notAfter(c->leaf)) - (int64_t)time(NULL);

    if (left_s <= 0)
        log_warn("the certificate '%s' has expired", path);
    else if (left_s < EXPIRES_SOON_S)
        log_warn("the certificate '%s' expires in %" PRId64 " days", path,
                 left_s / 86400);
}

/* --- OCSP ----------------------------------------------------------------------------
 */

/* The times of the first answer in it; 0 or what is wrong with it. */
static const char *read_times(OCSP_RESPONSE *response, int64_t *ret_until_s)
{
    OCSP_BASICRESP *basic;
    ASN1_GENERALIZEDTIME *from = NULL, *until = NULL;
    OCSP_SINGLERESP *single;
    const char *why = NULL;

    if (OCSP_response_status(response) != OCSP_RESPONSE_STATUS_SUCCESSFUL)
        return "the responder did not answer with success";
    basic = OCSP_response_get1_basic(response);
    if (basic == NULL)
        return "it is no basic response";
    single = OCSP_resp_get0(basic, 0);
    if (single == NULL ||
        OCSP_single_get0_status(single, NULL, NULL, &from, &until) < 0)
        why = "it holds no answer";
    else if (until == NULL)
        why = "it does not say how long it is good";
    else if (OCSP_check_validity(from, until, OCSP_SKEW_S, -1) != 1)
        why = "it is not valid now";
    else
        *ret_until_s = seconds_of(until);
    OCSP_BASICRESP_free(basic);
    ERR_clear_error();
    return why;
}

/* One that cannot be used is told and left out: it is renewed by somebody else, and the
 * certificate is good without it. */
static int load_ocsp(struct tls_certificate *c, const char *path, char *why,
                     size_t size)
{
    unsigned char *der = malloc(OCSP_MAX);
    const unsigned char *at = der;
    OCSP_RESPONSE *response;
    const char *wrong = "it is no OCSP response (DER)";
    size_t n;
    int rc = der == NULL ? -ENOMEM : fd_read_file(path, der, OCSP_MAX, &n);

    if (rc < 0) {
        free(der);
        snprintf(why, size, "'%s': %s", path, log_errno_text(rc));
        return rc;
    }
    response = d2i_OCSP_RESPONSE(NULL, &at, (long)n);
    if (response != NULL)
        wrong = read_times(response, &c->ocsp_until_s);
    OCSP_RESPONSE_free(response);
    ERR_clear_error();
    if (wrong != NULL) {
        log_warn("the OCSP response '%s' is not stapled: %s", path, wrong);
        free(der);
        return 0;
    }
    c->ocsp = der;
    c->ocsp_len = (long)n;
    return 0;
}

/* --- names ---------------------------------------------------------------------------
 */

static bool has_name(const GENERAL_NAMES *names, GENERAL_NAME *name)
{
    for (int i = 0; i < sk_GENERAL_NAME_num(names); i++)
        if (GENERAL_NAME_cmp(sk_GENERAL_NAME_value(names, i), name) == 0)
            return true;
    return false;
}

static bool has_all(const GENERAL_NAMES *names, const GENERAL_NAMES *of)
{
    for (int i = 0; i < sk_GENERAL_NAME_num(of); i++)
        if (!has_name(names, sk_GENERAL_NAME_value(of, i)))
            return false;
    return true;
}

/* Without alternative names the subject is the name. */
bool tls_same_names(const X509 *a, const X509 *b)
{
    GENERAL_NAMES *of_a = X509_get_ext_d2i(a, NID_subject_alt_name, NULL, NULL);
    GENERAL_NAMES *of_b = X509_get_ext_d2i(b, NID_subject_alt_name, NULL, NULL);
    bool same;

    if (of_a == NULL || of_b == NULL)
        same = of_a == of_b &&
               X509_NAME_cmp(X509_get_subject_name(a), X509_get_subject_name(b)) == 0;
    else
        same = has_all(of_a, of_b) && has_all(of_b, of_a);
    GENERAL_NAMES_free(of_a);
    GENERAL_NAMES_free(of_b);
    return same;
}

X509 *tls_read_leaf(const char *certificate)
{
    BIO *file = BIO_new_file(certificate, "r");
    X509 *leaf =
        file != NULL ? PEM_read_bio_X509_AUX(file, NULL, no_password, NULL) : NULL;

    BIO_free(file);
    ERR_clear_error();
    return leaf;
}

/* --- all -----------------------------------------------------------------------------
 */

static int not_its_key(const char *certificate, const char *key, char *why, size_t size)
{
    snprintf(why, size, "key '%s' is not that of certificate '%s'", key, certificate);
    return -EINVAL;
}

/* OpenSSL would wait for a pipe, and has poor words for the others. */
int tls_check_file(const char *what, const char *path, char *why, size_t size)
{
    struct stat st;
    int rc = stat(path, &st) < 0 ? -errno : 0;

    if (rc < 0)
        snprintf(why, size, "%s '%s': %s", what, path, log_errno_text(rc));
    else if (!S_ISREG(st.st_mode))
        snprintf(why, size, "%s '%s': it is no regular file", what, path);
    else if (st.st_size == 0)
        snprintf(why, size, "%s '%s': it is empty", what, path);
    else
        return 0;
    return -EINVAL;
}

int tls_load_certificate(struct tls_certificate *c, const char *certificate,
                         const char *key, const char *ocsp, char *why, size_t size)
{
    int rc = tls_check_file("key", key, why, size);

    if (rc < 0)
        return rc;
    ERR_clear_error();
    SSL_CTX_set_default_passwd_cb(c->ctx, no_password);
    if (SSL_CTX_use_certificate_chain_file(c->ctx, certificate) != 1) {
        snprintf(why, size, "certificate '%s': %s", certificate, tls_error_text());
        return -EINVAL;
    }
    c->leaf = SSL_CTX_get0_certificate(c->ctx);
    if (SSL_CTX_use_PrivateKey_file(c->ctx, key, SSL_FILETYPE_PEM) != 1) {
        int reason = ERR_GET_REASON(ERR_peek_last_error());

        if (reason != X509_R_KEY_VALUES_MISMATCH &&
            reason != X509_R_KEY_TYPE_MISMATCH) {
            snprintf(why, size, "key '%s': %s", key, tls_error_text());
            return -EINVAL;
        }
        ERR_clear_error();
        return not_its_key(certificate, key, why, size);
    }
    if (SSL_CTX_get0_certificate(c->ctx) != c->leaf) /* it went to the other kind's */
        return not_its_key(certificate, key, why, size);
    warn_of_expiry(c, certificate);
    return ocsp != NULL ? load_ocsp(c, ocsp, why, size) : 0;
}
