/* SPDX-License-Identifier: MIT */
/* ab_options.h - the command line of `cowload ab`. */
#ifndef LOADTEST_AB_OPTIONS_H
#define LOADTEST_AB_OPTIONS_H

#include "loadtest/ab_arms.h"
#include "loadtest/args.h"
#include "loadtest/disturb.h"
#include "loadtest/slo.h"

enum { AB_LOADS_MAX = 8 };
/* README rule 15: far enough from saturation that latency is not just the queue. */
#define AB_SHARE_OF_CAPACITY 0.55

struct ab_options {
    const char *modes;     /* as given; NULL: all, unless there is --arm */
    struct arg_list specs; /* of --arm */
    struct ab_arm_name arms[AB_ARMS_MAX];
    unsigned n_arms;            /* the first is the control */
    const char *load_list;      /* as given */
    double loads[AB_LOADS_MAX]; /* shares of the capacity of the slowest arm */
    unsigned n_loads;
    const char *goal_text; /* as given; NULL: no search for a rate */
    struct slo_goal goal;
    struct arg_list disturb_texts;
    struct disturb disturbs[DISTURB_MAX];
    size_t n_disturbs;
    uint64_t blocks;
    uint64_t duration_ns; /* of one block; 0: what --total leaves */
    uint64_t warmup_ns;
    uint64_t total_ns; /* for everything */
    uint64_t timeout_ns;
    uint64_t spin_ns;
    double rate; /* 0: auto */
    uint64_t threads;
    uint64_t connections;
    struct arg_zipf zipf;
    struct arg_list headers;
    struct arg_list overrides; /* -o of the server */
    uint64_t margin_percent;   /* differences below it are called equivalent */
    uint64_t seed;
    const char *out_dir;
    const char *config_path;
    const char *server_path; /* NULL: cowshed beside cowload */
    bool attribute;          /* say why the tail is slow */
    bool help;
    struct arg_list operands;
    const char *path; /* of the requests */
};

/* As options_parse(). */
int ab_options_parse(struct ab_options *ret_options, int argc, char **argv,
                     char error[ARGS_ERROR_MAX]);
void ab_options_free(struct ab_options *options);
void ab_options_help(FILE *out);

#endif
