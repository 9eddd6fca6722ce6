/* SPDX-License-Identifier: MIT */
/* timing.h - page faults and stalls of a slot, and what a response tells of its own
 * time.
 *
 * Counting faults costs a system call, so it is done at each tick, after a turn of the
 * loop that took long, and around a request that wants to know (Server-Timing).
 */
#ifndef COWSHED_WORKER_TIMING_H
#define COWSHED_WORKER_TIMING_H

#include <stddef.h>
#include <stdint.h>

#include "server/http/response.h"

struct worker;

enum {
    TIMING_STALL_NS = 10 * 1000 * 1000, /* a turn that is told as a stall */
    TIMING_LOOK_NS = 100 * 1000,        /* a turn after which faults are counted */
    TIMING_FAULTS_MANY = 8, /* faults in one turn that are told as an event */
};

struct timing {
    uint64_t minor, major;           /* of this thread, as of the last look */
    uint64_t turn_minor, turn_major; /* since the last look at the end of a turn */
};

/* When a request that wants to know was begun. */
struct timing_mark {
    uint64_t start_ns, minor, gc_ns;
};

void timing_init(struct worker *);
/* End of a turn that lasted from w->turn_ns to w->now_ns. */
void timing_turn(struct worker *);
void timing_tick(struct worker *);

struct timing_mark timing_mark(struct worker *);
/* The header line with its end. cache: "hit", "miss" or "none". */
size_t timing_line(struct worker *, const struct timing_mark *, uint64_t queue_ns,
                   const char *cache, char to[RESPONSE_TIMING_MAX]);

#endif
