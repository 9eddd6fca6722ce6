/* SPDX-License-Identifier: MIT */
/* closed_form.c - see closed_form.h. */
#include "loadtest/closed_form.h"

#include <math.h>

double closed_freeze(double freeze, double duration, double rate, double drain,
                     double p)
{
    double n = floor(rate * duration + 1e-6);
    double slower = n - ceil(p * n - 1e-6);
    double x = freeze - slower / rate * (1 - 1 / drain);
    return x > 0 ? x : 0;
}

double closed_bimodal(double fast, double slow, unsigned every, double p)
{
    return every > 0 && p > 1 - 1.0 / (double)every ? slow : fast;
}
