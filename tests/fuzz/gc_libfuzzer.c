/* SPDX-License-Identifier: MIT */
/* gc_libfuzzer.c - fuzz_gc.c as a libFuzzer target; nothing in other builds, which have
 * fuzz_main.c for the rest. */
#ifdef FUZZ_LIBFUZZER

#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>

#include "tests/fuzz/gc_world.h"

size_t LLVMFuzzerMutate(uint8_t *data, size_t size, size_t max_size);
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max_size,
                               unsigned seed);
int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static uint64_t *runs; /* of each combination */
static unsigned next_world;

static double seconds(int who)
{
    struct rusage u;
    getrusage(who, &u);
    return (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) +
           (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec) / 1e6;
}

static void report(void)
{
    uint64_t all = 0, least = UINT64_MAX;
    for (unsigned i = 0; i < knobs_count(); i++) {
        all += runs[i];
        least = runs[i] < least ? runs[i] : least;
    }
    printf("fuzz-gc: %ju executions, %u combinations of settings, each at least %ju "
           "times, "
           "%.1f s of CPU time\n",
           (uintmax_t)all, knobs_count(), (uintmax_t)least,
           seconds(RUSAGE_SELF) + seconds(RUSAGE_CHILDREN));
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void)argc;
    (void)argv;
    runs = calloc(knobs_count(), sizeof *runs);
    if (!runs || atexit(report))
        abort();
    return 0;
}

/* Whatever the bytes become, the next combination gets them. */
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max_size,
                               unsigned seed)
{
    (void)seed;
    if (max_size < 3)
        return size;
    if (size < 2)
        size = 2;
    size = 2 + LLVMFuzzerMutate(data + 2, size - 2, max_size - 2);
    data[0] = (uint8_t)next_world;
    data[1] = (uint8_t)(next_world >> 8);
    next_world = (next_world + 1) % knobs_count();
    return size;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 3)
        return 0;
    unsigned world = (unsigned)(data[0] | data[1] << 8) % knobs_count();
    runs[world]++;
    fuzz_gc_play(world, FUZZ_GC_NONE, data + 2, size - 2);
    return 0;
}

#endif
