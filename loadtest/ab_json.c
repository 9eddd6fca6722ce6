/* SPDX-License-Identifier: MIT */
/* ab_json.c - report.json: the report as data, with every block. */
#include <errno.h>
#include <jansson.h>
#include <math.h>

#include "loadtest/ab_causes.h"
#include "loadtest/ab_report.h"
#include "loadtest/hist_json.h"
#include "loadtest/summary.h"

static const char *const outcome_names[] = {
    [AB_NOT_RUN] = "not_run",
    [AB_MEASURED] = "measured",
    [AB_INVALID] = "invalid",
    [AB_FAILED] = "failed",
};

static const char *const verdict_names[] = {
    [VERDICT_FASTER] = "faster",         [VERDICT_SLOWER] = "slower",
    [VERDICT_EQUIVALENT] = "equivalent", [VERDICT_INCONCLUSIVE] = "inconclusive",
    [VERDICT_NO_DATA] = "no_data",
};

static json_t *calibration_json(const struct calibration *calibration)
{
    json_t *object = json_object();
#define X(name, unit, text) \
    json_object_set_new(object, #name, json_real(calibration->name));
    CALIBRATE_FIELDS(X)
#undef X
    return object;
}

static json_t *cost_json(const struct status *status)
{
    json_t *object = json_object();
#define X(kind, name, text) \
    json_object_set_new(object, #name, json_integer((json_int_t)status->name));
    STATUS_FIELDS(X)
#undef X
    return object;
}

static json_t *counts_json(const struct tally_counts *counts)
{
    json_t *object = json_object();
#define X(name, text) \
    json_object_set_new(object, #name, json_integer((json_int_t)counts->name));
    TALLY_COUNTS(X)
#undef X
    return object;
}

static json_t *cell_json(const struct ab_cell *cell)
{
    json_t *percentiles = json_object();
    for (size_t i = 0; i < QUANTILES; i++)
        json_object_set_new(percentiles, quantiles[i].key,
                            json_integer((json_int_t)cell->quantile_ns[i]));
    return json_pack("{s:s, s:s, s:I, s:o, s:o}", "outcome",
                     outcome_names[cell->outcome], "why", cell->why, "samples",
                     (json_int_t)cell->samples, "percentiles_ns", percentiles, "cost",
                     cost_json(&cell->cost));
}

/* null where there is no number: JSON has no infinity. */
static json_t *number_or_null(double value)
{
    return isfinite(value) ? json_real(value) : json_null();
}

static json_t *verdict_json(const struct verdict *verdict)
{
    return json_pack(
        "{s:s, s:i, s:o, s:o, s:o, s:f, s:i}", "verdict", verdict_names[verdict->kind],
        "pairs", (int)verdict->n, "ratio", number_or_null(verdict->ratio), "low",
        number_or_null(verdict->low), "high", number_or_null(verdict->high), "p_holm",
        verdict->p, "more_blocks", (int)verdict->more);
}

/* What was started, or asked. */
static const char *arm_is(const struct ab_arm_name *name)
{
    return name->kind == AB_ARM_COWSHED ? "cowshed" : name->text;
}

static json_t *arm_json(const struct ab *ab, unsigned i,
                        const struct ab_verdicts *verdicts)
{
    const struct ab_arm *arm = &ab->arms[i];
    json_t *cells = json_array(), *judged = json_object();
    struct hist all;
    for (unsigned b = 0; b < ab->blocks; b++)
        json_array_append_new(cells, cell_json(&arm->cells[b]));
    for (unsigned q = 0; q < AB_JUDGED && i > 0; q++)
        json_object_set_new(judged, verdicts->quantiles[q]->key,
                            verdict_json(&verdicts->verdicts[i][q]));
    json_t *latency = NULL;
    if (tally_all(&arm->tally, &all) == 0) {
        latency = hist_json(&all);
        hist_free(&all);
    }
    json_t *causes = ab_causes_json(arm);
    return json_pack(
        "{s:s, s:s, s:s, s:b, s:b, s:f, s:f, s:o, s:o, s:o, s:o, s:o, s:o}", "arm",
        arm->name->label, "mode", arm->name->mode, "is", arm_is(arm->name), "usable",
        (int)arm->usable, "trusted", (int)ab_trusted(arm), "capacity_per_s",
        arm->capacity, "seconds", arm->seconds, "latency", latency, "counts",
        counts_json(&arm->tally.counts), "cost",
        arm->name->kind == AB_ARM_COWSHED ? cost_json(&arm->cost) : json_null(),
        "against_control", judged, "causes", causes != NULL ? causes : json_null(),
        "blocks", cells);
}

json_t *ab_json(const struct ab *ab, const struct ab_verdicts *verdicts)
{
    json_t *arms = json_array();
    for (unsigned i = 0; i < ab->n_arms; i++)
        json_array_append_new(arms, arm_json(ab, i, verdicts));
    return json_pack(
        "{s:s, s:o, s:f, s:b, s:I, s:I, s:I, s:I, s:b, s:b, s:b, s:s, s:o}",
        "cowload_ab", COWLOAD_VERSION, "calibration",
        calibration_json(&ab->calibration), "rate_per_s", ab->rate, "rate_found",
        (int)ab->rate_found, "duration_ns", (json_int_t)ab->duration_ns, "blocks",
        (json_int_t)ab->blocks, "blocks_done", (json_int_t)ab->done, "seed",
        (json_int_t)ab->options->seed, "pinned", (int)ab->pinned, "realtime",
        (int)ab->realtime, "interrupted", (int)ab->interrupted, "path",
        ab->options->path, "arms", arms);
}

int ab_report_json(const char *path, const struct ab *ab,
                   const struct ab_verdicts *verdicts)
{
    return hist_json_write(ab_json(ab, verdicts), path);
}
