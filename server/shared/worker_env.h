/* SPDX-License-Identifier: MIT */
/* worker_env.h - what the master gives a slot, a host or the admin process on its way.
 *
 * Filled between fork() and the first line of the child's own code (or by a host, for
 * the thread that it starts). Everything is borrowed and stays as it is for the life of
 * the child, but for channel_fd, which the child owns.
 */
#ifndef COWSHED_SHARED_WORKER_ENV_H
#define COWSHED_SHARED_WORKER_ENV_H

#include <stdbool.h>
#include <stdint.h>

struct cache;
struct options;
struct region;
struct tls;

/* What stands for the slot number in the channel of a host and of the admin process. A
 * host has no seat. */
enum { HOST_SLOT = 0xfffe, ADMIN_SLOT = 0xffff, NO_SEAT = 0xffff };

struct worker_env {
    const struct options *options;
    struct region *region;
    struct cache *cache;  /* NULL: the cache is off */
    const int *listeners; /* blocking; shared with all slots, so never shut, and closed
                             by the child only when the server ends */
    unsigned listener_count;
    struct tls *tls;       /* NULL: nobody speaks it */
    unsigned tls_from;     /* listeners from this one on do */
    bool listeners_shared; /* others than this server hold them: they stay open */
    int access_log_fd;     /* -1: off */
    int channel_fd;        /* owned by the slot */
    unsigned slot, seat;
    uint32_t generation;
    uint64_t pretouched; /* pages, told in READY */
    bool guest;          /* a thread in the process of another slot */
};

struct admin_env {
    const struct options *options;
    struct region *region;
    int listener;        /* non-blocking, owned by the master */
    int agent_listener;  /* likewise; -1: none */
    int channel_fd;      /* slot ADMIN_SLOT */
    uint32_t generation; /* of the channel: how often the admin process was started */
};

#endif
