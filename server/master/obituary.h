/* SPDX-License-Identifier: MIT */
/* obituary.h - how a process ended, in words. Pure. */
#ifndef COWSHED_MASTER_OBITUARY_H
#define COWSHED_MASTER_OBITUARY_H

#include <stdint.h>

struct scoreboard;

enum { OBITUARY_MAX = 512 };

/* "was killed by SIGSEGV (core dumped)", "ended with exit code 71". Returns out. */
char *obituary_status(char out[OBITUARY_MAX], int wait_status);

/* `how` with age, requests, and what its scoreboard tells: the last words of a
 * failed check and the request in hand. What the scoreboard holds is escaped by the
 * log. */
char *obituary_write(char out[OBITUARY_MAX], const char *how, uint64_t age_ns,
                     uint64_t requests, const struct scoreboard *);

#endif
