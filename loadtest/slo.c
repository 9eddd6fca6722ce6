/* SPDX-License-Identifier: MIT */
/* slo.c - one step of the search for the highest rate that keeps a goal. */
#include "loadtest/slo.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>

#include "loadtest/stats.h"
#include "server/base/clock.h"
#include "server/base/num.h"
#include "server/base/span.h"

#define LONGEST_STEP_S 60

/* "99.9" into 999/1000. */
static int parse_percentile(struct span text, struct slo_goal *goal)
{
    struct span whole, decimals;
    uint64_t percent, part = 0;
    goal->den = 100;
    bool pointed = span_cut(text, '.', &whole, &decimals);
    if (num_parse_u64(whole, 0, 99, &percent) < 0 ||
        (pointed && (decimals.n > 4 || num_parse_u64(decimals, 0, 9999, &part) < 0)))
        return -EINVAL;
    for (size_t i = 0; pointed && i < decimals.n; i++)
        goal->den *= 10;
    goal->num = percent * (goal->den / 100) + part;
    return goal->num > 0 ? 0 : -EINVAL;
}

int slo_parse(struct slo_goal *ret_goal, const char *text)
{
    struct slo_goal goal = { .num = 0 };
    struct span percentile, limit;
    char limit_text[NUM_TEXT_MAX];
    if (!span_cut(span_of(text), ',', &percentile, &limit) ||
        parse_percentile(percentile, &goal) < 0 ||
        num_parse_time(limit, CLOCK_NS_PER_S, CLOCK_NS_PER_US, 60 * CLOCK_NS_PER_S,
                       &goal.limit_ns) < 0)
        return -EINVAL;
    snprintf(goal.label, sizeof goal.label, "p%.*s <= %s", SPAN_ARG(percentile),
             num_format_time(limit_text, goal.limit_ns));
    *ret_goal = goal;
    return 0;
}

uint64_t slo_samples(const struct slo_goal *goal)
{
    return (SLO_BEYOND * goal->den + goal->den - goal->num - 1) /
           (goal->den - goal->num);
}

double slo_least_rate(const struct slo_goal *goal)
{
    return (double)slo_samples(goal) / LONGEST_STEP_S;
}

/* A step that cannot pass any more need not go on. */
struct look {
    const struct slo_goal *goal;
    const struct run_watch *watch; /* the caller's */
    uint64_t allowed, over;        /* requests above the limit */
    bool decided;
};

static void on_interval(void *arg, const struct run_interval *interval)
{
    struct look *look = arg;
    look->over += hist_beyond(interval->all, look->goal->limit_ns);
    if (look->watch->on_interval != NULL)
        look->watch->on_interval(look->watch->arg, interval);
}

static bool on_tick(void *arg, double elapsed_s)
{
    struct look *look = arg;
    bool goes_on = look->watch->on_tick == NULL ||
                   look->watch->on_tick(look->watch->arg, elapsed_s);
    look->decided = goes_on && look->over > look->allowed;
    return goes_on && !look->decided;
}

int slo_measure(const struct slo_goal *goal, const struct run_config *config,
                double rate, struct slo_step *ret_step, char error[RUN_ERROR_MAX])
{
    struct run_config step = *config;
    struct run_result result;
    double needed_s = 1.1 * (double)slo_samples(goal) / rate;
    if ((double)step.client.duration_ns < needed_s * 1e9)
        step.client.duration_ns = (uint64_t)(needed_s * 1e9);
    step.client.rate = rate;
    step.client.interval_ns = CLOCK_NS_PER_S / 4;
    /* twice as many as there may be, since a Poisson plan may have some more requests
     */
    double planned = rate * (double)step.client.duration_ns / 1e9;
    struct look look = { .goal = goal,
                         .watch = &config->watch,
                         .allowed =
                             (uint64_t)(2 * planned * (double)(goal->den - goal->num) /
                                        (double)goal->den) };
    step.watch = (struct run_watch){ .on_interval = on_interval,
                                     .on_tick = on_tick,
                                     .arg = &look };
    int err = run_load(&step, &result, error);
    if (err < 0)
        return err;
    struct selfcheck check = run_check(&step, &result);
    uint64_t latency = hist_percentile(&result.all, goal->num, goal->den);
    uint64_t lag = hist_percentile(&result.tally.lag, goal->num, goal->den);
    /* A late generator only adds to latency: a goal that holds in spite of it holds,
     * and one that is missed by more than the generator was late is the server's doing.
     */
    *ret_step = (struct slo_step){
        .rate = rate,
        .latency_ns = latency,
        .samples = result.all.total,
        .passed =
            check.n == check.generator && latency <= goal->limit_ns && !look.decided,
        .interrupted = result.interrupted && !look.decided,
    };
    ret_step->generator =
        !ret_step->passed && check.generator > 0 && latency <= goal->limit_ns + lag;
    run_result_free(&result);
    return 0;
}

int slo_search(const struct slo_goal *goal, const struct run_config *config,
               struct rate_search *search,
               void (*tell)(void *arg, const struct slo_step *step), void *arg,
               struct slo_found *ret_found, char error[RUN_ERROR_MAX])
{
    struct run_config step_config = *config;
    *ret_found = (struct slo_found){ .rate = 0 };
    while (!search->over) {
        struct slo_step step;
        step_config.client.seed = config->client.seed + ret_found->steps;
        int err =
            slo_measure(goal, &step_config, rate_search_next(search), &step, error);
        if (err < 0)
            return err;
        if (step.interrupted) {
            snprintf(error, RUN_ERROR_MAX, "interrupted");
            return -EINTR;
        }
        ret_found->steps++;
        rate_search_tell(search, step.passed);
        if (step.passed && step.rate > ret_found->rate)
            ret_found->rate = step.rate;
        else if (!step.passed && step.rate <= search->fails)
            ret_found->generator = step.generator; /* the lowest that failed */
        if (tell != NULL)
            tell(arg, &step);
    }
    ret_found->ceiling = search->passes >= search->ceiling;
    return 0;
}

struct slo_estimate slo_estimate(double *rates, size_t n)
{
    if (n == 0)
        return (struct slo_estimate){ .median = 0 };
    stats_sort(rates, n);
    return (struct slo_estimate){
        .median = (rates[(n - 1) / 2] + rates[n / 2]) / 2,
        .low = rates[0],
        .high = rates[n - 1],
        .confidence = 1 - ldexp(1, 1 - (int)n),
    };
}
