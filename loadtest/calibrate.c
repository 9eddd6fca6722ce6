/* SPDX-License-Identifier: MIT */
/* calibrate.c - small probes, medians of a few repetitions. */
#include "loadtest/calibrate.h"

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "loadtest/stats.h"
#include "server/base/clock.h"
#include "server/base/fd.h"

enum {
    REPEATS = 5,
    SYSCALLS = 100000,
    PAGES = 4096,           /* 16 MiB for the faults */
    FORK_BYTES = 128 << 20, /* for the page tables */
    FORKS_PER_GIB = 1024 / 128,
};

#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE 23
#endif

/* A probe returns nanoseconds for one of what it measures, or a negative errno. */
typedef double probe_fn(void *arg);

static double median_of(probe_fn *probe, void *arg)
{
    double values[REPEATS];
    for (int i = 0; i < REPEATS; i++) {
        values[i] = probe(arg);
        if (values[i] < 0)
            return values[i];
    }
    stats_sort(values, REPEATS);
    return values[REPEATS / 2];
}

static double per(uint64_t since_ns, double n)
{
    return (double)(clock_ns() - since_ns) / n;
}

static double probe_syscall(void *arg)
{
    (void)arg;
    uint64_t start = clock_ns();
    for (int i = 0; i < SYSCALLS; i++)
        (void)syscall(SYS_getppid);
    return per(start, SYSCALLS);
}

/* Memory of single pages: huge ones would hide the cost of a fault. */
static char *map_pages(size_t bytes, bool shared)
{
    int flags = MAP_ANONYMOUS | (shared ? MAP_SHARED : MAP_PRIVATE);
    char *memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE, flags, -1, 0);
    if (memory == MAP_FAILED)
        return NULL;
    (void)madvise(memory, bytes, MADV_NOHUGEPAGE);
    return memory;
}

static void touch(char *memory, size_t bytes)
{
    long page = sysconf(_SC_PAGESIZE);
    for (size_t at = 0; at < bytes; at += (size_t)page)
        ((volatile char *)memory)[at] = 1;
}

static double probe_zero_fault(void *arg)
{
    (void)arg;
    size_t bytes = (size_t)PAGES * (size_t)sysconf(_SC_PAGESIZE);
    char *memory = map_pages(bytes, false);
    if (memory == NULL)
        return -ENOMEM;
    uint64_t start = clock_ns();
    touch(memory, bytes);
    double cost = per(start, PAGES);
    munmap(memory, bytes);
    return cost;
}

/* In the child: writes to what it inherited, one way or the other. */
static double write_inherited(char *memory, size_t bytes, bool populate)
{
    uint64_t start = clock_ns();
    if (populate) {
        if (madvise(memory, bytes, MADV_POPULATE_WRITE) < 0)
            return -errno;
    } else {
        touch(memory, bytes);
    }
    return per(start, PAGES);
}

static double child_cost(char *memory, size_t bytes, bool populate)
{
    int ends[2];
    double cost = -EIO;
    if (pipe(ends) < 0)
        return -errno;
    pid_t pid = fork();
    if (pid == 0) {
        double mine = write_inherited(memory, bytes, populate);
        (void)fd_write_all(ends[1], &mine, sizeof mine);
        _exit(0);
    }
    fd_close(&ends[1]);
    if (pid < 0)
        cost = -EAGAIN;
    else if (read(ends[0], &cost, sizeof cost) != sizeof cost)
        cost = -EIO;
    fd_close(&ends[0]);
    if (pid > 0)
        (void)waitpid(pid, NULL, 0);
    return cost;
}

/* `arg` is a bool: populate. */
static double probe_inherited(void *arg)
{
    const bool *populate = arg;
    size_t bytes = (size_t)PAGES * (size_t)sysconf(_SC_PAGESIZE);
    char *memory = map_pages(bytes, false);
    if (memory == NULL)
        return -ENOMEM;
    touch(memory, bytes);
    double cost = child_cost(memory, bytes, *populate);
    munmap(memory, bytes);
    return cost;
}

/* Time in the parent until fork() returns. */
static double probe_fork(void *arg)
{
    (void)arg;
    uint64_t start = clock_ns();
    pid_t pid = fork();
    if (pid == 0)
        _exit(0);
    double cost = per(start, 1);
    if (pid < 0)
        return -EAGAIN;
    (void)waitpid(pid, NULL, 0);
    return cost;
}

/* What a fork costs more because of `bytes` of memory, for each GiB. */
static double fork_per_gib(bool shared, double base_ns)
{
    char *memory = map_pages(FORK_BYTES, shared);
    if (memory == NULL)
        return -ENOMEM;
    touch(memory, FORK_BYTES);
    double cost = median_of(probe_fork, NULL);
    munmap(memory, FORK_BYTES);
    if (cost < 0)
        return cost;
    return cost > base_ns ? (cost - base_ns) * FORKS_PER_GIB : 0;
}

int calibrate(struct calibration *ret_calibration)
{
    bool yes = true, no = false;
    struct calibration result = {
        .syscall_ns = median_of(probe_syscall, NULL),
        .zero_fault_ns = median_of(probe_zero_fault, NULL),
        .cow_fault_ns = median_of(probe_inherited, &no),
        .populate_write_ns = median_of(probe_inherited, &yes),
        .fork_base_ns = median_of(probe_fork, NULL),
    };
    result.fork_private_gib_ns = fork_per_gib(false, result.fork_base_ns);
    result.fork_shared_gib_ns = fork_per_gib(true, result.fork_base_ns);
    double least = 0; /* a probe that failed gave a negative errno */
#define X(name, unit, text) least = result.name < least ? result.name : least;
    CALIBRATE_FIELDS(X)
#undef X
    if (least < 0)
        return (int)least;
    *ret_calibration = result;
    return 0;
}
