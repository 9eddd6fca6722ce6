/* SPDX-License-Identifier: MIT */
/* throttle.c - see throttle.h. */
#include "server/master/throttle.h"

#include "server/base/check.h"
#include "server/base/clock.h"

/* How often memory is looked at while there is too little of it. */
#define MEMORY_RETRY_NS (250 * CLOCK_NS_PER_MS)

static uint64_t interval_ns(const struct throttle_limits *limits)
{
    return CLOCK_NS_PER_S / (uint64_t)limits->rate;
}

enum throttle_reason throttle_ask(const struct throttle *t,
                                  const struct throttle_limits *limits,
                                  const struct throttle_state *state,
                                  uint64_t *ret_retry_ns)
{
    CHECK(limits->burst >= 1);
    if (limits->max_unready > 0 && state->unready >= (uint64_t)limits->max_unready) {
        *ret_retry_ns = UINT64_MAX;
        return THROTTLE_UNREADY;
    }
    if (limits->rate > 0) {
        uint64_t ahead = (uint64_t)(limits->burst - 1) * interval_ns(limits);

        if (t->full_ns > state->now_ns && t->full_ns - state->now_ns > ahead) {
            *ret_retry_ns = t->full_ns - ahead;
            return THROTTLE_RATE;
        }
    }
    if (limits->min_available > 0 && state->available < limits->min_available) {
        *ret_retry_ns = state->now_ns + MEMORY_RETRY_NS;
        return THROTTLE_MEMORY;
    }
    return THROTTLE_GO;
}

void throttle_take(struct throttle *t, const struct throttle_limits *limits,
                   uint64_t now_ns)
{
    if (limits->rate == 0)
        return;
    if (t->full_ns < now_ns)
        t->full_ns = now_ns;
    t->full_ns += interval_ns(limits);
}

const char *throttle_reason_words(enum throttle_reason reason)
{
#define THROTTLE_WORDS(name, words) [THROTTLE_##name] = words,
    static const char *const table[] = { THROTTLE_REASONS(THROTTLE_WORDS) };
#undef THROTTLE_WORDS
    return table[reason];
}
