/* SPDX-License-Identifier: MIT */
/* test_dial.c - where connections go, and the header that may come first. */
#include "loadtest/dial.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <sys/un.h>
#include <unistd.h>

#include "tests/test.h"

static int dial(struct dial *d, const char *text, const struct dial_config *config,
                char *error)
{
    struct url url;
    check_null(url_parse(text, &url));
    error[0] = '\0';
    return dial_init(d, config, &url, error);
}

static void a_name_an_override_or_a_socket_is_where_it_goes(void **state)
{
    (void)state;
    static const struct {
        const char *url;
        struct dial_config config;
        const char *text;
        int family;
    } cases[] = {
        { "http://127.0.0.1:81/", { 0 }, "127.0.0.1:81", AF_INET },
        { "http://[::1]/", { 0 }, "[::1]:80", AF_INET6 },
        { "http://a.example:82/",
          { .resolve = "a.example:82:127.0.0.9" },
          "127.0.0.9:82",
          AF_INET },
        { "http://A.example/",
          { .resolve = "a.EXAMPLE:80:[::1]" },
          "[::1]:80",
          AF_INET6 },
        { "http://a.example/",
          { .resolve = "a.example:80:::1" },
          "[::1]:80",
          AF_INET6 },
        { "http://a.example/", { .unix_path = "/run/x.sock" }, "/run/x.sock", AF_UNIX },
    };
    for (size_t i = 0; i < TEST_COUNT(cases); i++) {
        struct dial d;
        char error[DIAL_ERROR_MAX];
        check_int(dial(&d, cases[i].url, &cases[i].config, error), 0, "%s: %s",
                  cases[i].url, error);
        check_str(d.text, cases[i].text);
        check_int(d.address.ss_family, cases[i].family, "%s", cases[i].url);
    }
}

static void what_cannot_be_dialled_is_named(void **state)
{
    (void)state;
    char path[200];
    memset(path, 'x', sizeof path - 1);
    path[sizeof path - 1] = '\0';
    const struct {
        struct dial_config config;
        const char *words;
    } cases[] = {
        { { .resolve = "b.example:80:127.0.0.1" }, "is not for a.example:80" },
        { { .resolve = "a.example:81:127.0.0.1" }, "is not for a.example:80" },
        { { .resolve = "a.example" }, "HOST:PORT:ADDRESS" },
        { { .resolve = "a.example:80:elsewhere" }, "could not resolve 'elsewhere'" },
        { { .unix_path = path }, "too long for a socket" },
    };
    for (size_t i = 0; i < TEST_COUNT(cases); i++) {
        struct dial d;
        char error[DIAL_ERROR_MAX];
        check_true(dial(&d, "http://a.example/", &cases[i].config, error) < 0);
        check_not_null(strstr(error, cases[i].words), "%s", error);
    }
}

/* Two ends of one connection over the loopback: their ports into ret_ports. */
static int connect_pair(int *ret_far, unsigned *ret_ports)
{
    struct sockaddr_in a = { .sin_family = AF_INET,
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t len = sizeof a;
    int listener = socket(AF_INET, SOCK_STREAM, 0),
        near = socket(AF_INET, SOCK_STREAM, 0);
    check_int(bind(listener, (const struct sockaddr *)&a, len), 0);
    check_int(listen(listener, 1), 0);
    check_int(getsockname(listener, (struct sockaddr *)&a, &len), 0);
    check_int(connect(near, (const struct sockaddr *)&a, len), 0);
    ret_ports[1] = ntohs(a.sin_port);
    check_int(getsockname(near, (struct sockaddr *)&a, &len), 0);
    ret_ports[0] = ntohs(a.sin_port);
    *ret_far = accept(listener, NULL, NULL);
    close(listener);
    return near;
}

static void the_header_tells_the_addresses_of_the_connection(void **state)
{
    (void)state;
    unsigned ports[2];
    int far, near = connect_pair(&far, ports);
    char got[DIAL_PREFACE_MAX], want[DIAL_PREFACE_MAX];
    struct dial d = { .proxy = DIAL_PROXY_V1 };
    size_t n = dial_preface(&d, near, got);
    snprintf(want, sizeof want, "PROXY TCP4 127.0.0.1 127.0.0.1 %u %u\r\n", ports[0],
             ports[1]);
    check_uint(n, strlen(want));
    check_mem(got, n, want, strlen(want));
    d.proxy = DIAL_PROXY_V2;
    n = dial_preface(&d, near, got);
    check_uint(n, 28);
    check_mem(got, 24, "\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c\x7f\0\0\x01\x7f\0\0\x01",
              24);
    check_uint((uint8_t)got[24] * 256u + (uint8_t)got[25], ports[0]);
    check_uint((uint8_t)got[26] * 256u + (uint8_t)got[27], ports[1]);
    d.proxy = DIAL_NO_PROXY;
    check_uint(dial_preface(&d, near, got), 0);
    close(near);
    close(far);
}

static void a_socket_without_addresses_has_a_header_too(void **state)
{
    (void)state;
    int ends[2];
    char got[DIAL_PREFACE_MAX];
    struct dial d = { .proxy = DIAL_PROXY_V1 };
    check_int(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
    check_uint(dial_preface(&d, ends[0], got), strlen("PROXY UNKNOWN\r\n"));
    check_mem(got, 15, "PROXY UNKNOWN\r\n", 15);
    d.proxy = DIAL_PROXY_V2;
    check_uint(dial_preface(&d, ends[0], got), 16);
    check_mem(got + 12, 4, "\x21\0\0\0", 4);
    close(ends[0]);
    close(ends[1]);
    enum dial_proxy proxy;
    check_true(dial_parse_proxy("v2", &proxy) && proxy == DIAL_PROXY_V2);
    check_false(dial_parse_proxy("3", &proxy));
}

TEST_MAIN(test(a_name_an_override_or_a_socket_is_where_it_goes),
          test(what_cannot_be_dialled_is_named),
          test(the_header_tells_the_addresses_of_the_connection),
          test(a_socket_without_addresses_has_a_header_too))
