/* SPDX-License-Identifier: MIT */
#include "server/worker/access_log.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "server/worker/acceptor.h"
#include "tests/test.h"

static struct peer peer_of(const char *text)
{
    struct peer p = { .at.in = { .sin_family = AF_INET } };

    if (inet_pton(AF_INET, text, &p.at.in.sin_addr) == 1)
        return p;
    p.at.in6 = (struct sockaddr_in6){ .sin6_family = AF_INET6 };
    check_int(inet_pton(AF_INET6, text, &p.at.in6.sin6_addr), 1, "%s", text);
    return p;
}

static void lines_are_in_combined_format(void **state)
{
    static const struct {
        const char *peer, *request, *referer, *agent, *want;
        unsigned status;
        uint64_t bytes;
    } cases[] = {
        { "10.0.0.1", "GET /a?b HTTP/1.1", "", "curl/8",
          "10.0.0.1 - - [T] \"GET /a?b HTTP/1.1\" 200 2326 \"-\" \"curl/8\"\n", 200,
          2326 },
        { "2001:db8::1", "", "http://x/", "",
          "2001:db8::1 - - [T] \"-\" 400 0 \"http://x/\" \"-\"\n", 400, 0 },
        { "::1", "GET /\"\\\n\x7f\xc3 HTTP/1.0", "", "a\tb",
          "::1 - - [T] \"GET /\\x22\\x5C\\x0A\\x7F\\xC3 HTTP/1.0\" 404 "
          "18446744073709551615 \"-\" \"a\\x09b\"\n",
          404, UINT64_MAX },
    };

    (void)state;
    for (size_t i = 0; i < TEST_COUNT(cases); i++) {
        struct peer peer = peer_of(cases[i].peer);
        const struct access_line line = { .peer = &peer,
                                          .request = span_of(cases[i].request),
                                          .referer = span_of(cases[i].referer),
                                          .user_agent = span_of(cases[i].agent),
                                          .status = cases[i].status,
                                          .bytes = cases[i].bytes };
        char out[ACCESS_LINE_MAX];
        size_t n = access_line_combined(out, &line, "T");

        check_mem(out, n, cases[i].want, strlen(cases[i].want), "%s", cases[i].request);
    }
}

static void what_a_client_sends_is_cut_so_that_a_line_fits(void **state)
{
    static char many[100000];
    struct peer peer = peer_of("ffff:ffff:ffff:ffff:ffff:ffff:255.255.255.255");
    static const char bytes[] = { 'a', '"', '\0' };

    (void)state;
    for (size_t i = 0; i < TEST_COUNT(bytes); i++) {
        char out[ACCESS_LINE_MAX];

        memset(many, bytes[i], sizeof many);
        const struct span s = { many, sizeof many };
        const struct access_line line = { .peer = &peer,
                                          .request = s,
                                          .referer = s,
                                          .user_agent = s,
                                          .status = 999,
                                          .bytes = UINT64_MAX };
        size_t n = access_line_combined(out, &line, "10/Oct/2026:13:55:36 +0000");
        check_true(n <= ACCESS_LINE_MAX, "%zu bytes of 0x%02x", n, (unsigned)bytes[i]);
        check_int(out[n - 1], '\n');
        check_true(memchr(out, '\n', n) == out + n - 1, "one line");
    }
}

static struct access_line short_line(const struct peer *peer)
{
    return (struct access_line){ .peer = peer,
                                 .request = SPAN("GET / HTTP/1.1"),
                                 .status = 200,
                                 .time_s = 1760104536 };
}

static const char whole[] =
    "10.0.0.1 - - [10/Oct/2025:13:55:36 +0000] \"GET / HTTP/1.1\" 200 0 \"-\" \"-\"\n";

static void a_batch_is_written_by_flush_and_survives_a_reopen(void **state)
{
    char dir[] = "/tmp/cowshed-log-XXXXXX", path[64], old[64], got[512];
    struct peer peer = peer_of("10.0.0.1");
    const struct access_line line = short_line(&peer);
    struct access_log log;
    uint64_t dropped = 0;
    int fd;

    (void)state;
    check_not_null(mkdtemp(dir));
    snprintf(path, sizeof path, "%s/log", dir);
    snprintf(old, sizeof old, "%s/old", dir);
    fd = open(path, O_WRONLY | O_CREAT | O_APPEND, 0644);
    check_int(access_log_open(&log, fd), 0);
    close(fd); /* the log has a description of its own */
    access_log_add(&log, &line, &dropped);
    check_int(rename(path, old), 0);
    fd = open(path, O_WRONLY | O_CREAT | O_APPEND, 0644);
    check_int(access_log_reopen(&log, fd, &dropped), 0); /* the old one first */
    close(fd);
    access_log_add(&log, &line, &dropped);
    access_log_flush(&log, &dropped);
    check_uint(dropped, 0);
    const char *names[] = { old, path };
    for (int i = 0; i < 2; i++) {
        fd = open(names[i], O_RDONLY);
        ssize_t n = read(fd, got, sizeof got);
        check_mem(got, (size_t)n, whole, strlen(whole), "%s", names[i]);
        close(fd);
        unlink(names[i]);
    }
    check_true(access_log_reopen(&log, -1, &dropped) < 0);
    check_true(access_log_is_on(&log), "the old file stays in use");
    access_log_close(&log);
    rmdir(dir);
}

static void a_full_pipe_drops_whole_lines_and_does_not_wait(void **state)
{
    struct peer peer = peer_of("10.0.0.1");
    const struct access_line line = short_line(&peer);
    struct access_log log;
    uint64_t dropped = 0, added = 0, got = 0;
    char buf[4096];
    size_t at = 0;
    int ends[2];
    ssize_t n;

    (void)state;
    check_int(pipe(ends), 0);
    check_int(access_log_open(&log, ends[1]), 0);
    check_int(fcntl(ends[1], F_GETFL) & O_NONBLOCK, 0, "the flag is not for others");
    while (dropped == 0) {
        access_log_add(&log, &line, &dropped);
        added++;
    }
    access_log_flush(&log, &dropped);
    access_log_close(&log);
    close(ends[1]);
    while ((n = read(ends[0], buf, sizeof buf)) > 0) {
        for (ssize_t i = 0; i < n; i++) {
            check_int(buf[i], whole[at], "byte %zu of line %zu", at, (size_t)got);
            at = buf[i] == '\n' ? 0 : at + 1;
            got += buf[i] == '\n';
        }
    }
    check_uint(at, 0, "the last line is whole");
    check_uint(got + dropped, added, "lines read and lines dropped");
    close(ends[0]);
}

/* RLIMIT_FSIZE makes a write stop in the middle, as a full disk does. */
static int fill_a_small_disk(const char *path)
{
    const struct rlimit small = { 100, 100 }, large = { RLIM_INFINITY, RLIM_INFINITY };
    struct peer peer = peer_of("10.0.0.1");
    const struct access_line line = short_line(&peer);
    struct access_log log;
    uint64_t dropped = 0;
    int fd = open(path, O_WRONLY | O_CREAT | O_APPEND, 0644);
    struct rlimit before;

    signal(SIGXFSZ, SIG_IGN);
    getrlimit(RLIMIT_FSIZE, &before);
    if (access_log_open(&log, fd) < 0)
        return 1;
    setrlimit(RLIMIT_FSIZE, &(struct rlimit){ small.rlim_cur, before.rlim_max });
    access_log_add(&log, &line, &dropped);
    access_log_add(&log, &line, &dropped);
    access_log_flush(&log, &dropped);
    if (dropped != 1 || !log.torn)
        return 2;
    setrlimit(RLIMIT_FSIZE, &(struct rlimit){ large.rlim_cur, before.rlim_max });
    access_log_add(&log, &line, &dropped);
    access_log_flush(&log, &dropped);
    return dropped == 1 && !log.torn ? 0 : 3;
}

static void a_line_torn_by_a_full_disk_does_not_tear_the_next(void **state)
{
    char path[] = "/tmp/cowshed-log-XXXXXX", got[1024];
    int fd = mkstemp(path), status = 0;
    pid_t pid;
    ssize_t n;

    (void)state;
    pid = fork(); /* the limit is for a process */
    if (pid == 0)
        _exit(fill_a_small_disk(path));
    waitpid(pid, &status, 0);
    check_int(status, 0, "child");
    n = read(fd, got, sizeof got - 1);
    check_true(n > 0);
    got[n] = '\0';
    check_true(strncmp(got, whole, strlen(whole)) == 0, "first line: %s", got);
    check_str(got + n - strlen(whole), whole, "last line");
    check_int(got[n - (ssize_t)strlen(whole) - 1], '\n',
              "it begins on a line of its own");
    close(fd);
    unlink(path);
}

static void lines_of_json_are_escaped_and_say_what_is_known(void **state)
{
    struct peer peer = peer_of("2001:db8::1");
    struct access_line line = { .peer = &peer,
                                .request = SPAN("GET /\"\\\n\x7f\xc3 HTTP/1.1"),
                                .user_agent = SPAN("a\tb"),
                                .id = SPAN("x-1"),
                                .cache = "hit",
                                .status = 200,
                                .slot = 3,
                                .generation = 7,
                                .bytes = UINT64_MAX,
                                .duration_ns = 1234567,
                                .queue_ns = 999,
                                .time_ms = 7 };
    char out[ACCESS_LINE_MAX];
    size_t n = access_line_json(out, &line, "T");
    static const char want[] =
        "{\"time\":\"T.007Z\",\"client\":\"2001:db8::1\",\"method\":\"GET\","
        "\"target\":\"/\\\"\\\\\\u000a\\u007f\\u00c3\",\"protocol\":\"HTTP/1.1\","
        "\"status\":200,\"bytes\":18446744073709551615,\"duration_us\":1234,"
        "\"queue_us\":0,\"cache\":\"hit\",\"slot\":3,\"generation\":7,\"id\":\"x-1\","
        "\"referer\":\"\",\"user_agent\":\"a\\u0009b\"}\n";

    (void)state;
    check_mem(out, n, want, sizeof want - 1);
}

/* Everything at its longest, and made of bytes that need the longest escapes. */
static void the_longest_line_of_json_fits_and_is_whole(void **state)
{
    static char rubbish[8192];
    struct peer peer = peer_of("ffff:ffff:ffff:ffff:ffff:ffff:255.255.255.255");
    char out[ACCESS_LINE_MAX], id[128];

    (void)state;
    for (int kind = 0; kind < 3; kind++) {
        memset(rubbish, "\x01\"x"[kind], sizeof rubbish);
        memset(id, 'i', sizeof id);
        struct span all = span_make(rubbish, sizeof rubbish);
        struct access_line line = { .peer = &peer,
                                    .request = all,
                                    .referer = all,
                                    .user_agent = all,
                                    .id = span_make(id, sizeof id),
                                    .cache = "none",
                                    .status = 599,
                                    .slot = UINT32_MAX,
                                    .generation = UINT32_MAX,
                                    .bytes = UINT64_MAX,
                                    .duration_ns = UINT64_MAX,
                                    .queue_ns = UINT64_MAX,
                                    .time_ms = 999 };
        size_t n = access_line_json(out, &line, "2026-11-26T21:47:01");

        check_true(n <= ACCESS_LINE_MAX && out[n - 1] == '\n' && out[n - 2] == '}');
        rubbish[100] = ' '; /* so that all three words are there */
        rubbish[5000] = ' ';
        n = access_line_json(out, &line, "2026-11-26T21:47:01");
        check_true(n <= ACCESS_LINE_MAX && out[n - 2] == '}', "kind %d", kind);
    }
}

static void both_times_are_of_the_same_second(void **state)
{
    char combined[ACCESS_TIME_MAX], json[ACCESS_TIME_MAX];

    (void)state;
    access_time_combined(combined, 1000000000);
    access_time_json(json, 1000000000);
    check_str(combined, "09/Sep/2001:01:46:40 +0000");
    check_str(json, "2001-09-09T01:46:40");
}

TEST_MAIN(test(lines_of_json_are_escaped_and_say_what_is_known),
          test(the_longest_line_of_json_fits_and_is_whole),
          test(both_times_are_of_the_same_second), test(lines_are_in_combined_format),
          test(what_a_client_sends_is_cut_so_that_a_line_fits),
          test(a_batch_is_written_by_flush_and_survives_a_reopen),
          test(a_full_pipe_drops_whole_lines_and_does_not_wait),
          test(a_line_torn_by_a_full_disk_does_not_tear_the_next))
