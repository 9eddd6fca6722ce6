/* SPDX-License-Identifier: MIT */
/* stats.c - sign flips, subset means, bootstrap, Holm. */
#include "loadtest/stats.h"

#include <errno.h>
#include <math.h>
#include <stdbool.h>
#include <stdlib.h>

#include "server/base/prng.h"

enum { RESAMPLES = 20000, BLOCKS_CAP = 9999 };

static const uint64_t resampling_seed = 20;

double stats_mean(const double *x, size_t n)
{
    double sum = 0;
    for (size_t i = 0; i < n; i++)
        sum += x[i];
    return n > 0 ? sum / (double)n : 0;
}

static int compare_doubles(const void *a, const void *b)
{
    const double *x = a, *y = b;
    return (*x > *y) - (*x < *y);
}

void stats_sort(double *x, size_t n)
{
    qsort(x, n, sizeof *x, compare_doubles);
}

double stats_deviation(const double *x, size_t n)
{
    double mean = stats_mean(x, n), sum = 0;
    for (size_t i = 0; i < n; i++)
        sum += (x[i] - mean) * (x[i] - mean);
    return n > 1 ? sqrt(sum / (double)(n - 1)) : 0;
}

/* Sums of all 2^n subsets, at their bit pattern; n <= STATS_EXACT_MAX. */
static double *subset_sums(const double *x, size_t n)
{
    size_t count = (size_t)1 << n;
    double *sums = calloc(count, sizeof *sums);
    for (size_t mask = 1; sums != NULL && mask < count; mask++)
        sums[mask] = sums[mask & (mask - 1)] + x[__builtin_ctzll(mask)];
    return sums;
}

/* Flipping the signs outside a subset turns the sum into 2 * subset - total. */
static int flip_exact(const double *x, size_t n, double *ret_p)
{
    double *sums = subset_sums(x, n);
    size_t count = (size_t)1 << n, as_far = 0;
    if (sums == NULL)
        return -ENOMEM;
    double total = sums[count - 1];
    /* equal sums must count as equal although they were added in another order */
    double bar = fabs(total) * (1 - 1e-9);
    for (size_t mask = 0; mask < count; mask++)
        as_far += fabs(2 * sums[mask] - total) >= bar;
    free(sums);
    *ret_p = (double)as_far / (double)count;
    return 0;
}

static double flip_sampled(const double *x, size_t n)
{
    struct prng prng;
    double total = stats_mean(x, n) * (double)n;
    double bar = fabs(total) * (1 - 1e-9);
    size_t as_far = 1; /* the pattern that was observed is one of them */
    prng_seed(&prng, resampling_seed);
    for (size_t k = 0; k < RESAMPLES; k++) {
        double sum = 0;
        for (size_t i = 0; i < n; i++)
            sum += (prng_next(&prng) >> 63) != 0 ? x[i] : -x[i];
        as_far += fabs(sum) >= bar;
    }
    return (double)as_far / (RESAMPLES + 1);
}

int stats_sign_flip(const double *x, size_t n, double *ret_p)
{
    if (n <= STATS_EXACT_MAX)
        return flip_exact(x, n, ret_p);
    *ret_p = flip_sampled(x, n);
    return 0;
}

/* The true value lies in each gap between neighbours of the sorted subset means with
 * the same probability, 2^-n (the empty subset is left out). */
static int interval_exact(const double *x, size_t n, double confidence, double *ret_low,
                          double *ret_high)
{
    size_t count = (size_t)1 << n;
    size_t skip = (size_t)floor((1 - confidence) / 2 * (double)count + 1e-9);
    if (skip == 0)
        return -ENODATA;
    double *means = subset_sums(x, n);
    if (means == NULL)
        return -ENOMEM;
    for (size_t mask = 1; mask < count; mask++)
        means[mask] /= __builtin_popcountll(mask);
    stats_sort(means + 1, count - 1);
    *ret_low = means[skip];
    *ret_high = means[count - skip];
    free(means);
    return 0;
}

static int interval_bootstrap(const double *x, size_t n, double confidence,
                              double *ret_low, double *ret_high)
{
    struct prng prng;
    double *means = calloc(RESAMPLES, sizeof *means);
    if (means == NULL)
        return -ENOMEM;
    prng_seed(&prng, resampling_seed);
    for (size_t k = 0; k < RESAMPLES; k++) {
        for (size_t i = 0; i < n; i++)
            means[k] += x[prng_below(&prng, n)] / (double)n;
    }
    stats_sort(means, RESAMPLES);
    size_t skip = (size_t)((1 - confidence) / 2 * RESAMPLES);
    *ret_low = means[skip];
    *ret_high = means[RESAMPLES - 1 - skip];
    free(means);
    return 0;
}

int stats_interval(const double *x, size_t n, double confidence, double *ret_low,
                   double *ret_high)
{
    return n <= STATS_EXACT_MAX
               ? interval_exact(x, n, confidence, ret_low, ret_high)
               : interval_bootstrap(x, n, confidence, ret_low, ret_high);
}

struct ranked {
    double p;
    size_t at;
};

static int compare_ranked(const void *a, const void *b)
{
    const struct ranked *x = a, *y = b;
    return (x->p > y->p) - (x->p < y->p);
}

int stats_holm(const double *p, double *adjusted, size_t n)
{
    struct ranked *order = calloc(n > 0 ? n : 1, sizeof *order);
    double most = 0;
    if (order == NULL)
        return -ENOMEM;
    for (size_t i = 0; i < n; i++)
        order[i] = (struct ranked){ p[i], i };
    qsort(order, n, sizeof *order, compare_ranked);
    for (size_t i = 0; i < n; i++) {
        most = fmax(most, fmin(1, order[i].p * (double)(n - i)));
        adjusted[order[i].at] = most;
    }
    free(order);
    return 0;
}

double stats_normal_quantile(double p)
{
    double low = -40, high = 40;
    for (int i = 0; i < 100; i++) {
        double middle = (low + high) / 2;
        if (0.5 * erfc(-middle / sqrt(2)) < p)
            low = middle;
        else
            high = middle;
    }
    return (low + high) / 2;
}

size_t stats_blocks_least(double alpha)
{
    size_t n = 1;
    while (n < 60 && ldexp(2, -(int)n) > alpha)
        n++;
    return n;
}

size_t stats_blocks_needed(double deviation, double effect, double alpha)
{
    double z = stats_normal_quantile(1 - alpha / 2) + stats_normal_quantile(0.8);
    double n = effect != 0 ? ceil(pow(z * deviation / effect, 2)) : BLOCKS_CAP;
    double least = (double)stats_blocks_least(alpha);
    return (size_t)fmin(fmax(n, least), BLOCKS_CAP);
}
