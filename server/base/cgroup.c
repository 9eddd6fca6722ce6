/* SPDX-License-Identifier: MIT */
/* cgroup.c - see cgroup.h. */
#include "server/base/cgroup.h"

#include <limits.h>
#include <stdbool.h>
#include <stdio.h>

#include "server/base/fd.h"
#include "server/base/num.h"
#include "server/base/span.h"

enum { SELF_MAX = 4096, PATH_TEXT_MAX = 1024, VALUE_MAX = 64, STAT_MAX = 16384 };

const struct cgroups cgroups_of_system = { "/proc/self/cgroup", "/sys/fs/cgroup" };

/* What the content of a file allows. */
typedef uint64_t parse_fn(struct span text);

static uint64_t parse_number(struct span text)
{
    uint64_t value;

    /* Version 1 says "no limit" with the largest number of whole pages. */
    return num_parse_u64(text, 0, INT64_MAX >> 12 << 12, &value) == 0 &&
                   value < (uint64_t)(INT64_MAX >> 12 << 12)
               ? value
               : UINT64_MAX;
}

/* "200000 100000", "max 100000" */
static uint64_t parse_quota(struct span text)
{
    struct span quota, period;
    uint64_t q, p;

    if (!span_cut(text, ' ', &quota, &period) ||
        num_parse_u64(quota, 1, INT64_MAX / 1000, &q) < 0 ||
        num_parse_u64(period, 1, INT64_MAX, &p) < 0)
        return UINT64_MAX;
    return q * 1000 / p;
}

static uint64_t smaller(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

/* Of the group that a folder stands for; UINT64_MAX: no limit, or no such group. */
typedef uint64_t of_group_fn(const char *folder, const void *arg);

/* The least along the path, which is cut piece by piece until nothing is left. */
static uint64_t least(const char *mount, const char *sub, struct span path,
                      of_group_fn *of_group, const void *arg)
{
    uint64_t found = UINT64_MAX;

    for (;;) {
        char folder[PATH_TEXT_MAX];

        if (path.n > 0 && path.p[path.n - 1] == '/')
            path.n--;
        int want =
            snprintf(folder, sizeof folder, "%s%s%.*s", mount, sub, SPAN_ARG(path));
        if (want < (int)sizeof folder)
            found = smaller(found, of_group(folder, arg));
        if (path.n == 0)
            return found;
        while (path.n > 0 && path.p[path.n - 1] != '/')
            path.n--;
    }
}

/* Content of a file in a folder; "" when there is none. */
static struct span read_in(const char *folder, const char *name, char *to, size_t size)
{
    char path[PATH_TEXT_MAX + NAME_MAX];
    size_t n;

    snprintf(path, sizeof path, "%s/%s", folder, name);
    return fd_read_file(path, to, size, &n) == 0 ? span_make(to, n) : SPAN("");
}

struct one_file {
    const char *name;
    parse_fn *parse;
};

/* By its first line. */
static uint64_t of_file(const char *folder, const void *arg)
{
    const struct one_file *file = arg;
    char text[VALUE_MAX];
    struct span line, rest;

    span_cut(read_in(folder, file->name, text, sizeof text), '\n', &line, &rest);
    return file->parse(line);
}

struct memory_files {
    const char *limit, *used;
    const char *droppable; /* in memory.stat, of all that is below */
};

static const struct memory_files memory_1 = { "memory.limit_in_bytes",
                                              "memory.usage_in_bytes",
                                              "total_inactive_file " };
static const struct memory_files memory_2 = { "memory.max", "memory.current",
                                              "inactive_file " };

/* 0: it is not there. */
static uint64_t value_of(struct span text, struct span key)
{
    struct span line;
    uint64_t value;

    while (text.n > 0) {
        span_cut(text, '\n', &line, &text);
        if (span_starts(line, key))
            return num_parse_u64(span_skip(line, key.n), 0, INT64_MAX, &value) == 0
                       ? value
                       : 0;
    }
    return 0;
}

/* Limit, minus what is used, plus the file pages that can be dropped at once. */
static uint64_t memory_left_of(const char *folder, const void *arg)
{
    const struct memory_files *files = arg;
    const struct one_file limit = { files->limit, parse_number };
    const struct one_file used = { files->used, parse_number };
    uint64_t most = of_file(folder, &limit), now = of_file(folder, &used), droppable;
    char text[STAT_MAX];

    if (most == UINT64_MAX || now == UINT64_MAX)
        return UINT64_MAX;
    droppable = value_of(read_in(folder, "memory.stat", text, sizeof text),
                         span_of(files->droppable));
    now -= smaller(droppable, now);
    return now < most ? most - now : 0;
}

static bool has_controller(struct span list, const char *name)
{
    struct span one;
    bool more = true;

    while (more) {
        more = span_cut(list, ',', &one, &list);
        if (span_eq(one, span_of(name)))
            return true;
    }
    return false;
}

/* The path of our group in version 2 (name NULL) or in that of a controller. */
static bool find_path(struct span self, const char *name, struct span *ret)
{
    struct span line, number, controllers, path;

    while (self.n > 0) {
        span_cut(self, '\n', &line, &self);
        if (!span_cut(line, ':', &number, &path) ||
            !span_cut(path, ':', &controllers, &path))
            continue;
        if (name == NULL ? controllers.n == 0 : has_controller(controllers, name)) {
            *ret = path;
            return true;
        }
    }
    return false;
}

static uint64_t in_version_2(const struct cgroups *g, struct span self,
                             of_group_fn *of_group, const void *arg)
{
    struct span path;

    if (!find_path(self, NULL, &path))
        return UINT64_MAX;
    return smaller(least(g->mount, "", path, of_group, arg),
                   least(g->mount, "/unified", path, of_group, arg));
}

static struct span read_self(const struct cgroups *g, char text[SELF_MAX])
{
    size_t n = 0;

    if (fd_read_file(g->self, text, SELF_MAX, &n) < 0)
        n = 0;
    return span_make(text, n);
}

/* What both versions know: the lesser of what they say. */
static uint64_t limit_of(const struct cgroups *g, const char *controller,
                         of_group_fn *of_group, const void *arg_1, const void *arg_2)
{
    char text[SELF_MAX], sub[VALUE_MAX];
    struct span self = read_self(g, text), path;
    uint64_t found = UINT64_MAX;

    snprintf(sub, sizeof sub, "/%s", controller);
    if (find_path(self, controller, &path))
        found = least(g->mount, sub, path, of_group, arg_1);
    return smaller(found, in_version_2(g, self, of_group, arg_2));
}

uint64_t cgroup_memory_max(const struct cgroups *g)
{
    const struct one_file file_1 = { memory_1.limit, parse_number };
    const struct one_file file_2 = { memory_2.limit, parse_number };

    return limit_of(g, "memory", of_file, &file_1, &file_2);
}

uint64_t cgroup_memory_left(const struct cgroups *g)
{
    return limit_of(g, "memory", memory_left_of, &memory_1, &memory_2);
}

uint64_t cgroup_pids_max(const struct cgroups *g)
{
    const struct one_file file = { "pids.max", parse_number };

    return limit_of(g, "pids", of_file, &file, &file);
}

/* Version 1 has quota and period in two files. */
static uint64_t cpu_of_version_1(const char *folder, const void *arg)
{
    const struct one_file period = { "cpu.cfs_period_us", parse_number };
    const struct one_file quota = { "cpu.cfs_quota_us", parse_number };
    uint64_t period_us = of_file(folder, &period), quota_us = of_file(folder, &quota);

    (void)arg;
    if (quota_us > INT64_MAX / 1000 || period_us == UINT64_MAX || period_us == 0)
        return UINT64_MAX;
    return quota_us * 1000 / period_us;
}

uint64_t cgroup_cpu_milli(const struct cgroups *g)
{
    const struct one_file file = { "cpu.max", parse_quota };
    char text[SELF_MAX];
    struct span self = read_self(g, text), path;
    uint64_t found = UINT64_MAX;

    if (find_path(self, "cpu", &path))
        found = least(g->mount, "/cpu", path, cpu_of_version_1, NULL);
    return smaller(found, in_version_2(g, self, of_file, &file));
}
