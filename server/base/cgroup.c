/* SPDX-License-Identifier: MIT */
/* cgroup.c - see cgroup.h. */
#include "server/base/cgroup.h"

#include <stdbool.h>
#include <stdio.h>

#include "server/base/fd.h"
#include "server/base/num.h"
#include "server/base/span.h"

enum { SELF_MAX = 4096, PATH_TEXT_MAX = 1024, VALUE_MAX = 64 };

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

/* The least along the path, which is cut piece by piece until nothing is left. */
static uint64_t least(const char *mount, const char *sub, struct span path,
                      const char *file, parse_fn *parse)
{
    uint64_t found = UINT64_MAX;

    for (;;) {
        char name[PATH_TEXT_MAX], value[VALUE_MAX];
        size_t n;

        if (path.n > 0 && path.p[path.n - 1] == '/')
            path.n--;
        int want = snprintf(name, sizeof name, "%s%s%.*s/%s", mount, sub,
                            SPAN_ARG(path), file);
        if (want < (int)sizeof name &&
            fd_read_file(name, value, sizeof value, &n) == 0) {
            struct span line, rest;

            span_cut(span_make(value, n), '\n', &line, &rest);
            uint64_t one = parse(line);

            found = one < found ? one : found;
        }
        if (path.n == 0)
            return found;
        while (path.n > 0 && path.p[path.n - 1] != '/')
            path.n--;
    }
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

static uint64_t smaller(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

static uint64_t in_version_2(const struct cgroups *g, struct span self,
                             const char *file, parse_fn *parse)
{
    struct span path;

    if (!find_path(self, NULL, &path))
        return UINT64_MAX;
    return smaller(least(g->mount, "", path, file, parse),
                   least(g->mount, "/unified", path, file, parse));
}

static struct span read_self(const struct cgroups *g, char text[SELF_MAX])
{
    size_t n = 0;

    if (fd_read_file(g->self, text, SELF_MAX, &n) < 0)
        n = 0;
    return span_make(text, n);
}

uint64_t cgroup_memory_max(const struct cgroups *g)
{
    char text[SELF_MAX];
    struct span self = read_self(g, text), path;
    uint64_t found = UINT64_MAX;

    if (find_path(self, "memory", &path))
        found = least(g->mount, "/memory", path, "memory.limit_in_bytes", parse_number);
    return smaller(found, in_version_2(g, self, "memory.max", parse_number));
}

uint64_t cgroup_pids_max(const struct cgroups *g)
{
    char text[SELF_MAX];
    struct span self = read_self(g, text), path;
    uint64_t found = UINT64_MAX;

    if (find_path(self, "pids", &path))
        found = least(g->mount, "/pids", path, "pids.max", parse_number);
    return smaller(found, in_version_2(g, self, "pids.max", parse_number));
}

/* Version 1 has quota and period in two files: both of one group, so the quota of each
 * is taken over the usual period unless its own can be read. */
static uint64_t cpu_of_version_1(const struct cgroups *g, struct span path)
{
    uint64_t period_us =
        least(g->mount, "/cpu", path, "cpu.cfs_period_us", parse_number);
    uint64_t quota_us = least(g->mount, "/cpu", path, "cpu.cfs_quota_us", parse_number);

    if (quota_us == UINT64_MAX || period_us == UINT64_MAX || period_us == 0)
        return UINT64_MAX;
    return quota_us * 1000 / period_us;
}

uint64_t cgroup_cpu_milli(const struct cgroups *g)
{
    char text[SELF_MAX];
    struct span self = read_self(g, text), path;
    uint64_t found = UINT64_MAX;

    if (find_path(self, "cpu", &path))
        found = cpu_of_version_1(g, path);
    return smaller(found, in_version_2(g, self, "cpu.max", parse_quota));
}
