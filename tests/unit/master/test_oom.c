/* SPDX-License-Identifier: MIT */
/* test_oom.c - how far a worker stands before the master. */
#include "server/master/oom.h"

#include <stdio.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/test.h"

static void the_score_makes_up_for_the_bytes(void **state)
{
    static const struct {
        uint64_t bytes, room;
        unsigned want;
    } cases[] = {
        { 0, 1 << 30, 0 },
        { 1, 1 << 30, 1 },
        { 100, 1000, 100 },
        { 101000, 1000000, 101 },
        { 101001, 1000000, 102 },
        { 999, 1000, 999 },
        { 1000, 1000, 1000 },
        { 5000, 1000, 1000 },
        { 999999, 1000000, 1000 },
        { 0, 0, 1000 },
        { UINT64_MAX - 1, UINT64_MAX, 1000 },
        { 1 << 20, UINT64_MAX, 1 },
    };

    (void)state;
    for (size_t i = 0; i < TEST_COUNT(cases); i++)
        check_uint(oom_score(cases[i].bytes, cases[i].room), cases[i].want, "case %zu",
                   i);
}

static int adjustment(void)
{
    FILE *file = fopen("/proc/self/oom_score_adj", "r");
    int value = -9999;

    check_not_null(file);
    check_int(fscanf(file, "%d", &value), 1);
    fclose(file);
    return value;
}

/* What a child has that was moved; in a child, as it cannot always be taken back. */
static int in_child(unsigned score)
{
    int *ret = mmap(NULL, sizeof *ret, PROT_READ | PROT_WRITE,
                    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    pid_t pid = fork();
    int status, value;

    if (pid == 0) {
        int rc = oom_stand_before(score);

        *ret = adjustment();
        _exit(rc == 0 ? 0 : 1);
    }
    check_int(waitpid(pid, &status, 0), pid);
    check_int(status, 0);
    value = *ret;
    munmap(ret, sizeof *ret);
    return value;
}

static void it_is_added_to_what_there_is(void **state)
{
    int before = adjustment();

    (void)state;
    check_int(in_child(0), before);
    check_int(in_child(70), before + 70 < OOM_SCORE_MAX ? before + 70 : OOM_SCORE_MAX);
    check_int(in_child(5000), OOM_SCORE_MAX, "no more than the kernel takes");
}

TEST_MAIN(test(the_score_makes_up_for_the_bytes), test(it_is_added_to_what_there_is))
