/* SPDX-License-Identifier: MIT */
/* ab_report.c - the table and the verdicts, in words. */
#include "loadtest/ab_report.h"

#include <math.h>
#include <string.h>
#include <sys/utsname.h>

#include "loadtest/ab_causes.h"
#include "loadtest/stats.h"
#include "loadtest/summary.h"
#include "loadtest/units.h"
#include "server/base/clock.h"

static const char *const shown[] = { "p50", "p90", "p99", "p99_9", "p99_99" };
enum { SHOWN = sizeof shown / sizeof shown[0] };

static void print_machine(FILE *out, const struct ab *ab)
{
    const struct calibration *c = &ab->calibration;
    struct utsname system;
    char text[UNITS_TEXT_MAX];
    uname(&system);
    fprintf(out, "Machine: %s %s, %d processors allowed\n", system.sysname,
            system.release, CPU_COUNT(&ab->allowed_cpus));
    if (ab->pinned)
        fprintf(
            out,
            "  server on processor %zu, generator on %zu%s: the only two, so that they "
            "do not push each other aside\n",
            ab->server_cpu, ab->client_cpu, ab->realtime ? " (SCHED_FIFO)" : "");
    else
        fprintf(out, "  server and generator are not pinned\n");
    if (ab->pinned && !ab->realtime)
        fprintf(out, "  not allowed to be SCHED_FIFO: kernel threads may make the "
                     "generator late\n");
    fprintf(out, "Calibration: what the machine charges\n");
#define X(name, unit, words) \
    fprintf(out, "  %10s  %s\n", units_time(text, c->name), words);
    CALIBRATE_FIELDS(X)
#undef X
}

static void print_plan(FILE *out, const struct ab *ab)
{
    char measured[UNITS_TEXT_MAX], warmup[UNITS_TEXT_MAX];
    fprintf(out, "Load: open loop, %.0f requests/s (Poisson, seed %llu)", ab->rate,
            (unsigned long long)ab->options->seed);
    if (ab->rate_found)
        fprintf(out, ", %.0f%% of what the slowest %s answers in a closed loop",
                100 * ab->options->loads[ab->load], ab_word(ab));
    fprintf(out, ", %llu connections, %llu thread%s\n",
            (unsigned long long)ab->options->connections,
            (unsigned long long)ab->options->threads,
            ab->options->threads == 1 ? "" : "s");
    fprintf(out, "  paths %s", ab->options->path);
    if (ab->options->zipf.keys > 0)
        fprintf(out, " with %u keys, Zipf exponent %.2f", ab->options->zipf.keys,
                ab->options->zipf.exponent);
    fprintf(out, "\n");
    fprintf(out,
            "Blocks: %u of %u, every %s once in each, in random order and under the "
            "same plan;\n  a fresh server each time, %s warm-up, %s measured\n",
            ab->done, ab->blocks, ab_word(ab),
            units_time(warmup, (double)ab->options->warmup_ns),
            units_time(measured, (double)ab->duration_ns));
    if (ab->blocks < ab->options->blocks)
        fprintf(out, "  %llu were asked for; --total left no time for more\n",
                (unsigned long long)ab->options->blocks);
}

/* Marks what is not known, and remembers that a note is due. */
static void put_quantile(FILE *out, const struct hist *all, const struct quantile *q,
                         bool *ret_unknown)
{
    char text[UNITS_TEXT_MAX];
    if (quantile_known(q, all->total)) {
        units_time(text, (double)hist_percentile(all, q->num, q->den));
    } else {
        snprintf(text, sizeof text, "n/a");
        ret_unknown[q - quantiles] = true;
    }
    fprintf(out, " %9s", text);
}

static void print_latency_row(FILE *out, const struct ab_arm *arm, int width,
                              bool *ret_unknown)
{
    const struct tally_counts *counts = &arm->tally.counts;
    struct hist all;
    char text[UNITS_TEXT_MAX];
    if (arm->measured == 0 || tally_all(&arm->tally, &all) < 0) {
        fprintf(out, "%-*s not measured\n", width, arm->name->label);
        return;
    }
    uint64_t errors = counts->planned - counts->ok;
    fprintf(out, "%-*s", width, arm->name->label);
    for (size_t i = 0; i < SHOWN; i++)
        put_quantile(out, &all, quantile_find(shown[i]), ret_unknown);
    fprintf(out, " %9s", units_time(text, (double)all.max));
    fprintf(out, " %9.0f %8llu%s\n", (double)counts->in_time / arm->seconds,
            (unsigned long long)errors, arm->invalid > 0 ? "  (*)" : "");
    hist_free(&all);
}

static void print_latency_table(FILE *out, const struct ab *ab)
{
    bool unknown[QUANTILES] = { false };
    uint64_t samples = 0;
    int width = ab_width(ab);
    fprintf(out, "\nLatency from the planned time, all blocks of each %s together\n",
            ab_word(ab));
    fprintf(out, "%-*s %9s %9s %9s %9s %9s %9s %9s %8s\n", width, ab_word(ab), "p50",
            "p90", "p99", "p99.9", "p99.99", "max", "req/s", "errors");
    for (unsigned i = 0; i < ab->n_arms; i++) {
        const struct tally *tally = &ab->arms[i].tally;
        print_latency_row(out, &ab->arms[i], width, unknown);
        if (tally->ok.total + tally->bad.total > samples)
            samples = tally->ok.total + tally->bad.total;
    }
    for (size_t q = 0; q < QUANTILES; q++) {
        if (unknown[q])
            fprintf(out,
                    "n/a: %s needs %llu requests, so that %d lie beyond it; there were "
                    "at most %llu\n",
                    quantiles[q].label,
                    (unsigned long long)quantile_needs(&quantiles[q]),
                    QUANTILE_MIN_BEYOND, (unsigned long long)samples);
    }
}

static void print_cost_table(FILE *out, const struct ab *ab)
{
    char pause[UNITS_TEXT_MAX], fork_time[UNITS_TEXT_MAX], pss[UNITS_TEXT_MAX];
    int width = ab_width(ab);
    fprintf(out, "\nWhat the memory did: counts for each block on average, largest "
                 "pause, fork and sizes\n");
    fprintf(out, "%-*s %9s %9s %9s %9s %9s %9s %9s %9s %7s\n", width, ab_word(ab),
            "faults", "copied", "inherited", "gc pauses", "gc max", "forks", "fork max",
            "PSS", "hits");
    for (unsigned i = 0; i < ab->n_arms; i++) {
        const struct ab_arm *arm = &ab->arms[i];
        const struct status *cost = &arm->cost;
        double n = arm->measured;
        if (arm->measured == 0 || arm->name->kind != AB_ARM_COWSHED)
            continue;
        fprintf(out, "%-*s %9.0f %9llu %9llu %9.1f %9s %9.1f %9s %8sB %6.1f%%\n", width,
                arm->name->label, (double)cost->faults / n,
                (unsigned long long)cost->copied_pages,
                (unsigned long long)cost->inherited_pages, (double)cost->gc_pauses / n,
                units_time(pause, (double)cost->gc_pause_max_ns),
                (double)cost->forks / n,
                units_time(fork_time, (double)cost->fork_max_ns),
                units_binary(pss, (double)cost->pss_bytes),
                cost->requests > 0 ? 100.0 * (double)cost->hits / (double)cost->requests
                                   : 0);
    }
}

static void put_interval(FILE *out, const struct verdict *verdict)
{
    if (isinf(verdict->high))
        fprintf(out, "%.2f x (too few blocks for an interval)", verdict->ratio);
    else
        fprintf(out, "%.2f x (%.2f to %.2f)", verdict->ratio, verdict->low,
                verdict->high);
}

static void print_verdict(FILE *out, const struct ab *ab, const struct ab_arm *arm,
                          const struct quantile *q, const struct verdict *verdict)
{
    fprintf(out, "%-*s %6s  ", ab_width(ab), arm->name->label, q->label);
    switch (verdict->kind) {
    case VERDICT_NO_DATA:
        fprintf(out, "n/a: too few requests beyond it in a block");
        break;
    case VERDICT_FASTER:
        fprintf(out, "FASTER       ");
        break;
    case VERDICT_SLOWER:
        fprintf(out, "SLOWER       ");
        break;
    case VERDICT_EQUIVALENT:
        fprintf(out, "equivalent   ");
        break;
    case VERDICT_INCONCLUSIVE:
        fprintf(out, "inconclusive ");
        break;
    }
    if (verdict->kind != VERDICT_NO_DATA) {
        put_interval(out, verdict);
        fprintf(out, ", p %.4f, %zu blocks", verdict->p, verdict->n);
    }
    if (verdict->kind == VERDICT_INCONCLUSIVE)
        fprintf(out, "; about %zu more would tell", verdict->more);
    if (!ab_trusted(arm) || !ab_trusted(&ab->arms[0]))
        fprintf(out, " (* not to be trusted)");
    fprintf(out, "\n");
}

static void print_verdicts(FILE *out, const struct ab *ab,
                           const struct ab_verdicts *verdicts)
{
    if (ab->n_arms < 2)
        return;
    fprintf(out,
            "\nVerdicts: latency as a multiple of that of %s, paired by block; 95%% "
            "interval;\nsign-flip p after Holm's correction%s; equivalent means within "
            "%llu%%\n",
            ab->arms[0].name->label,
            ab->options->n_loads > 1 ? ", and for the number of loads" : "",
            (unsigned long long)ab->options->margin_percent);
    for (unsigned i = 1; i < ab->n_arms; i++) {
        for (unsigned q = 0; q < AB_JUDGED; q++)
            print_verdict(out, ab, &ab->arms[i], verdicts->quantiles[q],
                          &verdicts->verdicts[i][q]);
    }
}

/* How far apart two starts of the same mode are (README rule 16). */
static void print_spread(FILE *out, const struct ab *ab)
{
    size_t at = (size_t)(quantile_find("p99") - quantiles);
    fprintf(out,
            "\nSpread of p99 between blocks of the same %s, smallest and largest\n",
            ab_word(ab));
    for (unsigned i = 0; i < ab->n_arms; i++) {
        const struct ab_arm *arm = &ab->arms[i];
        char low_text[UNITS_TEXT_MAX], high_text[UNITS_TEXT_MAX];
        uint64_t low = UINT64_MAX, high = 0;
        for (unsigned b = 0; b < ab->blocks; b++) {
            const struct ab_cell *cell = &arm->cells[b];
            if (cell->outcome != AB_MEASURED && cell->outcome != AB_INVALID)
                continue;
            low = cell->quantile_ns[at] < low ? cell->quantile_ns[at] : low;
            high = cell->quantile_ns[at] > high ? cell->quantile_ns[at] : high;
        }
        if (high > 0)
            fprintf(out, "%-*s %9s to %s\n", ab_width(ab), arm->name->label,
                    units_time(low_text, (double)low),
                    units_time(high_text, (double)high));
    }
}

static void print_disturbed(FILE *out, const struct ab *ab)
{
    const struct ab_options *options = ab->options;
    for (size_t d = 0; d < options->n_disturbs; d++) {
        uint64_t done = 0;
        for (unsigned i = 0; i < ab->n_arms; i++) {
            for (unsigned b = 0; b < ab->blocks; b++)
                done += ab->arms[i].cells[b].disturbed.done[d];
        }
        fprintf(out, "Disturbed: %s, %llu times in all blocks together\n",
                options->disturb_texts.items[d], (unsigned long long)done);
    }
    for (unsigned i = 0; i < ab->n_arms; i++) {
        for (unsigned b = 0; b < ab->blocks; b++) {
            const struct disturb_state *state = &ab->arms[i].cells[b].disturbed;
            if (state->failed > 0)
                fprintf(out, "Disturbed: %s, block %u: %u times in vain: %s\n",
                        ab->arms[i].name->label, b + 1, state->failed,
                        strerror(-state->err));
        }
    }
}

static void print_trouble(FILE *out, const struct ab *ab)
{
    for (unsigned i = 0; i < ab->n_arms; i++) {
        const struct ab_arm *arm = &ab->arms[i];
        if (!arm->usable)
            fprintf(out, "FAILED: %s %s did not get through the probe\n", ab_word(ab),
                    arm->name->label);
        for (unsigned b = 0; b < ab->blocks; b++) {
            const struct ab_cell *cell = &arm->cells[b];
            if (cell->outcome == AB_INVALID)
                fprintf(out, "(*) INVALID: %s, block %u: %s\n", arm->name->label, b + 1,
                        cell->why);
            if (cell->outcome == AB_FAILED)
                fprintf(out, "FAILED: %s, block %u: %s\n", arm->name->label, b + 1,
                        cell->why);
        }
    }
    if (ab->interrupted)
        fprintf(out, "INTERRUPTED: the report holds what was measured until then\n");
}

void ab_report_text(FILE *out, const struct ab *ab, const struct ab_verdicts *verdicts)
{
    fprintf(out, "cowload ab " COWLOAD_VERSION "\n");
    print_machine(out, ab);
    print_plan(out, ab);
    print_latency_table(out, ab);
    print_cost_table(out, ab);
    print_verdicts(out, ab, verdicts);
    ab_causes_text(out, ab);
    print_spread(out, ab);
    print_disturbed(out, ab);
    print_trouble(out, ab);
}
