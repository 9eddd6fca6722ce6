/* SPDX-License-Identifier: MIT */
/* verdict.h - what may be claimed about an arm against the control. */
#ifndef LOADTEST_VERDICT_H
#define LOADTEST_VERDICT_H

#include <stddef.h>

enum verdict_kind {
    VERDICT_FASTER,
    VERDICT_SLOWER,
    VERDICT_EQUIVALENT,   /* the whole interval is within the margin */
    VERDICT_INCONCLUSIVE, /* more blocks might tell */
    VERDICT_NO_DATA,      /* too few requests beyond the percentile, or no pair */
};

struct verdict {
    enum verdict_kind kind;
    size_t n;     /* pairs of blocks */
    double ratio; /* arm / control, geometric mean */
    double low;   /* 95 % interval of the ratio; 0 and infinity when it is not known */
    double high;
    double p;    /* two-sided, after Holm's correction */
    size_t more; /* blocks that are missing, about, when inconclusive */
};

struct verdict_pairs {
    const double *log_ratios;
    size_t n;
};

/* The correction is Holm's over all `n` comparisons, and Bonferroni's over `families`
 * of them that are judged one after the other (1: there is only this one). `margin` is
 * a ratio: 0.1 for "within 10 %". 0 or -ENOMEM. */
int verdict_judge(const struct verdict_pairs *pairs, size_t n, unsigned families,
                  double margin, struct verdict *ret_verdicts);

#endif
