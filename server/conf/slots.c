/* SPDX-License-Identifier: MIT */
/* slots.c - see slots.h. */
#include "server/conf/slots.h"

#include <sched.h>
#include <stdio.h>

#include "server/base/cgroup.h"

/* What one slot is expected to need: memory beside the cache, in two generations;
 * tasks, a process and its acceptor in each of two generations, and what the server has
 * besides. */
static const uint64_t memory_of_slot = 32u << 20;
enum { TASKS_OF_SLOT = 4, TASKS_OF_SERVER = 4 };

struct slots_room slots_room(void)
{
    const struct cgroups *g = &cgroups_of_system;
    struct slots_room room = { .cpus = 1,
                               .cpu_milli = cgroup_cpu_milli(g),
                               .memory = cgroup_memory_max(g),
                               .tasks = cgroup_pids_max(g) };
    cpu_set_t set;

    if (sched_getaffinity(0, sizeof set, &set) == 0)
        room.cpus = (uint64_t)CPU_COUNT(&set);
    return room;
}

static void lower(uint64_t *n, uint64_t to, const char *reason, const char **why)
{
    if (to >= *n)
        return;
    *n = to;
    *why = reason;
}

int64_t slots_auto(const struct slots_room *room, int64_t most,
                   char ret_why[SLOTS_WHY_MAX])
{
    const char *why = NULL;
    uint64_t n = room->cpus, tasks = room->tasks;

    if (room->cpu_milli != UINT64_MAX)
        lower(&n, (room->cpu_milli + 999) / 1000, "cpu.max", &why);
    lower(&n, room->memory / memory_of_slot, "memory.max", &why);
    tasks = tasks > TASKS_OF_SERVER ? tasks - TASKS_OF_SERVER : 0;
    lower(&n, tasks / TASKS_OF_SLOT, "pids.max", &why);
    lower(&n, (uint64_t)most, "the most there can be", &why);
    if (n == 0)
        n = 1;
    if (why == NULL)
        snprintf(ret_why, SLOTS_WHY_MAX, "one for each CPU");
    else
        snprintf(ret_why, SLOTS_WHY_MAX, "auto: %llu CPUs, less by %s",
                 (unsigned long long)room->cpus, why);
    return (int64_t)n;
}
