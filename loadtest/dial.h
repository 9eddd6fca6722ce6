/* SPDX-License-Identifier: MIT */
/* dial.h - where connections go, and what is said before the first request. */
#ifndef LOADTEST_DIAL_H
#define LOADTEST_DIAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#include "loadtest/url.h"

enum { DIAL_ERROR_MAX = 256, DIAL_PREFACE_MAX = 128 };

enum dial_proxy { DIAL_NO_PROXY, DIAL_PROXY_V1, DIAL_PROXY_V2 };

struct dial_config {
    const char *unix_path; /* NULL: as the URL says */
    const char *resolve;   /* "HOST:PORT:ADDRESS" as curl; NULL: ask the resolver */
    enum dial_proxy proxy; /* a header of the PROXY protocol begins each connection */
    uint64_t requests;     /* a connection is closed after so many; 0: never */
    uint64_t life_ns;      /* or after this long, between two requests; 0: never */
};

struct dial {
    struct sockaddr_storage address;
    socklen_t address_len;
    char text[108 + 1]; /* 127.0.0.1:8080, or the path, for messages */
    enum dial_proxy proxy;
    uint64_t requests, life_ns;
};

/* 0, or a negative errno with a message in `error`. */
int dial_init(struct dial *ret_dial, const struct dial_config *config,
              const struct url *url, char error[DIAL_ERROR_MAX]);

/* "v1" or "v2"; false when it is neither. */
bool dial_parse_proxy(const char *text, enum dial_proxy *ret_proxy);

/* What comes before the first request on a connected socket: its own two addresses, as
 * a proxy would tell them. The bytes written to `out`, 0 when there is nothing. */
size_t dial_preface(const struct dial *dial, int fd, char out[DIAL_PREFACE_MAX]);

#endif
