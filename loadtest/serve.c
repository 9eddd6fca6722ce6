/* SPDX-License-Identifier: MIT */
/* serve.c - waits for the server of known latency to end, or to be told to. */
#include "loadtest/serve.h"

#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/signalfd.h>

#include "loadtest/args.h"
#include "loadtest/known_server.h"
#include "loadtest/plain.h"
#include "server/base/clock.h"
#include "server/base/fd.h"

#define AT(field) offsetof(struct serve_options, field)
#define LONGEST   (60 * CLOCK_NS_PER_S)

enum { CONNECTIONS = 8192 };

struct serve_options {
    uint64_t port, delay_ns, slow_ns, every, gap_ns;
    bool realtime, help;
    struct arg_list operands;
};

static const struct arg serve_args[] = {
    { 'p', "port", ARG_COUNT, AT(port), 0, 65535, "PORT",
      "on 127.0.0.1; 0 takes a free one (0)" },
    { 0, "delay", ARG_TIME, AT(delay_ns), 0, LONGEST, "TIME",
      "a request is answered this long after it has come (0s)" },
    { 0, "slow", ARG_TIME, AT(slow_ns), 0, LONGEST, "TIME",
      "or this long, if its turn has come (0s)" },
    { 0, "every", ARG_COUNT, AT(every), 0, 1000000000, "N",
      "each N-th is slow; 0: none (0)" },
    { 0, "gap", ARG_TIME, AT(gap_ns), 0, LONGEST, "TIME",
      "and never sooner than this after the answer before it (0s)" },
    { 0, "realtime", ARG_FLAG, AT(realtime), 0, 0, NULL, "run as SCHED_FIFO" },
    { 'h', "help", ARG_FLAG, AT(help), 0, 0, NULL, "print this" },
};
static const struct arg_table serve_table = {
    .args = serve_args,
    .n = sizeof serve_args / sizeof serve_args[0],
    .operands = AT(operands),
};

/* False when the server ended by itself. */
static bool wait_for_signal(const struct known_server *server, const sigset_t *set)
{
    struct pollfd fds[2] = {
        { .fd = signalfd(-1, set, SFD_CLOEXEC), .events = POLLIN },
        { .fd = pidfd_open(server->pid, 0), .events = POLLIN },
    };
    bool told = false;
    if (fds[0].fd >= 0 && fds[1].fd >= 0) {
        while (poll(fds, 2, -1) < 0)
            continue;
        told = fds[0].revents != 0;
    }
    fd_close(&fds[0].fd);
    fd_close(&fds[1].fd);
    return told;
}

static int serve(const struct serve_options *options)
{
    const struct known_config config = { .delay_ns = options->delay_ns,
                                         .slow_ns = options->slow_ns,
                                         .every = (unsigned)options->every,
                                         .gap_ns = options->gap_ns,
                                         .port = (unsigned)options->port,
                                         .realtime = options->realtime };
    struct known_server server;
    sigset_t set;
    plain_prepare(CONNECTIONS);
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    sigprocmask(SIG_BLOCK, &set, NULL);
    int err = known_start(&server, &config);
    if (err < 0) {
        fprintf(stderr, "cowload: could not listen on 127.0.0.1:%llu: %s\n",
                (unsigned long long)options->port, strerror(-err));
        return EXIT_FAILURE;
    }
    fprintf(stderr, "ready listen=127.0.0.1:%u\n", server.port);
    bool told = wait_for_signal(&server, &set);
    known_stop(&server);
    if (!told)
        fprintf(stderr, "cowload: the server has ended by itself\n");
    return told ? EXIT_SUCCESS : EXIT_FAILURE;
}

int serve_main(int argc, char **argv)
{
    struct serve_options options = { .port = 0 };
    char error[ARGS_ERROR_MAX];
    int code = EXIT_FAILURE;
    int err = args_parse(&serve_table, argc, argv, &options, error);
    if (err == 0 && options.operands.n > 0) {
        snprintf(error, sizeof error, "no operands are expected, not '%.60s'",
                 options.operands.items[0]);
        err = -1;
    }
    if (err < 0) {
        fprintf(stderr, "cowload: %s\n       cowload serve --help lists the options\n",
                error);
    } else if (options.help) {
        puts("usage: cowload serve [options]\n"
             "An HTTP server of known latency, to try a load generator on.");
        args_help(&serve_table, stdout);
        code = EXIT_SUCCESS;
    } else {
        code = serve(&options);
    }
    args_list_free(&options.operands);
    return code;
}
