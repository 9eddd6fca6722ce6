/* SPDX-License-Identifier: MIT */
/* signal.h - `cowshed -s`: tells the running master something, from another process. */
#ifndef COWSHED_CTL_SIGNAL_H
#define COWSHED_CTL_SIGNAL_H

#include <stdbool.h>

struct options;

/* reload, reopen, quit, stop, refork or upgrade, to the master that holds
 * options->pid_file. With `wait` until it is done: quit and stop until the process has
 * gone, the others through the admin listener, which also tells whether it worked.
 * Complains on standard error. An exit code: 0 or 1. */
int signal_master(const struct options *, const char *name, bool wait);

#endif
