/* SPDX-License-Identifier: MIT */
/* acceptor.h - the threads of a slot that wait in accept4(), one for each listener.
 *
 *   1 started  acceptor_start()  threads run; the loop hears of connections by wake_fd
 *   2 stopped  acceptor_stop()   no thread is left; what was accepted may be taken
 *   3 gone     acceptor_free()   closes what nobody took
 *
 * Why threads: processes that sleep in a blocking accept4() on one shared listener are
 * woken one by one, in the order in which they came. With epoll all of them wake for
 * each connection, and with EPOLLEXCLUSIVE one of them gets nearly everything.
 *
 * A thread reserves room before it calls accept4(), so that a slot never holds more
 * than its limit of connections, and never more than ACCEPTOR_UNDELIVERED that its loop
 * has not seen (both plus one for each further listener): a loop that is busy leaves
 * new connections in the queue of the listener, where other slots find them.
 */
#ifndef COWSHED_WORKER_ACCEPTOR_H
#define COWSHED_WORKER_ACCEPTOR_H

#include <stdbool.h>
#include <stdint.h>

#include "server/base/peer.h"

struct region;

enum { ACCEPTOR_UNDELIVERED = 4 };

struct accepted {
    int fd;            /* non-blocking, close-on-exec */
    unsigned listener; /* which of them, from 0 */
    struct peer peer;
};

struct acceptor; /* acceptor.c */

/* Shares connections with other slots (shared/fair.h). */
struct acceptor_fair {
    struct region *region;
    unsigned seat;
};

/* The listeners block and stay the caller's, who may close them any time: the threads
 * have duplicates. wake_fd is an eventfd, written when a
 * connection can be taken and none could be before. The last is copied; NULL: it takes
 * whatever comes. 0 or a negative errno. */
int acceptor_start(struct acceptor **ret, const int *listeners, unsigned count,
                   unsigned limit, int wake_fd, int slot, const struct acceptor_fair *);
/* Connections accepted since the last call, at most max. They count as open until
 * acceptor_closed(). */
unsigned acceptor_take(struct acceptor *, struct accepted *ret, unsigned max);
/* Connections that wait at its listeners, for whoever accepts them. Not after
 * acceptor_stop(). */
unsigned acceptor_queued(const struct acceptor *);
/* The longest sockets_handshake_ns() of them. */
uint64_t acceptor_handshake_ns(const struct acceptor *);
/* Nobody new comes to these listeners: see sockets_shut_door(). */
void acceptor_shut_door(struct acceptor *);
/* One connection has ended: there is room for another. */
void acceptor_closed(struct acceptor *);
/* It takes no connection now although there may be some: its limit is reached, or there
 * is no descriptor for it. */
bool acceptor_is_full(struct acceptor *);
/* Ends all threads and waits for them: by a signal that makes accept4() fail with
 * EINTR, sent again until each has acknowledged, since one that comes just before the
 * call is lost. Then the duplicates of the listeners are closed. */
void acceptor_stop(struct acceptor *); /* takes NULL; again is nothing */
void acceptor_free(struct acceptor *); /* takes NULL; stops first */

#endif
