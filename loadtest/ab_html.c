/* SPDX-License-Identifier: MIT */
/* ab_html.c - report.html: report.json, and what only a picture needs. */
#include <errno.h>
#include <jansson.h>
#include <sched.h>
#include <stdio.h>
#include <sys/utsname.h>
#include <time.h>

#include "loadtest/ab_report.h"
#include "loadtest/page.h"
#include "loadtest/summary.h"

enum { POINTS_PER_NINE = 24, SHOWN_REQUESTS = 1500 };

/* [1 / (1 - p), ns]: from the median of nothing to the last percentile that is known.
 */
static json_t *curve_json(const struct tally *tally)
{
    json_t *points = json_array();
    struct hist all;
    if (tally_all(tally, &all) < 0)
        return points;
    double beyond = 1;
    for (unsigned i = 0; all.total > 0; i++) {
        uint64_t left = (uint64_t)((double)all.total / beyond);
        if (left < QUANTILE_MIN_BEYOND || left > all.total)
            break;
        json_array_append_new(
            points,
            json_pack("[f, I]", beyond,
                      (json_int_t)hist_percentile(&all, all.total - left, all.total)));
        beyond *= 1.1006941712522096; /* 10^(1/24): POINTS_PER_NINE of them make ten */
    }
    _Static_assert(POINTS_PER_NINE == 24, "see above");
    hist_free(&all);
    return points;
}

static void add_requests(json_t *list, const struct attributed_list *from,
                         unsigned block, uint64_t start_ns)
{
    size_t in_block = 0, seen = 0;
    for (size_t i = 0; i < from->n; i++)
        in_block += from->at[i].block == block;
    size_t each = in_block / SHOWN_REQUESTS + 1;
    for (size_t i = 0; i < from->n; i++) {
        const struct attributed *a = &from->at[i];
        if (a->block != block || seen++ % each != 0)
            continue;
        json_array_append_new(
            list, json_pack("[I, I, i]", (json_int_t)(a->planned_ns - start_ns),
                            (json_int_t)a->blame.latency_ns, (int)a->blame.main));
    }
}

/* What was kept of the last block, and the events of its server. */
static json_t *moment_json(const struct attrib *attrib)
{
    json_t *requests = json_array(), *events = json_array();
    const struct timeline *timeline = &attrib->shown;
    uint64_t start = attrib->shown_start_ns;
    add_requests(requests, &attrib->slow, attrib->shown_block, start);
    add_requests(requests, &attrib->sample, attrib->shown_block, start);
    for (size_t i = 0; i < timeline->n; i++) {
        const struct timeline_event *e = &timeline->events[i];
        json_array_append_new(
            events, json_pack("[s, I, I, i]", timeline_name(e->kind),
                              (json_int_t)e->start_ns - (json_int_t)start,
                              (json_int_t)e->end_ns - (json_int_t)start,
                              e->slot == TIMELINE_MASTER ? -1 : (int)e->slot));
    }
    return json_pack("{s:o, s:o}", "requests", requests, "events", events);
}

static json_t *environment_json(const struct ab *ab)
{
    struct utsname system;
    char date[64], text[512];
    time_t now = time(NULL);
    struct tm utc;
    uname(&system);
    strftime(date, sizeof date, "%Y-%m-%d %H:%M UTC", gmtime_r(&now, &utc));
    snprintf(text, sizeof text, "%s %s %s, %d processors allowed, cowload %s, %s",
             system.sysname, system.release, system.machine,
             CPU_COUNT(&ab->allowed_cpus), COWLOAD_VERSION, date);
    return json_string(text);
}

int ab_report_html(const char *path, const struct ab *ab,
                   const struct ab_verdicts *verdicts)
{
    json_t *root = ab_json(ab, verdicts);
    if (root == NULL)
        return -ENOMEM;
    for (unsigned i = 0; i < ab->n_arms; i++) {
        json_t *arm = json_array_get(json_object_get(root, "arms"), i);
        json_object_set_new(arm, "curve", curve_json(&ab->arms[i].tally));
        if (ab->options->attribute)
            json_object_set_new(arm, "moment", moment_json(&ab->arms[i].attrib));
    }
    json_object_set_new(root, "environment", environment_json(ab));
    return page_write(root, path);
}
