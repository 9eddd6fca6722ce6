/* SPDX-License-Identifier: MIT */
/* instance.h - what the supervisor knows of one worker, of its process, and of a slot.
 */
#ifndef COWSHED_MASTER_INSTANCE_H
#define COWSHED_MASTER_INSTANCE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "server/base/list.h"
#include "server/master/backoff.h"
#include "server/shared/channel.h"
#include "server/shared/region.h"
#include "server/shared/ring.h"

struct supervisor;

enum { INSTANCE_MAGIC = 0x696e7374, CHILD_MAGIC = 0x6368696c };

struct child { /* a process that runs slots */
    unsigned magic;
    struct list link;
    pid_t pid;
    bool is_host; /* serves nothing itself: mode threads */
    uint32_t generation;
    unsigned instances;     /* that live in it */
    struct instance *main;  /* its own slot; NULL: a host, or its slot is gone */
    struct channel channel; /* of a host; fd -1 otherwise */
    bool told_to_close;     /* a host: its listeners */
    bool told_to_quit;
    bool lost;            /* a host: its channel ended unasked */
    uint64_t deadline_ns; /* a host that was told; else 0 */
    void *watch;          /* the owner's */
    struct supervisor *supervisor;
};

struct instance {
    unsigned magic;
    unsigned slot, seat;
    uint32_t generation;
    enum seat_state state; /* SEAT_FREE: no worker */
    struct child *child;
    bool is_thread;
    bool recycle;   /* to be replaced, whatever its generation */
    bool expected;  /* its end was asked for */
    bool hangs;     /* told to abort */
    bool told_last; /* that its answers are the last of their connections */
    uint64_t
        deadline_ns; /* of STARTING and DRAINING, or of a channel that ended; else 0 */
    uint64_t started_ns;
    struct channel channel; /* fd -1: ended */
    struct ring published;  /* the reader's side, the owner's */
    void *watch;            /* the owner's */
    struct supervisor *supervisor;
};

struct slot {
    struct instance at[SEATS_PER_SLOT];
    struct backoff backoff;
    uint64_t not_before_ns;
    bool was_forked; /* it once had a worker */
};

#endif
