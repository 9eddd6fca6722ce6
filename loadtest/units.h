/* SPDX-License-Identifier: MIT */
/* units.h - numbers for people, as wrk writes them: 250.00us, 1.23k, 17.76G. */
#ifndef LOADTEST_UNITS_H
#define LOADTEST_UNITS_H

enum { UNITS_TEXT_MAX = 32 };

/* Each writes to and returns `out`. */
char *units_time(char out[UNITS_TEXT_MAX], double ns);
char *units_metric(char out[UNITS_TEXT_MAX], double value); /* powers of 1000 */
char *units_binary(char out[UNITS_TEXT_MAX], double bytes); /* of 1024, without B */

#endif
