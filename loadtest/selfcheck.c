/* SPDX-License-Identifier: MIT */
/* selfcheck.c - what makes a run invalid. */
#include "loadtest/selfcheck.h"

#include <stdarg.h>
#include <stdio.h>

#include "loadtest/units.h"
#include "server/base/check.h"

__attribute__((format(printf, 2, 3))) static void add(struct selfcheck *result,
                                                      const char *format, ...)
{
    va_list args;
    CHECK(result->n < SELFCHECK_MAX);
    va_start(args, format);
    vsnprintf(result->reasons[result->n++], SELFCHECK_TEXT_MAX, format, args);
    va_end(args);
}

static uint64_t hiccup_limit(const struct selfcheck_facts *facts)
{
    if (facts->hiccup_limit_ns > 0)
        return facts->hiccup_limit_ns;
    return facts->latency_ns / 10 > SELFCHECK_HICCUP_NS ? facts->latency_ns / 10
                                                        : SELFCHECK_HICCUP_NS;
}

struct selfcheck selfcheck_run(const struct selfcheck_facts *facts)
{
    struct selfcheck result = { 0 };
    char lag[UNITS_TEXT_MAX], latency[UNITS_TEXT_MAX];
    char hiccup[UNITS_TEXT_MAX], limit[UNITS_TEXT_MAX];
    if (facts->opened < facts->connections)
        add(&result, "only %u of %u connections were open at the start", facts->opened,
            facts->connections);
    if (facts->responses == 0)
        add(&result, "there was not one whole response");
    if (!facts->open_loop)
        return result;
    /* one request may always be on its way from the plan to the socket */
    if (facts->backlog > 1 && facts->backlog * 100 > facts->planned)
        add(&result,
            "%.1f%% of the planned requests were not sent in time: beyond saturation "
            "latency only measures the length of the run",
            100.0 * (double)facts->backlog / (double)facts->planned);
    unsigned others = result.n;
    if (facts->lag_ns * 10 > facts->latency_ns)
        add(&result,
            "the generator was late itself: p99.9 of its lag is %s, of latency %s",
            units_time(lag, (double)facts->lag_ns),
            units_time(latency, (double)facts->latency_ns));
    if (facts->hiccup_ns > hiccup_limit(facts))
        add(&result,
            "this machine made idle threads wait: p99.9 of its hiccups is %s, more "
            "than %s",
            units_time(hiccup, (double)facts->hiccup_ns),
            units_time(limit, (double)hiccup_limit(facts)));
    if (facts->busiest > 0.8)
        add(&result, "a generator thread used %.0f%% of its processor (more than 80%%)",
            100 * facts->busiest);
    result.generator = result.n - others;
    return result;
}
