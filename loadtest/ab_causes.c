/* SPDX-License-Identifier: MIT */
/* ab_causes.c - causes of the slowest requests as a table, and as data. */
#include "loadtest/ab_causes.h"

#include <math.h>

#include "loadtest/units.h"

static int summarize(const struct ab_arm *arm, struct attrib_summary *ret_summary)
{
    struct hist all;
    int err = tally_all(&arm->tally, &all);
    if (err < 0)
        return err;
    err = attrib_summarize(&arm->attrib, &all, ret_summary);
    hist_free(&all);
    return err;
}

static void put_percent(FILE *out, double share)
{
    fprintf(out, " %8.2f%%", 100 * share);
}

static void put_without(FILE *out, uint64_t ns)
{
    char text[UNITS_TEXT_MAX];
    if (ns == 0)
        fprintf(out, " %9s", "less");
    else
        fprintf(out, " %9s", units_time(text, (double)ns));
}

static void print_row(FILE *out, const struct ab *ab, const struct ab_arm *arm,
                      const struct attrib_summary *s, unsigned cause)
{
    const struct attrib_row *row = &s->rows[cause];
    if (row->slow == 0 && row->sample == 0)
        return;
    fprintf(out, "%-*s %-12s", ab_width(ab), arm->name->label,
            cause_label((enum cause)cause));
    put_percent(out, row->slow_share);
    put_percent(out, row->base_share);
    put_percent(out, row->time_share);
    if (isinf(row->high))
        fprintf(out, " %7.1f x (n/a)              ", row->ratio);
    else
        fprintf(out, " %7.1f x (%.1f to %.1f)", row->ratio, row->low, row->high);
    if (cause < CAUSES) {
        put_without(out, s->without_p99[cause]);
        put_without(out, s->without_p999[cause]);
    }
    fprintf(out, "\n");
}

static void print_arm(FILE *out, const struct ab *ab, const struct ab_arm *arm)
{
    struct attrib_summary s;
    char threshold[UNITS_TEXT_MAX];
    if (arm->measured == 0 || summarize(arm, &s) < 0 || s.n_slow == 0)
        return;
    for (unsigned c = 0; c <= CAUSES; c++)
        print_row(out, ab, arm, &s, c);
    fprintf(out, "%-*s %zu requests took %s or more; %.1f%% of them have a cause%s%s\n",
            ab_width(ab), arm->name->label, s.n_slow,
            units_time(threshold, (double)s.threshold_ns), 100 * s.explained,
            s.complete ? "" : "; not all of the slowest were kept",
            arm->attrib.lost_events ? "; some events of the server were lost" : "");
}

void ab_causes_text(FILE *out, const struct ab *ab)
{
    if (!ab->options->attribute)
        return;
    fprintf(
        out,
        "\nWhy: what the slowest 0.1%% waited for most, and requests at large; share "
        "of "
        "the slowest's time;\nodds of being among the slowest with this cause against "
        "without it, 95%% over blocks;\nwithout: the percentile had nobody waited for "
        "it, a model and no measurement\n");
    fprintf(out, "%-*s %-12s %9s %9s %9s %-28s %9s %9s\n", ab_width(ab), ab_word(ab),
            "cause", "slowest", "all", "time", "   relative risk", "p99", "p99.9");
    for (unsigned i = 0; i < ab->n_arms; i++)
        print_arm(out, ab, &ab->arms[i]);
    for (unsigned c = 0; c <= CAUSES; c++)
        fprintf(out, "  %-12s %s\n", cause_label((enum cause)c),
                cause_text((enum cause)c));
}

/* --- as data --- */

static json_t *number_or_null(double value)
{
    return isfinite(value) ? json_real(value) : json_null();
}

static json_t *nonzero(uint64_t ns)
{
    return ns > 0 ? json_integer((json_int_t)ns) : json_null();
}

static json_t *row_json(const struct attrib_summary *s, unsigned cause)
{
    const struct attrib_row *row = &s->rows[cause];
    json_t *object = json_pack(
        "{s:s, s:I, s:I, s:f, s:f, s:f, s:f, s:f, s:o}", "cause",
        cause_label((enum cause)cause), "slowest", (json_int_t)row->slow, "sample",
        (json_int_t)row->sample, "share_of_slowest", row->slow_share, "share_of_all",
        row->base_share, "share_of_time", row->time_share, "relative_risk", row->ratio,
        "low", row->low, "high", number_or_null(row->high));
    if (cause < CAUSES) {
        json_object_set_new(object, "p99_ns_without", nonzero(s->without_p99[cause]));
        json_object_set_new(object, "p99_9_ns_without",
                            nonzero(s->without_p999[cause]));
    }
    return object;
}

static json_t *curve_json(const struct attrib *attrib, enum curve curve)
{
    json_t *points = json_array();
    for (unsigned b = 0; b < CURVE_BINS; b++) {
        struct curve_point p = attrib_curve(attrib, curve, b);
        json_array_append_new(
            points, json_pack("{s:I, s:I, s:I, s:I}", "from_ns",
                              ((json_int_t)b - CURVE_BEFORE) * (json_int_t)CURVE_BIN_NS,
                              "requests", (json_int_t)p.n, "p50_ns",
                              (json_int_t)p.p50_ns, "p99_ns", (json_int_t)p.p99_ns));
    }
    return json_pack("{s:s, s:I, s:o}", "since", curve_text(curve), "events",
                     (json_int_t)attrib->curve_events[curve], "points", points);
}

json_t *ab_causes_json(const struct ab_arm *arm)
{
    struct attrib_summary s;
    if (arm->measured == 0 || arm->attrib.slow.n == 0 || summarize(arm, &s) < 0)
        return NULL;
    json_t *rows = json_array(), *curves = json_array();
    for (unsigned c = 0; c <= CAUSES; c++)
        json_array_append_new(rows, row_json(&s, c));
    for (unsigned c = 0; c < CURVE_COUNT; c++)
        json_array_append_new(curves, curve_json(&arm->attrib, (enum curve)c));
    return json_pack("{s:I, s:I, s:I, s:f, s:b, s:b, s:o, s:o}", "threshold_ns",
                     (json_int_t)s.threshold_ns, "slowest", (json_int_t)s.n_slow,
                     "sample", (json_int_t)s.n_sample, "explained", s.explained,
                     "complete", (int)s.complete, "events_lost",
                     (int)arm->attrib.lost_events, "causes", rows, "since_event",
                     curves);
}
