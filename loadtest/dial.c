/* SPDX-License-Identifier: MIT */
/* dial.c - names into addresses; PROXY protocol as in its specification, versions 1 and
 * 2 (proxy-protocol.txt of HAProxy). */
#include "loadtest/dial.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/un.h>

static int dial_unix(struct dial *dial, const char *path, char *error)
{
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    if (strlen(path) >= sizeof address.sun_path) {
        snprintf(error, DIAL_ERROR_MAX, "the path '%.40s...' is too long for a socket",
                 path);
        return -ENAMETOOLONG;
    }
    memcpy(address.sun_path, path, strlen(path));
    memcpy(&dial->address, &address, sizeof address);
    dial->address_len = sizeof address;
    snprintf(dial->text, sizeof dial->text, "%s", path);
    return 0;
}

/* "HOST:PORT:ADDRESS": the address, when host and port are those of the URL. */
static const char *find_override(const char *resolve, const struct url *url)
{
    size_t host = strlen(url->host), port = strlen(url->port);
    if (resolve == NULL || strncasecmp(resolve, url->host, host) != 0 ||
        resolve[host] != ':' || strncmp(resolve + host + 1, url->port, port) != 0 ||
        resolve[host + 1 + port] != ':')
        return NULL;
    return resolve + host + 1 + port + 1;
}

static int dial_name(struct dial *dial, const char *resolve, const struct url *url,
                     char *error)
{
    struct addrinfo hints = { .ai_socktype = SOCK_STREAM }, *found;
    char host[64], port[8], address[64];
    const char *name = find_override(resolve, url);
    if (resolve != NULL && name == NULL) {
        snprintf(error, DIAL_ERROR_MAX,
                 "--resolve '%.80s' is not for %.80s:%s: it must be HOST:PORT:ADDRESS",
                 resolve, url->host, url->port);
        return -EINVAL;
    }
    if (name != NULL) { /* an address, in brackets or not */
        size_t n = strlen(name);
        bool bracketed = n > 2 && name[0] == '[' && name[n - 1] == ']';
        snprintf(address, sizeof address, "%.*s", (int)(bracketed ? n - 2 : n),
                 name + bracketed);
        hints.ai_flags = AI_NUMERICHOST;
        name = address;
    } else {
        name = url->host;
    }
    int code = getaddrinfo(name, url->port, &hints, &found);
    if (code != 0) {
        snprintf(error, DIAL_ERROR_MAX, "could not resolve '%.100s': %s", name,
                 gai_strerror(code));
        return -EADDRNOTAVAIL;
    }
    memcpy(&dial->address, found->ai_addr, found->ai_addrlen);
    dial->address_len = found->ai_addrlen;
    bool v6 = found->ai_family == AF_INET6;
    code = getnameinfo(found->ai_addr, found->ai_addrlen, host, sizeof host, port,
                       sizeof port, NI_NUMERICHOST | NI_NUMERICSERV);
    freeaddrinfo(found);
    snprintf(dial->text, sizeof dial->text, "%s%s%s:%s", v6 ? "[" : "",
             code == 0 ? host : "?", v6 ? "]" : "", url->port);
    return 0;
}

int dial_init(struct dial *ret_dial, const struct dial_config *config,
              const struct url *url, char error[DIAL_ERROR_MAX])
{
    struct dial dial = { .proxy = config->proxy,
                         .requests = config->requests,
                         .life_ns = config->life_ns };
    int err = config->unix_path != NULL ? dial_unix(&dial, config->unix_path, error)
                                        : dial_name(&dial, config->resolve, url, error);
    if (err == 0)
        *ret_dial = dial;
    return err;
}

bool dial_parse_proxy(const char *text, enum dial_proxy *ret_proxy)
{
    bool v1 = strcmp(text, "v1") == 0;
    if (!v1 && strcmp(text, "v2") != 0)
        return false;
    *ret_proxy = v1 ? DIAL_PROXY_V1 : DIAL_PROXY_V2;
    return true;
}

/* --- PROXY protocol --- */

union end {
    struct sockaddr any;
    struct sockaddr_in v4;
    struct sockaddr_in6 v6;
    struct sockaddr_storage room;
};

static size_t preface_v1(char *out, const union end *from, const union end *to)
{
    char source[INET6_ADDRSTRLEN], target[INET6_ADDRSTRLEN];
    bool v6 = from->any.sa_family == AF_INET6;
    if (!v6 && from->any.sa_family != AF_INET)
        return (size_t)snprintf(out, DIAL_PREFACE_MAX, "PROXY UNKNOWN\r\n");
    if (v6) {
        inet_ntop(AF_INET6, &from->v6.sin6_addr, source, sizeof source);
        inet_ntop(AF_INET6, &to->v6.sin6_addr, target, sizeof target);
    } else {
        inet_ntop(AF_INET, &from->v4.sin_addr, source, sizeof source);
        inet_ntop(AF_INET, &to->v4.sin_addr, target, sizeof target);
    }
    return (size_t)snprintf(out, DIAL_PREFACE_MAX, "PROXY TCP%c %s %s %u %u\r\n",
                            v6 ? '6' : '4', source, target,
                            ntohs(v6 ? from->v6.sin6_port : from->v4.sin_port),
                            ntohs(v6 ? to->v6.sin6_port : to->v4.sin_port));
}

static size_t put(char *out, size_t at, const void *bytes, size_t n)
{
    memcpy(out + at, bytes, n);
    return at + n;
}

static size_t preface_v2(char *out, const union end *from, const union end *to)
{
    static const char signature[] = "\r\n\r\n\0\r\nQUIT\n";
    enum { VERSION_2_PROXY = 0x21, UNSPEC = 0, TCP4 = 0x11, TCP6 = 0x21 };
    bool v4 = from->any.sa_family == AF_INET, v6 = from->any.sa_family == AF_INET6;
    uint8_t head[2] = { VERSION_2_PROXY, v4 ? TCP4 : v6 ? TCP6 : UNSPEC };
    uint16_t length = htons(v4 ? 12 : v6 ? 36 : 0);
    size_t at = put(out, 0, signature, sizeof signature - 1);
    at = put(out, at, head, sizeof head);
    at = put(out, at, &length, sizeof length);
    if (v4) {
        at = put(out, at, &from->v4.sin_addr, 4);
        at = put(out, at, &to->v4.sin_addr, 4);
        at = put(out, at, &from->v4.sin_port, 2);
        at = put(out, at, &to->v4.sin_port, 2);
    } else if (v6) {
        at = put(out, at, &from->v6.sin6_addr, 16);
        at = put(out, at, &to->v6.sin6_addr, 16);
        at = put(out, at, &from->v6.sin6_port, 2);
        at = put(out, at, &to->v6.sin6_port, 2);
    }
    return at;
}

size_t dial_preface(const struct dial *dial, int fd, char out[DIAL_PREFACE_MAX])
{
    union end from = { .room.ss_family = AF_UNSPEC }, to = from;
    socklen_t from_len = sizeof from, to_len = sizeof to;
    if (dial->proxy == DIAL_NO_PROXY)
        return 0;
    if (getsockname(fd, &from.any, &from_len) < 0 ||
        getpeername(fd, &to.any, &to_len) < 0)
        from.any.sa_family = AF_UNSPEC;
    return dial->proxy == DIAL_PROXY_V1 ? preface_v1(out, &from, &to)
                                        : preface_v2(out, &from, &to);
}
