/* SPDX-License-Identifier: MIT */
#include "loadtest/target.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "loadtest/url.h"
#include "tests/test.h"

static void urls_are_taken_apart(void **state)
{
    (void)state;
    static const struct {
        const char *text, *host, *port, *authority, *path;
    } cases[] = {
        { "http://a", "a", "80", "a", "/" },
        { "http://a/", "a", "80", "a", "/" },
        { "http://a:1?b/c#d", "a", "1", "a:1", "?b/c" },
        { "HTTP://a:8080/b?c=d", "a", "8080", "a:8080", "/b?c=d" },
        { "http://127.0.0.1:1/x#fragment", "127.0.0.1", "1", "127.0.0.1:1", "/x" },
        { "http://[::1]:65535/", "::1", "65535", "[::1]:65535", "/" },
        { "http://[::1]", "::1", "80", "[::1]", "/" },
        { "https://a", "a", "443", "a", "/" },
        { "HTTPS://a:80/", "a", "80", "a:80", "/" },
    };
    for (size_t i = 0; i < TEST_COUNT(cases); i++) {
        struct url url;
        check_str(url_parse(cases[i].text, &url), NULL, "%s", cases[i].text);
        check_str(url.host, cases[i].host, "%s", cases[i].text);
        check_str(url.port, cases[i].port, "%s", cases[i].text);
        check_span(url.authority, cases[i].authority, "%s", cases[i].text);
        check_span(url.path, cases[i].path, "%s", cases[i].text);
    }
}

static void bad_urls_say_what_is_wrong(void **state)
{
    (void)state;
    static const struct {
        const char *text, *words;
    } cases[] = {
        { "", "http://" },
        { "a", "http://" },
        { "httpss://a/", "https" },
        { "ftp://a/", "http" },
        { "http://", "host is missing" },
        { "http:///x", "host is missing" },
        { "http://:80/", "host is missing" },
        { "http://a:/", "port" },
        { "http://a:0/", "port" },
        { "http://a:65536/", "port" },
        { "http://a:1x/", "port" },
        { "http://u@a/", "user" },
        { "http://[::1/", "bracket" },
        { "http://[::1]x/", "no port" },
        { "http://a/ b", "escaped" },
        { "http://a/\xc3\xa9", "escaped" },
    };
    for (size_t i = 0; i < TEST_COUNT(cases); i++) {
        struct url url;
        const char *wrong = url_parse(cases[i].text, &url);
        check_not_null(wrong, "'%s'", cases[i].text);
        check_not_null(strstr(wrong, cases[i].words), "'%s': %s", cases[i].text, wrong);
    }
}

static void one_request(const struct target_config *config, char *out, size_t size)
{
    struct target target;
    struct prng prng;
    char error[TARGET_ERROR_MAX], request[TARGET_REQUEST_MAX];
    struct target_pick pick;
    prng_seed(&prng, 1);
    check_int(target_init(&target, config, error), 0, "%s", error);
    size_t n = target_next(&target, &prng, request, &pick);
    check_true(n < size);
    memcpy(out, request, n);
    out[n] = '\0';
    target_free(&target);
}

static void a_request_is_what_was_asked_for(void **state)
{
    (void)state;
    static const char *const headers[] = { "Accept: x", "host: other" };
    static const struct {
        struct target_config config;
        const char *want;
    } cases[] = {
        { { .url = "http://127.0.0.1:81/p?q" },
          "GET /p?q HTTP/1.1\r\nHost: 127.0.0.1:81\r\n\r\n" },
        { { .url = "http://127.0.0.1:81?q" },
          "GET /?q HTTP/1.1\r\nHost: 127.0.0.1:81\r\n\r\n" },
        { { .url = "http://127.0.0.1/{}" },
          "GET /{} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n" },
        { { .url = "http://127.0.0.1/", .headers = headers, .n_headers = 1 },
          "GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nAccept: x\r\n\r\n" },
        { { .url = "http://127.0.0.1/", .headers = headers, .n_headers = 2 },
          "GET / HTTP/1.1\r\nAccept: x\r\nhost: other\r\n\r\n" },
        { { .url = "http://127.0.0.1", .zipf_keys = 1 },
          "GET /o/0 HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n" },
        { { .url = "http://127.0.0.1/a-{}.html", .zipf_keys = 1 },
          "GET /a-0.html HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n" },
        { { .url = "http://127.0.0.1/item/", .zipf_keys = 1 },
          "GET /item/0 HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n" },
    };
    for (size_t i = 0; i < TEST_COUNT(cases); i++) {
        char got[512];
        one_request(&cases[i].config, got, sizeof got);
        check_str(got, cases[i].want, "case %zu", i);
    }
}

static void the_same_seed_draws_the_same_requests(void **state)
{
    (void)state;
    struct target_config config = { .url = "http://127.0.0.1/",
                                    .zipf_keys = 100000,
                                    .zipf_exponent = 0.9 };
    struct target target;
    struct prng a, b;
    char error[TARGET_ERROR_MAX], one[TARGET_REQUEST_MAX], two[TARGET_REQUEST_MAX];
    struct target_pick pick;
    check_int(target_init(&target, &config, error), 0, "%s", error);
    prng_seed(&a, 5);
    prng_seed(&b, 5);
    for (unsigned i = 0; i < 1000; i++) {
        size_t n = target_next(&target, &a, one, &pick);
        check_mem(one, n, two, target_next(&target, &b, two, &pick), "request %u", i);
    }
    target_free(&target);
}

/* Writes a file and returns its name, which is good until the next call. */
static const char *file_with(const char *text)
{
    static char path[] = "/tmp/cowload-mix-XXXXXX";
    strcpy(path + sizeof path - 7, "XXXXXX");
    int fd = mkstemp(path);
    check_true(fd >= 0);
    check_int(write(fd, text, strlen(text)), strlen(text));
    close(fd);
    return path;
}

static void methods_headers_and_bodies_of_a_mix_are_sent(void **state)
{
    (void)state;
    static char body_path[] = "/tmp/cowload-body-XXXXXX", text[256];
    int fd = mkstemp(body_path);
    check_int(write(fd, "{}\0\r\n\r\n{}", 9), 9);
    close(fd);
    snprintf(text, sizeof text, "1 PUT /{} 'X-One: a  b' @%s\n", body_path);
    const char *path = file_with(text);
    static const char *const common[] = { "X-All: 1" };
    struct target_config config = { .url = "http://h.example:81/",
                                    .headers = common,
                                    .n_headers = 1,
                                    .dial.resolve = "h.example:81:127.0.0.1",
                                    .zipf_keys = 1,
                                    .mix_path = path };
    static const char want[] = "PUT /0 HTTP/1.1\r\nHost: h.example:81\r\nX-All: 1\r\n"
                               "X-One: a  b\r\nContent-Length: 9\r\n\r\n{}\0\r\n\r\n{}";
    struct target target;
    struct prng prng;
    char error[TARGET_ERROR_MAX];
    static char request[TARGET_REQUEST_MAX];
    struct target_pick pick;
    check_int(target_init(&target, &config, error), 0, "%s", error);
    prng_seed(&prng, 2);
    size_t n = target_next(&target, &prng, request, &pick);
    check_mem(request, n, want, sizeof want - 1,
              "the key is in the path, not in the body");
    check_false(pick.head);
    target_free(&target);
    unlink(path);
    unlink(body_path);
}

static void the_url_alone_has_a_method_and_a_body_too(void **state)
{
    (void)state;
    static const struct {
        const char *method, *body, *want;
    } cases[] = {
        { "POST", "a=b",
          "POST / HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 3\r\n\r\na=b" },
        { "POST", NULL,
          "POST / HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 0\r\n\r\n" },
        { "DELETE", NULL, "DELETE / HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n" },
        { NULL, NULL, "GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n" },
    };
    static char request[TARGET_REQUEST_MAX];
    for (size_t i = 0; i < TEST_COUNT(cases); i++) {
        struct target_config config = { .url = "http://127.0.0.1/",
                                        .method = cases[i].method,
                                        .body = cases[i].body };
        struct target target;
        struct prng prng;
        char error[TARGET_ERROR_MAX];
        struct target_pick pick;
        check_int(target_init(&target, &config, error), 0, "%s", error);
        prng_seed(&prng, 1);
        size_t n = target_next(&target, &prng, request, &pick);
        check_mem(request, n, cases[i].want, strlen(cases[i].want), "case %zu", i);
        target_free(&target);
    }
    struct target_config config = { .url = "http://127.0.0.1/", .body = "@/nope" };
    struct target target;
    char error[TARGET_ERROR_MAX];
    check_true(target_init(&target, &config, error) < 0);
    check_not_null(strstr(error, "bad body '@/nope': the file"), "%s", error);
}

static void a_mix_is_drawn_by_weight(void **state)
{
    (void)state;
    const char *path = file_with("# a mix\n3 GET /often\n1 HEAD /seldom");
    struct target_config config = { .url = "http://127.0.0.1/", .mix_path = path };
    struct target target;
    struct prng prng;
    char error[TARGET_ERROR_MAX], request[TARGET_REQUEST_MAX];
    unsigned heads = 0;
    check_int(target_init(&target, &config, error), 0, "%s", error);
    prng_seed(&prng, 2);
    for (unsigned i = 0; i < 10000; i++) {
        struct target_pick pick;
        size_t n = target_next(&target, &prng, request, &pick);
        heads += pick.head;
        check_true(n > 12 && (memcmp(request, "HEAD /seldom", 12) == 0) == pick.head);
    }
    check_near(heads, 2500, 4 * 43.3);
    target_free(&target);
    unlink(path);
}

static void a_bad_mix_is_named_with_its_line(void **state)
{
    (void)state;
    static const struct {
        const char *text, *words;
    } cases[] = { { "1 /a\n\nx /b\n", ":3: a line begins with a weight" },
                  { "# nothing\n", "the mix is empty" } };
    for (size_t i = 0; i < TEST_COUNT(cases); i++) {
        const char *path = file_with(cases[i].text);
        struct target_config config = { .url = "http://127.0.0.1/", .mix_path = path };
        struct target target;
        char error[TARGET_ERROR_MAX];
        check_int(target_init(&target, &config, error), -EINVAL, "case %zu", i);
        check_not_null(strstr(error, cases[i].words), "%s", error);
        unlink(path);
    }
    struct target_config missing = { .url = "http://127.0.0.1/",
                                     .mix_path = "/nope/x" };
    struct target target;
    char error[TARGET_ERROR_MAX];
    check_int(target_init(&target, &missing, error), -ENOENT);
    check_not_null(strstr(error, "could not open '/nope/x'"), "%s", error);
}

static void a_request_that_is_too_long_is_refused(void **state)
{
    (void)state;
    char url[TARGET_REQUEST_MAX + 64] = "http://127.0.0.1/";
    struct target_config config = { .url = url };
    struct target target;
    char error[TARGET_ERROR_MAX];
    memset(url + strlen(url), 'a', sizeof url - 1 - strlen(url));
    url[sizeof url - 1] = '\0';
    check_int(target_init(&target, &config, error), -ENOBUFS);
    check_not_null(strstr(error, "too long"), "%s", error);
}

TEST_MAIN(test(urls_are_taken_apart), test(bad_urls_say_what_is_wrong),
          test(a_request_is_what_was_asked_for),
          test(the_same_seed_draws_the_same_requests),
          test(methods_headers_and_bodies_of_a_mix_are_sent),
          test(the_url_alone_has_a_method_and_a_body_too),
          test(a_mix_is_drawn_by_weight), test(a_bad_mix_is_named_with_its_line),
          test(a_request_that_is_too_long_is_refused))
