/* SPDX-License-Identifier: MIT */
/* confine_impl.h - between confine.c, landlock.c and seccomp.c alone. */
#ifndef COWSHED_MASTER_CONFINE_IMPL_H
#define COWSHED_MASTER_CONFINE_IMPL_H

#include <stdbool.h>

struct confine;

int landlock_version(void); /* of the kernel's interface; below 1: there is none */
int landlock_confine(const struct confine *); /* 0 or a negative errno */

bool seccomp_is_there(void);
int seccomp_confine(const struct confine *); /* 0 or a negative errno */

#endif
