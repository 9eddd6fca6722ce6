/* SPDX-License-Identifier: MIT */
/* memory.c - see memory.h. */
#include "server/master/memory.h"

#include <stdio.h>

#include "server/base/fd.h"
#include "server/base/num.h"

enum { TEXT_MAX = 16384, PATH_TEXT_MAX = 512 };

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

/* Limit, minus what is used, plus the file pages that can be dropped at once. */
static uint64_t left_in_cgroup(void)
{
    char self[PATH_TEXT_MAX], path[PATH_TEXT_MAX + 64];
    struct span line, rest, name;
    uint64_t limit, used, droppable;
    size_t n;

    if (fd_read_file("/proc/self/cgroup", self, sizeof self, &n) < 0)
        return UINT64_MAX;
    span_cut(span_make(self, n), '\n', &line, &rest);
    if (!span_starts(line, SPAN("0::/")))
        return UINT64_MAX;
    name = span_skip(line, 3);
    snprintf(path, sizeof path, "/sys/fs/cgroup%.*s/memory.max", SPAN_ARG(name));
    limit = read_value(path, SPAN(""));
    if (limit == UINT64_MAX)
        return UINT64_MAX;
    snprintf(path, sizeof path, "/sys/fs/cgroup%.*s/memory.current", SPAN_ARG(name));
    used = read_value(path, SPAN(""));
    snprintf(path, sizeof path, "/sys/fs/cgroup%.*s/memory.stat", SPAN_ARG(name));
    droppable = read_value(path, SPAN("inactive_file "));
    if (used == UINT64_MAX)
        return UINT64_MAX;
    if (droppable != UINT64_MAX)
        used -= droppable < used ? droppable : used;
    return used < limit ? limit - used : 0;
}

uint64_t memory_available(void)
{
    uint64_t machine = read_value("/proc/meminfo", SPAN("MemAvailable:"));
    uint64_t cgroup = left_in_cgroup();

    return machine < cgroup ? machine : cgroup;
}
