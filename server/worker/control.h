/* SPDX-License-Identifier: MIT */
/* control.h - the slot's end of the channel to the master.
 *
 * Answers that the master waits for are kept and sent again when the channel was full;
 * what can be repeated or lost (a doorbell) is only tried.
 */
#ifndef COWSHED_WORKER_CONTROL_H
#define COWSHED_WORKER_CONTROL_H

#include <stdbool.h>
#include <stdint.h>

#include "server/shared/channel.h"

struct worker;
struct worker_env;

enum { CONTROL_UNSENT_MAX = 64 };

struct unsent {
    enum message_kind kind;
    uint64_t arg[3];
};

struct control {
    struct channel channel;
    bool gone; /* the master is: nothing is sent any more */
    bool left; /* the listeners of this process are closed */
    unsigned unsent_count;
    struct unsent unsent[CONTROL_UNSENT_MAX];
};

void control_init(struct control *, int fd, uint32_t slot, uint32_t generation);
/* 0, -EAGAIN when the channel is full, -EPIPE or another negative errno. */
int control_try(struct control *, enum message_kind, const uint64_t arg[3], int fd);
/* Now, or as soon as the channel has room. */
void control_send(struct control *, enum message_kind, uint64_t arg0, uint64_t arg1);
void control_send_unsent(struct control *);

/* Registers the channel with the loop; 0 or -ENOMEM. */
int control_start(struct worker *);
/* What the master has said already: before the first connection is accepted. */
void control_hear(struct worker *);
void control_stop(struct worker *); /* closes the channel */

/* The server ends, or the master is gone: closes the listeners of this process, so that
 * who connects is refused, and a new master may have them, while requests that were
 * under way end. By the owner of the process, not by a guest; acceptors have
 * duplicates, which each slot closes as it drains. */
void control_leave_listeners(struct control *, const struct worker_env *);

#endif
