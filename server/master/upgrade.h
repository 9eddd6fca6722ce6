/* SPDX-License-Identifier: MIT */
/* upgrade.h - another program takes over, and nobody notices.
 *
 *   older master                                newer master
 *   1 upgrade_begin()  starts it, hands over    inherited_take_all()
 *     listeners, lock of the pid file, cache,   loads the cache, forks its slots
 *     keys of session tickets
 *   2 serves on                                 older_tell_ready() when all are READY
 *   3 drains, its listeners stay open           serves; refuses purges until 4
 *   4 ends                                      older_lives() is false
 *
 * Until 2 nothing is given up: a newer master that ends, or is not ready in time, is
 * gone, and the older one goes on. From 1 to 4 a purge is refused: who answered "done"
 * could not know it of the other side.
 */
#ifndef COWSHED_MASTER_UPGRADE_H
#define COWSHED_MASTER_UPGRADE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct master;

struct event;
struct upgrade {
    pid_t pid; /* of the newer master; 0: there is none */
    int fd;    /* to it; -1 */
    struct event *watch;
    uint64_t deadline_ns; /* to be ready */
    uint64_t order;       /* who waits; 0 */
    bool done;            /* it serves */
};

struct older { /* the master before us */
    int fd;    /* -1: there is none, or it has ended */
    struct event *watch;
};

/* Starts the program again, as it was started. The answer to the order comes when the
 * newer master serves, or cannot. */
void upgrade_begin(struct master *, uint64_t order);
/* It has begun, and we are still who serves. */
bool upgrade_runs(const struct master *);
void upgrade_settle(struct master *, uint64_t now_ns, uint64_t *next_ns);
bool upgrade_reaped(struct master *, pid_t, int status);
/* We leave: a newer master that is not ready is not wanted any more. */
void upgrade_stop(struct master *);
void upgrade_close(struct master *);

int older_watch(struct master *); /* 0 or -ENOMEM */
void older_tell_ready(struct master *);
bool older_lives(const struct master *);

#endif
