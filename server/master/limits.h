/* SPDX-License-Identifier: MIT */
/* limits.h - which limit of the system may have refused a fork, in words. */
#ifndef COWSHED_MASTER_LIMITS_H
#define COWSHED_MASTER_LIMITS_H

#include "server/base/span.h"

enum { LIMITS_TEXT_MAX = 256 };

/* For the errno of a fork() that was refused: " (RLIMIT_NPROC is 12 for user 1000,
 * pids.max of the cgroup is max)"; "" when no limit is behind that errno. Returns out.
 */
char *limits_of_fork(char out[LIMITS_TEXT_MAX], int err);

/* Pure. The file pids.max for what /proc/self/cgroup says, of cgroup v2 or of the
 * controller `pids` of v1; "" when there is none (the root has no limit). */
char *limits_pids_path(char out[LIMITS_TEXT_MAX], struct span cgroups);

#endif
