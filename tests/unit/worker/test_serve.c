/* SPDX-License-Identifier: MIT */
/* What a slot serves, seen from a client: a real worker on the loopback. */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "server/base/fd.h"
#include "tests/test.h"
#include "tests/unit/worker/slot.h"

static struct slot slot;

static void get(int fd, const char *path, const char *more)
{
    char text[1024];

    snprintf(text, sizeof text, "GET %s HTTP/1.1\r\nHost: t\r\n%s\r\n", path, more);
    slot_write(fd, text);
}

static void a_file_is_served_from_disk_and_then_from_the_cache(void **state)
{
    struct reply r;

    (void)state;
    slot_make_small(&slot);
    slot_start(&slot);
    int fd = slot_connect(&slot);
    for (int i = 0; i < 3; i++) {
        get(fd, "/a.txt", "");
        slot_read_reply(fd, true, &r);
        check_int(r.status, 200, "request %d", i);
        check_mem(r.body, r.body_n, "hello", 5, "request %d", i);
        check_str(reply_field(&r, "Content-Type"), "text/plain; charset=utf-8");
        check_not_null(reply_field(&r, "Date"));
        check_null(reply_field(&r, "Connection"));
        reply_free(&r);
    }
    slot_await(&slot, COUNTER_responses_2xx, 3);
    check_uint(slot_count(&slot, COUNTER_hits), 2);
    check_uint(slot_count(&slot, COUNTER_misses), 1);
    check_uint(slot_count(&slot, COUNTER_stored), 1);
    check_uint(slot_count(&slot, COUNTER_published), 1);
    slot_expect(&slot, MESSAGE_PUBLISH);
    close(fd);
    slot_stop(&slot);
}

struct exchange {
    const char *request;
    int status;
    const char *body; /* NULL: not looked at */
    const char
        *field; /* NULL, or a field that must have this value (NULL: must be missing) */
    const char *value;
    bool has_body;
};

/* Each on one kept connection, first as a miss, then as a hit. */
static void run_exchanges(const struct exchange *e, size_t n)
{
    for (int round = 0; round < 2; round++) {
        int fd = slot_connect(&slot);

        for (size_t i = 0; i < n; i++) {
            struct reply r;

            slot_write(fd, e[i].request);
            slot_read_reply(fd, e[i].has_body, &r);
            check_int(r.status, e[i].status, "round %d: %s", round, e[i].request);
            if (e[i].body != NULL)
                check_mem(r.body, r.body_n, e[i].body, strlen(e[i].body),
                          "round %d: %s", round, e[i].request);
            if (e[i].field != NULL)
                check_str(reply_field(&r, e[i].field), e[i].value, "round %d: %s",
                          round, e[i].request);
            reply_free(&r);
        }
        close(fd);
    }
}

#define HOST " HTTP/1.1\r\nHost: t\r\n"

static void methods_ranges_and_conditions_are_answered(void **state)
{
    static const struct exchange all[] = {
        { "GET /a.txt" HOST "\r\n", 200, "hello", "Accept-Ranges", "bytes", true },
        { "HEAD /a.txt" HOST "\r\n", 200, NULL, "Content-Length", "5", false },
        { "GET /a.txt" HOST "Range: bytes=1-3\r\n\r\n", 206, "ell", "Content-Range",
          "bytes 1-3/5", true },
        { "GET /a.txt" HOST "Range: bytes=-2\r\n\r\n", 206, "lo", "Content-Range",
          "bytes 3-4/5", true },
        { "GET /a.txt" HOST "Range: bytes=5-\r\n\r\n", 416, NULL, "Content-Range",
          "bytes */5", true },
        { "HEAD /a.txt" HOST "Range: bytes=1-3\r\n\r\n", 200, NULL, "Content-Length",
          "5", false },
        { "GET /a.txt" HOST "If-Modified-Since: Tue, 14 Nov 2023 22:13:20 GMT\r\n\r\n",
          304, NULL, "Content-Length", NULL, false },
        { "GET /a.txt" HOST "If-None-Match: \"other\"\r\n\r\n", 200, "hello", NULL,
          NULL, true },
        { "GET /a.txt" HOST "If-Match: \"other\"\r\n\r\n", 412, NULL, "Connection",
          NULL, true },
        { "GET /none" HOST "\r\n", 404, NULL, "Connection", NULL, true },
        { "HEAD /none" HOST "\r\n", 404, NULL, "Connection", NULL, false },
        { "GET /%zz" HOST "\r\n", 400, NULL, NULL, NULL, true },
        { "DELETE /a.txt" HOST "\r\n", 405, NULL, "Allow", "GET, HEAD", true },
        { "POST /a.txt" HOST "Content-Length: 3\r\n\r\nabc", 405, NULL, "Connection",
          NULL, true },
        { "POST /a.txt" HOST "Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
          405, NULL, "Connection", NULL, true },
        { "GET /a.txt" HOST "Content-Length: 3\r\n\r\nabc", 200, "hello", NULL, NULL,
          true },
        { "GET /a.txt HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", 200, "hello",
          "Connection", "keep-alive", true },
        { "GET /a.txt" HOST "X-Cowshed-Timing: 1\r\n\r\n", 200, "hello", NULL, NULL,
          true },
        { "GET /a.txt" HOST "\r\n", 200, "hello", "Server-Timing", NULL, true },
        { "GET /a.txt" HOST "Connection: close\r\n\r\n", 200, "hello", "Connection",
          "close", true },
    };

    (void)state;
    slot_make_small(&slot);
    slot_start(&slot);
    run_exchanges(all, TEST_COUNT(all));
    slot_stop(&slot);
}

/* Each of them ends its connection, whatever the client sends after it. */
static void refused_requests_get_their_status_and_a_close(void **state)
{
    static char long_line[300], many_fields[4000], large_field[4000];
    const struct {
        const char *request;
        int status;
    } all[] = {
        { "GET /a.txt HTTP/1.1\r\n\r\n", 400 },
        { "nonsense\r\n\r\n", 400 },
        { "GET /a.txt HTTP/2.0\r\nHost: t\r\n\r\n", 505 },
        { "BREW /a.txt" HOST "\r\n", 501 },
        { "POST /a.txt" HOST "Content-Length: 2000\r\n\r\n", 413 },
        { "POST /a.txt" HOST "Transfer-Encoding: chunked\r\n\r\n800\r\n", 413 },
        { "POST /a.txt" HOST "Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n",
          400 },
        { long_line, 414 },
        { many_fields, 431 },
        { large_field, 431 },
    };

    (void)state;
    snprintf(long_line, sizeof long_line, "GET /%0200d" HOST "\r\n", 0);
    snprintf(large_field, sizeof large_field, "GET /" HOST "A: %02000d\r\n\r\n", 0);
    strcpy(many_fields, "GET /" HOST);
    for (int i = 0; i < 30; i++)
        strcat(many_fields, "A: b\r\n");
    strcat(many_fields, "\r\n");
    slot_make_small(&slot);
    slot_set(&slot, "request_line_max", "200");
    slot_set(&slot, "header_bytes_max", "1024");
    slot_set(&slot, "headers_max", "20");
    slot_set(&slot, "body_max", "1000");
    slot_start(&slot);
    for (size_t i = 0; i < TEST_COUNT(all); i++) {
        int fd = slot_connect(&slot);
        struct reply r;

        slot_write(fd, all[i].request);
        slot_write(fd, "GET /a.txt" HOST "\r\n"); /* must not be answered */
        slot_read_reply(fd, true, &r);
        check_int(r.status, all[i].status, "%.60s", all[i].request);
        check_str(reply_field(&r, "Connection"), "close", "%.60s", all[i].request);
        reply_free(&r);
        check_true(slot_at_end(fd), "%.60s", all[i].request);
        close(fd);
    }
    check_uint(slot_count(&slot, COUNTER_bad_requests), TEST_COUNT(all));
    slot_stop(&slot);
}

static void a_body_is_read_and_a_client_that_waits_is_told_to_go_on(void **state)
{
    struct reply r;

    (void)state;
    slot_make_small(&slot);
    slot_start(&slot);
    int fd = slot_connect(&slot);
    get(fd, "/a.txt", "Expect: 100-continue\r\nContent-Length: 5\r\n");
    slot_read_reply(fd, false, &r);
    check_int(r.status, 100);
    slot_write(fd, "12345");
    slot_read_reply(fd, true, &r);
    check_int(r.status, 200);
    reply_free(&r);
    slot_write(fd,
               "POST /a.txt" HOST "Expect: 100-continue\r\nContent-Length: 5\r\n\r\n");
    slot_read_reply(fd, true, &r); /* nobody wants the body */
    check_int(r.status, 405);
    check_str(reply_field(&r, "Connection"), "close");
    reply_free(&r);
    check_true(slot_at_end(fd));
    close(fd);
    slot_stop(&slot);
}

static void requests_byte_by_byte_and_in_one_piece_get_the_same_answers(void **state)
{
    static const char two[] = "GET /a.txt" HOST "\r\nGET /none" HOST "\r\n";
    struct reply r;

    (void)state;
    slot_make_small(&slot);
    slot_start(&slot);
    for (int by_byte = 0; by_byte < 2; by_byte++) {
        int fd = slot_connect(&slot);

        for (size_t i = 0; by_byte && i < sizeof two - 1; i++)
            check_int(send(fd, two + i, 1, 0), 1);
        if (!by_byte)
            slot_write(fd, two);
        slot_read_reply(fd, true, &r);
        check_int(r.status, 200);
        reply_free(&r);
        slot_read_reply(fd, true, &r);
        check_int(r.status, 404);
        reply_free(&r);
        close(fd);
    }
    slot_stop(&slot);
}

/* Far more requests than a connection may have in one turn of the loop: each is
 * answered, and another connection gets its answer between. */
static void pipelined_requests_beyond_the_budget_are_all_answered(void **state)
{
    enum { MANY = 500 };
    static char text[MANY * 64];
    struct reply r;

    (void)state;
    slot_make_small(&slot);
    slot_start(&slot);
    for (int i = 0; i < MANY; i++)
        strcat(text, "GET /a.txt" HOST "\r\n");
    int fd = slot_connect(&slot), other = slot_connect(&slot);
    slot_write(fd, text);
    get(other, "/a.txt", "");
    slot_read_reply(other, true, &r);
    check_int(r.status, 200);
    reply_free(&r);
    for (int i = 0; i < MANY; i++) {
        slot_read_reply(fd, true, &r);
        check_int(r.status, 200, "reply %d", i);
        check_mem(r.body, r.body_n, "hello", 5, "reply %d", i);
        reply_free(&r);
    }
    close(fd);
    close(other);
    slot_stop(&slot);
}

static void keepalive_requests_closes_after_the_last(void **state)
{
    struct reply r;

    (void)state;
    slot_make_small(&slot);
    slot_set(&slot, "keepalive_requests", "2");
    slot_start(&slot);
    int fd = slot_connect(&slot);
    get(fd, "/a.txt", "");
    slot_read_reply(fd, true, &r);
    check_null(reply_field(&r, "Connection"));
    reply_free(&r);
    get(fd, "/a.txt", "");
    slot_read_reply(fd, true, &r);
    check_str(reply_field(&r, "Connection"), "close");
    reply_free(&r);
    check_true(slot_at_end(fd));
    close(fd);
    slot_stop(&slot);
}

static unsigned char *pattern(size_t n)
{
    unsigned char *p = malloc(n);

    for (size_t i = 0; i < n; i++)
        p[i] = (unsigned char)(i * 31 + (i >> 8) * 7);
    return p;
}

/* Bodies that no socket takes at once: from the heap (pinned), from the result of a
 * fetch, and from a file by sendfile. The client reads slowly at first. */
static void large_bodies_arrive_whole_however_they_are_sent(void **state)
{
    enum { CACHED = 900 * 1024, FILED = 9 << 20 };
    unsigned char *want = pattern(FILED);
    struct reply r;

    (void)state;
    slot_make(&slot);
    slot_cache(&slot, 64 << 20);
    slot_file(&slot, "cached", want, CACHED);
    slot_file(&slot, "filed", want, FILED);
    slot.send_buffer = 16384;
    slot_start(&slot);
    static const struct {
        const char *path, *more;
        size_t from, n;
    } all[] = {
        { "/cached", "", 0, CACHED }, /* miss: from the result */
        { "/cached", "", 0, CACHED }, /* hit: from the heap */
        { "/cached", "Range: bytes=1000-899999\r\n", 1000, 899000 },
        { "/filed", "", 0, FILED },
        { "/filed", "Range: bytes=4096-8999999\r\n", 4096, 8995904 },
    };
    for (size_t i = 0; i < TEST_COUNT(all); i++) {
        const int small = 65536;
        int fd = slot_connect(&slot);

        setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &small, sizeof small);
        get(fd, all[i].path, all[i].more);
        slot_await(&slot, COUNTER_requests, i + 1);
        slot_read_reply(fd, true, &r);
        check_int(r.status, all[i].more[0] ? 206 : 200, "case %zu", i);
        check_uint(r.body_n, all[i].n, "case %zu", i);
        check_int(memcmp(r.body, want + all[i].from, all[i].n), 0, "case %zu", i);
        reply_free(&r);
        close(fd);
    }
    slot_await(&slot, COUNTER_pins, 0);
    slot_stop(&slot);
    free(want);
}

/* A client goes away while its response waits for room: nothing stays pinned or open.
 */
static void clients_that_leave_in_the_middle_leave_nothing_behind(void **state)
{
    enum { SIZE = 900 * 1024, CLIENTS = 8 };
    unsigned char *want = pattern(SIZE);
    const struct linger reset = { 1, 0 };
    int fd[CLIENTS];

    (void)state;
    slot_make(&slot);
    slot_cache(&slot, 64 << 20);
    slot_file(&slot, "cached", want, SIZE);
    slot.send_buffer = 16384;
    slot_start(&slot);
    for (int i = 0; i < CLIENTS; i++) {
        const int small = 65536;

        fd[i] = slot_connect(&slot);
        setsockopt(fd[i], SOL_SOCKET, SO_RCVBUF, &small, sizeof small);
        for (int k = 0; k < 20; k++) /* more than any send buffer takes */
            get(fd[i], "/cached", "");
    }
    slot_await(&slot, COUNTER_accepted, CLIENTS);
    while (slot_count(&slot, COUNTER_pins) == 0)
        poll(NULL, 0, 5);
    for (int i = 0; i < CLIENTS; i++) {
        setsockopt(fd[i], SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
        close(fd[i]);
    }
    slot_await(&slot, COUNTER_closed, CLIENTS);
    slot_await(&slot, COUNTER_pins, 0);
    slot_stop(&slot);
    free(want);
}

static void a_file_that_changes_is_served_anew_after_cache_valid(void **state)
{
    struct reply r;

    (void)state;
    slot_make_small(&slot);
    slot_set(&slot, "cache.valid", "0");
    slot_start(&slot);
    int fd = slot_connect(&slot);
    static const char *const bodies[] = { "hello", "hello", "world!" };
    for (int i = 0; i < 3; i++) {
        if (i == 2)
            slot_file(&slot, "a.txt", bodies[2], 6);
        get(fd, "/a.txt", "");
        slot_read_reply(fd, true, &r);
        check_mem(r.body, r.body_n, bodies[i], strlen(bodies[i]), "request %d", i);
        reply_free(&r);
    }
    check_uint(slot_count(&slot, COUNTER_revalidated), 2);
    char path[128];
    snprintf(path, sizeof path, "%s/a.txt", slot.root);
    unlink(path);
    get(fd, "/a.txt", "");
    slot_read_reply(fd, true, &r);
    check_int(r.status, 404);
    reply_free(&r);
    close(fd);
    slot_stop(&slot);
}

static void without_a_cache_every_request_is_a_fetch(void **state)
{
    struct reply r;

    (void)state;
    slot_make(&slot);
    slot_file(&slot, "a.txt", "hello", 5);
    slot_start(&slot);
    int fd = slot_connect(&slot);
    for (int i = 0; i < 3; i++) {
        get(fd, "/a.txt", "");
        slot_read_reply(fd, true, &r);
        check_mem(r.body, r.body_n, "hello", 5);
        reply_free(&r);
    }
    check_uint(slot_count(&slot, COUNTER_fetches), 3);
    close(fd);
    slot_stop(&slot);
}

static void sixty_four_clients_at_once_get_what_they_ask_for(void **state)
{
    enum { CLIENTS = 64, EACH = 20 };
    int fd[CLIENTS];
    struct reply r;

    (void)state;
    slot_make(&slot);
    slot_cache(&slot, 16 << 20);
    for (int i = 0; i < CLIENTS; i++) {
        char name[16];

        snprintf(name, sizeof name, "f%d", i);
        slot_file(&slot, name, name, strlen(name));
    }
    slot_start(&slot);
    for (int i = 0; i < CLIENTS; i++)
        fd[i] = slot_connect(&slot);
    for (int k = 0; k < EACH; k++) {
        char path[CLIENTS][16];

        for (int i = 0; i < CLIENTS; i++) {
            snprintf(path[i], sizeof path[i], "/f%d", (i * 7 + k) % CLIENTS);
            get(fd[i], path[i], "");
        }
        for (int i = 0; i < CLIENTS; i++) {
            slot_read_reply(fd[i], true, &r);
            check_int(r.status, 200);
            check_mem(r.body, r.body_n, path[i] + 1, strlen(path[i] + 1));
            reply_free(&r);
        }
    }
    check_uint(slot_count(&slot, COUNTER_requests), CLIENTS * EACH);
    for (int i = 0; i < CLIENTS; i++)
        close(fd[i]);
    slot_stop(&slot);
}

TEST_MAIN(test(a_file_is_served_from_disk_and_then_from_the_cache),
          test(methods_ranges_and_conditions_are_answered),
          test(refused_requests_get_their_status_and_a_close),
          test(a_body_is_read_and_a_client_that_waits_is_told_to_go_on),
          test(requests_byte_by_byte_and_in_one_piece_get_the_same_answers),
          test(pipelined_requests_beyond_the_budget_are_all_answered),
          test(keepalive_requests_closes_after_the_last),
          test(large_bodies_arrive_whole_however_they_are_sent),
          test(clients_that_leave_in_the_middle_leave_nothing_behind),
          test(a_file_that_changes_is_served_anew_after_cache_valid),
          test(without_a_cache_every_request_is_a_fetch),
          test(sixty_four_clients_at_once_get_what_they_ask_for))
