/* SPDX-License-Identifier: MIT */
/* rate_search.h - the highest rate that passes, from answers of yes and no. Pure.
 *
 * A bracket grows from a guess by a step that doubles, down or up, until one end passes
 * and the other fails; then it is halved, in the logarithm, until its ends are as near
 * as wanted. It believes each answer: noise is met by searching again.
 */
#ifndef LOADTEST_RATE_SEARCH_H
#define LOADTEST_RATE_SEARCH_H

#include <stdbool.h>

struct rate_search {
    double floor, ceiling; /* requests per second; it never asks beyond them */
    double precision;      /* it ends when fails / passes <= 1 + precision */
    double guess, step;    /* the first rate, and the first factor, above 1 */
    double passes, fails;  /* the highest that did, the lowest that did; 0: none yet */
    bool over;
};

/* The rate to try. Not when it is over. */
double rate_search_next(const struct rate_search *search);
/* Whether that rate passed. */
void rate_search_tell(struct rate_search *search, bool passed);
/* The result is search->passes: 0 when even the floor fails, the ceiling at most. */

#endif
