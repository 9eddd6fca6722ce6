/* SPDX-License-Identifier: MIT */
/* quantile.c - the table of percentiles. */
#include "loadtest/quantile.h"

#include <string.h>

const struct quantile quantiles[QUANTILES] = {
    { 50, 100, "50%", "p50", true },
    { 75, 100, "75%", "p75", true },
    { 90, 100, "90%", "p90", true },
    { 95, 100, "95%", "p95", false },
    { 99, 100, "99%", "p99", true },
    { 999, 1000, "99.9%", "p99_9", false },
    { 9999, 10000, "99.99%", "p99_99", false },
    { 99999, 100000, "99.999%", "p99_999", false },
};

uint64_t quantile_needs(const struct quantile *quantile)
{
    uint64_t beyond = quantile->den - quantile->num;
    return (QUANTILE_MIN_BEYOND * quantile->den + beyond - 1) / beyond;
}

bool quantile_known(const struct quantile *quantile, uint64_t samples)
{
    return samples >= quantile_needs(quantile);
}

const struct quantile *quantile_find(const char *key)
{
    for (size_t i = 0; i < QUANTILES; i++) {
        if (strcmp(quantiles[i].key, key) == 0)
            return &quantiles[i];
    }
    return NULL;
}
