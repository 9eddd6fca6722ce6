/* SPDX-License-Identifier: MIT */
/* costs.h - what the parts of a slot cost in memory, for those who add it up. */
#ifndef COWSHED_SHARED_COSTS_H
#define COWSHED_SHARED_COSTS_H

#include <stdint.h>

struct worker_costs { /* bytes, at most */
    uint64_t slot;    /* without connections */
    uint64_t idle;    /* a connection that waits for its next request */
    uint64_t request; /* what it needs beside that while it has one */
};

#endif
