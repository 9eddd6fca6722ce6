/* SPDX-License-Identifier: MIT */
/* recycle.c - requests, age and private memory against their limits; see recycle.h. */
#include "server/worker/recycle.h"

#include <string.h>

#include "server/base/clock.h"
#include "server/base/fd.h"
#include "server/base/num.h"
#include "server/conf/options.h"
#include "server/worker/worker_priv.h"

static uint64_t kilobytes_after(const char *text, const char *name)
{
    const char *at = strstr(text, name);
    uint64_t kb = 0;

    if (at == NULL)
        return 0;
    at += strlen(name);
    at += strspn(at, " \t");
    if (num_parse_u64((struct span){ at, strspn(at, "0123456789") }, 0,
                      UINT64_MAX / 1024, &kb) < 0)
        return 0;
    return kb * 1024;
}

uint64_t recycle_private_bytes(const char *rollup)
{
    return kilobytes_after(rollup, "\nPrivate_Clean:") +
           kilobytes_after(rollup, "\nPrivate_Dirty:");
}

static uint64_t private_bytes(struct worker *w)
{
    char text[4096];
    size_t n;

    if (w->now_ns - w->recycle.looked_ns < RECYCLE_LOOK_MS * CLOCK_NS_PER_MS)
        return w->recycle.private_bytes;
    w->recycle.looked_ns = w->now_ns;
    if (fd_read_file("/proc/self/smaps_rollup", text, sizeof text - 1, &n) < 0)
        return 0;
    text[n] = '\0';
    w->recycle.private_bytes = recycle_private_bytes(text);
    return w->recycle.private_bytes;
}

/* 0: there is no reason. */
static uint64_t find_reason(struct worker *w)
{
    const struct options *o = w->options;
    uint64_t age_ns = w->now_ns - w->started_ns;

    if (o->recycle_requests > 0 && w->requests >= (uint64_t)o->recycle_requests)
        return RECYCLE_REQUESTS;
    if (o->recycle_age_ms > 0 &&
        age_ns >= (uint64_t)o->recycle_age_ms * CLOCK_NS_PER_MS)
        return RECYCLE_AGE;
    /* The memory of a guest is its host's. */
    if (o->recycle_private > 0 && !w->env->guest &&
        private_bytes(w) > (uint64_t)o->recycle_private)
        return RECYCLE_PRIVATE;
    return 0;
}

void recycle_tick(struct worker *w)
{
    uint64_t reason;

    if (w->recycle.asked || w->draining)
        return;
    reason = find_reason(w);
    if (reason == 0)
        return;
    w->recycle.asked = true;
    event_write(&w->events, EVENT_RECYCLE, w->now_ns, 0, reason,
                w->recycle.private_bytes);
    control_send(&w->control, MESSAGE_RECYCLE, reason, 0);
}
