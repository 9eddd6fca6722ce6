/* SPDX-License-Identifier: MIT */
/* prng.c - xoshiro256** and the distributions drawn from it. */
#include "server/base/prng.h"

#include <math.h>

#include "server/base/check.h"

static uint64_t rotl(uint64_t x, int by)
{
    return x << by | x >> (64 - by);
}

uint64_t prng_splitmix64(uint64_t *state)
{
    uint64_t z = (*state += UINT64_C(0x9e3779b97f4a7c15));

    z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
    return z ^ z >> 31;
}

void prng_seed(struct prng *r, uint64_t seed)
{
    for (int i = 0; i < 4; i++)
        r->s[i] = prng_splitmix64(&seed);
}

uint64_t prng_next(struct prng *r)
{
    uint64_t *s = r->s;
    const uint64_t result = rotl(s[1] * 5, 7) * 9;
    const uint64_t t = s[1] << 17;

    s[2] ^= s[0];
    s[3] ^= s[1];
    s[1] ^= s[2];
    s[0] ^= s[3];
    s[2] ^= t;
    s[3] = rotl(s[3], 45);
    return result;
}

uint64_t prng_below(struct prng *r, uint64_t n)
{
    CHECK(n > 0);
    /* The lowest (2^64 mod n) values would make some results likelier: draw again. */
    const uint64_t skip = -n % n;
    uint64_t x;

    do
        x = prng_next(r);
    while (x < skip);
    return x % n;
}

double prng_unit(struct prng *r)
{
    return (double)(prng_next(r) >> 11) * 0x1.0p-53;
}

double prng_exponential(struct prng *r, double mean)
{
    return -mean * log1p(-prng_unit(r)); /* 1 - u is never 0 */
}

double prng_normal(struct prng *r)
{
    /* Box and Muller; the second value is thrown away so that there is no state. */
    double radius = sqrt(-2.0 * log1p(-prng_unit(r)));

    return radius * cos(2.0 * 3.14159265358979323846 * prng_unit(r));
}
