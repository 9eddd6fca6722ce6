/* SPDX-License-Identifier: MIT */
/* pagemap.h - which pages of a range a process shares with others, from
 * /proc/PID/pagemap.
 *
 * A page counts as copied when this process alone maps it (bit 56) and it is anonymous
 * (bit 61 is not set): its write has given the process a copy, or everybody else who
 * had inherited it has written to theirs, given it back or ended. Either way nothing is
 * saved by it any more. Pages of files and of shared memory are shared whoever else
 * maps them at the moment. Pages that are not present count as neither.
 */
#ifndef COWSHED_ADMIN_PAGEMAP_H
#define COWSHED_ADMIN_PAGEMAP_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct pagemap_count {
    uint64_t shared, copied; /* pages */
};

/* Pure: adds up n entries of the kernel's format. */
void pagemap_add(struct pagemap_count *, const uint64_t *entries, size_t n);
/* The range [start, end) of a living process. 0 or a negative errno; nothing is set on
 * failure. */
int pagemap_read(pid_t, uint64_t start, uint64_t end, struct pagemap_count *ret);
/* Proportional set size in bytes, from smaps_rollup. 0 or a negative errno. */
int pagemap_read_pss(pid_t, uint64_t *ret);

#endif
