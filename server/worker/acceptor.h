/* SPDX-License-Identifier: MIT */
/* acceptor.h - the threads of a slot that wait in accept4(), one for each listener.
 *
 *   1 started   acceptor_start()   threads run; the loop hears of connections through
 * wake_fd 2 stopped   acceptor_stop()    no thread is left; what they accepted can
 * still be taken 3 gone      acceptor_free()    closes what nobody took
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

#include <netinet/in.h>
#include <sys/socket.h>

#include <stdbool.h>
#include <stdint.h>

enum { ACCEPTOR_UNDELIVERED = 4 };

struct peer {
    union {
        struct sockaddr any;
        struct sockaddr_in in;
        struct sockaddr_in6 in6;
    } at;
};

struct accepted {
    int fd; /* non-blocking, close-on-exec */
    struct peer peer;
};

struct acceptor; /* acceptor.c */

/* The listeners block and stay the caller's, who may close them any time: the threads
 * have duplicates. wake_fd is an eventfd, written when a
 * connection can be taken and none could be before. 0 or a negative errno. */
int acceptor_start(struct acceptor **ret, const int *listeners, unsigned count,
                   unsigned limit, int wake_fd, int slot);
/* Connections accepted since the last call, at most max. They count as open until
 * acceptor_closed(). */
unsigned acceptor_take(struct acceptor *, struct accepted *ret, unsigned max);
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
