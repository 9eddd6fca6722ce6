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
#include "loadtest/self_test.h"
#include "loadtest/serve.h"
#include "loadtest/slo_main.h"

int main(int argc, char **argv)
{
    signal(SIGXFSZ, SIG_IGN); /* a file that may not grow is an error of its write */
    if (argc > 1 && strcmp(argv[1], "ab") == 0)
        return ab_main(argc - 1, argv + 1);
    if (argc > 1 && strcmp(argv[1], "self-test") == 0)
        return self_test_main(argc - 1, argv + 1);
    if (argc > 1 && strcmp(argv[1], "serve") == 0)
        return serve_main(argc - 1, argv + 1);
    if (argc > 1 && strcmp(argv[1], "slo") == 0)
        return slo_main(argc - 1, argv + 1);
    return plain_main(argc, argv);
}
