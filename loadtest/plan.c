/* SPDX-License-Identifier: MIT */
/* plan.c - Poisson and constant arrival plans. */
#include "loadtest/plan.h"

#include <math.h>

uint64_t plan_derive_seed(uint64_t seed, uint64_t purpose)
{
    uint64_t state = seed;
    uint64_t mixed = prng_splitmix64(&state) ^ purpose;
    return prng_splitmix64(&mixed);
}

/* The integral of a + (b - a) t / T is a t + (b - a) t^2 / 2T: solved for t. */
static double line_ns(double a, double b, double length, double due)
{
    double slope = (b - a) / length;
    if (fabs(slope) * length < 1e-9 * (a + b))
        return due / a;
    return 2 * due / (a + sqrt(fmax(a * a + 2 * slope * due, 0)));
}

static double step_rate(const struct plan *plan, unsigned step)
{
    if (plan->steps == 1)
        return plan->from;
    return plan->from + (plan->to - plan->from) * step / (plan->steps - 1);
}

double plan_ramp_ns(const struct plan *plan, double due)
{
    double length = plan->length_ns;
    if (plan->steps == 0) {
        double all = (plan->from + plan->to) / 2 * length;
        return due <= all ? line_ns(plan->from, plan->to, length, due)
                          : length + (due - all) / plan->to;
    }
    double each = length / plan->steps;
    for (unsigned i = 0; i < plan->steps; i++) {
        double rate = step_rate(plan, i), here = rate * each;
        if (due <= here)
            return i * each + due / rate;
        due -= here;
    }
    return length + due / step_rate(plan, plan->steps - 1);
}

/* A Poisson process of any rate is one of rate 1 on a clock that runs with the expected
 * number of arrivals (Cinlar 1975). */
static void place(struct plan *plan)
{
    if (plan->constant)
        plan->due = (double)plan->index + plan->phase;
    else
        plan->due += prng_exponential(&plan->prng, 1);
    plan->at_ns = plan_ramp_ns(plan, plan->due);
}

#define NEVER_NS 1e18

/* Every streams-th of the list. */
static void look_up(struct plan *plan)
{
    plan->at_ns = plan->list_at < plan->list_n
                      ? (double)plan->list_ns[plan->list_at] / plan->speed
                      : NEVER_NS;
    plan->list_at += plan->streams;
}

void plan_init(struct plan *plan, const struct plan_config *config)
{
    *plan = (struct plan){
        .gap_ns = 1e9 * config->streams / config->rate,
        .phase = (double)config->stream / config->streams,
        .constant = config->constant,
        .ramp = config->rate_to > 0 && config->length_ns > 0,
        .from = config->rate / 1e9 / config->streams,
        .to = config->rate_to / 1e9 / config->streams,
        .length_ns = config->length_ns,
        .steps = config->steps,
        .list_ns = config->list_ns,
        .list_n = config->list_n,
        .list_at = config->stream,
        .streams = config->streams,
        .speed = config->speed,
    };
    if (plan->list_ns != NULL) {
        look_up(plan);
        return;
    }
    prng_seed(&plan->prng, plan_derive_seed(config->seed, config->stream));
    if (plan->ramp) {
        place(plan);
        return;
    }
    plan->at_ns = plan->constant ? plan->phase * plan->gap_ns
                                 : prng_exponential(&plan->prng, plan->gap_ns);
}

void plan_advance(struct plan *plan)
{
    plan->index++;
    if (plan->list_ns != NULL)
        look_up(plan);
    else if (plan->ramp)
        place(plan);
    else if (plan->constant) /* from the index, so that rounding does not add up */
        plan->at_ns = ((double)plan->index + plan->phase) * plan->gap_ns;
    else
        plan->at_ns += prng_exponential(&plan->prng, plan->gap_ns);
}
