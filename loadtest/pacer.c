/* SPDX-License-Identifier: MIT */
/* pacer.c - two cursors on one plan. */
#include "loadtest/pacer.h"

void pacer_init(struct pacer *pacer, const struct plan_config *plan_config,
                uint64_t start_ns, uint64_t end_ns)
{
    *pacer = (struct pacer){ .open_loop = plan_config != NULL,
                             .start_ns = start_ns,
                             .end_ns = end_ns };
    if (plan_config != NULL) {
        plan_init(&pacer->due, plan_config);
        plan_init(&pacer->send, plan_config);
    }
}

static uint64_t time_of(const struct pacer *pacer, const struct plan *cursor)
{
    return pacer->start_ns + plan_next_ns(cursor);
}

uint64_t pacer_notice(struct pacer *pacer, uint64_t now_ns, struct hist *lag)
{
    uint64_t n = 0;
    if (!pacer->open_loop)
        return 0;
    for (;;) {
        uint64_t planned = time_of(pacer, &pacer->due);
        if (planned > now_ns || planned >= pacer->end_ns)
            return n;
        hist_record(lag, now_ns - planned);
        plan_advance(&pacer->due);
        n++;
    }
}

uint64_t pacer_waiting(const struct pacer *pacer)
{
    return pacer->due.index - pacer->send.index;
}

bool pacer_drop(struct pacer *pacer, uint64_t *ret_planned_ns)
{
    if (pacer_waiting(pacer) == 0)
        return false;
    *ret_planned_ns = time_of(pacer, &pacer->send);
    plan_advance(&pacer->send);
    return true;
}

bool pacer_take(struct pacer *pacer, uint64_t now_ns, uint64_t *ret_planned_ns)
{
    if (pacer->open_loop)
        return pacer_drop(pacer, ret_planned_ns);
    if (now_ns < pacer->start_ns || now_ns >= pacer->end_ns)
        return false;
    *ret_planned_ns = now_ns;
    return true;
}

uint64_t pacer_next_ns(const struct pacer *pacer)
{
    if (!pacer->open_loop)
        return UINT64_MAX;
    uint64_t planned = time_of(pacer, &pacer->due);
    return planned < pacer->end_ns ? planned : UINT64_MAX;
}

void pacer_stop(struct pacer *pacer, uint64_t now_ns)
{
    if (now_ns < pacer->end_ns)
        pacer->end_ns = now_ns;
}
