/* SPDX-License-Identifier: MIT */
/* recycle.h - a slot that has had enough asks the master once to be replaced. */
#ifndef COWSHED_WORKER_RECYCLE_H
#define COWSHED_WORKER_RECYCLE_H

#include <stdbool.h>
#include <stdint.h>

struct worker;

enum { RECYCLE_LOOK_MS = 2000 }; /* private memory is costly to find out */

struct recycle {
    bool asked;
    uint64_t looked_ns;     /* at private memory */
    uint64_t private_bytes; /* then */
};

void recycle_tick(struct worker *);

/* Private_Clean and Private_Dirty of /proc/PID/smaps_rollup, given its text. */
uint64_t recycle_private_bytes(const char *rollup);

#endif
