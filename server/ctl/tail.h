/* SPDX-License-Identifier: MIT */
/* tail.h - percentiles of what two answers of /status have counted between them. */
#ifndef COWSHED_CTL_TAIL_H
#define COWSHED_CTL_TAIL_H

#include <jansson.h>
#include <stdint.h>

/* Lists of `latency.counts`: [highest value in ns, how many], ascending. `before` NULL:
 * since the start. Values of `before` that are more than in `now` count as none. */
struct tail {
    const json_t *before, *now;
};

uint64_t tail_total(const struct tail *);
/* The highest value of the slot in which the rank ceil(total * num / den) lies, in ns;
 * 0 when nothing was counted. */
uint64_t tail_percentile(const struct tail *, uint64_t num, uint64_t den);

#endif
