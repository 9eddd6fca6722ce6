/* SPDX-License-Identifier: MIT */
/* host.h - slots that run as threads of this process: guests of a living worker, or all
 * slots of mode threads.
 *
 *   1 added    host_add()    thread runs worker_run() on a channel of its own
 *   2 ended    the thread has left; reaped by host_reap()
 *   3 stopped  host_free()   asks those that still run to end now, and waits for them
 *
 * A guest belongs to its channel: the master drains it and sees it end as it would a
 * process.
 */
#ifndef COWSHED_WORKER_HOST_H
#define COWSHED_WORKER_HOST_H

#include <stdint.h>

#include "server/base/list.h"

struct worker_env;

struct host {
    struct list guests;
    unsigned count;
};

void host_init(struct host *);
/* Starts a thread for the slot; it owns channel_fd then. `like` gives the rest of its
 * environment and outlives it. 0 or a negative errno: channel_fd is still the caller's.
 */
int host_add(struct host *, const struct worker_env *like, unsigned slot, unsigned seat,
             uint32_t generation, int channel_fd);
/* Joins the threads that have left. */
void host_reap(struct host *);
void host_free(struct host *);

#endif
