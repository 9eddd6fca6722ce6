/* SPDX-License-Identifier: MIT */
/* rate_search.c - bisection that first looks for its bracket. */
#include "loadtest/rate_search.h"

#include <math.h>

#include "server/base/check.h"

static double clamp(const struct rate_search *search, double rate)
{
    return fmin(fmax(rate, search->floor), search->ceiling);
}

double rate_search_next(const struct rate_search *search)
{
    CHECK(!search->over && search->step > 1);
    if (search->passes > 0 && search->fails > 0)
        return sqrt(search->passes * search->fails);
    if (search->passes > 0)
        return clamp(search, search->passes * search->step);
    if (search->fails > 0)
        return clamp(search, search->fails / search->step);
    return clamp(search, search->guess);
}

void rate_search_tell(struct rate_search *search, bool passed)
{
    double rate = rate_search_next(search);
    if (search->passes > 0 || search->fails > 0) /* the first answer takes no step */
        search->step = fmin(search->step * search->step, 1e6);
    if (passed)
        search->passes = rate;
    else
        search->fails = rate;
    if (search->passes > 0 && search->fails > 0)
        search->over = search->fails <= search->passes * (1 + search->precision);
    else
        search->over = passed ? rate >= search->ceiling : rate <= search->floor;
}
