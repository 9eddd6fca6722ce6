/* SPDX-License-Identifier: MIT */
/* spawn.h - fork(), and what a child does before it is a worker, a host or the admin
 * process.
 *
 * Parent: one thread (checked), signals blocked around the fork, the fork timed and
 * told. Child, in this order: woken when the master dies, signals as a worker wants
 * them (driven by its channel, not by signals), the heap made its own, every descriptor
 * closed but an allow-list (the epoll of the master among them: it is never touched,
 * since both would share it), confined (confine.h), title, pretouch, then its role. It
 * leaves by _exit().
 */
#ifndef COWSHED_MASTER_SPAWN_H
#define COWSHED_MASTER_SPAWN_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "server/master/confine.h"
#include "server/shared/worker_env.h"

struct child;
struct heap;
struct instance;

/* What the processes run; from main(), so that the master knows neither worker nor
 * admin. */
struct spawn_roles {
    int (*worker)(const struct worker_env *);
    int (*host)(const struct worker_env *);
    int (*admin)(const struct admin_env *);
};

struct spawn {
    const struct spawn_roles *roles;
    const struct options *options; /* of the generation that is forked now */
    struct region *region;
    struct heap *heap;
    const int *listeners;
    unsigned listener_count;
    unsigned tls_from;     /* clients of these and the following speak TLS */
    bool listeners_shared; /* others than this server hold them */
    int admin_listener;    /* -1: none */
    int agent_listener;    /* -1: none; of the admin process too */
    int access_log_fd;     /* -1: off */
    pid_t (*fork)(void);   /* fork(); a test's own */
    pid_t parent;          /* the process of the last fork */
    unsigned oom_score;    /* children stand before the master by that: oom.h */
    struct identity identity;
};

/* All: 0, the pid and the master's end of a new channel; or a negative errno. */
int spawn_worker(struct spawn *, struct instance *, pid_t *ret_pid);
int spawn_host(struct spawn *, struct child *);
int spawn_admin(struct spawn *, uint32_t generation, pid_t *ret_pid,
                int *ret_channel_fd);

#endif
