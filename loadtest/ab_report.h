/* SPDX-License-Identifier: MIT */
/* ab_report.h - what an A/B run says at the end. */
#ifndef LOADTEST_AB_REPORT_H
#define LOADTEST_AB_REPORT_H

#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>

#include "loadtest/ab.h"
#include "loadtest/verdict.h"

/* The percentiles that verdicts are about. */
enum { AB_JUDGED = 2 };

struct ab_verdicts {
    const struct quantile *quantiles[AB_JUDGED];
    /* of arm i (0 is the control and has none) at percentile q */
    struct verdict verdicts[AB_ARMS_MAX][AB_JUDGED];
};

/* Compares every arm with the first. 0 or -ENOMEM. */
int ab_judge(const struct ab *ab, struct ab_verdicts *ret_verdicts);
/* Can the verdicts on this arm be trusted: are enough of its cells valid? */
bool ab_trusted(const struct ab_arm *arm);

void ab_report_text(FILE *out, const struct ab *ab, const struct ab_verdicts *verdicts);
/* The report as data; NULL without memory. */
json_t *ab_json(const struct ab *ab, const struct ab_verdicts *verdicts);
int ab_report_html(const char *path, const struct ab *ab,
                   const struct ab_verdicts *verdicts);
/* Writes report.json; 0 or a negative errno. */
int ab_report_json(const char *path, const struct ab *ab,
                   const struct ab_verdicts *verdicts);

#endif
