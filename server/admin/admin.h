/* SPDX-License-Identifier: MIT */
/* admin.h - the admin process: metrics, health, status, events and orders over HTTP. */
#ifndef COWSHED_ADMIN_ADMIN_H
#define COWSHED_ADMIN_ADMIN_H

struct admin_env;

/* Serves until the master says QUIT or is gone. An exit code. */
int admin_run(const struct admin_env *);

#endif
