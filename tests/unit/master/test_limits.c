/* SPDX-License-Identifier: MIT */
/* test_limits.c - which limit is named when a fork was refused. */
#include "server/master/limits.h"

#include <errno.h>
#include <string.h>
#include <sys/resource.h>

#include "tests/test.h"

static void the_file_of_the_cgroup_is_found_in_both_versions(void **state)
{
    static const struct {
        const char *cgroups, *want;
    } cases[] = {
        { "", "" },
        { "0::/\n", "" }, /* the root has no limit */
        { "0::/a/b\n", "/sys/fs/cgroup/a/b/pids.max" },
        { "0::/a/b", "/sys/fs/cgroup/a/b/pids.max" },
        { "9:pids:/x\n", "/sys/fs/cgroup/pids/x/pids.max" },
        { "9:pids:/x\n0::/a\n", "/sys/fs/cgroup/pids/x/pids.max" },
        { "0::/a\n9:pids:/x\n", "/sys/fs/cgroup/pids/x/pids.max" },
        { "8:pids:/\n4:memory:/m\n0::/\n", "" },
        { "4:memory:/m\n1:name=systemd:/s\n", "" },
        { "nonsense\n", "" },
        { "::\n", "" },
    };
    char out[LIMITS_TEXT_MAX];

    (void)state;
    for (size_t i = 0; i < TEST_COUNT(cases); i++)
        check_str(limits_pids_path(out, span_of(cases[i].cgroups)), cases[i].want,
                  "'%s'", cases[i].cgroups);
}

static void a_path_that_is_too_long_is_no_path(void **state)
{
    char out[LIMITS_TEXT_MAX], text[LIMITS_TEXT_MAX + 8] = "0::/";

    (void)state;
    memset(text + 4, 'a', LIMITS_TEXT_MAX);
    check_str(limits_pids_path(out, span_of(text)), "");
}

static void only_eagain_is_about_limits_of_processes(void **state)
{
    char out[LIMITS_TEXT_MAX];
    struct rlimit before, small;

    (void)state;
    check_str(limits_of_fork(out, ENOMEM), "");
    check_int(getrlimit(RLIMIT_NPROC, &before), 0);
    small = (struct rlimit){ 4321 < before.rlim_max ? 4321 : before.rlim_max,
                             before.rlim_max };
    check_int(setrlimit(RLIMIT_NPROC, &small), 0);
    limits_of_fork(out, -EAGAIN);
    check_int(setrlimit(RLIMIT_NPROC, &before), 0);
    check_not_null(strstr(out, " (RLIMIT_NPROC is "), "%s", out);
    if (small.rlim_cur == 4321)
        check_not_null(strstr(out, "is 4321 for user "), "%s", out);
    check_int(out[strlen(out) - 1], ')', "%s", out);
}

TEST_MAIN(test(the_file_of_the_cgroup_is_found_in_both_versions),
          test(a_path_that_is_too_long_is_no_path),
          test(only_eagain_is_about_limits_of_processes))
