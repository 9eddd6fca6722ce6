/* SPDX-License-Identifier: MIT */
/* calibrate.h - what the machine charges for the things that the modes differ in.
 * Counts of faults and forks mean nothing without it (README rule 19). */
#ifndef LOADTEST_CALIBRATE_H
#define LOADTEST_CALIBRATE_H

/*    name                 unit  what */
#define CALIBRATE_FIELDS(X)                                                          \
    X(syscall_ns, "ns", "a system call")                                             \
    X(zero_fault_ns, "ns", "first touch of a page: a zero-fill fault")               \
    X(cow_fault_ns, "ns", "first write to an inherited page: a copy-on-write fault") \
    X(populate_write_ns, "ns", "the same page with one MADV_POPULATE_WRITE of many") \
    X(fork_base_ns, "ns", "fork of a small process")                                 \
    X(fork_private_gib_ns, "ns", "fork, for each GiB of populated private memory")   \
    X(fork_shared_gib_ns, "ns", "fork, for each GiB of populated shared memory")

struct calibration {
#define X(name, unit, text) double name;
    CALIBRATE_FIELDS(X)
#undef X
};

/* Takes two or three seconds. Call it while the process has one thread. 0 or a negative
 * errno. */
int calibrate(struct calibration *ret_calibration);

#endif
