/* SPDX-License-Identifier: MIT */
/* quantile.h - the percentiles that reports show, and when one is known.
 *
 * README rule 13: a percentile with fewer than QUANTILE_MIN_BEYOND requests beyond it
 * is not a number but luck. It is reported as not available, with what it would need.
 */
#ifndef LOADTEST_QUANTILE_H
#define LOADTEST_QUANTILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "server/base/hist.h"

enum { QUANTILE_MIN_BEYOND = 100 };

struct quantile {
    uint64_t num; /* of den */
    uint64_t den;
    const char *label; /* 99.9% */
    const char *key;   /* p99_9 */
    bool always;       /* in wrk's list, which scripts read: printed from any sample */
};

enum { QUANTILES = 8 };
extern const struct quantile quantiles[QUANTILES];

/* Enough samples beyond it. */
bool quantile_known(const struct quantile *quantile, uint64_t samples);
/* How many samples it needs. */
uint64_t quantile_needs(const struct quantile *quantile);
/* By key; NULL when there is none. */
const struct quantile *quantile_find(const char *key);

#endif
