/* SPDX-License-Identifier: MIT */
/* proxy.h - the header of the PROXY protocol, versions 1 and 2, in front of the bytes
 * of a connection: who the client of the sender is.
 *
 * "The PROXY protocol", Willy Tarreau, 2020 revision (HAProxy's
 * doc/proxy-protocol.txt). Strict: one reading of each header, or none. Whoever sends
 * none, or a bad one, is not the balancer that was meant: its connection ends without
 * an answer.
 */
#ifndef COWSHED_PROXY_H
#define COWSHED_PROXY_H

#include <stdbool.h>
#include <stddef.h>

#include "server/base/peer.h"

enum proxy_result {
    PROXY_MORE, /* again, when more bytes are there */
    PROXY_DONE,
    PROXY_BAD, /* whatever follows */
};

/* A header is complete or bad within so many bytes. */
enum { PROXY_V1_MAX = 107, PROXY_V2_FIXED = 16, PROXY_MAX = PROXY_V2_FIXED + 4096 };

struct proxy_header {
    size_t size; /* bytes of it */
    bool known;  /* false: LOCAL, UNKNOWN, another family: the sender is the peer */
    struct peer client; /* with its port */
};

/* `data`: all that has come, from the first byte of the connection on. */
enum proxy_result proxy_parse(const char *data, size_t n, struct proxy_header *ret);

#endif
