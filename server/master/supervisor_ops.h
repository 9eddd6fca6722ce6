/* SPDX-License-Identifier: MIT */
/* supervisor_ops.h - what the owner of a supervisor does for it. */
#ifndef COWSHED_MASTER_SUPERVISOR_OPS_H
#define COWSHED_MASTER_SUPERVISOR_OPS_H

#include <stdint.h>
#include <sys/types.h>

struct child;
struct instance;
struct options;

struct supervisor_ops {
    /* Fork a worker for the instance: channel and *ret_pid. 0 or a negative errno. */
    int (*fork_worker)(void *arg, struct instance *, pid_t *ret_pid);
    /* Fork a host: child->channel and child->pid. */
    int (*fork_host)(void *arg, struct child *);
    /* Ask a child to run the instance as a thread: instance->channel. */
    int (*start_thread)(void *arg, struct instance *, struct child *);
    void (*kill)(void *arg, pid_t, int signo);
    /* SIGABRT to a thread, by whose number the process may lie. */
    void (*abort)(void *arg, pid_t, pid_t tid);
    uint64_t (*available)(void *arg); /* bytes of memory */
    /* What the system allows, for a fork that failed with err: "" or " (...)". */
    const char *(*limits)(void *arg, int err);
    /* Its end is certain: take what it left in the ring, clear the seat, close the
     * channel. */
    void (*gone)(void *arg, struct instance *);
    void (*host_gone)(void *arg, struct child *);
    /* These options are not used by any decision any more: the owner may free them. */
    void (*release)(void *arg, const struct options *);
};

#endif
