/* SPDX-License-Identifier: MIT */
/* alias.h - draws one of n things by weight in constant time.
 *
 * Walker's alias method, built as by Vose (1991). Each of n cells holds one or two
 * things; a draw picks a cell, then one of its things.
 */
#ifndef LOADTEST_ALIAS_H
#define LOADTEST_ALIAS_H

#include <stdint.h>

#include "server/base/prng.h"

enum { ALIAS_MAX = 1 << 24 };

struct alias_cell {
    uint32_t keep;  /* of 2^32: the probability to stay with the cell's own thing */
    uint32_t other; /* the thing otherwise; its own when the cell is full */
};

struct alias {
    struct alias_cell *cells;
    uint32_t n;
};

/* Weights are finite, not negative, not all zero. -EINVAL, -ENOMEM. */
int alias_init(struct alias *ret_alias, const double *weights, uint32_t n);
/* Zipf: thing k has weight 1 / (k + 1)^exponent. */
int alias_init_zipf(struct alias *ret_alias, uint32_t n, double exponent);
void alias_free(struct alias *alias);

static inline uint32_t alias_draw(const struct alias *alias, struct prng *prng)
{
    uint32_t i = (uint32_t)prng_below(prng, alias->n);
    uint32_t coin = (uint32_t)(prng_next(prng) >> 32);
    return coin < alias->cells[i].keep ? i : alias->cells[i].other;
}

#endif
