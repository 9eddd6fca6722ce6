/* SPDX-License-Identifier: MIT */
/* ab_slo.c - in each block every arm searches, with a fresh server, for the highest
 * rate that keeps the goal; rates are paired by block and judged as latencies are. */
#include <errno.h>
#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "loadtest/ab.h"
#include "loadtest/hist_json.h"
#include "loadtest/plain.h"
#include "loadtest/summary.h"
#include "loadtest/units.h"
#include "loadtest/verdict.h"

#define STEP_NS   (1 * CLOCK_NS_PER_S)
#define PRECISION 0.03

struct slo_arm {
    double *rates; /* of each block that it has searched in; 0: nothing kept the goal */
    bool *searched;
    double guess;
    unsigned failed;
    bool generator;
    struct slo_estimate estimate;
    struct verdict verdict;
};

struct ab_slo {
    struct ab *ab;
    struct slo_arm arms[AB_ARMS_MAX];
    unsigned blocks; /* begun */
    struct shed *shed;
};

/* --- one search --- */

static bool on_tick(void *arg, double elapsed_s)
{
    struct ab_slo *slo = arg;
    (void)elapsed_s;
    shed_drain(slo->shed);
    ab_progress_tick(slo->ab);
    return shed_alive(slo->shed);
}

static int search(struct ab_slo *slo, unsigned i, unsigned block, struct shed *shed,
                  char why[AB_WHY_MAX])
{
    struct ab *ab = slo->ab;
    struct slo_arm *arm = &slo->arms[i];
    const struct slo_goal *goal = &ab->options->goal;
    struct target target;
    struct slo_found found;
    struct rate_search rates = {
        .floor = slo_least_rate(goal),
        .ceiling = fmax(1.2 * ab->arms[i].capacity, slo_least_rate(goal)),
        .precision = PRECISION,
        .guess = arm->guess,
        .step = block == 0 ? 1.5 : 1.06,
    };
    int err = ab_make_target(ab, &ab->arms[i], shed, &target, why);
    if (err < 0)
        return err;
    struct run_config config = ab_run_config(ab, &target);
    config.client.seed = plan_derive_seed(ab->options->seed, block + 100);
    config.client.duration_ns =
        ab->options->duration_ns > 0 ? ab->options->duration_ns : STEP_NS;
    config.client.tallies = 0;
    config.collect_last = false;
    config.watch = (struct run_watch){ .on_tick = on_tick, .arg = slo };
    slo->shed = shed;
    err = slo_search(goal, &config, &rates, NULL, NULL, &found, why);
    target_free(&target);
    if (err == -EINTR && shed_alive(shed)) {
        ab->interrupted = true;
        return 0;
    }
    if (err < 0)
        return err;
    arm->rates[block] = found.rate;
    arm->searched[block] = true;
    arm->generator = arm->generator || found.generator;
    if (found.rate > 0)
        arm->guess = found.rate;
    return 0;
}

static void run_arm(struct ab_slo *slo, unsigned i, unsigned block)
{
    struct ab *ab = slo->ab;
    struct shed shed;
    char why[AB_WHY_MAX], error[SHED_ERROR_MAX];
    int err = ab_start_server(ab, &ab->arms[i], &shed, why);
    if (err == 0) {
        err = search(slo, i, block, &shed, why);
        int stop_err = shed_stop(&shed, AB_STOP_TIMEOUT_NS, error);
        if (err == 0 && stop_err < 0) {
            err = stop_err;
            snprintf(why, sizeof why, "%s", error);
        }
    }
    if (err == 0)
        return;
    slo->arms[i].failed++;
    ab_progress_end(ab);
    fprintf(stderr, "cowload: %s, block %u failed: %s\n", ab->arms[i].name->label,
            block + 1, why);
}

static void run_blocks(struct ab_slo *slo)
{
    struct ab *ab = slo->ab;
    uint64_t begun = clock_ns(), end = ab->begun_ns + ab->options->total_ns;
    struct prng prng;
    prng_seed(&prng, plan_derive_seed(ab->options->seed, 7));
    for (unsigned b = 0; b < ab->options->blocks && !ab->interrupted; b++) {
        uint64_t each = b > 0 ? (clock_ns() - begun) / b : 0;
        unsigned order[AB_ARMS_MAX];
        if (b > 0 && clock_ns() + each > end)
            return;
        ab->expected_end_ns = clock_ns() + each * (ab->options->blocks - b);
        ab_order(ab, order, &prng);
        slo->blocks++;
        for (unsigned i = 0; i < ab->n_arms && !ab->interrupted; i++) {
            char words[96];
            if (!ab->arms[order[i]].usable)
                continue;
            snprintf(words, sizeof words, "block %u of %llu: %s", b + 1,
                     (unsigned long long)ab->options->blocks,
                     ab->arms[order[i]].name->label);
            ab_progress(ab, words);
            run_arm(slo, order[i], b);
        }
    }
}

/* --- the judgement --- */

static int judge(struct ab_slo *slo)
{
    struct ab *ab = slo->ab;
    struct verdict_pairs pairs[AB_ARMS_MAX] = { 0 };
    struct verdict verdicts[AB_ARMS_MAX];
    double *ratios = calloc((size_t)AB_ARMS_MAX * (slo->blocks + 1), sizeof *ratios);
    if (ratios == NULL)
        return -ENOMEM;
    for (unsigned i = 1; i < ab->n_arms; i++) {
        const struct slo_arm *mine = &slo->arms[i], *control = &slo->arms[0];
        double *list = ratios + (size_t)i * slo->blocks;
        pairs[i - 1].log_ratios = list;
        for (unsigned b = 0; b < slo->blocks; b++) {
            if (mine->rates[b] > 0 && control->rates[b] > 0)
                list[pairs[i - 1].n++] = log(mine->rates[b] / control->rates[b]);
        }
    }
    int err = verdict_judge(pairs, ab->n_arms - 1, 1,
                            (double)ab->options->margin_percent / 100, verdicts);
    for (unsigned i = 1; i < ab->n_arms && err == 0; i++)
        slo->arms[i].verdict = verdicts[i - 1];
    free(ratios);
    for (unsigned i = 0; i < ab->n_arms && err == 0; i++) {
        struct slo_arm *arm = &slo->arms[i];
        double found[1000];
        size_t n = 0;
        for (unsigned b = 0; b < slo->blocks; b++) {
            if (arm->searched[b])
                found[n++] = arm->rates[b];
        }
        arm->estimate = slo_estimate(found, n);
    }
    return err;
}

/* A rate, not a latency: more is better. */
static const char *const words[] = {
    [VERDICT_FASTER] = "LOWER",          [VERDICT_SLOWER] = "HIGHER",
    [VERDICT_EQUIVALENT] = "equivalent", [VERDICT_INCONCLUSIVE] = "inconclusive",
    [VERDICT_NO_DATA] = "no data",
};

static void print_arm(FILE *out, const struct ab_slo *slo, unsigned i)
{
    const struct slo_arm *arm = &slo->arms[i];
    const struct verdict *v = &arm->verdict;
    const struct slo_estimate *e = &arm->estimate;
    fprintf(out, "%-*s %9.0f %9.0f to %-9.0f", ab_width(slo->ab),
            slo->ab->arms[i].name->label, e->median, e->low, e->high);
    if (i > 0 && v->kind != VERDICT_NO_DATA) {
        fprintf(out, " %-12s %.2f x", words[v->kind], v->ratio);
        if (isinf(v->high))
            fprintf(out, " (too few blocks for an interval)");
        else
            fprintf(out, " (%.2f to %.2f)", v->low, v->high);
        fprintf(out, ", p %.4f, %zu blocks", v->p, v->n);
        if (v->kind == VERDICT_INCONCLUSIVE)
            fprintf(out, "; about %zu more would tell", v->more);
    }
    fprintf(out, "%s%s\n", arm->generator ? " (*)" : "",
            arm->failed > 0 ? " FAILED in some blocks" : "");
}

static void print_report(FILE *out, const struct ab_slo *slo)
{
    const struct ab *ab = slo->ab;
    bool generator = false;
    fprintf(out,
            "cowload ab " COWLOAD_VERSION "\nHighest rate with %s, errors included; "
            "%u blocks, a search with a fresh server in each\n",
            ab->options->goal.label, slo->blocks);
    fprintf(out, "%-*s %9s %9s    %-9s beside %s\n", ab_width(ab), ab_word(ab),
            "median", "smallest", "largest", ab->arms[0].name->label);
    for (unsigned i = 0; i < ab->n_arms; i++) {
        print_arm(out, slo, i);
        generator = generator || slo->arms[i].generator;
    }
    fprintf(out,
            "0: even %.0f requests/s, the least that can be judged, do not keep it\n",
            slo_least_rate(&ab->options->goal));
    if (generator)
        fprintf(out,
                "(*) INVALID: the generator was the limit: the server may do more\n");
    if (ab->interrupted)
        fprintf(out, "INTERRUPTED: the report holds what was measured until then\n");
}

static json_t *arm_json(const struct ab_slo *slo, unsigned i)
{
    const struct slo_arm *arm = &slo->arms[i];
    json_t *rates = json_array();
    for (unsigned b = 0; b < slo->blocks; b++)
        json_array_append_new(rates, arm->searched[b] ? json_real(arm->rates[b])
                                                      : json_null());
    json_t *object =
        json_pack("{s:s, s:f, s:f, s:f, s:f, s:b, s:i, s:o}", "arm",
                  slo->ab->arms[i].name->label, "rate_per_s", arm->estimate.median,
                  "low_per_s", arm->estimate.low, "high_per_s", arm->estimate.high,
                  "confidence", arm->estimate.confidence, "generator_late",
                  (int)arm->generator, "failed", (int)arm->failed, "blocks", rates);
    if (i > 0)
        json_object_set_new(object, "against_control",
                            json_pack("{s:s, s:f, s:f}", "verdict",
                                      words[arm->verdict.kind], "ratio",
                                      arm->verdict.ratio, "p_holm", arm->verdict.p));
    return object;
}

static int write_files(const struct ab_slo *slo)
{
    const struct ab *ab = slo->ab;
    char path[AB_PATH_MAX];
    struct out_file out;
    json_t *arms = json_array();
    snprintf(path, sizeof path, "%s/slo.txt", ab->options->out_dir);
    int err = out_open(&out, path, OUT_WHOLE);
    if (err == 0) {
        print_report(out.stream, slo);
        err = out_commit(&out);
    }
    if (err < 0)
        out_complain(path, err, OUT_WHOLE);
    for (unsigned i = 0; i < ab->n_arms; i++)
        json_array_append_new(arms, arm_json(slo, i));
    snprintf(path, sizeof path, "%s/slo.json", ab->options->out_dir);
    int json_err = hist_json_write(
        json_pack("{s:s, s:s, s:i, s:o}", "cowload_ab_slo", COWLOAD_VERSION, "goal",
                  ab->options->goal.label, "blocks", (int)slo->blocks, "arms", arms),
        path);
    if (json_err < 0)
        out_complain(path, json_err, OUT_WHOLE);
    return err < 0 ? err : json_err;
}

static int conclude(struct ab_slo *slo, int *ret_code)
{
    struct ab *ab = slo->ab;
    bool failed = ab->interrupted, generator = false;
    int err = judge(slo);
    if (err < 0)
        return err;
    print_report(stdout, slo);
    err = write_files(slo);
    if (fflush(stdout) != 0 || ferror(stdout)) {
        fprintf(stderr, "cowload: could not write the report to standard output\n");
        err = -EIO;
    }
    for (unsigned i = 0; i < ab->n_arms; i++) {
        failed = failed || !ab->arms[i].usable || slo->arms[i].failed > 0;
        generator = generator || slo->arms[i].generator;
    }
    *ret_code = failed ? EXIT_FAILURE : generator ? EXIT_INVALID : EXIT_SUCCESS;
    return err;
}

int ab_slo(struct ab *ab, int *ret_code)
{
    struct ab_slo slo = { .ab = ab };
    int err = 0;
    for (unsigned i = 0; i < ab->n_arms && err == 0; i++) {
        struct slo_arm *arm = &slo.arms[i];
        arm->rates = calloc(ab->options->blocks, sizeof *arm->rates);
        arm->searched = calloc(ab->options->blocks, sizeof *arm->searched);
        arm->guess = ab->arms[i].capacity / 2;
        err = arm->rates == NULL || arm->searched == NULL ? -ENOMEM : 0;
    }
    if (err == 0) {
        run_blocks(&slo);
        ab_progress_end(ab);
        err = conclude(&slo, ret_code);
    }
    for (unsigned i = 0; i < ab->n_arms; i++) {
        free(slo.arms[i].rates);
        free(slo.arms[i].searched);
    }
    return err;
}
