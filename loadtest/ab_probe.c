/* SPDX-License-Identifier: MIT */
/* ab_probe.c - each mode once before the first block: does it start, how long does that
 * take, and what is the slowest able to answer? */
#include <errno.h>
#include <string.h>

#include "loadtest/ab.h"
#include "server/base/clock.h"

#define PROBE_NS        (1200 * CLOCK_NS_PER_MS)
#define PROBE_WARMUP_NS (300 * CLOCK_NS_PER_MS)
#define RESERVE_NS      (3 * CLOCK_NS_PER_S) /* for the report, and for bad luck */
#define SHORTEST_NS     (1 * CLOCK_NS_PER_S)

struct probe {
    struct ab *ab;
    struct shed *shed;
};

static bool on_tick(void *arg, double elapsed_s)
{
    struct probe *probe = arg;
    (void)elapsed_s;
    shed_drain(probe->shed);
    ab_progress_tick(probe->ab);
    return shed_alive(probe->shed);
}

/* Requests per second in a closed loop. */
static int measure_capacity(struct ab *ab, struct ab_arm *arm, struct shed *shed,
                            char why[AB_WHY_MAX])
{
    struct probe probe = { ab, shed };
    struct target target;
    struct run_result result;
    char error[RUN_ERROR_MAX];
    int err = ab_make_target(ab, arm, shed, &target, why);
    if (err < 0)
        return err;
    struct run_config config = ab_run_config(ab, &target);
    config.client.rate = 0;
    config.client.seed = ab->options->seed;
    config.client.warmup_ns = PROBE_WARMUP_NS;
    config.client.duration_ns = PROBE_NS;
    config.watch = (struct run_watch){ .on_tick = on_tick, .arg = &probe };
    err = run_load(&config, &result, error);
    target_free(&target);
    if (err == -EINTR && shed_alive(shed))
        ab->interrupted = true;
    if (err < 0) {
        snprintf(why, AB_WHY_MAX, "%s", error);
        return err;
    }
    arm->capacity = run_rate(&result);
    bool interrupted = result.interrupted;
    uint64_t ok = result.tally.counts.ok;
    run_result_free(&result);
    if (interrupted && shed_alive(shed))
        ab->interrupted = true;
    if (ok == 0 && !ab->interrupted)
        snprintf(why, AB_WHY_MAX, "%s was not answered once with success",
                 ab->options->path);
    return ok == 0 ? -EPROTO : 0;
}

static void probe_arm(struct ab *ab, struct ab_arm *arm)
{
    struct shed shed;
    char why[AB_WHY_MAX] = "", error[SHED_ERROR_MAX];
    uint64_t begun = clock_ns(), load_ns = 0;
    if (out_is_open(&ab->server_log))
        fprintf(ab->server_log.stream, "### %s, probe\n", arm->name->label);
    int err = ab_start_server(ab, arm, &shed, why);
    if (err == 0) {
        if (ab->rate == 0) {
            err = measure_capacity(ab, arm, &shed, why);
            load_ns = PROBE_NS + PROBE_WARMUP_NS;
        }
        int stop_err = shed_stop(&shed, AB_STOP_TIMEOUT_NS, error);
        if (err == 0 && stop_err < 0) {
            err = stop_err;
            snprintf(why, sizeof why, "%s", error);
        }
    }
    uint64_t overhead = clock_ns() - begun;
    overhead -= overhead < load_ns ? overhead : load_ns;
    arm->usable = err == 0;
    ab->run_overhead_ns += overhead; /* a sum here, an average later */
    if (err < 0 && !ab->interrupted) {
        if (ab->terminal)
            fprintf(stderr, "\r\033[K");
        fprintf(stderr, "cowload: %s %s cannot be measured: %s\n", ab_word(ab),
                arm->name->label, why);
    }
}

/* The second of two equal arms need not be probed. */
static struct ab_arm *same_mode_before(struct ab *ab, unsigned i)
{
    for (unsigned k = 0; k < i; k++) {
        if (ab_arms_equal(ab->arms[k].name, ab->arms[i].name))
            return &ab->arms[k];
    }
    return NULL;
}

static void find_slowest(struct ab *ab)
{
    for (unsigned i = 0; i < ab->n_arms; i++) {
        double capacity = ab->arms[i].usable ? ab->arms[i].capacity : 0;
        if (capacity > 0 && (ab->slowest == 0 || capacity < ab->slowest))
            ab->slowest = capacity;
    }
}

void ab_choose_rate(struct ab *ab)
{
    if (ab->options->rate > 0)
        return;
    ab->rate = ab->slowest * ab->options->loads[ab->load];
    ab->rate_found = true;
}

/* Fits blocks and duration into what is left of --total. */
static int choose_lengths(struct ab *ab, unsigned usable)
{
    const struct ab_options *options = ab->options;
    uint64_t spent = clock_ns() - ab->begun_ns + RESERVE_NS;
    uint64_t left = options->total_ns > spent ? options->total_ns - spent : 0;
    left /= options->n_loads;
    uint64_t fixed = ab->run_overhead_ns + options->warmup_ns;
    ab->blocks = (unsigned)options->blocks;
    ab->duration_ns = options->duration_ns;
    if (ab->duration_ns == 0) {
        uint64_t each = left / (ab->blocks * usable);
        ab->duration_ns = each > fixed + SHORTEST_NS ? each - fixed : SHORTEST_NS;
        ab->duration_ns -= ab->duration_ns % (100 * CLOCK_NS_PER_MS);
    }
    uint64_t block_ns = (fixed + ab->duration_ns) * usable;
    if (ab->blocks * block_ns > left)
        ab->blocks = (unsigned)(left / block_ns);
    if (ab->blocks == 0) {
        fprintf(stderr,
                "cowload: --total leaves no time for a block: one takes %llus, %llus "
                "are left\n",
                (unsigned long long)(block_ns / CLOCK_NS_PER_S),
                (unsigned long long)(left / CLOCK_NS_PER_S));
        return -ETIME;
    }
    ab->expected_end_ns = clock_ns() + options->n_loads * ab->blocks * block_ns;
    return 0;
}

int ab_probe(struct ab *ab)
{
    unsigned usable = 0, probed = 0;
    for (unsigned i = 0; i < ab->n_arms && !ab->interrupted; i++) {
        struct ab_arm *arm = &ab->arms[i], *same = same_mode_before(ab, i);
        char words[96];
        snprintf(words, sizeof words, "probe: %s", arm->name->label);
        if (same == NULL) {
            ab_progress(ab, words);
            probe_arm(ab, arm);
            probed++;
        } else {
            arm->usable = same->usable;
            arm->capacity = same->capacity;
        }
        usable += arm->usable;
    }
    ab->run_overhead_ns /= probed > 0 ? probed : 1;
    if (ab->interrupted)
        return -EINTR;
    if (usable == 0)
        return -ENODEV;
    find_slowest(ab);
    ab_choose_rate(ab);
    return choose_lengths(ab, usable);
}
