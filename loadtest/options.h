/* SPDX-License-Identifier: MIT */
/* options.h - the command line of a plain run. */
#ifndef LOADTEST_OPTIONS_H
#define LOADTEST_OPTIONS_H

#include "loadtest/args.h"
#include "loadtest/dial.h"
#include "loadtest/tls.h"

struct options {
    uint64_t threads;
    uint64_t connections;
    uint64_t duration_ns;
    uint64_t warmup_ns;
    uint64_t timeout_ns;
    uint64_t spin_ns;
    uint64_t max_hiccup_ns; /* 0: by the latency */
    struct arg_ramp ramp;   /* as given */
    double rate;            /* requests per second, on average; 0: closed loop */
    uint64_t steps;
    bool constant;
    bool latency;
    bool verify;
    struct arg_list headers;
    const char *mix_path, *method, *body, *replay_path;
    double speed;           /* of the replay */
    const char *proxy_text; /* as given */
    struct dial_config dial;
    struct arg_zipf zipf; /* no keys: not asked for */
    uint64_t seed;
    struct tls_config tls;
    const char *json_path;
    const char *hlog_path;
    const char *hgrm_path;
    bool help;
    bool version;
    struct arg_list urls;
    const char *url; /* the one in urls */
};

/* As args_parse(), and checks that the options make sense together. With help or
 * version set nothing else counts. options_free() is due in any case. */
int options_parse(struct options *ret_options, int argc, char **argv,
                  char error[ARGS_ERROR_MAX]);
void options_free(struct options *options);
void options_help(FILE *out);

#endif
