/* SPDX-License-Identifier: MIT */
/* server_timing.c - metrics separated by commas, parameters by semicolons. */
#include "loadtest/server_timing.h"

#include "server/base/num.h"

#define LONGEST_MS 1e9

/* The value of a parameter, without its quotes; false when it is another one. */
static bool parameter(struct span text, struct span name, struct span *ret_value)
{
    struct span key, value;
    if (!span_cut(text, '=', &key, &value) || !span_eq_nocase(span_trim(key), name))
        return false;
    value = span_trim(value);
    if (value.n >= 2 && value.p[0] == '"' && value.p[value.n - 1] == '"')
        value = span_make(value.p + 1, value.n - 2);
    *ret_value = value;
    return true;
}

static void read_worker(struct server_timing *timing, struct span text)
{
    struct span slot, generation;
    uint64_t s, g;
    if (!span_cut(text, '.', &slot, &generation) ||
        num_parse_u64(slot, 0, UINT16_MAX, &s) < 0 ||
        num_parse_u64(generation, 0, UINT32_MAX, &g) < 0)
        return;
    timing->known = true;
    timing->slot = (uint16_t)s;
    timing->generation = (uint32_t)g;
}

static void read_parameter(struct server_timing *timing, struct span metric,
                           struct span text)
{
    struct span value;
    double ms;
    uint64_t n;
    if (parameter(text, SPAN("dur"), &value)) {
        if (num_parse_double(value, 0, LONGEST_MS, &ms) < 0)
            return;
        uint64_t ns = (uint64_t)(ms * 1e6);
        if (span_eq(metric, SPAN("q")))
            timing->queue_ns = ns;
        else if (span_eq(metric, SPAN("gc")))
            timing->gc_ns = ns;
        else if (span_eq(metric, SPAN("app")))
            timing->app_ns = ns;
    } else if (parameter(text, SPAN("desc"), &value)) {
        if (span_eq(metric, SPAN("w")))
            read_worker(timing, value);
        else if (span_eq(metric, SPAN("cache")))
            timing->miss = span_eq(value, SPAN("miss"));
        else if (span_eq(metric, SPAN("cow")) &&
                 num_parse_u64(value, 0, UINT32_MAX, &n) == 0)
            timing->faults = (uint32_t)n;
    }
}

struct server_timing server_timing_parse(struct span value)
{
    struct server_timing timing = { 0 };
    struct span metric, name, text, more = value;
    while (more.n > 0) {
        span_cut(more, ',', &metric, &more);
        span_cut(metric, ';', &name, &metric);
        name = span_trim(name);
        while (metric.n > 0) {
            span_cut(metric, ';', &text, &metric);
            read_parameter(&timing, name, text);
        }
    }
    return timing;
}
