/* SPDX-License-Identifier: MIT */
/* clock.h - the two clocks: one to measure with, one to tell the time of day. */
#ifndef COWSHED_CLOCK_H
#define COWSHED_CLOCK_H

#include <stdint.h>
#include <time.h>

#define CLOCK_NS_PER_US UINT64_C(1000)
#define CLOCK_NS_PER_MS UINT64_C(1000000)
#define CLOCK_NS_PER_S  UINT64_C(1000000000)

static inline uint64_t clock_read_ns(clockid_t id)
{
    struct timespec t;

    clock_gettime(id, &t); /* cannot fail for the two ids used here */
    return (uint64_t)t.tv_sec * CLOCK_NS_PER_S + (uint64_t)t.tv_nsec;
}

/* CLOCK_MONOTONIC: the same in all processes of the machine, never set back. */
static inline uint64_t clock_ns(void)
{
    return clock_read_ns(CLOCK_MONOTONIC);
}

/* Since 1970, UTC.  May jump; not for intervals. */
static inline uint64_t clock_wall_ns(void)
{
    return clock_read_ns(CLOCK_REALTIME);
}

static inline int64_t clock_wall_s(void)
{
    return (int64_t)(clock_wall_ns() / CLOCK_NS_PER_S);
}

#endif
