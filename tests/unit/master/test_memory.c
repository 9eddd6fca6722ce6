/* SPDX-License-Identifier: MIT */
/* test_memory.c - numbers from /proc and the cgroup. */
#include "server/master/memory.h"

#include "tests/test.h"

static void values_are_found_by_key(void **state)
{
    static const struct {
        const char *text, *key;
        uint64_t want;
    } cases[] = {
        { "MemTotal: 100 kB\nMemAvailable:   2048 kB\n", "MemAvailable:", 2048 << 10 },
        { "4096\n", "", 4096 },
        { "max\n", "", UINT64_MAX },
        { "anon 1\ninactive_file 77\n", "inactive_file ", 77 },
        { "", "MemAvailable:", UINT64_MAX },
        { "MemAvailable: -5 kB\n", "MemAvailable:", UINT64_MAX },
        { "MemAvailable: 99999999999999999999 kB\n", "MemAvailable:", UINT64_MAX },
        { "MemAvailable: 18014398509481984 kB\n", "MemAvailable:", UINT64_MAX },
    };

    (void)state;
    for (size_t i = 0; i < TEST_COUNT(cases); i++)
        check_uint(memory_parse(span_of(cases[i].text), span_of(cases[i].key)),
                   cases[i].want, "'%s' in '%s'", cases[i].key, cases[i].text);
}

static void this_machine_has_some(void **state)
{
    (void)state;
    check_true(memory_available() > 1 << 20);
    check_true(memory_available() < UINT64_MAX);
}

TEST_MAIN(test(values_are_found_by_key), test(this_machine_has_some))
