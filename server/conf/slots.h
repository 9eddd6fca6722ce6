/* SPDX-License-Identifier: MIT */
/* slots.h - how many slots `slots = auto` means, and why so many. */
#ifndef COWSHED_CONF_SLOTS_H
#define COWSHED_CONF_SLOTS_H

#include <stdint.h>

enum { SLOTS_WHY_MAX = 96 };

struct slots_room {     /* UINT64_MAX: no limit */
    uint64_t cpus;      /* that we may run on */
    uint64_t cpu_milli; /* quota, in thousandths of a processor */
    uint64_t memory;
    uint64_t tasks; /* processes and threads */
};

struct slots_room slots_room(void);

/* Pure. At least 1, at most `most`; *ret_why is a sentence: "2 of 8 CPUs, by cpu.max".
 */
int64_t slots_auto(const struct slots_room *, int64_t most,
                   char ret_why[SLOTS_WHY_MAX]);

#endif
