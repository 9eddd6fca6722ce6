/* SPDX-License-Identifier: MIT */
/* ab_loads.c - a row for each arm and percentile, a column for each load. */
#include "loadtest/ab_loads.h"

#include <string.h>

#include "loadtest/units.h"

static const char marks[] = {
    [VERDICT_FASTER] = '-',       [VERDICT_SLOWER] = '+',  [VERDICT_EQUIVALENT] = '=',
    [VERDICT_INCONCLUSIVE] = '?', [VERDICT_NO_DATA] = ' ',
};

void loads_note(struct ab_loads *loads, const struct ab *ab,
                const struct ab_verdicts *verdicts)
{
    struct ab_load *load = &loads->at[loads->n++];
    load->share = ab->options->loads[ab->load];
    load->rate = ab->rate;
    memcpy(loads->quantiles, verdicts->quantiles, sizeof loads->quantiles);
    for (unsigned i = 0; i < ab->n_arms; i++) {
        struct hist all;
        load->arms[i].trusted = ab_trusted(&ab->arms[i]);
        if (tally_all(&ab->arms[i].tally, &all) < 0)
            continue;
        for (unsigned q = 0; q < AB_JUDGED; q++) {
            const struct quantile *quantile = verdicts->quantiles[q];
            bool known = quantile_known(quantile, all.total);
            load->arms[i].kinds[q] = verdicts->verdicts[i][q].kind;
            load->arms[i].ns[q] =
                known ? hist_percentile(&all, quantile->num, quantile->den) : 0;
        }
        hist_free(&all);
    }
}

static void put_value(FILE *out, const struct ab_load *load, unsigned arm, unsigned q)
{
    char text[UNITS_TEXT_MAX] = "n/a";
    uint64_t ns = load->arms[arm].ns[q];
    if (ns > 0)
        units_time(text, (double)ns);
    fprintf(out, " %11s %c%c", text, arm == 0 ? ' ' : marks[load->arms[arm].kinds[q]],
            load->arms[arm].trusted ? ' ' : '*');
}

static void put_table(FILE *out, const struct ab_loads *loads, const struct ab *ab)
{
    int width = ab_width(ab);
    fprintf(out, "\nLatency by load\n%-*s %6s", width, ab_word(ab), "");
    for (unsigned i = 0; i < loads->n; i++)
        fprintf(out, " %10.0f%%   ", 100 * loads->at[i].share);
    fprintf(out, "\n%-*s %6s", width, "", "req/s");
    for (unsigned i = 0; i < loads->n; i++)
        fprintf(out, " %11.0f   ", loads->at[i].rate);
    fprintf(out, "\n");
    for (unsigned arm = 0; arm < ab->n_arms; arm++) {
        for (unsigned q = 0; q < AB_JUDGED; q++) {
            fprintf(out, "%-*s %6s", width, ab->arms[arm].name->label,
                    loads->quantiles[q]->label);
            for (unsigned i = 0; i < loads->n; i++)
                put_value(out, &loads->at[i], arm, q);
            fprintf(out, "\n");
        }
    }
    fprintf(out,
            "beside %s: - faster, + slower, = equivalent, ? inconclusive; * not to be "
            "trusted\n",
            ab->arms[0].name->label);
}

int loads_report(const struct ab_loads *loads, const struct ab *ab)
{
    char path[AB_PATH_MAX];
    struct out_file out;
    put_table(stdout, loads, ab);
    snprintf(path, sizeof path, "%s/loads.txt", ab->options->out_dir);
    int err = out_open(&out, path, OUT_WHOLE);
    if (err == 0) {
        put_table(out.stream, loads, ab);
        err = out_commit(&out);
    }
    if (err < 0)
        out_complain(path, err, OUT_WHOLE);
    return err;
}
