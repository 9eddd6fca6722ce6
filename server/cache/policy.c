/* SPDX-License-Identifier: MIT */
/* policy.c - the arithmetic of the byte limit.  Pure: no heap, no state. */
#include "server/cache/policy.h"

#include <errno.h>

#include "gc/gc.h"
#include "server/cache/entry.h"

enum {
    LIMIT_PERCENT_MAX = 400, /* gc.percent above it does not widen the hard limit */
    LIMIT_FLOOR = 16 << 20,
    IDS_MAX = 1 << 30,
};

static uint64_t round_up(uint64_t n, uint64_t unit)
{
    return (n + unit - 1) / unit * unit;
}

uint64_t entry_cost(uint32_t key_len, uint32_t head_len, uint64_t body_len)
{
    uint64_t cost =
        POLICY_ENTRY_SHARE + gc_cost(sizeof(struct entry) + (size_t)key_len + head_len);

    return body_len == 0 ? cost : cost + gc_cost(body_len);
}

int policy_admit(uint64_t held, uint64_t replaced, uint64_t cost, uint64_t limit,
                 uint64_t *ret_excess)
{
    uint64_t kept = held - replaced;

    if (cost > limit)
        return -E2BIG;
    *ret_excess = kept > limit - cost ? kept - (limit - cost) : 0;
    return 0;
}

size_t policy_heap_limit(size_t bytes, unsigned percent)
{
    uint64_t room = bytes;
    uint64_t wide = percent < LIMIT_PERCENT_MAX ? percent : LIMIT_PERCENT_MAX;

    /* Live entries, garbage up to the goal of the collector and half as much again for
     * what is allocated while a cycle runs; then holes: blocks that are partly in use.
     */
    room += bytes / 100 * wide * 3 / 2;
    room += bytes / 2;
    return round_up(room + LIMIT_FLOOR, 2u << 20);
}

uint32_t policy_ids(size_t bytes)
{
    uint64_t n =
        bytes / entry_cost(1, 0, 0) + 2; /* number 0 is nobody; one comes, one goes */

    return n < IDS_MAX ? (uint32_t)n : IDS_MAX;
}
