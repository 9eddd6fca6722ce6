/* SPDX-License-Identifier: MIT */
/* test_tls.c - what does not need a server; the rest is in tests/e2e/test_tls.py. */
#include "loadtest/tls.h"

#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/test.h"

static struct tls make(const struct tls_config *config, const char *host)
{
    struct tls tls;
    struct url url = { .https = true };
    char error[TLS_ERROR_MAX];
    snprintf(url.host, sizeof url.host, "%s", host);
    check_int(tls_init(&tls, config, &url, error), 0, "%s", error);
    return tls;
}

static void a_file_without_certificates_is_named(void **state)
{
    (void)state;
    static const char *const paths[] = { "/nope/x.pem", "/dev/null" };
    for (size_t i = 0; i < TEST_COUNT(paths); i++) {
        struct tls tls;
        struct url url = { .host = "a" };
        struct tls_config config = { .cacert = paths[i] };
        char error[TLS_ERROR_MAX];
        check_int(tls_init(&tls, &config, &url, error), -EINVAL, "%s", paths[i]);
        check_not_null(strstr(error, paths[i]), "%s", error);
    }
}

/* The first bytes of a handshake hold the name, unless it is an address. */
static void only_a_name_is_told_to_the_server(void **state)
{
    (void)state;
    static const struct {
        const char *host;
        bool told;
    } cases[] = { { "name.example", true }, { "127.0.0.1", false }, { "::1", false } };
    for (size_t i = 0; i < TEST_COUNT(cases); i++) {
        struct tls tls = make(&(struct tls_config){ 0 }, cases[i].host);
        struct tls_conn conn = { 0 };
        char hello[4096];
        int pair[2];
        bool to_write;
        check_int(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair), 0);
        check_int(tls_begin(&conn, &tls, pair[0]), 0, "%s", cases[i].host);
        check_int(tls_handshake(&conn, &to_write), -EAGAIN, "%s", cases[i].host);
        check_true(!to_write, "%s: it waits for the server", cases[i].host);
        ssize_t n = read(pair[1], hello, sizeof hello);
        check_true(n > 100, "%s: %zd bytes", cases[i].host, n);
        check_true((memmem(hello, (size_t)n, cases[i].host, strlen(cases[i].host)) !=
                    NULL) == cases[i].told,
                   "%s", cases[i].host);
        check_not_null(memmem(hello, (size_t)n, "\x08http/1.1", 9), "ALPN");
        check_int(write(pair[1], "HTTP/1.1 400 No\r\n\r\n", 19), 19);
        check_int(tls_handshake(&conn, &to_write), -EPROTONOSUPPORT, "%s",
                  cases[i].host);
        tls_conn_free(&conn);
        tls_free(&tls);
        close(pair[0]);
        close(pair[1]);
    }
}

static void a_server_that_goes_away_is_no_protocol_error(void **state)
{
    (void)state;
    struct tls tls = make(&(struct tls_config){ .insecure = true }, "a");
    struct tls_conn conn = { 0 };
    int pair[2];
    bool to_write;
    check_int(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair), 0);
    check_int(tls_begin(&conn, &tls, pair[0]), 0);
    check_int(tls_handshake(&conn, &to_write), -EAGAIN);
    close(pair[1]);
    check_true(tls_handshake(&conn, &to_write) < 0);
    tls_conn_free(&conn);
    tls_conn_free(&conn);
    tls_free(&tls);
    close(pair[0]);
}

static void reasons_are_words(void **state)
{
    (void)state;
    check_not_null(strstr(tls_strerror(EKEYREJECTED), "--cacert"));
    check_not_null(strstr(tls_strerror(EPROTO), "handshake"));
    check_not_null(strstr(tls_strerror(EPROTONOSUPPORT), "https"));
    check_str(tls_strerror(ECONNREFUSED), strerror(ECONNREFUSED));
}

TEST_MAIN(test(a_file_without_certificates_is_named),
          test(only_a_name_is_told_to_the_server),
          test(a_server_that_goes_away_is_no_protocol_error), test(reasons_are_words))
