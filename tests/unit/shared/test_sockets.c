/* SPDX-License-Identifier: MIT */
/* test_sockets.c - addresses as users write them, and listening. */
#include "server/shared/sockets.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

#include "tests/test.h"

static void good_addresses_come_back_in_the_same_form(void **state)
{
    static const struct {
        const char *text, *want;
    } cases[] = {
        { "127.0.0.1:8080", "127.0.0.1:8080" }, { "*:80", "0.0.0.0:80" },
        { "0.0.0.0:0", "0.0.0.0:0" },           { "[::1]:65535", "[::1]:65535" },
        { "[::]:8080", "[::]:8080" },
    };

    (void)state;
    for (size_t i = 0; i < TEST_COUNT(cases); i++) {
        char text[ADDRESS_TEXT_MAX];
        struct address a;
        const char *why = "";

        check_int(address_parse(cases[i].text, &a, &why), 0, "%s: %s", cases[i].text,
                  why);
        check_str(address_format(text, &a), cases[i].want, "%s", cases[i].text);
    }
}

static void bad_addresses_are_refused_with_the_reason(void **state)
{
    static const struct {
        const char *text, *why;
    } cases[] = {
        { "", "no port" },
        { "8080", "no port" },
        { "127.0.0.1", "no port" },
        { "127.0.0.1:", "0 to 65535" },
        { "127.0.0.1:65536", "0 to 65535" },
        { "127.0.0.1:80x", "0 to 65535" },
        { "127.0.0.1:-1", "0 to 65535" },
        { "localhost:80", "names are not resolved" },
        { ":80", "not numeric" },
        { "127.0.0.256:80", "not numeric" },
        { "::1:80", "brackets" },
        { "[127.0.0.1]:80", "not numeric" },
        { "[]:80", "not numeric" },
        { "[::1:80", "brackets" },
        { "1111111111111111111111111111111111111111111111111:80", "too long" },
    };

    (void)state;
    for (size_t i = 0; i < TEST_COUNT(cases); i++) {
        struct address a;
        const char *why = "";

        check_int(address_parse(cases[i].text, &a, &why), -EINVAL, "%s", cases[i].text);
        check_true(strstr(why, cases[i].why) != NULL, "%s: %s", cases[i].text, why);
    }
}

static int listen_on(const char *text, bool blocking, struct address *a, int *fd)
{
    const char *why;

    check_int(address_parse(text, a, &why), 0, "%s", text);
    return sockets_listen(a, 5, blocking, fd);
}

static void port_0_becomes_a_free_one_and_a_busy_one_is_an_error(void **state)
{
    char text[ADDRESS_TEXT_MAX];
    struct address a, again;
    int fd, other = -7;

    (void)state;
    check_int(listen_on("127.0.0.1:0", true, &a, &fd), 0);
    check_true(ntohs(a.at.in.sin_port) > 0);
    check_true((fcntl(fd, F_GETFD) & FD_CLOEXEC) != 0);
    check_int(fcntl(fd, F_GETFL) & O_NONBLOCK, 0);
    check_int(listen_on(address_format(text, &a), false, &again, &other), -EADDRINUSE);
    check_int(other, -7, "untouched");
    close(fd);
    check_int(listen_on(text, false, &again, &fd), 0, "free again at once");
    check_true((fcntl(fd, F_GETFL) & O_NONBLOCK) != 0);
    close(fd);
}

static int try_to_connect(const struct address *to)
{
    int fd = socket(to->at.any.sa_family, SOCK_STREAM | SOCK_NONBLOCK, 0);

    check_true(fd >= 0);
    if (connect(fd, &to->at.any, to->length) < 0)
        check_int(errno, EINPROGRESS);
    return fd;
}

static bool is_connected(int fd, int wait_ms)
{
    struct pollfd p = { .fd = fd, .events = POLLOUT };

    return poll(&p, 1, wait_ms) == 1 && (p.revents & (POLLERR | POLLHUP)) == 0;
}

/* Both families: the filter sees the TCP header, whatever carries it. */
static void behind_a_shut_door_nobody_new_comes_and_who_waits_is_there(void **state)
{
    static const char *const where[] = { "127.0.0.1:0", "[::1]:0" };

    (void)state;
    for (size_t i = 0; i < TEST_COUNT(where); i++) {
        struct address a;
        int listener, early, late, served;
        char byte = 0;

        if (listen_on(where[i], true, &a, &listener) == -EADDRNOTAVAIL)
            continue; /* a machine without IPv6 */
        check_uint(sockets_queued(listener), 0, "%s", where[i]);
        early = try_to_connect(&a);
        check_true(is_connected(early, 60000), "%s: before", where[i]);
        check_uint(sockets_queued(listener), 1, "%s", where[i]);
        check_int(sockets_shut_door(listener), 0, "%s", where[i]);
        late = try_to_connect(&a);
        check_false(is_connected(late, 100), "%s: after", where[i]);
        check_uint(sockets_queued(listener), 1, "%s: who came before waits", where[i]);
        served = accept(listener, NULL, NULL);
        check_true(served >= 0, "%s", where[i]);
        check_int(write(early, "x", 1), 1);
        check_int(read(served, &byte, 1), 1, "%s: its bytes pass", where[i]);
        check_uint(sockets_queued(listener), 0, "%s", where[i]);
        close(late);
        close(served);
        close(early);
        close(listener);
    }
}

static void connections_send_at_once_as_their_listener_does(void **state)
{
    struct address a;
    int listener, ends[2], on[2] = { -1, -1 };

    (void)state;
    for (unsigned set = 0; set < 2; set++) {
        socklen_t n = sizeof on[set];

        check_int(listen_on("127.0.0.1:0", true, &a, &listener), 0);
        if (set == 1)
            sockets_send_at_once(listener);
        ends[0] = try_to_connect(&a);
        ends[1] = accept(listener, NULL, NULL);
        check_true(ends[1] >= 0);
        check_int(getsockopt(ends[1], IPPROTO_TCP, TCP_NODELAY, &on[set], &n), 0);
        close(ends[0]);
        close(ends[1]);
        close(listener);
    }
    check_int(on[0], 0);
    check_int(on[1] != 0, 1);
}

static void a_handshake_over_the_loopback_is_not_waited_for_as_long(void **state)
{
    struct address a;
    int here, everywhere;

    (void)state;
    check_int(listen_on("127.0.0.1:0", true, &a, &here), 0);
    check_int(listen_on("*:0", true, &a, &everywhere), 0);
    check_true(sockets_handshake_ns(here) < sockets_handshake_ns(everywhere));
    close(here);
    close(everywhere);
    check_true(sockets_handshake_ns(-1) > 0, "nonsense in, the long one out");
    check_uint(sockets_queued(-1), 0);
    check_int(sockets_shut_door(-1), -EBADF);
}

TEST_MAIN(test(good_addresses_come_back_in_the_same_form),
          test(bad_addresses_are_refused_with_the_reason),
          test(port_0_becomes_a_free_one_and_a_busy_one_is_an_error),
          test(behind_a_shut_door_nobody_new_comes_and_who_waits_is_there),
          test(connections_send_at_once_as_their_listener_does),
          test(a_handshake_over_the_loopback_is_not_waited_for_as_long))
