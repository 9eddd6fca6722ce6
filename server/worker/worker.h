/* SPDX-License-Identifier: MIT */
/* worker.h - what the rest of the server sees of a slot: how to run one.
 *
 * A slot is one event loop on one thread. worker_run() makes everything it needs (event
 * base, reader of the cache, acceptor thread, root folder), says READY over its
 * channel, serves until it is told to drain or quit or its channel ends, and gives
 * everything back. All it shares with other slots of its process is in struct
 * worker_env, which it only reads.
 */
#ifndef COWSHED_WORKER_WORKER_H
#define COWSHED_WORKER_WORKER_H

#include "server/shared/costs.h"
#include "server/shared/worker_env.h"

struct options;

/* Runs a slot to its end on the calling thread. An exit code: 0 drained or quit, 71 it
 * could not start. */
int worker_run(const struct worker_env *);

/* The main thread of a process that serves nothing itself and runs slots as threads
 * when HOST messages ask for it (mode threads). Its channel has slot HOST_SLOT. Ends
 * when its channel ends or it is told to QUIT, which comes after the last of its slots
 * has gone. */
int host_run(const struct worker_env *);

struct worker_costs worker_costs(const struct options *);

#endif
