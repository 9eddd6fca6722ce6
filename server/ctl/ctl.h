/* SPDX-License-Identifier: MIT */
/* ctl.h - `cowshed ctl`: asks the admin listener and prints the answer for people. */
#ifndef COWSHED_CTL_CTL_H
#define COWSHED_CTL_CTL_H

struct options;

/* words: the command and its argument: status, workers, purge URL, gc, refork, reload,
 * reopen, upgrade, drain. Complains on standard error. An exit code: 0 or 1. */
int ctl_run(const struct options *, char *const *words, int count);

#endif
