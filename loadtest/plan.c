/* SPDX-License-Identifier: MIT */
/* plan.c - Poisson and constant arrival plans. */
#include "loadtest/plan.h"

uint64_t plan_derive_seed(uint64_t seed, uint64_t purpose)
{
    uint64_t state = seed;
    uint64_t mixed = prng_splitmix64(&state) ^ purpose;
    return prng_splitmix64(&mixed);
}

void plan_init(struct plan *plan, const struct plan_config *config)
{
    *plan = (struct plan){
        .gap_ns = 1e9 * config->streams / config->rate,
        .phase = (double)config->stream / config->streams,
        .constant = config->constant,
    };
    prng_seed(&plan->prng, plan_derive_seed(config->seed, config->stream));
    plan->at_ns = plan->constant ? plan->phase * plan->gap_ns
                                 : prng_exponential(&plan->prng, plan->gap_ns);
}

void plan_advance(struct plan *plan)
{
    plan->index++;
    if (plan->constant) /* from the index, so that rounding does not add up */
        plan->at_ns = ((double)plan->index + plan->phase) * plan->gap_ns;
    else
        plan->at_ns += prng_exponential(&plan->prng, plan->gap_ns);
}
