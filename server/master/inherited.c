/* SPDX-License-Identifier: MIT */
/* inherited.c - see inherited.h. */
#include "server/master/inherited.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "server/base/fd.h"
#include "server/base/log.h"
#include "server/base/num.h"
#include "server/base/span.h"

enum { FIRST_OF_MANAGER = 3 }; /* SD_LISTEN_FDS_START */

static bool is_listener(int fd, struct address *ret)
{
    int listens = 0;
    socklen_t n = sizeof listens;

    ret->length = sizeof ret->at;
    return getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listens, &n) == 0 && listens &&
           getsockname(fd, &ret->at.any, &ret->length) == 0 &&
           (ret->at.any.sa_family == AF_INET || ret->at.any.sa_family == AF_INET6);
}

static void add_listener(struct inherited *in, int fd, const char *from)
{
    struct address at;

    fd_set_cloexec(fd);
    if (!is_listener(fd, &at) || in->count == INHERITED_LISTENERS_MAX) {
        log_warn("descriptor %d of %s is no TCP listener: it is closed", fd, from);
        close(fd);
        return;
    }
    in->listeners[in->count].fd = fd;
    in->listeners[in->count].at = at;
    in->count++;
}

/* --- the service manager -------------------------------------------------------------
 */

static void take_of_manager(struct inherited *in)
{
    const char *pid = getenv("LISTEN_PID"), *fds = getenv("LISTEN_FDS");
    uint64_t for_pid = 0, n = 0;
    bool ours = pid != NULL && fds != NULL &&
                num_parse_u64(span_of(pid), 1, INT32_MAX, &for_pid) == 0 &&
                num_parse_u64(span_of(fds), 1, INHERITED_LISTENERS_MAX, &n) == 0 &&
                for_pid == (uint64_t)getpid();

    unsetenv("LISTEN_PID");
    unsetenv("LISTEN_FDS");
    unsetenv("LISTEN_FDNAMES");
    for (uint64_t i = 0; ours && i < n; i++)
        add_listener(in, FIRST_OF_MANAGER + (int)i, "LISTEN_FDS");
    in->of_manager = in->count > 0;
}

/* --- the older master ----------------------------------------------------------------
 */

static int take_word(struct inherited *in, struct span name, int value)
{
    if (span_eq(name, SPAN("listen"))) {
        add_listener(in, value, INHERITED_VARIABLE);
        return 0;
    }
    if (span_eq(name, SPAN("managed"))) {
        in->of_manager = value != 0;
        return 0;
    }
    int *to = span_eq(name, SPAN("older"))      ? &in->older
              : span_eq(name, SPAN("pid_file")) ? &in->pid_file
              : span_eq(name, SPAN("dump"))     ? &in->dump
              : span_eq(name, SPAN("keys"))     ? &in->keys
                                                : NULL;
    if (to == NULL) /* a newer master may hand over what we do not know */
        return 0;
    if (fd_set_cloexec(value) < 0)
        return -EINVAL;
    *to = value;
    return 0;
}

static int take_of_older(struct inherited *in)
{
    const char *words = getenv(INHERITED_VARIABLE);
    struct span left = span_of(words != NULL ? words : "");
    int rc = 0;

    while (rc == 0 && left.n > 0) {
        size_t end = span_find(left, ' '), equals;
        struct span word = span_take(left, end);
        uint64_t value;

        left = span_skip(left, end == left.n ? end : end + 1);
        equals = span_find(word, '=');
        if (equals == word.n ||
            num_parse_u64(span_skip(word, equals + 1), 0, INT32_MAX, &value) < 0)
            rc = -EINVAL;
        else
            rc = take_word(in, span_take(word, equals), (int)value);
    }
    unsetenv(INHERITED_VARIABLE);
    return rc;
}

void inherited_words(char *out, size_t size, const struct inheritance *what)
{
    int n = snprintf(out, size, INHERITED_VARIABLE "=older=%d managed=%d", what->older,
                     what->of_manager);

    const struct {
        const char *name;
        int fd;
    } files[] = { { "pid_file", what->pid_file },
                  { "dump", what->dump },
                  { "keys", what->keys } };

    for (size_t i = 0; i < sizeof files / sizeof files[0]; i++)
        if (files[i].fd >= 0)
            n += snprintf(out + n, size - (size_t)n, " %s=%d", files[i].name,
                          files[i].fd);
    for (unsigned i = 0; i < what->count; i++)
        n += snprintf(out + n, size - (size_t)n, " listen=%d", what->listeners[i]);
}

/* --- both ----------------------------------------------------------------------------
 */

int inherited_take_all(struct inherited *in)
{
    int rc;

    *in = (struct inherited)INHERITED_NONE;
    rc = take_of_older(in);
    if (rc < 0)
        log_fatal("the environment variable " INHERITED_VARIABLE " makes no sense");
    else if (in->older < 0)
        take_of_manager(in);
    return rc;
}

static bool is_same(const struct address *have, const struct address *want)
{
    if (have->at.any.sa_family != want->at.any.sa_family)
        return false;
    if (have->at.any.sa_family == AF_INET)
        return have->at.in.sin_addr.s_addr == want->at.in.sin_addr.s_addr &&
               (want->at.in.sin_port == 0 ||
                have->at.in.sin_port == want->at.in.sin_port);
    return memcmp(&have->at.in6.sin6_addr, &want->at.in6.sin6_addr,
                  sizeof want->at.in6.sin6_addr) == 0 &&
           (want->at.in6.sin6_port == 0 ||
            have->at.in6.sin6_port == want->at.in6.sin6_port);
}

int inherited_listener(struct inherited *in, struct address *at, bool blocking)
{
    for (unsigned i = 0; i < in->count; i++) {
        int fd = in->listeners[i].fd;

        if (fd < 0 || !is_same(&in->listeners[i].at, at))
            continue;
        in->listeners[i].fd = -1;
        *at = in->listeners[i].at;
        if ((blocking ? fd_set_block(fd) : fd_set_nonblock(fd)) == 0)
            return fd;
        close(fd);
    }
    return -1;
}

void inherited_close(struct inherited *in)
{
    char text[ADDRESS_TEXT_MAX];

    for (unsigned i = 0; i < in->count; i++) {
        if (in->listeners[i].fd < 0)
            continue;
        log_warn("nobody asked for the listener at %s that was handed over: it is "
                 "closed",
                 address_format(text, &in->listeners[i].at));
        fd_close(&in->listeners[i].fd);
    }
    fd_close(&in->older);
    fd_close(&in->pid_file);
    fd_close(&in->dump);
    fd_close(&in->keys);
}
