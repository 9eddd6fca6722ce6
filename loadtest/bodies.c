/* SPDX-License-Identifier: MIT */
/* bodies.c - a hash table that only grows. */
#include "loadtest/bodies.h"

#include <stdlib.h>
#include <zlib.h>

#include "server/base/prng.h"

void body_sum_add(struct body_sum *sum, const char *bytes, size_t n)
{
    sum->crc = (uint32_t)crc32_z(sum->crc, (const unsigned char *)bytes, n);
    sum->length += n;
}

static struct bodies_one *find(const struct bodies *bodies, uint64_t which)
{
    uint64_t state = which;
    size_t i = prng_splitmix64(&state) & (bodies->size - 1);
    while (bodies->at[i].which != 0 && bodies->at[i].which != which + 1)
        i = (i + 1) & (bodies->size - 1);
    return &bodies->at[i];
}

/* Three quarters full at most. */
static bool make_room(struct bodies *bodies)
{
    if (4 * (bodies->n + 1) <= 3 * bodies->size)
        return true;
    struct bodies bigger = { .size = bodies->size > 0 ? 2 * bodies->size : 64,
                             .n = bodies->n };
    bigger.at = calloc(bigger.size, sizeof *bigger.at);
    if (bigger.at == NULL)
        return bodies->n + 1 < bodies->size;
    for (size_t i = 0; i < bodies->size; i++) {
        if (bodies->at[i].which != 0)
            *find(&bigger, bodies->at[i].which - 1) = bodies->at[i];
    }
    free(bodies->at);
    *bodies = bigger;
    return true;
}

bool bodies_check(struct bodies *bodies, uint64_t which, struct body_sum sum)
{
    if (!make_room(bodies))
        return true;
    struct bodies_one *one = find(bodies, which);
    if (one->which != 0)
        return one->sum.length == sum.length && one->sum.crc == sum.crc;
    *one = (struct bodies_one){ .which = which + 1, .sum = sum };
    bodies->n++;
    return true;
}

void bodies_free(struct bodies *bodies)
{
    free(bodies->at);
    *bodies = (struct bodies){ 0 };
}
