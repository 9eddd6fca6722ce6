/* SPDX-License-Identifier: MIT */
/* confine.h - what a child may still do when it begins its own work: as little as will
 * do.
 *
 * In this order, each step a lock that the process cannot open again:
 *
 *   1 identity   group, supplementary groups and user of the options `user`, `group`
 *   2 no_new_privs
 *   3 Landlock   files: only what is named below, no signal to others, no TCP port
 *   4 seccomp    only the system calls of syscalls.def
 *
 * What the kernel lacks of 3 and 4 is told once, by the master before its first fork
 * (confine_probe()); the child goes on without. Step 1 that fails ends the child: it
 * must not go on with rights that it was to lose.
 *
 * A call that is not in the table fails with EPERM and is told as `err`, once in ten
 * seconds (isolate.seccomp = errno), or ends the process, whose obituary then says
 * SIGSYS (kill). Under a sanitizer, which makes system calls of its own, there is no
 * step 3 or 4.
 */
#ifndef COWSHED_MASTER_CONFINE_H
#define COWSHED_MASTER_CONFINE_H

#include <stdbool.h>
#include <sys/types.h>

#include "server/conf/options.h"

struct identity {
    bool set;      /* false: stay who we are */
    char name[64]; /* for initgroups(); "": the group alone */
    uid_t uid;
    gid_t gid;
};

/* Reads the databases of users and groups: in the master, before it serves. `user` may
 * be a number too. 0, -ENOENT (no such user or group: *ret_option says whose), or
 * -EPERM (only root may become somebody else). */
int identity_find(const struct options *, struct identity *ret,
                  const char **ret_option);

/* What `try` says with the rights that the identity has to files. */
int identity_try(const struct identity *, int (*try)(const char *), const char *arg);

enum confine_role {
    CONFINE_WORKER, /* files: the root, the access log, /proc/self */
    CONFINE_ADMIN /* files: all of its user. It looks into the memory of workers, which
                     Landlock forbids to a process that is confined apart from them */
};

struct confine {
    const struct options *options;
    const struct identity *identity;
    enum confine_role role;
    int access_log_fd; /* may be opened again; -1: none */
};

/* Tells what this kernel cannot do of what the options want. */
void confine_probe(const struct options *, const struct identity *);

/* All four steps, for the only thread of a child. 0 or a negative errno of step 1 or 2.
 */
int confine(const struct confine *);

#endif
