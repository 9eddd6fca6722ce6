/* SPDX-License-Identifier: MIT */
/* memory.c - see memory.h. */
#include "server/master/memory.h"

#include "server/base/cgroup.h"
#include "server/base/fd.h"
#include "server/base/num.h"

enum { TEXT_MAX = 16384 };

uint64_t memory_parse(struct span text, struct span key)
{
    struct span line;

    while (text.n > 0) {
        uint64_t value;
        bool in_kb;

        span_cut(text, '\n', &line, &text);
        if (!span_starts(line, key))
            continue;
        line = span_trim(span_skip(line, key.n));
        in_kb = span_ends(line, SPAN("kB"));
        if (in_kb)
            line = span_trim(span_take(line, line.n - 2));
        if (num_parse_u64(line, 0, UINT64_MAX >> 10, &value) < 0)
            return UINT64_MAX;
        return in_kb ? value << 10 : value;
    }
    return UINT64_MAX;
}

static uint64_t read_value(const char *path, struct span key)
{
    static char text[TEXT_MAX]; /* one caller, one thread: the master */
    size_t n;

    if (fd_read_file(path, text, sizeof text, &n) < 0)
        return UINT64_MAX;
    return memory_parse(span_make(text, n), key);
}

uint64_t memory_available(void)
{
    uint64_t machine = read_value("/proc/meminfo", SPAN("MemAvailable:"));
    uint64_t cgroup = cgroup_memory_left(&cgroups_of_system);

    return machine < cgroup ? machine : cgroup;
}
