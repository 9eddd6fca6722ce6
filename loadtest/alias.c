/* SPDX-License-Identifier: MIT */
/* alias.c - building alias tables. */
#include "loadtest/alias.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>

/* Sum of the weights, or a negative number when they are not weights. */
static double sum_of(const double *weights, uint32_t n)
{
    double sum = 0;
    for (uint32_t i = 0; i < n; i++) {
        if (!isfinite(weights[i]) || weights[i] < 0)
            return -1;
        sum += weights[i];
    }
    return isfinite(sum) ? sum : -1;
}

/* `share` holds weight / mean; `order` is scratch: those below 1 from the left, the
 * rest from the right. Each small one is topped up by a large one. */
static void fill_cells(struct alias_cell *cells, double *share, uint32_t *order,
                       uint32_t n)
{
    uint32_t small = 0, large = n;
    for (uint32_t i = 0; i < n; i++) {
        cells[i] = (struct alias_cell){ .keep = UINT32_MAX, .other = i };
        if (share[i] < 1)
            order[small++] = i;
        else
            order[--large] = i;
    }
    while (small > 0 && large < n) {
        uint32_t low = order[--small], high = order[large];
        cells[low].keep = (uint32_t)(share[low] * 4294967296.0);
        cells[low].other = high;
        share[high] -= 1 - share[low];
        if (share[high] < 1) {
            large++;
            order[small++] = high;
        }
    }
}

int alias_init(struct alias *ret_alias, const double *weights, uint32_t n)
{
    double sum = n == 0 || n > ALIAS_MAX ? -1 : sum_of(weights, n);
    if (!(sum > 0))
        return -EINVAL;
    struct alias_cell *cells = calloc(n, sizeof *cells);
    double *share = calloc(n, sizeof *share);
    uint32_t *order = calloc(n, sizeof *order);
    if (cells == NULL || share == NULL || order == NULL) {
        free(cells);
        cells = NULL;
    } else {
        for (uint32_t i = 0; i < n; i++)
            share[i] = weights[i] / sum * n;
        fill_cells(cells, share, order, n);
    }
    free(share);
    free(order);
    if (cells == NULL)
        return -ENOMEM;
    *ret_alias = (struct alias){ .cells = cells, .n = n };
    return 0;
}

int alias_init_zipf(struct alias *ret_alias, uint32_t n, double exponent)
{
    if (n == 0 || n > ALIAS_MAX || !isfinite(exponent) || exponent < 0)
        return -EINVAL;
    double *weights = calloc(n, sizeof *weights);
    if (weights == NULL)
        return -ENOMEM;
    for (uint32_t i = 0; i < n; i++)
        weights[i] = pow((double)i + 1, -exponent);
    int err = alias_init(ret_alias, weights, n);
    free(weights);
    return err;
}

void alias_free(struct alias *alias)
{
    free(alias->cells);
    *alias = (struct alias){ 0 };
}
