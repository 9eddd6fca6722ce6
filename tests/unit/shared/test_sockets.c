/* SPDX-License-Identifier: MIT */
/* test_sockets.c - addresses as users write them, and listening. */
#include "server/shared/sockets.h"

#include <errno.h>
#include <fcntl.h>
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

TEST_MAIN(test(good_addresses_come_back_in_the_same_form),
          test(bad_addresses_are_refused_with_the_reason),
          test(port_0_becomes_a_free_one_and_a_busy_one_is_an_error))
