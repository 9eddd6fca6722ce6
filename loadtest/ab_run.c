/* SPDX-License-Identifier: MIT */
/* ab_run.c - one cell: a fresh server, warm-up, measured time, and the server's own
 * numbers right before and right after. While it is measured nothing is asked of the
 * server but the load (README rule 14). */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "loadtest/ab.h"
#include "loadtest/hlog.h"
#include "loadtest/interval_log.h"
#include "loadtest/summary.h"
#include "server/base/check.h"
#include "server/base/clock.h"

#define START_TIMEOUT_NS (30 * CLOCK_NS_PER_S)
/* A waking generator finds its processor asleep, which takes it this long to leave. */
#define WAKE_NS (50 * CLOCK_NS_PER_US)

enum { LAST_WORDS = 360, MOST_TALLIES = 16, KEEP_LEAST = 1024, KEEP_MOST = 1 << 17 };

struct cell_run {
    struct ab *ab;
    struct shed shed;
    struct out_file hlog;
    struct status before;
    int status_error;
    struct ab_cell *cell;
};

/* What went wrong, and the last words of the server. */
static void set_why(char why[AB_WHY_MAX], const char *what, const struct shed *shed)
{
    const char *tail = shed->tail;
    if (shed->tail_len > LAST_WORDS)
        tail += shed->tail_len - LAST_WORDS;
    snprintf(why, AB_WHY_MAX, "%.120s%s%.*s", what, *tail != '\0' ? "; it said: " : "",
             LAST_WORDS, tail);
    for (char *end = why + strlen(why); end > why && end[-1] == '\n';)
        *--end = '\0';
}

/* Fisher and Yates. */
void ab_order(const struct ab *ab, unsigned *order, struct prng *prng)
{
    for (unsigned i = 0; i < ab->n_arms; i++)
        order[i] = i;
    for (unsigned i = ab->n_arms; i > 1; i--) {
        unsigned k = (unsigned)prng_below(prng, i), kept = order[i - 1];
        order[i - 1] = order[k];
        order[k] = kept;
    }
}

static int start_cowshed(struct ab *ab, const struct ab_arm_name *name,
                         struct shed_config *config, struct shed *shed, char *error)
{
    const struct ab_options *options = ab->options;
    size_t n = options->overrides.n;
    const char **overrides = calloc(n + name->n_overrides + 1, sizeof *overrides);
    if (overrides == NULL) {
        snprintf(error, SHED_ERROR_MAX, "out of memory");
        return -ENOMEM;
    }
    for (size_t i = 0; i < n; i++)
        overrides[i] = options->overrides.items[i];
    for (size_t i = 0; i < name->n_overrides; i++)
        overrides[n++] = name->text + name->overrides[i];
    config->program = ab->program;
    config->config_path = options->config_path;
    config->mode = name->mode;
    config->overrides = overrides;
    config->n_overrides = n;
    int err = shed_start(shed, config, error);
    free(overrides);
    return err;
}

int ab_start_server(struct ab *ab, const struct ab_arm *arm, struct shed *shed,
                    char why[AB_WHY_MAX])
{
    const struct ab_arm_name *name = arm->name;
    char error[SHED_ERROR_MAX];
    struct shed_config config = {
        .cpus = ab->pinned ? &ab->server_cpus : NULL,
        .start_timeout_ns = START_TIMEOUT_NS,
        .log = ab->server_log.stream,
    };
    int err = 0;
    switch (name->kind) {
    case AB_ARM_COWSHED:
        err = start_cowshed(ab, name, &config, shed, error);
        break;
    case AB_ARM_COMMAND:
        config.command = name->text;
        err = shed_start(shed, &config, error);
        break;
    case AB_ARM_URL:
        shed_adopt(shed, "");
        break;
    }
    if (err < 0)
        set_why(why, error, shed);
    return err;
}

/* Where to go: a URL without a path means the path of the comparison. */
static void make_url(char url[AB_PATH_MAX], const struct ab *ab,
                     const struct ab_arm *arm, const struct shed *shed)
{
    const char *given = arm->name->text, *path = ab->options->path;
    if (arm->name->kind != AB_ARM_URL)
        snprintf(url, AB_PATH_MAX, "http://%s%s", shed->listen, path);
    else if (strchr(given + strlen("http://"), '/') != NULL)
        snprintf(url, AB_PATH_MAX, "%s", given);
    else
        snprintf(url, AB_PATH_MAX, "%s%s", given, path);
}

int ab_make_target(const struct ab *ab, const struct ab_arm *arm,
                   const struct shed *shed, struct target *ret_target,
                   char why[AB_WHY_MAX])
{
    const struct ab_options *options = ab->options;
    char url[AB_PATH_MAX], error[TARGET_ERROR_MAX];
    size_t n = options->headers.n;
    bool timing = options->attribute && arm->name->kind == AB_ARM_COWSHED;
    bool whole_url = arm->name->kind == AB_ARM_URL;
    const char **headers = calloc(n + 1, sizeof *headers);
    if (headers == NULL) {
        set_why(why, "out of memory", shed);
        return -ENOMEM;
    }
    for (size_t i = 0; i < n; i++)
        headers[i] = options->headers.items[i];
    headers[n] = "X-Cowshed-Timing: 1";
    make_url(url, ab, arm, shed);
    struct target_config config = {
        .url = url,
        .headers = headers,
        .n_headers = timing ? n + 1 : n,
        .zipf_keys = whole_url && strstr(url, "{}") == NULL ? 0 : options->zipf.keys,
        .zipf_exponent = options->zipf.exponent,
    };
    int err = target_init(ret_target, &config, error);
    free(headers);
    if (err < 0)
        set_why(why, error, shed);
    return err;
}

/* One for each second, so that nothing is merged, encoded or written while the load
 * runs: the two processors have better things to do. A long block is collected as it
 * goes, whenever the ring comes round. */
static unsigned tallies_for(uint64_t duration_ns)
{
    uint64_t n = duration_ns / CLOCK_NS_PER_S + 3;
    return n < MOST_TALLIES ? (unsigned)n : MOST_TALLIES;
}

/* Polling may take a fifth of the time between two requests, not more. A SCHED_FIFO
 * thread that leaves nothing to others is pushed aside for up to 50 ms in each second:
 * the kernel keeps that much for them (the fair server, or RT throttling). */
static uint64_t spin_for(const struct ab *ab)
{
    if (ab->options->spin_ns != UINT64_MAX)
        return ab->options->spin_ns;
    if (!ab->pinned || ab->rate <= 0)
        return 0;
    double share =
        0.2 * (double)CLOCK_NS_PER_S * (double)ab->options->threads / ab->rate;
    return share < (double)WAKE_NS ? (uint64_t)share : WAKE_NS;
}

/* Three times what lies beyond p99, so that blocks may differ. */
static size_t keep_for(const struct ab *ab)
{
    double each = 0.03 * ab->rate * (double)ab->duration_ns / (double)CLOCK_NS_PER_S /
                  (double)ab->options->threads;
    if (!ab->options->attribute || ab->rate <= 0)
        return 0;
    return each < KEEP_LEAST ? KEEP_LEAST : each > KEEP_MOST ? KEEP_MOST : (size_t)each;
}

struct run_config ab_run_config(const struct ab *ab, const struct target *target)
{
    const struct ab_options *options = ab->options;
    return (struct run_config){
        .client = {
            .target = target,
            .threads = (unsigned)options->threads,
            .connections = (unsigned)options->connections,
            .rate = ab->rate,
            .timeout_ns = options->timeout_ns,
            .warmup_ns = options->warmup_ns,
            .duration_ns = ab->duration_ns,
            .interval_ns = CLOCK_NS_PER_S,
            .tallies = tallies_for(ab->duration_ns),
            .spin_ns = spin_for(ab),
            .cpus = ab->pinned ? &ab->client_cpus : NULL,
            .realtime = ab->realtime,
            .keep = keep_for(ab),
        },
        .stop_on_signal = true,
        .collect_last = ab->duration_ns / CLOCK_NS_PER_S + 3 <= MOST_TALLIES,
    };
}

/* --- while it runs --- */

static void on_warm(void *arg)
{
    struct cell_run *cell = arg;
    if (!cell->shed.foreign)
        cell->status_error = status_read(cell->shed.admin, &cell->before);
}

static void on_start(void *arg, uint64_t wall_ns)
{
    struct cell_run *cell = arg;
    if (out_is_open(&cell->hlog))
        hlog_begin(cell->hlog.stream, "Logged with cowload ab " COWLOAD_VERSION,
                   wall_ns);
}

static void on_interval(void *arg, const struct run_interval *interval)
{
    struct cell_run *cell = arg;
    if (!out_is_open(&cell->hlog))
        return;
    int err = interval_log(cell->hlog.stream, interval);
    CHECK(err == 0 || err == -ENOMEM);
}

static bool on_tick(void *arg, double elapsed_s)
{
    struct cell_run *cell = arg;
    const struct ab_options *options = cell->ab->options;
    shed_drain(&cell->shed);
    ab_progress_tick(cell->ab);
    if (!cell->shed.foreign && elapsed_s > 0)
        disturb_tick(options->disturbs, options->n_disturbs, &cell->cell->disturbed,
                     elapsed_s, cell->shed.admin);
    return shed_alive(&cell->shed);
}

/* --- the cell --- */

static void record(struct ab_arm *arm, struct ab_cell *cell,
                   const struct run_config *config, const struct run_result *result)
{
    struct selfcheck check = run_check(config, result);
    cell->outcome = check.n > 0 ? AB_INVALID : AB_MEASURED;
    if (check.n > 0)
        snprintf(cell->why, sizeof cell->why, "%s", check.reasons[0]);
    cell->samples = result->all.total;
    for (size_t i = 0; i < QUANTILES; i++)
        cell->quantile_ns[i] =
            hist_percentile(&result->all, quantiles[i].num, quantiles[i].den);
    tally_merge(&arm->tally, &result->tally);
    arm->seconds += result->duration_s;
    status_add(&arm->cost, &cell->cost);
}

/* What was kept, and what the server did meanwhile. */
static int attribute(const struct ab *ab, const struct shed *shed, struct ab_arm *arm,
                     unsigned block, const struct run_result *result)
{
    struct timeline timeline;
    bool one = ab->pinned && CPU_COUNT(&ab->server_cpus) == 1;
    int err = timeline_read(shed->admin, result->start_ns, &timeline);
    if (err < 0)
        return err;
    for (unsigned i = 0; i < result->n_keepers && err == 0; i++)
        err = attrib_add(&arm->attrib, &result->keepers[i], &timeline, one, block);
    if (err == 0)
        attrib_show(&arm->attrib, &timeline, block, result->start_ns);
    timeline_free(&timeline);
    return err;
}

/* With a server that runs. Leaves why it failed in the cell. */
static int measure(struct cell_run *run, struct ab_arm *arm, unsigned block,
                   struct ab_cell *cell)
{
    struct ab *ab = run->ab;
    struct target target;
    struct run_result result;
    struct status after = { .faults = 0 };
    char error[RUN_ERROR_MAX];
    int err = ab_make_target(ab, arm, &run->shed, &target, cell->why);
    if (err < 0)
        return err;
    struct run_config config = ab_run_config(ab, &target);
    /* the same plan for every arm of a block (README rule 5) */
    config.client.seed = plan_derive_seed(ab->options->seed, block + 100);
    config.watch = (struct run_watch){ .on_start = on_start,
                                       .on_interval = on_interval,
                                       .on_warm = on_warm,
                                       .on_tick = on_tick,
                                       .arg = run };
    err = run_load(&config, &result, error);
    target_free(&target);
    bool alive = shed_alive(&run->shed);
    if (err == -EINTR && alive) {
        ab->interrupted = true;
        return 0;
    }
    if (err < 0) {
        set_why(cell->why, error, &run->shed);
        return err;
    }
    bool asked = alive && !run->shed.foreign;
    if (asked && run->status_error == 0)
        run->status_error = status_read(run->shed.admin, &after);
    if (asked && run->status_error == 0 && !result.interrupted &&
        ab->options->attribute)
        run->status_error = attribute(ab, &run->shed, arm, block, &result);
    if (result.interrupted && alive)
        ab->interrupted = true;
    if (!alive || run->status_error < 0) {
        err = alive ? run->status_error : -ECHILD;
        set_why(cell->why,
                alive ? "its /status or /events could not be read" : "the server died",
                &run->shed);
    } else if (!result.interrupted) {
        cell->cost = status_between(&run->before, &after);
        record(arm, cell, &config, &result);
    }
    run_result_free(&result);
    return err;
}

static void hlog_path(char path[AB_PATH_MAX], const struct ab *ab,
                      const struct ab_arm *arm, unsigned block)
{
    snprintf(path, AB_PATH_MAX, "%s/%s-%03u.hlog", ab->out_dir, arm->name->label,
             block + 1);
}

/* What was measured is in the report all the same: the cell has not failed, only the
 * comparison as a whole, whose files are not complete. */
static void hlog_failed(struct ab *ab, const char *path, int err)
{
    ab_progress_end(ab);
    out_complain(path, err, OUT_LINES);
    ab->unwritten++;
}

static void run_server(struct ab *ab, struct ab_arm *arm, unsigned block,
                       struct ab_cell *cell)
{
    struct cell_run run = { .ab = ab, .cell = cell };
    char error[SHED_ERROR_MAX], path[AB_PATH_MAX];
    if (ab_start_server(ab, arm, &run.shed, cell->why) < 0) {
        cell->outcome = AB_FAILED;
        return;
    }
    hlog_path(path, ab, arm, block);
    int hlog_err = out_open(&run.hlog, path, OUT_LINES);
    int err = measure(&run, arm, block, cell);
    int stop_err = shed_stop(&run.shed, AB_STOP_TIMEOUT_NS, error);
    if (err == 0 && stop_err < 0)
        set_why(cell->why, error, &run.shed);
    if (err < 0 || stop_err < 0)
        cell->outcome = AB_FAILED;
    if (hlog_err == 0)
        hlog_err = out_commit(&run.hlog);
    if (hlog_err < 0)
        hlog_failed(ab, path, hlog_err);
}

void ab_run_cell(struct ab *ab, struct ab_arm *arm, unsigned block)
{
    struct ab_cell *cell = &arm->cells[block];
    if (out_is_open(&ab->server_log))
        fprintf(ab->server_log.stream, "### %s, block %u\n", arm->name->label,
                block + 1);
    run_server(ab, arm, block, cell);
    arm->measured += cell->outcome == AB_MEASURED || cell->outcome == AB_INVALID;
    arm->invalid += cell->outcome == AB_INVALID;
    arm->failed += cell->outcome == AB_FAILED;
    if (cell->outcome != AB_FAILED)
        return;
    if (ab->terminal)
        fprintf(stderr, "\r\033[K");
    fprintf(stderr, "cowload: %s, block %u failed: %s\n", arm->name->label, block + 1,
            cell->why);
}
