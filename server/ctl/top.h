/* SPDX-License-Identifier: MIT */
/* top.h - `cowshed top`: a live view of a server in the terminal, or in batches for a
 * file.
 *
 *   -b         batch: one view after the other, no terminal (also without one)
 *   -d TIME    between two views (1s)
 *   -n COUNT   so many views, then leave
 *
 * In the terminal: q or Ctrl-C leaves. Rates are of the time between two views. A
 * server that goes away is waited for; one that was never there is an error.
 */
#ifndef COWSHED_CTL_TOP_H
#define COWSHED_CTL_TOP_H

struct options;

/* What stands behind `top`. An exit code: 0 or 1. */
int top_run(const struct options *, char *const *words, int count);

#endif
