/* SPDX-License-Identifier: MIT */
#include "server/base/prng.h"

#include <math.h>

#include "tests/test.h"

static void splitmix64_gives_the_published_values(void **state)
{
    (void)state;
    static const uint64_t want[] = {
        UINT64_C(6457827717110365317),  UINT64_C(3203168211198807973),
        UINT64_C(9817491932198370423),  UINT64_C(4593380528125082431),
        UINT64_C(16408922859458223821),
    };
    uint64_t s = 1234567;

    for (size_t i = 0; i < TEST_COUNT(want); i++)
        check_uint(prng_splitmix64(&s), want[i], "value %zu", i);
}

static void xoshiro_gives_the_values_of_its_authors_code(void **state)
{
    (void)state;
    static const uint64_t want[] = {
        11520,
        0,
        1509978240,
        UINT64_C(1215971899390074240),
    };
    struct prng r = { { 1, 2, 3, 4 } };

    for (size_t i = 0; i < TEST_COUNT(want); i++)
        check_uint(prng_next(&r), want[i], "value %zu", i);
}

static void the_same_seed_gives_the_same_numbers(void **state)
{
    (void)state;
    struct prng a, b, c;

    prng_seed(&a, 7);
    prng_seed(&b, 7);
    prng_seed(&c, 8);
    for (int i = 0; i < 100; i++) {
        uint64_t x = prng_next(&a);

        check_uint(prng_next(&b), x, "number %d", i);
        check_true(prng_next(&c) != x, "number %d of another seed", i);
    }
}

static void below_stays_below_and_reaches_every_value(void **state)
{
    (void)state;
    struct prng r;
    unsigned seen[7] = { 0 };

    prng_seed(&r, 1);
    check_uint(prng_below(&r, 1), 0);
    for (int i = 0; i < 7000; i++) {
        uint64_t x = prng_below(&r, 7);

        check_true(x < 7);
        seen[x]++;
    }
    for (unsigned i = 0; i < 7; i++)
        check_near(seen[i], 1000, 150, "value %u", i); /* 5 standard deviations */
    for (int i = 0; i < 100; i++)
        check_true(prng_below(&r, UINT64_C(3) << 62) < UINT64_C(3) << 62);
}

/* Mean and variance of a million draws, within five standard errors. */
static void the_distributions_have_their_moments(void **state)
{
    (void)state;
    enum { N = 1000000 };
    struct prng r;
    double e = 0, e2 = 0, g = 0, g2 = 0, u = 0;

    prng_seed(&r, 42);
    for (int i = 0; i < N; i++) {
        double x = prng_exponential(&r, 3.0);
        double z = prng_normal(&r);
        double v = prng_unit(&r);

        check_true(x >= 0 && isfinite(x) && isfinite(z) && v >= 0 && v < 1);
        e += x;
        e2 += x * x;
        g += z;
        g2 += z * z;
        u += v;
    }
    check_near(u / N, 0.5, 0.0015);
    check_near(e / N, 3.0, 0.015);
    check_near(e2 / N - (e / N) * (e / N), 9.0, 0.13);
    check_near(g / N, 0.0, 0.005);
    check_near(g2 / N, 1.0, 0.0075);
}

TEST_MAIN(test(splitmix64_gives_the_published_values),
          test(xoshiro_gives_the_values_of_its_authors_code),
          test(the_same_seed_gives_the_same_numbers),
          test(below_stays_below_and_reaches_every_value),
          test(the_distributions_have_their_moments))
