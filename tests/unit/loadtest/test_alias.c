/* SPDX-License-Identifier: MIT */
#include "loadtest/alias.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>

#include "tests/test.h"

static void draws_follow_the_weights(void **state)
{
    (void)state;
    enum { DRAWS = 400000 };
    static const double weights[] = { 0, 1, 2, 7, 0.5, 1000, 0 };
    double counts[TEST_COUNT(weights)] = { 0 }, sum = 1010.5;
    struct alias alias;
    struct prng prng;
    check_int(alias_init(&alias, weights, TEST_COUNT(weights)), 0);
    prng_seed(&prng, 5);
    for (unsigned i = 0; i < DRAWS; i++)
        counts[alias_draw(&alias, &prng)]++;
    for (size_t i = 0; i < TEST_COUNT(weights); i++) {
        double p = weights[i] / sum;
        check_near(counts[i] / DRAWS, p, 4 * sqrt(p * (1 - p) / DRAWS), "thing %zu", i);
    }
    alias_free(&alias);
}

static void zipf_keys_have_the_frequencies_of_the_formula(void **state)
{
    (void)state;
    enum { DRAWS = 400000, KEYS = 10000 };
    static double counts[KEYS];
    static const uint32_t shown[] = { 0, 1, 9, 99 };
    struct alias alias;
    struct prng prng;
    double harmonic = 0, seen = 0;
    check_int(alias_init_zipf(&alias, KEYS, 0.99), 0);
    prng_seed(&prng, 6);
    for (unsigned k = 1; k <= KEYS; k++)
        harmonic += pow(k, -0.99);
    for (unsigned i = 0; i < DRAWS; i++)
        counts[alias_draw(&alias, &prng)]++;
    for (size_t i = 0; i < TEST_COUNT(shown); i++) {
        double p = pow(shown[i] + 1.0, -0.99) / harmonic;
        check_near(counts[shown[i]] / DRAWS, p, 4 * sqrt(p * (1 - p) / DRAWS), "key %u",
                   shown[i]);
    }
    for (unsigned k = 0; k < KEYS; k++)
        seen += counts[k];
    check_near(seen, DRAWS, 0, "all draws are keys");
    alias_free(&alias);
}

static void an_exponent_of_zero_is_uniform(void **state)
{
    (void)state;
    struct alias alias;
    check_int(alias_init_zipf(&alias, 1000, 0), 0);
    for (uint32_t i = 0; i < 1000; i++)
        check_true(alias.cells[i].other == i || alias.cells[i].keep >= 0xfffff000, "%u",
                   i);
    alias_free(&alias);
}

static void weights_that_are_none_are_refused(void **state)
{
    (void)state;
    static const double cases[][2] = {
        { 0, 0 }, { -1, 2 }, { NAN, 1 }, { 1, INFINITY }, { 1e308, 1e308 }
    };
    struct alias alias = { .n = 77 };
    for (size_t i = 0; i < TEST_COUNT(cases); i++)
        check_int(alias_init(&alias, cases[i], 2), -EINVAL, "case %zu", i);
    check_int(alias_init(&alias, cases[0], 0), -EINVAL, "no weights");
    check_int(alias_init_zipf(&alias, 0, 1), -EINVAL, "no keys");
    check_int(alias_init_zipf(&alias, ALIAS_MAX + 1, 1), -EINVAL, "too many keys");
    check_int(alias_init_zipf(&alias, 10, -0.1), -EINVAL, "negative exponent");
    check_uint(alias.n, 77, "output touched");
}

static void a_single_thing_is_always_drawn(void **state)
{
    (void)state;
    const double weight = 0.1;
    struct alias alias;
    struct prng prng;
    prng_seed(&prng, 1);
    check_int(alias_init(&alias, &weight, 1), 0);
    for (unsigned i = 0; i < 1000; i++)
        check_uint(alias_draw(&alias, &prng), 0);
    alias_free(&alias);
}

TEST_MAIN(test(draws_follow_the_weights),
          test(zipf_keys_have_the_frequencies_of_the_formula),
          test(an_exponent_of_zero_is_uniform), test(weights_that_are_none_are_refused),
          test(a_single_thing_is_always_drawn))
