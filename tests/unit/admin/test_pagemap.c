/* SPDX-License-Identifier: MIT */
/* test_pagemap.c - pages of a child that are shared with its parent, and that were
 * copied. */
#include "server/admin/pagemap.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/test.h"

enum { PAGES = 64, PAGE_BYTES = 4096 };

static void entries_are_told_apart_by_three_bits(void **state)
{
    const uint64_t present = UINT64_C(1) << 63, file = UINT64_C(1) << 61,
                   exclusive = UINT64_C(1) << 56, noise = 0x1234 | UINT64_C(1) << 55;
    const struct {
        uint64_t entry;
        unsigned shared, copied;
    } cases[] = {
        { 0, 0, 0 },
        { noise, 0, 0 },
        { exclusive, 0, 0 },
        { UINT64_C(1) << 62, 0, 0 }, /* swapped out */
        { present | noise, 1, 0 },
        { present | exclusive | noise, 0, 1 },
        { present | file, 1, 0 },
        { present | file | exclusive, 1, 0 },
    };

    (void)state;
    for (size_t i = 0; i < TEST_COUNT(cases); i++) {
        struct pagemap_count count = { 10, 20 };

        pagemap_add(&count, &cases[i].entry, 1);
        check_uint(count.shared, 10 + cases[i].shared, "case %zu", i);
        check_uint(count.copied, 20 + cases[i].copied, "case %zu", i);
    }
}

/* A child that has written to `writes` of the pages and then waits to be killed. */
static pid_t fork_writer(unsigned char *at, unsigned writes)
{
    int ready[2];
    char c;
    pid_t pid;

    check_int(pipe(ready), 0);
    pid = fork();
    if (pid == 0) {
        for (unsigned i = 0; i < writes; i++)
            at[i * PAGE_BYTES]++;
        if (write(ready[1], "x", 1) == 1)
            pause();
        _exit(0);
    }
    close(ready[1]);
    check_int(read(ready[0], &c, 1), 1);
    close(ready[0]);
    return pid;
}

static void count_in_child(int flags, unsigned writes, struct pagemap_count *count)
{
    unsigned char *at = mmap(NULL, PAGES * PAGE_BYTES, PROT_READ | PROT_WRITE,
                             flags | MAP_ANONYMOUS, -1, 0);
    uint64_t start = (uint64_t)(uintptr_t)at;
    pid_t pid;

    check_true(at != MAP_FAILED);
    madvise(at, PAGES * PAGE_BYTES, MADV_NOHUGEPAGE);
    memset(at, 1, PAGES * PAGE_BYTES);
    pid = fork_writer(at, writes);
    check_int(pagemap_read(pid, start, start + PAGES * PAGE_BYTES, count), 0);
    kill(pid, SIGKILL);
    check_int(waitpid(pid, NULL, 0), pid);
    munmap(at, PAGES * PAGE_BYTES);
}

static void what_the_child_wrote_is_copied(void **state)
{
    struct pagemap_count count;

    (void)state;
    for (unsigned writes = 0; writes <= PAGES; writes += 16) {
        count_in_child(MAP_PRIVATE, writes, &count);
        check_uint(count.copied, writes, "%u writes", writes);
        check_uint(count.shared, PAGES - writes, "%u writes", writes);
    }
}

static void shared_memory_is_never_copied(void **state)
{
    struct pagemap_count count;

    (void)state;
    count_in_child(MAP_SHARED, 16, &count);
    check_uint(count.copied, 0);
    check_uint(count.shared, 16, "a child of shared memory maps what it touches");
}

static void a_process_that_is_gone_is_an_error(void **state)
{
    struct pagemap_count count = { 1, 2 };
    uint64_t pss = 3;
    pid_t pid = fork();

    (void)state;
    if (pid == 0)
        _exit(0);
    check_int(waitpid(pid, NULL, 0), pid);
    check_int(pagemap_read(pid, 4096, 8192, &count), -ENOENT);
    check_int(pagemap_read_pss(pid, &pss), -ENOENT);
    check_uint(count.shared + count.copied + pss, 6, "untouched");
}

static void the_proportional_size_is_more_than_nothing(void **state)
{
    uint64_t pss = 0;

    (void)state;
    check_int(pagemap_read_pss(getpid(), &pss), 0);
    check_true(pss > 64 << 10);
}

TEST_MAIN(test(entries_are_told_apart_by_three_bits),
          test(what_the_child_wrote_is_copied), test(shared_memory_is_never_copied),
          test(a_process_that_is_gone_is_an_error),
          test(the_proportional_size_is_more_than_nothing))
