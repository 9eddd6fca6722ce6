/* SPDX-License-Identifier: MIT */
/* memory.h - how much memory a fork may count on. */
#ifndef COWSHED_MASTER_MEMORY_H
#define COWSHED_MASTER_MEMORY_H

#include <stdint.h>

#include "server/base/span.h"

/* The smaller of what the machine has available (MemAvailable) and what the limits
 * of memory of our cgroup and those around it leave; UINT64_MAX when neither can be
 * read. */
uint64_t memory_available(void);

/* Pure. The value of `key` ("MemAvailable:") in kB lines or of a bare number; bytes;
 * UINT64_MAX when it is not there or says "max". */
uint64_t memory_parse(struct span text, struct span key);

#endif
