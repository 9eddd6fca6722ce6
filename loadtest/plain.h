/* SPDX-License-Identifier: MIT */
/* plain.h - `cowload [options] URL`: one run, its summary, its files. */
#ifndef LOADTEST_PLAIN_H
#define LOADTEST_PLAIN_H

enum { EXIT_INVALID = 3 };

/* Returns the exit code. */
int plain_main(int argc, char **argv);

#endif
