/* SPDX-License-Identifier: MIT */
/* prng.h - seeded random numbers for plans and tests; not for secrets.
 *
 * xoshiro256** by Blackman and Vigna, seeded through splitmix64: the same seed gives
 * the same sequence on every machine.  A struct prng is used by one thread.
 */
#ifndef COWSHED_PRNG_H
#define COWSHED_PRNG_H

#include <stdint.h>

struct prng {
    uint64_t s[4];
};

/* The next value of a splitmix64 stream; *state is any number. */
uint64_t prng_splitmix64(uint64_t *state);

void prng_seed(struct prng *r, uint64_t seed);
uint64_t prng_next(struct prng *r);

/* Uniform in [0, n) without bias; n > 0. */
uint64_t prng_below(struct prng *r, uint64_t n);
/* Uniform in [0, 1), 53 bits. */
double prng_unit(struct prng *r);
/* Exponentially distributed with this mean: the gaps of a Poisson process. */
double prng_exponential(struct prng *r, double mean);
/* Normally distributed, mean 0, deviation 1. */
double prng_normal(struct prng *r);

#endif
