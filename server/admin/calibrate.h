/* SPDX-License-Identifier: MIT */
/* calibrate.h - what things cost on this machine, measured once in a few milliseconds.
 */
#ifndef COWSHED_ADMIN_CALIBRATE_H
#define COWSHED_ADMIN_CALIBRATE_H

#include <stdint.h>

struct calibration {
    uint64_t syscall_ns; /* getppid(), which does next to nothing */
    uint64_t fault_ns;   /* first touch of an anonymous page */
};

/* Fields stay 0 when they cannot be measured. */
void calibrate_machine(struct calibration *ret);

#endif
