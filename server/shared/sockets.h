/* SPDX-License-Identifier: MIT */
/* sockets.h - addresses as users write them, and the sockets that listen on them.
 *
 * Numeric addresses only: the master resolves no names (`localhost` is refused with a
 * hint). Pure but for sockets_listen().
 */
#ifndef COWSHED_SHARED_SOCKETS_H
#define COWSHED_SHARED_SOCKETS_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

struct address {
    union {
        struct sockaddr any;
        struct sockaddr_in in;
        struct sockaddr_in6 in6;
    } at;
    socklen_t length;
};

enum { ADDRESS_TEXT_MAX = 64 };

/* "127.0.0.1:8080", "[::1]:8080", "*:8080" (all of IPv4). 0, or -EINVAL and a reason.
 */
int address_parse(const char *text, struct address *ret, const char **ret_why);
/* The same form again. Returns out. */
char *address_format(char out[ADDRESS_TEXT_MAX], const struct address *);

/* A bound, listening socket: close-on-exec, SO_REUSEADDR. [::] takes IPv4 as well.
 * *address gets the port that port 0 became. 0 or a negative errno. */
int sockets_listen(struct address *, int backlog, bool blocking, int *ret_fd);
/* Connections of this listener send without waiting for more (TCP_NODELAY): they are
 * copies of it, but for those that were there before. A Unix socket has no such thing.
 */
void sockets_send_at_once(int listener);

/* From here on nobody new comes to a listener: attempts to connect (SYN) are dropped,
 * whoever holds it, while handshakes that have begun still end in its queue. For the
 * moment before it is closed, which would reset what it holds; then the next attempt of
 * the client is refused. 0 or a negative errno. */
int sockets_shut_door(int listener);
/* As before, whoever shut it. */
void sockets_open_door(int listener);
/* How long a handshake that had begun may take until it is in the queue. */
uint64_t sockets_handshake_ns(int listener);
/* Connections that wait to be accepted; 0 also when that cannot be told. */
unsigned sockets_queued(int listener);

#endif
