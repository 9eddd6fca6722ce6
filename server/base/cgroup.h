/* SPDX-License-Identifier: MIT */
/* cgroup.h - what the control groups around this process allow it.
 *
 * Version 2 and version 1, also mounted beside each other. A limit holds for all that
 * is below it, so the least value on the way from our group up to the root counts. In a
 * container the path that the kernel tells may lie outside of what is mounted: what
 * does not exist is passed over.
 */
#ifndef COWSHED_CGROUP_H
#define COWSHED_CGROUP_H

#include <stdint.h>

struct cgroups {
    const char *self;  /* "/proc/self/cgroup" */
    const char *mount; /* "/sys/fs/cgroup" */
};

extern const struct cgroups cgroups_of_system;

/* UINT64_MAX: no limit, or none that can be read. */
uint64_t cgroup_memory_max(const struct cgroups *);
/* What may still be used until the nearest limit, with the file pages that the kernel
 * can drop at once. */
uint64_t cgroup_memory_left(const struct cgroups *);
uint64_t cgroup_pids_max(const struct cgroups *);
/* Thousandths of a processor: quota / period. */
uint64_t cgroup_cpu_milli(const struct cgroups *);

#endif
