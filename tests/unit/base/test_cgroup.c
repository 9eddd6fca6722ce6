/* SPDX-License-Identifier: MIT */
/* Limits of control groups, in trees that the test makes. */
#include "server/base/cgroup.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/test.h"

static char top[64], self[80];
static struct cgroups groups;

static int make(void **state)
{
    (void)state;
    snprintf(top, sizeof top, "/tmp/cowshed-cgroup-XXXXXX");
    if (mkdtemp(top) == NULL)
        return -1;
    snprintf(self, sizeof self, "%s/self", top);
    groups = (struct cgroups){ self, top };
    return 0;
}

static int drop(void **state)
{
    char command[96];

    (void)state;
    snprintf(command, sizeof command, "rm -r '%s'", top);
    return system(command);
}

/* A file below the top, with the folders on its way. */
static void put(const char *name, const char *content)
{
    char path[256];
    FILE *file;

    snprintf(path, sizeof path, "%s/%s", top, name);
    for (char *at = path + strlen(top) + 1; (at = strchr(at, '/')) != NULL; at++) {
        *at = '\0';
        mkdir(path, 0755);
        *at = '/';
    }
    file = fopen(path, "w");
    check_not_null(file, "%s", path);
    fputs(content, file);
    fclose(file);
}

static void the_least_on_the_way_to_the_root_counts(void **state)
{
    (void)state;
    put("self", "0::/a/b/c\n");
    put("a/b/c/memory.max", "max\n");
    put("a/b/memory.max", "1048576\n");
    put("a/memory.max", "2097152\n");
    put("a/b/c/pids.max", "30\n");
    put("a/pids.max", "50\n");
    put("a/b/c/cpu.max", "max 100000\n");
    put("a/cpu.max", "150000 100000\n");
    put("a/b/cpu.max", "90000 20000\n");
    check_uint(cgroup_memory_max(&groups), 1048576);
    check_uint(cgroup_pids_max(&groups), 30);
    check_uint(cgroup_cpu_milli(&groups), 1500);
}

static void what_is_left_is_least_where_the_limit_is_nearest(void **state)
{
    (void)state;
    put("self", "0::/a/b\n");
    check_uint(cgroup_memory_left(&groups), UINT64_MAX, "no group at all");
    put("a/b/memory.max", "max\n");
    put("a/b/memory.current", "500\n");
    check_uint(cgroup_memory_left(&groups), UINT64_MAX, "no limit");
    put("a/memory.max", "2000\n");
    put("a/memory.current", "700\n");
    check_uint(cgroup_memory_left(&groups), 1300, "nothing to drop");
    put("a/memory.stat", "anon 1\ninactive_file 300\nactive_file 9\n");
    check_uint(cgroup_memory_left(&groups), 1600);
    put("a/memory.current", "2500\n");
    check_uint(cgroup_memory_left(&groups), 0, "over it");
    put("a/memory.stat", "inactive_file 9000\n");
    check_uint(cgroup_memory_left(&groups), 2000, "no more than all");
    put("a/b/memory.max", "510\n");
    check_uint(cgroup_memory_left(&groups), 10);
    put("self", "9:pids:/\n3:memory:/x\n");
    put("memory/x/memory.limit_in_bytes", "9223372036854771712\n");
    put("memory/x/memory.usage_in_bytes", "100\n");
    put("memory/memory.limit_in_bytes", "8000\n");
    put("memory/memory.usage_in_bytes", "4000\n");
    put("memory/memory.stat", "inactive_file 5\ntotal_inactive_file 1000\n");
    check_uint(cgroup_memory_left(&groups), 5000, "version 1");
}

static void a_container_sees_its_own_group_as_the_root(void **state)
{
    (void)state;
    put("self", "0::/../../outside\n");
    put("memory.max", "4096\n");
    put("cpu.max", "5000 100000\n");
    check_uint(cgroup_memory_max(&groups), 4096);
    check_uint(cgroup_cpu_milli(&groups), 50);
}

static void version_1_has_a_tree_for_each_controller(void **state)
{
    (void)state;
    put("self", "5:cpu,cpuacct:/x\n4:memory:/x/y\n3:pids:/\n0::/\n");
    put("memory/x/y/memory.limit_in_bytes", "9223372036854771712\n");
    put("memory/x/memory.limit_in_bytes", "8192\n");
    put("memory/memory.limit_in_bytes", "9223372036854771712\n");
    put("pids/pids.max", "max\n");
    put("cpu/x/cpu.cfs_quota_us", "250000\n");
    put("cpu/x/cpu.cfs_period_us", "100000\n");
    put("cpu/cpu.cfs_quota_us", "-1\n");
    put("cpu/cpu.cfs_period_us", "100000\n");
    check_uint(cgroup_memory_max(&groups), 8192);
    check_uint(cgroup_pids_max(&groups), UINT64_MAX);
    check_uint(cgroup_cpu_milli(&groups), 2500);
}

static void both_versions_beside_each_other(void **state)
{
    (void)state;
    put("self", "4:memory:/m\n0::/u\n");
    put("memory/m/memory.limit_in_bytes", "16384\n");
    put("unified/u/memory.max", "8192\n");
    check_uint(cgroup_memory_max(&groups), 8192);
}

static void what_cannot_be_read_is_no_limit(void **state)
{
    static const char *const texts[] = { "",        "max\n",  "-1\n",   "x\n",
                                         "1 2 3\n", "10 0\n", "0 10\n", "max 10\n" };

    (void)state;
    check_uint(cgroup_memory_max(&groups), UINT64_MAX, "no file at all");
    put("self", "nonsense\n\n:::\n0::/a\n");
    check_uint(cgroup_memory_max(&groups), UINT64_MAX, "no file of the group");
    for (size_t i = 0; i < TEST_COUNT(texts); i++) {
        put("a/memory.max", texts[i]);
        put("a/cpu.max", texts[i]);
        check_uint(cgroup_memory_max(&groups), UINT64_MAX, "'%s'", texts[i]);
        check_uint(cgroup_cpu_milli(&groups), UINT64_MAX, "'%s'", texts[i]);
    }
}

#define fresh(name) test_with(name, make, drop)
TEST_MAIN(fresh(the_least_on_the_way_to_the_root_counts),
          fresh(what_is_left_is_least_where_the_limit_is_nearest),
          fresh(a_container_sees_its_own_group_as_the_root),
          fresh(version_1_has_a_tree_for_each_controller),
          fresh(both_versions_beside_each_other),
          fresh(what_cannot_be_read_is_no_limit))
