/* SPDX-License-Identifier: MIT */
/* main.c - cowload: measures the latency of an HTTP server (README.md has the rules).
 *
 * Exit codes: 0 measured; 1 usage, or the run could not be made; 3 measured, but the
 * run is INVALID: the reasons are at the end of the output.
 */
#include <signal.h>
#include <string.h>

#include "loadtest/ab.h"
#include "loadtest/plain.h"
#include "loadtest/report.h"
#include "loadtest/self_test.h"
#include "loadtest/serve.h"
#include "loadtest/slo_main.h"

static const struct {
    const char *name;
    int (*run)(int argc, char **argv);
} commands[] = {
    { "ab", ab_main },
    { "slo", slo_main },
    { "report", report_main },
    { "merge", merge_main },
    { "self-test", self_test_main },
    { "serve", serve_main },
};

int main(int argc, char **argv)
{
    signal(SIGXFSZ, SIG_IGN); /* a file that may not grow is an error of its write */
    for (size_t i = 0; argc > 1 && i < sizeof commands / sizeof commands[0]; i++) {
        if (strcmp(argv[1], commands[i].name) == 0)
            return commands[i].run(argc - 1, argv + 1);
    }
    return plain_main(argc, argv);
}
