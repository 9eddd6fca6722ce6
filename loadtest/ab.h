/* SPDX-License-Identifier: MIT */
/* ab.h - `cowload ab`: the same load on every mode, block by block, and what may be
 * claimed of the difference.
 *
 *   1 calibrate  what the machine charges                           calibrate.c
 *   2 probe      does each mode start; what is the slowest able to  ab_probe.c
 *   3 blocks     every arm once per block, in random order          ab_run.c
 *   4 report     table, verdicts, files                 ab_report.c, ab_json.c
 *
 * One run of an arm in a block (struct ab_cell) has a server of its own.
 */
#ifndef LOADTEST_AB_H
#define LOADTEST_AB_H

#include <sched.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "loadtest/ab_options.h"
#include "loadtest/attrib.h"
#include "loadtest/calibrate.h"
#include "loadtest/out_file.h"
#include "loadtest/quantile.h"
#include "loadtest/run.h"
#include "loadtest/shed.h"
#include "loadtest/status.h"
#include "server/base/clock.h"
#include "server/base/prng.h"

enum { AB_WHY_MAX = 512, AB_PATH_MAX = 512 };
enum { AB_DIR_MAX = AB_PATH_MAX - 96 };

#define AB_STOP_TIMEOUT_NS (15 * CLOCK_NS_PER_S)

enum ab_outcome { AB_NOT_RUN, AB_MEASURED, AB_INVALID, AB_FAILED };

/* An arm in a block. */
struct ab_cell {
    enum ab_outcome outcome;
    char why[AB_WHY_MAX]; /* not measured, or not to be trusted, because */
    uint64_t samples;
    uint64_t quantile_ns[QUANTILES];
    struct status cost;
    struct disturb_state disturbed;
};

struct ab_arm {
    const struct ab_arm_name *name;
    bool usable;           /* it started when it was probed */
    double capacity;       /* requests per second in a closed loop; 0 unknown */
    struct ab_cell *cells; /* one for each block */
    struct tally tally;    /* of all measured cells together */
    double seconds;
    struct status cost; /* likewise */
    struct attrib attrib;
    unsigned measured, invalid, failed;
};

struct ab {
    const struct ab_options *options;
    struct calibration calibration;
    struct ab_arm arms[AB_ARMS_MAX];
    unsigned n_arms;
    unsigned blocks; /* to run */
    unsigned done;   /* of them complete */
    unsigned load;   /* which of options->loads */
    double slowest;  /* requests per second of the slowest arm in a closed loop */
    double rate;
    bool rate_found;          /* by the probe */
    char out_dir[AB_DIR_MAX]; /* of this load */
    uint64_t duration_ns;
    bool pinned;   /* server and generator have a processor each */
    bool realtime; /* and nobody pushes the generator off its own */
    size_t server_cpu, client_cpu;
    cpu_set_t allowed_cpus, server_cpus, client_cpus;
    char program[AB_PATH_MAX];
    int out_fd; /* the folder of all results, locked; -1 */
    struct out_file server_log;
    unsigned unwritten; /* files of cells that could not be written */
    bool terminal;
    bool interrupted;
    uint64_t begun_ns;
    uint64_t run_overhead_ns; /* of one cell, beside warm-up and measured time */
    char load_words[32];      /* before those of the block */
    char progress[96];        /* the words before the time that is left */
    uint64_t expected_end_ns;
};

static inline const char *ab_word(const struct ab *ab)
{
    return ab_arms_word(ab->options->arms, ab->options->n_arms);
}

static inline int ab_width(const struct ab *ab)
{
    return ab_arms_width(ab->options->arms, ab->options->n_arms);
}

/* Returns the exit code: 0; 1 usage, a failed cell or an interrupt; 3 nothing to trust.
 */
int ab_main(int argc, char **argv);

/* ab_probe.c: 0 or a negative errno after a message. */
int ab_probe(struct ab *ab);
/* The rate of this load, if none was given. */
void ab_choose_rate(struct ab *ab);
/* ab_run.c: fills the cell and adds it to the arm. */
void ab_run_cell(struct ab *ab, struct ab_arm *arm, unsigned block);
struct run_config ab_run_config(const struct ab *ab, const struct target *target);
/* The arms in random order, into order[n_arms]. */
void ab_order(const struct ab *ab, unsigned *order, struct prng *prng);
int ab_start_server(struct ab *ab, const struct ab_arm *arm, struct shed *shed,
                    char why[AB_WHY_MAX]);
int ab_make_target(const struct ab *ab, const struct ab_arm *arm,
                   const struct shed *shed, struct target *ret_target,
                   char why[AB_WHY_MAX]);
/* ab_slo.c: searches instead of blocks, and their report. */
int ab_slo(struct ab *ab, int *ret_code);
/* ab_progress.c */
void ab_progress(struct ab *ab, const char *words);
void ab_progress_tick(struct ab *ab);
void ab_progress_end(struct ab *ab);

#endif
