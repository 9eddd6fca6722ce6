/* SPDX-License-Identifier: MIT */
#include "server/worker/recycle.h"

#include "server/base/fd.h"
#include "tests/test.h"

static void private_memory_is_the_clean_and_the_dirty(void **state)
{
    static const struct {
        const char *text;
        uint64_t want;
    } cases[] = {
        { "", 0 },
        { "a b\nRss: 9 kB\nPrivate_Clean:   3 kB\nPrivate_Dirty:  4 kB\nSwap: 1 kB\n",
          7168 },
        { "a b\nPrivate_Dirty:  4 kB\n", 4096 },
        { "a b\nPrivate_Dirty:  many kB\n", 0 },
        { "a b\nPrivate_Dirty:", 0 },
    };

    (void)state;
    for (size_t i = 0; i < TEST_COUNT(cases); i++)
        check_uint(recycle_private_bytes(cases[i].text), cases[i].want, "%s",
                   cases[i].text);
}

static void the_kernel_writes_it_so(void **state)
{
    char text[4096];
    size_t n;

    (void)state;
    if (fd_read_file("/proc/self/smaps_rollup", text, sizeof text - 1, &n) < 0)
        test_skip("no /proc/self/smaps_rollup");
    text[n] = '\0';
    check_true(recycle_private_bytes(text) > 64 * 1024, "%s", text);
}

TEST_MAIN(test(private_memory_is_the_clean_and_the_dirty),
          test(the_kernel_writes_it_so))
