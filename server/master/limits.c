/* SPDX-License-Identifier: MIT */
/* limits.c - see limits.h. */
#include "server/master/limits.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "server/base/fd.h"
#include "server/base/num.h"

enum { CGROUPS_MAX = 4096, VALUE_MAX = 32 };

/* Lines of /proc/self/cgroup: "0::/path" (v2), "8:pids:/path" (v1). */
char *limits_pids_path(char out[LIMITS_TEXT_MAX], struct span cgroups)
{
    struct span line, number, controllers, path;

    out[0] = '\0';
    while (cgroups.n > 0) {
        bool v1;

        span_cut(cgroups, '\n', &line, &cgroups);
        if (!span_cut(line, ':', &number, &path) ||
            !span_cut(path, ':', &controllers, &path) || path.n < 2)
            continue;
        v1 = span_eq(controllers, SPAN("pids"));
        if (!v1 && controllers.n > 0)
            continue;
        if (snprintf(out, LIMITS_TEXT_MAX, "/sys/fs/cgroup%s%.*s/pids.max",
                     v1 ? "/pids" : "", SPAN_ARG(path)) >= LIMITS_TEXT_MAX)
            out[0] = '\0';
        if (v1)
            break; /* where both are mounted, v1 has the controller */
    }
    return out;
}

/* "max" or a number, without the line end. False: there is no such file. */
static bool read_pids_max(char value[VALUE_MAX])
{
    char cgroups[CGROUPS_MAX], path[LIMITS_TEXT_MAX];
    size_t n;

    if (fd_read_file("/proc/self/cgroup", cgroups, sizeof cgroups, &n) < 0)
        return false;
    limits_pids_path(path, span_make(cgroups, n));
    if (path[0] == '\0' || fd_read_file(path, value, VALUE_MAX - 1, &n) < 0)
        return false;
    value[n] = '\0';
    value[strcspn(value, "\n")] = '\0';
    return true;
}

char *limits_of_fork(char out[LIMITS_TEXT_MAX], int err)
{
    char value[VALUE_MAX], processes[NUM_TEXT_MAX] = "unlimited";
    struct rlimit limit;
    int n;

    out[0] = '\0';
    if (err != EAGAIN && err != -EAGAIN)
        return out;
    if (getrlimit(RLIMIT_NPROC, &limit) == 0 && limit.rlim_cur != RLIM_INFINITY)
        snprintf(processes, sizeof processes, "%llu",
                 (unsigned long long)limit.rlim_cur);
    n = snprintf(out, LIMITS_TEXT_MAX, " (RLIMIT_NPROC is %s for user %u", processes,
                 (unsigned)getuid());
    if (read_pids_max(value))
        n += snprintf(out + n, (size_t)(LIMITS_TEXT_MAX - n),
                      ", pids.max of the cgroup is %s", value);
    snprintf(out + n, (size_t)(LIMITS_TEXT_MAX - n), ")");
    return out;
}
