/* SPDX-License-Identifier: MIT */
/* calibrate.c - see calibrate.h. The smallest of a few rounds: what disturbs only adds.
 */
#include "server/admin/calibrate.h"

#include <stddef.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "server/base/clock.h"

enum { ROUNDS = 5, CALLS = 500, PAGES = 128, PAGE_BYTES = 4096 };

static uint64_t time_calls(void)
{
    uint64_t start_ns = clock_ns();

    for (int i = 0; i < CALLS; i++)
        syscall(SYS_getppid);
    return (clock_ns() - start_ns) / CALLS;
}

static uint64_t time_faults(void)
{
    volatile unsigned char *at = mmap(NULL, PAGES * PAGE_BYTES, PROT_READ | PROT_WRITE,
                                      MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    uint64_t start_ns, took_ns;

    if (at == MAP_FAILED)
        return 0;
    madvise((void *)(uintptr_t)at, PAGES * PAGE_BYTES, MADV_NOHUGEPAGE);
    start_ns = clock_ns();
    for (int i = 0; i < PAGES; i++)
        at[i * PAGE_BYTES] = 1;
    took_ns = clock_ns() - start_ns;
    munmap((void *)(uintptr_t)at, PAGES * PAGE_BYTES);
    return took_ns / PAGES;
}

static uint64_t smallest(uint64_t (*measure)(void))
{
    uint64_t best = UINT64_MAX;

    for (int i = 0; i < ROUNDS; i++) {
        uint64_t took = measure();

        if (took < best)
            best = took;
    }
    return best;
}

void calibrate_machine(struct calibration *ret)
{
    ret->syscall_ns = smallest(time_calls);
    ret->fault_ns = smallest(time_faults);
}
