/* SPDX-License-Identifier: MIT */
/* plain.h - `cowload [options] URL`: one run, its summary, its files. */
#ifndef LOADTEST_PLAIN_H
#define LOADTEST_PLAIN_H

#include <stdint.h>

enum { EXIT_INVALID = 3 };

/* For the process: INT and TERM are only taken where a run waits for them, and there
 * may be this many connections. */
void plain_prepare(uint64_t connections);

/* Returns the exit code. */
int plain_main(int argc, char **argv);

#endif
