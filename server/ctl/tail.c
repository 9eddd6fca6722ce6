/* SPDX-License-Identifier: MIT */
/* tail.c - see tail.h. */
#include "server/ctl/tail.h"

static uint64_t at(const json_t *pair, size_t i)
{
    json_int_t value = json_integer_value(json_array_get(pair, i));

    return value > 0 ? (uint64_t)value : 0;
}

/* Both lists ascend: *seen is how far the older one is read. */
static uint64_t gained(const json_t *pair, const json_t *before, size_t *seen)
{
    uint64_t value = at(pair, 0), now = at(pair, 1), old = 0;

    while (*seen < json_array_size(before) &&
           at(json_array_get(before, *seen), 0) < value)
        (*seen)++;
    if (at(json_array_get(before, *seen), 0) == value)
        old = at(json_array_get(before, *seen), 1);
    return now > old ? now - old : 0;
}

uint64_t tail_total(const struct tail *t)
{
    uint64_t total = 0;
    size_t seen = 0;

    for (size_t i = 0; i < json_array_size(t->now); i++)
        total += gained(json_array_get(t->now, i), t->before, &seen);
    return total;
}

uint64_t tail_percentile(const struct tail *t, uint64_t num, uint64_t den)
{
    uint64_t total = tail_total(t), below = 0;
    uint64_t rank = total / den * num + (total % den * num + den - 1) / den;
    size_t seen = 0;

    for (size_t i = 0; i < json_array_size(t->now); i++) {
        below += gained(json_array_get(t->now, i), t->before, &seen);
        if (below > 0 && below >= rank)
            return at(json_array_get(t->now, i), 0);
    }
    return 0;
}
