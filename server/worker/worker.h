/* SPDX-License-Identifier: MIT */
/* worker.h - what the rest of the server sees of a slot: how to run one.
 *
 * A slot is one event loop on one thread. worker_run() makes everything it needs (event base,
 * reader of the cache, acceptor thread, root folder), says READY over its channel, serves until it is
 * told to drain or quit or its channel ends, and gives everything back. All it shares
 * with other slots of its process is in struct worker_env, which it only reads.
 */
#ifndef COWSHED_WORKER_WORKER_H
#define COWSHED_WORKER_WORKER_H

#include <stdbool.h>
#include <stdint.h>

struct cache;
struct options;
struct region;

struct worker_env {
    const struct options *options;
    struct region *region;
    struct cache *cache;  /* NULL: the cache is off */
    const int *listeners; /* blocking, owned by the master; the slot never closes or shuts them */
    unsigned listener_count;
    int access_log_fd; /* -1: off */
    int channel_fd;    /* owned by the slot */
    unsigned slot, seat;
    uint32_t generation;
    uint64_t pretouched; /* pages, told in READY */
    bool guest;          /* a thread in the process of another slot */
};

/* Runs a slot to its end on the calling thread. An exit code: 0 drained or quit, 71 it could not
 * start. */
int worker_run(const struct worker_env *);

/* The main thread of a process that serves nothing itself and runs slots as threads when HOST
 * messages ask for it (mode threads). Ends when its channel ends or it is told to. */
int host_run(const struct worker_env *);

#endif
