/* SPDX-License-Identifier: MIT */
/* slo_main.h - `cowload slo`: the highest rate at which a percentile stays in its
 * limit. */
#ifndef LOADTEST_SLO_MAIN_H
#define LOADTEST_SLO_MAIN_H

/* Returns the exit code: 0; 1 usage, or it could not be measured; 3 the generator was
 * the limit. */
int slo_main(int argc, char **argv);

#endif
