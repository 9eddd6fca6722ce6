/* SPDX-License-Identifier: MIT */
/* ab_loads.h - the same comparison at several loads, side by side. */
#ifndef LOADTEST_AB_LOADS_H
#define LOADTEST_AB_LOADS_H

#include "loadtest/ab_report.h"

struct ab_loads {
    unsigned n;
    const struct quantile *quantiles[AB_JUDGED];
    struct ab_load {
        double share, rate; /* of the slowest arm's capacity; requests per second */
        struct {
            uint64_t ns[AB_JUDGED]; /* 0: too few requests */
            enum verdict_kind kinds[AB_JUDGED];
            bool trusted;
        } arms[AB_ARMS_MAX];
    } at[AB_LOADS_MAX];
};

/* Adds what is in `ab` now. */
void loads_note(struct ab_loads *loads, const struct ab *ab,
                const struct ab_verdicts *verdicts);
/* Prints the table, and writes it into loads.txt. 0 or a negative errno after a
 * message. */
int loads_report(const struct ab_loads *loads, const struct ab *ab);

#endif
