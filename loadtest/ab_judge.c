/* SPDX-License-Identifier: MIT */
/* ab_judge.c - pairs the blocks of each arm with those of the control. */
#include <errno.h>
#include <math.h>
#include <stdlib.h>

#include "loadtest/ab_report.h"

/* Fewer requests beyond a percentile in one block, and its value there is luck. */
enum { MIN_BEYOND_IN_BLOCK = 10 };

static bool has_quantile(const struct ab_cell *cell, const struct quantile *q)
{
    if (cell->outcome != AB_MEASURED && cell->outcome != AB_INVALID)
        return false;
    return cell->samples / q->den * (q->den - q->num) >= MIN_BEYOND_IN_BLOCK;
}

/* Fills `ratios` for the blocks that both arms have; returns how many. */
static size_t pair_blocks(const struct ab *ab, const struct ab_arm *arm,
                          const struct quantile *q, double *ratios)
{
    size_t at = (size_t)(q - quantiles), n = 0;
    for (unsigned i = 0; i < ab->blocks; i++) {
        const struct ab_cell *control = &ab->arms[0].cells[i], *cell = &arm->cells[i];
        if (!has_quantile(control, q) || !has_quantile(cell, q))
            continue;
        ratios[n++] =
            log((double)cell->quantile_ns[at] / (double)control->quantile_ns[at]);
    }
    return n;
}

bool ab_trusted(const struct ab_arm *arm)
{
    return arm->measured > 0 && arm->invalid * 4 <= arm->measured;
}

int ab_judge(const struct ab *ab, struct ab_verdicts *ret_verdicts)
{
    struct verdict_pairs pairs[AB_ARMS_MAX * AB_JUDGED] = { 0 };
    struct verdict flat[AB_ARMS_MAX * AB_JUDGED];
    double *ratios =
        calloc((size_t)AB_ARMS_MAX * AB_JUDGED * (ab->blocks + 1), sizeof *ratios);
    size_t n = 0;
    if (ratios == NULL)
        return -ENOMEM;
    ret_verdicts->quantiles[0] = quantile_find("p99");
    ret_verdicts->quantiles[1] = quantile_find("p99_9");
    for (unsigned i = 1; i < ab->n_arms; i++) {
        for (unsigned q = 0; q < AB_JUDGED; q++, n++) {
            double *mine = ratios + n * ab->blocks;
            pairs[n].log_ratios = mine;
            pairs[n].n =
                pair_blocks(ab, &ab->arms[i], ret_verdicts->quantiles[q], mine);
        }
    }
    int err = verdict_judge(pairs, n, ab->options->n_loads,
                            (double)ab->options->margin_percent / 100, flat);
    for (size_t k = 0; k < n && err == 0; k++)
        ret_verdicts->verdicts[1 + k / AB_JUDGED][k % AB_JUDGED] = flat[k];
    free(ratios);
    return err;
}
