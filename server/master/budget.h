/* SPDX-License-Identifier: MIT */
/* budget.h - the worst case of memory, added up from the options before anything
 * starts.
 *
 * What a server of these options can come to use at the same moment, in all of its
 * processes: the cache with what it costs beside its entries, twice as many workers as
 * slots (those that drain, those that serve), every connection in the middle of the
 * longest request. Memory of the kernel (sockets) is not in it, except for page tables.
 */
#ifndef COWSHED_MASTER_BUDGET_H
#define COWSHED_MASTER_BUDGET_H

#include <stdint.h>
#include <stdio.h>

#include "server/conf/options.h"
#include "server/shared/costs.h"

enum { BUDGET_PARTS_MAX = 10 };

struct budget {
    struct budget_part {
        const char *name; /* a word or two */
        const char *of;   /* what it comes from */
        uint64_t bytes;
    } parts[BUDGET_PARTS_MAX];
    unsigned count;
    uint64_t total;
    uint64_t room; /* memory of the machine or its cgroup, whichever is less */
};

/* What the master alone can come to hold, and the memory that there is. */
uint64_t budget_of_master(const struct options *);
uint64_t budget_room(void);

void budget_of(const struct options *, const struct worker_costs *, struct budget *);
void budget_print(const struct budget *, FILE *);
/* `memory_max` is set and less. */
int budget_check(const struct budget *, const struct options *,
                 struct option_error *ret_error);

#endif
