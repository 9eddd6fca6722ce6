/* SPDX-License-Identifier: MIT */
/* verdict.c - from log ratios to words (README rules 16 to 18). */
#include "loadtest/verdict.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>

#include "loadtest/stats.h"

static const double alpha = 0.05;

/* The numbers, and the raw p. */
static int measure(const struct verdict_pairs *pairs, struct verdict *verdict)
{
    double low, high;
    *verdict = (struct verdict){
        .kind = VERDICT_NO_DATA, .n = pairs->n, .high = HUGE_VAL, .p = 1
    };
    if (pairs->n == 0)
        return 0;
    verdict->kind = VERDICT_INCONCLUSIVE;
    verdict->ratio = exp(stats_mean(pairs->log_ratios, pairs->n));
    int err = stats_interval(pairs->log_ratios, pairs->n, 1 - alpha, &low, &high);
    if (err == 0) {
        verdict->low = exp(low);
        verdict->high = exp(high);
    }
    if (err < 0 && err != -ENODATA)
        return err;
    return stats_sign_flip(pairs->log_ratios, pairs->n, &verdict->p);
}

static void decide(struct verdict *verdict, const struct verdict_pairs *pairs,
                   size_t family, double margin)
{
    double most = 1 + margin, threshold = alpha / (double)family;
    if (verdict->kind == VERDICT_NO_DATA)
        return;
    if (verdict->low >= 1 / most && verdict->high <= most) {
        verdict->kind = VERDICT_EQUIVALENT;
    } else if (verdict->p <= alpha) {
        verdict->kind = verdict->ratio < 1 ? VERDICT_FASTER : VERDICT_SLOWER;
    } else {
        double effect = fmax(fabs(log(verdict->ratio)), log(most));
        double deviation = stats_deviation(pairs->log_ratios, pairs->n);
        size_t needed = stats_blocks_needed(deviation, effect, threshold);
        verdict->more = needed > pairs->n ? needed - pairs->n : 1;
    }
}

int verdict_judge(const struct verdict_pairs *pairs, size_t n, unsigned families,
                  double margin, struct verdict *ret_verdicts)
{
    double *p = calloc(n > 0 ? n : 1, sizeof *p);
    size_t family = 0;
    int err = p == NULL ? -ENOMEM : 0;
    for (size_t i = 0; i < n && err == 0; i++) {
        err = measure(&pairs[i], &ret_verdicts[i]);
        /* a comparison without data claims nothing: it is not part of the family */
        if (ret_verdicts[i].kind != VERDICT_NO_DATA)
            p[family++] = ret_verdicts[i].p;
    }
    if (err == 0)
        err = stats_holm(p, p, family);
    for (size_t i = 0, k = 0; i < n && err == 0; i++) {
        if (ret_verdicts[i].kind != VERDICT_NO_DATA)
            ret_verdicts[i].p = fmin(1, p[k++] * families);
        decide(&ret_verdicts[i], &pairs[i], family * families, margin);
    }
    free(p);
    return err;
}
