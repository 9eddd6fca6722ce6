/* SPDX-License-Identifier: MIT */
/* sockets.c - see sockets.h. */
#include "server/shared/sockets.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/filter.h>
#include <netinet/tcp.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "server/base/clock.h"
#include "server/base/num.h"
#include "server/base/span.h"

/* The host part without brackets as a C string in `host`, the port in *ret_port. */
static int split(const char *text, char host[INET6_ADDRSTRLEN], bool *ret_brackets,
                 uint64_t *ret_port, const char **ret_why)
{
    struct span all = span_of(text), name, port;
    size_t colon = span_rfind(all, ':');

    if (colon == all.n) {
        *ret_why = "it has no port; write ADDRESS:PORT";
        return -EINVAL;
    }
    name = span_take(all, colon);
    port = span_skip(all, colon + 1);
    if (num_parse_u64(port, 0, 65535, ret_port) < 0) {
        *ret_why = "its port is not a number from 0 to 65535";
        return -EINVAL;
    }
    *ret_brackets = name.n >= 2 && name.p[0] == '[' && name.p[name.n - 1] == ']';
    if (*ret_brackets)
        name = span_make(name.p + 1, name.n - 2);
    if (span_to_cstr(name, host, INET6_ADDRSTRLEN) < 0) {
        *ret_why = "it is too long for an address";
        return -EINVAL;
    }
    return 0;
}

int address_parse(const char *text, struct address *ret, const char **ret_why)
{
    struct address a = { .length = 0 };
    char host[INET6_ADDRSTRLEN];
    bool brackets;
    uint64_t port;
    int rc = split(text, host, &brackets, &port, ret_why);

    if (rc < 0)
        return rc;
    if (brackets && inet_pton(AF_INET6, host, &a.at.in6.sin6_addr) == 1) {
        a.at.in6.sin6_family = AF_INET6;
        a.at.in6.sin6_port = htons((uint16_t)port);
        a.length = sizeof a.at.in6;
    } else if (!brackets && (strcmp(host, "*") == 0 ||
                             inet_pton(AF_INET, host, &a.at.in.sin_addr) == 1)) {
        a.at.in.sin_family = AF_INET;
        a.at.in.sin_port = htons((uint16_t)port);
        a.length = sizeof a.at.in;
    } else {
        *ret_why = strchr(host, ':') != NULL && !brackets
                       ? "an IPv6 address needs brackets: [::1]:8080"
                       : "it is not numeric (names are not resolved): 127.0.0.1:8080, "
                         "[::1]:8080 or *:8080";
        return -EINVAL;
    }
    *ret = a;
    return 0;
}

char *address_format(char out[ADDRESS_TEXT_MAX], const struct address *a)
{
    char host[INET6_ADDRSTRLEN] = "?";

    if (a->at.any.sa_family == AF_INET6) {
        inet_ntop(AF_INET6, &a->at.in6.sin6_addr, host, sizeof host);
        snprintf(out, ADDRESS_TEXT_MAX, "[%s]:%u", host, ntohs(a->at.in6.sin6_port));
    } else {
        inet_ntop(AF_INET, &a->at.in.sin_addr, host, sizeof host);
        snprintf(out, ADDRESS_TEXT_MAX, "%s:%u", host, ntohs(a->at.in.sin_port));
    }
    return out;
}

static int bind_and_listen(int fd, struct address *a, int backlog)
{
    const int on = 1, off = 0;

    if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) < 0)
        return -errno;
    if (a->at.any.sa_family == AF_INET6 &&
        setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof off) < 0)
        return -errno;
    if (bind(fd, &a->at.any, a->length) < 0 || listen(fd, backlog) < 0 ||
        getsockname(fd, &a->at.any, &a->length) < 0)
        return -errno;
    return 0;
}

void sockets_send_at_once(int listener)
{
    const int on = 1;

    (void)setsockopt(listener, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
}

int sockets_listen(struct address *a, int backlog, bool blocking, int *ret_fd)
{
    int type = SOCK_STREAM | SOCK_CLOEXEC | (blocking ? 0 : SOCK_NONBLOCK);
    int fd = socket(a->at.any.sa_family, type, 0), rc;

    if (fd < 0)
        return -errno;
    rc = bind_and_listen(fd, a, backlog);
    if (rc < 0) {
        close(fd);
        return rc;
    }
    *ret_fd = fd;
    return 0;
}

/* --- the end of a listener -----------------------------------------------------------
 */

/* A filter of a listener sees segments from their TCP header on, those of handshakes in
 * progress too; the connections that come of these inherit it, where no such segment
 * means anything. */
int sockets_shut_door(int listener)
{
    enum { FLAGS_AT = 13, SYN = 0x02, ACK = 0x10 };
    struct sock_filter steps[] = {
        BPF_STMT(BPF_LD | BPF_B | BPF_ABS, FLAGS_AT),
        BPF_STMT(BPF_ALU | BPF_AND | BPF_K, SYN | ACK),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYN, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, 0),
        BPF_STMT(BPF_RET | BPF_K, UINT32_MAX),
    };
    const struct sock_fprog program = { sizeof steps / sizeof steps[0], steps };

    return setsockopt(listener, SOL_SOCKET, SO_ATTACH_FILTER, &program,
                      sizeof program) < 0
               ? -errno
               : 0;
}

void sockets_open_door(int listener)
{
    (void)setsockopt(listener, SOL_SOCKET, SO_DETACH_FILTER, &(int){ 0 }, sizeof(int));
}

static bool is_loopback(const struct address *a)
{
    if (a->at.any.sa_family == AF_INET)
        return (ntohl(a->at.in.sin_addr.s_addr) >> 24) == IN_LOOPBACKNET;
    return a->at.any.sa_family == AF_INET6 &&
           IN6_IS_ADDR_LOOPBACK(&a->at.in6.sin6_addr);
}

/* One round trip: the last segment of a handshake is under way, and is not sent again
 * for its own sake. Over the loopback it is there when connect() returns. */
uint64_t sockets_handshake_ns(int listener)
{
    struct address a = { .length = sizeof a.at };

    if (getsockname(listener, &a.at.any, &a.length) == 0 && is_loopback(&a))
        return 10 * CLOCK_NS_PER_MS;
    return 300 * CLOCK_NS_PER_MS;
}

unsigned sockets_queued(int listener)
{
    struct tcp_info info;
    socklen_t n = sizeof info;

    memset(&info, 0, sizeof info);
    if (getsockopt(listener, IPPROTO_TCP, TCP_INFO, &info, &n) < 0)
        return 0;
    return info.tcpi_unacked; /* of a listener, this is its queue */
}
