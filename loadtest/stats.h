/* SPDX-License-Identifier: MIT */
/* stats.h - is the difference between two arms real? From paired blocks, without
 * assuming a distribution (README rules 16 to 18).
 *
 * The numbers here are log ratios, one per block: log(arm / control) of the same
 * percentile, under the same plan. Pure functions.
 */
#ifndef LOADTEST_STATS_H
#define LOADTEST_STATS_H

#include <stddef.h>
#include <stdint.h>

/* Up to this many blocks all 2^n patterns of signs are tried; beyond, a sample. */
enum { STATS_EXACT_MAX = 16 };

double stats_mean(const double *x, size_t n);
/* In place, the smallest first. */
void stats_sort(double *x, size_t n);
/* Sample standard deviation, n - 1; 0 below two values. */
double stats_deviation(const double *x, size_t n);

/* Two-sided p of the sign-flip test: if there were no difference each block's ratio
 * could as well have had the other sign; how often is the mean then as far from zero?
 * It is never below 2 / 2^n. 1 when n is 0. 0 or -ENOMEM. */
int stats_sign_flip(const double *x, size_t n, double *ret_p);

/* Confidence interval of the mean. Exact for few blocks (Hartigan 1969: the means of
 * all subsets split the line into 2^n equally likely parts), percentile bootstrap for
 * more. -ENODATA when so few blocks cannot give that confidence. */
int stats_interval(const double *x, size_t n, double confidence, double *ret_low,
                   double *ret_high);

/* Holm's step-down: p values such that comparing each with alpha keeps the chance of
 * even one false claim below alpha. `adjusted` may be `p`. 0 or -ENOMEM. */
int stats_holm(const double *p, double *adjusted, size_t n);

/* About how many blocks show a mean of `effect` at this p with a chance of 80 %. */
size_t stats_blocks_needed(double deviation, double effect, double alpha);
/* The fewest with which a sign-flip test can reach this p at all. */
size_t stats_blocks_least(double alpha);

/* z with P(Z <= z) = p, 0 < p < 1. */
double stats_normal_quantile(double p);

#endif
