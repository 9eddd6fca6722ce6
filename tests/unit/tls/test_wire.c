/* SPDX-License-Identifier: MIT */
/* test_wire.c - the I/O table of TLS against a client of OpenSSL over a pair of sockets
 * that are nearly full: every byte once, in order, whatever was written in pieces. */
#define TLS_IMPL
#include "server/tls/tls.h"

#include <errno.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <stdlib.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "server/base/prng.h"
#include "server/tls/tls_impl.h"
#include "tests/test.h"

enum { BYTES = 300000, PARTS = 4 };

static struct tls tls;
static SSL_CTX *client_ctx;
static SSL *client;
static struct wire wire;
static unsigned char sent[BYTES], got[BYTES];

static int make_certificate(SSL_CTX *ctx)
{
    EVP_PKEY *key = EVP_EC_gen("P-256");
    X509 *cert = X509_new();
    int rc;

    X509_set_version(cert, 2);
    X509_gmtime_adj(X509_getm_notBefore(cert), 0);
    X509_gmtime_adj(X509_getm_notAfter(cert), 3600);
    X509_set_pubkey(cert, key);
    X509_sign(cert, key, EVP_sha256());
    rc = SSL_CTX_use_certificate(ctx, cert) == 1 &&
         SSL_CTX_use_PrivateKey(ctx, key) == 1;
    X509_free(cert);
    EVP_PKEY_free(key);
    return rc ? 0 : -1;
}

static int make(void **state)
{
    const int small = 4096;
    int fd[2];

    (void)state;
    tls = (struct tls){ .count = 1 };
    tls.at[0].tls = &tls;
    tls.at[0].ctx = SSL_CTX_new(TLS_server_method());
    SSL_CTX_set_app_data(tls.at[0].ctx, &tls.at[0]);
    SSL_CTX_set_options(tls.at[0].ctx, SSL_OP_IGNORE_UNEXPECTED_EOF);
    SSL_CTX_set_mode(tls.at[0].ctx, SSL_MODE_ENABLE_PARTIAL_WRITE |
                                        SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    client_ctx = SSL_CTX_new(TLS_client_method());
    client = SSL_new(client_ctx);
    if (make_certificate(tls.at[0].ctx) < 0 ||
        socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fd) < 0)
        return -1;
    setsockopt(fd[0], SOL_SOCKET, SO_SNDBUF, &small, sizeof small);
    wire = wire_plain(fd[0]);
    SSL_set_fd(client, fd[1]);
    SSL_set_connect_state(client);
    for (size_t i = 0; i < BYTES; i++)
        sent[i] = (unsigned char)(i * 31 + i / 251);
    return wire_tls(&wire, &tls, NULL, 0);
}

static int destroy(void **state)
{
    int fd = SSL_get_fd(client);

    (void)state;
    wire.io->close(&wire);
    SSL_free(client);
    close(fd);
    SSL_CTX_free(client_ctx);
    SSL_CTX_free(tls.at[0].ctx);
    return 0;
}

/* Until both sides are through. */
static void shake(void)
{
    char byte;

    for (int i = 0; i < 100; i++) {
        int rc = SSL_do_handshake(client);
        ssize_t n = wire.io->read(&wire, &byte, 1);

        check_true(n == -EAGAIN, "read says %zd", n);
        if (rc == 1 && tls_news(&wire) == TLS_SHAKEN)
            return;
    }
    check_true(false, "no end of the handshake");
}

static size_t drain(size_t at)
{
    size_t n = 0;

    while (at < BYTES && SSL_read_ex(client, got + at, BYTES - at, &n) == 1)
        at += n;
    return at;
}

static void every_byte_comes_once_however_it_is_cut(void **state)
{
    struct prng prng;
    size_t written = 0, read = 0;
    unsigned full = 0;

    (void)state;
    prng_seed(&prng, 5);
    shake();
    while (written < BYTES) {
        struct iovec parts[PARTS];
        size_t at = written;

        for (int i = 0; i < PARTS; i++) { /* small ones, and such as fill records */
            size_t n = prng_next(&prng) % (i % 2 ? 40000 : 300);

            n = n < BYTES - at ? n : BYTES - at;
            parts[i] = (struct iovec){ sent + at, n };
            at += n;
        }
        for (;;) { /* again with the same bytes until something of them is gone */
            ssize_t n = wire.io->writev(&wire, parts, PARTS, false);

            if (n != -EAGAIN) {
                check_true(n >= 0, "writev says %zd", n);
                written += (size_t)n;
                break;
            }
            full++;
            read = drain(read);
        }
    }
    for (int i = 0; i < 1000 && read < BYTES; i++) {
        wire.io->writev(&wire, NULL, 0, false);
        read = drain(read);
    }
    check_uint(read, BYTES);
    check_int(memcmp(sent, got, BYTES), 0);
    check_true(full > 3, "the socket was full %u times", full);
}

static void a_file_comes_as_it_is_and_ends_where_it_ends(void **state)
{
    int file = memfd_create("file", MFD_CLOEXEC);
    size_t at = 0, read = 0;

    (void)state;
    check_int(write(file, sent, BYTES), BYTES);
    shake();
    while (at < BYTES) {
        ssize_t n = wire.io->send_file(&wire, file, at, BYTES - at);

        if (n == -EAGAIN)
            read = drain(read);
        else
            check_true(n > 0, "send_file says %zd", n);
        at += n > 0 ? (size_t)n : 0;
    }
    while (read < BYTES)
        read = drain(read);
    check_int(memcmp(sent, got, BYTES), 0);
    check_int(wire.io->send_file(&wire, file, BYTES, 5), 0, "it has ended");
    close(file);
}

static void the_end_is_said_by_both(void **state)
{
    char byte;

    (void)state;
    shake();
    check_int(wire.io->end(&wire), 0);
    check_int(SSL_read(client, &byte, 1), 0);
    check_int(SSL_get_error(client, 0), SSL_ERROR_ZERO_RETURN, "close_notify");
    SSL_shutdown(client);
    check_int(wire.io->read(&wire, &byte, 1), 0, "the other end too");
}

/* Nobody is left to read that we end; it would be an error of the socket. */
static void to_whom_the_connection_was_cut_nothing_is_said(void **state)
{
    unsigned char byte;

    (void)state;
    signal(SIGPIPE, SIG_IGN); /* the client complains of the cut, to nobody */
    for (unsigned cut = 0; cut < 2; cut++) {
        if (cut == 1) { /* once more, from the beginning */
            destroy(NULL);
            make(NULL);
        }
        shake();
        while (SSL_read(client, &byte, 1) > 0) /* tickets */
            continue;
        if (cut == 0)
            SSL_shutdown(client);
        check_int(shutdown(SSL_get_fd(client), SHUT_WR), 0);
        check_int(wire.io->read(&wire, &byte, 1), 0, "the end");
        check_int(wire.io->writev(&wire, &(struct iovec){ &byte, 1 }, 1, false), 1,
                  "it may still want an answer");
        check_int(wire.io->end(&wire), 0);
        check_int(SSL_read(client, &byte, 1), 1);
        check_true(SSL_read(client, &byte, 1) <= 0, "and then the end");
        check_int((SSL_get_shutdown(client) & SSL_RECEIVED_SHUTDOWN) != 0, cut == 0,
                  "close_notify, cut %u", cut);
    }
}

static void what_is_no_tls_breaks_the_wire(void **state)
{
    char byte, text[200] = "";

    (void)state;
    check_int(write(SSL_get_fd(client), "GET / HTTP/1.1\r\n\r\n", 18), 18);
    check_int(wire.io->read(&wire, &byte, 1), -EPROTO);
    check_int(tls_news(&wire), TLS_FAILED);
    check_int(tls_news(&wire), TLS_NOTHING, "told once");
    check_true(read(SSL_get_fd(client), text, sizeof text - 1) > 0);
    check_int(strncmp(text, "HTTP/1.1 400 ", 13), 0, "%s", text);
    check_int(wire.io->read(&wire, &byte, 1), -EPROTO);
    check_true(wire.io->writev(&wire, &(struct iovec){ text, 1 }, 1, false) < 0);
}

#define fresh(name) test_with(name, make, destroy)
TEST_MAIN(fresh(every_byte_comes_once_however_it_is_cut),
          fresh(a_file_comes_as_it_is_and_ends_where_it_ends),
          fresh(the_end_is_said_by_both),
          fresh(to_whom_the_connection_was_cut_nothing_is_said),
          fresh(what_is_no_tls_breaks_the_wire))
