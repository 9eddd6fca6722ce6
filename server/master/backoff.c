/* SPDX-License-Identifier: MIT */
/* backoff.c - see backoff.h. */
#include "server/master/backoff.h"

uint64_t backoff_failed(struct backoff *b, uint64_t now_ns)
{
    bool quiet =
        b->delay_ns == 0 || now_ns - b->last_ns >= BACKOFF_QUIET_NS + b->delay_ns;

    if (quiet)
        b->delay_ns = BACKOFF_FIRST_NS;
    else if (b->delay_ns < BACKOFF_LAST_NS / 2)
        b->delay_ns *= 2;
    else
        b->delay_ns = BACKOFF_LAST_NS;
    b->last_ns = now_ns;
    return now_ns + b->delay_ns;
}

bool breaker_death(struct breaker *b, unsigned limit)
{
    b->deaths++;
    return b->deaths >= limit;
}

void breaker_ready(struct breaker *b)
{
    b->deaths = 0;
}
