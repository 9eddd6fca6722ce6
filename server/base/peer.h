/* SPDX-License-Identifier: MIT */
/* peer.h - the address of who is at the other end, and lists of networks. */
#ifndef COWSHED_PEER_H
#define COWSHED_PEER_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

#include "server/base/span.h"

struct peer {
    union {
        struct sockaddr any;
        struct sockaddr_in in;
        struct sockaddr_in6 in6;
    } at;
};

/* Addresses as 16 bytes: those of IPv4 are mapped (::ffff:a.b.c.d), so that it does not
 * matter which kind of socket saw them. False: another family. */
bool peer_bytes(const struct peer *, uint8_t ret[16]);
/* The address without the port; "-" for another family. Returns out. */
char *peer_name(char out[INET6_ADDRSTRLEN], const struct peer *);
/* "192.0.2.1", "2001:db8::1" or "[2001:db8::1]", the first and the last also with
 * ":port", which is not kept. False: something else. */
bool peer_parse(struct span text, struct peer *ret);

enum { PEER_LIST_MAX = 64 };

struct peer_list {
    unsigned count;
    struct {
        uint8_t bytes[16];
        unsigned bits; /* of them, what counts */
    } at[PEER_LIST_MAX];
};

/* Addresses and networks ("10.0.0.0/8, ::1"), parted by commas or blanks. 0, -EINVAL
 * with the part that is none (or has bits behind its prefix) in *ret_bad, or -E2BIG. */
int peer_list_parse(const char *text, struct peer_list *ret, struct span *ret_bad);
bool peer_list_has(const struct peer_list *, const struct peer *);

#endif
