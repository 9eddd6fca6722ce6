/* SPDX-License-Identifier: MIT */
/* slo.h - a goal such as "p99 within 10 ms", and one measurement against it. */
#ifndef LOADTEST_SLO_H
#define LOADTEST_SLO_H

#include "loadtest/rate_search.h"
#include "loadtest/run.h"

enum { SLO_LABEL_MAX = 48, SLO_BEYOND = 30 };

struct slo_goal {
    uint64_t num, den; /* 999/1000: p99.9 */
    uint64_t limit_ns;
    char label[SLO_LABEL_MAX]; /* "p99.9 <= 10ms" */
};

struct slo_step {
    double rate;
    uint64_t latency_ns; /* of that percentile */
    uint64_t samples;
    bool passed;
    bool generator; /* it failed because the generator did not keep up */
    bool interrupted;
};

/* "99,10ms", "99.9,500us". 0 or -EINVAL. */
int slo_parse(struct slo_goal *ret_goal, const char *text);
/* So many requests that SLO_BEYOND of them lie beyond the percentile. */
uint64_t slo_samples(const struct slo_goal *goal);
/* Below this rate a step would last longer than a minute. */
double slo_least_rate(const struct slo_goal *goal);

/* Runs at a rate, for config->client.duration_ns or as long as it takes to have enough
 * requests. It passes when the percentile, errors included, is within the limit and the
 * plan was kept. 0, or a negative errno with a message in `error`. */
int slo_measure(const struct slo_goal *goal, const struct run_config *config,
                double rate, struct slo_step *ret_step, char error[RUN_ERROR_MAX]);

/* What one search has found. */
struct slo_found {
    double rate; /* the highest that passed; 0: none did */
    unsigned steps;
    bool generator; /* it ended at the generator's limit, not at the server's */
    bool ceiling;   /* or at the highest rate that it was allowed to try */
};

/* Measures until the search is over; `tell` may be NULL. 0, -EINTR, or another negative
 * errno with a message in `error`. */
int slo_search(const struct slo_goal *goal, const struct run_config *config,
               struct rate_search *search,
               void (*tell)(void *arg, const struct slo_step *step), void *arg,
               struct slo_found *ret_found, char error[RUN_ERROR_MAX]);

/* The middle of `n` rates, which it sorts, and its interval: the smallest and the
 * largest, in which the median lies with a chance of 1 - 2^(1-n). */
struct slo_estimate {
    double median, low, high, confidence;
};
struct slo_estimate slo_estimate(double *rates, size_t n);

#endif
