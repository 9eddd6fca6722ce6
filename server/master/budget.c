/* SPDX-License-Identifier: MIT */
/* budget.c - see budget.h. */
#include "server/master/budget.h"

#include <errno.h>
#include <inttypes.h>
#include <unistd.h>

#include "server/base/cgroup.h"
#include "server/base/check.h"
#include "server/base/num.h"
#include "server/cache/policy.h"
#include "server/shared/region.h"

enum {
    GENERATIONS = 2,
    /* Marks and allocation bits, descriptors of blocks, runs and chunks: measured at a
     * 55th of the heap. */
    HEAP_TABLES_SHARE = 50,
    SIDE_TABLES_ENTRY = 25, /* cache/side.h */
    PAGE_TABLE_SHARE = 512, /* eight bytes for 4096 */
    PROCESS_BYTES =
        3 << 20 /* libraries, data, stack, allocator; without what is shared */
};

static void add(struct budget *b, const char *name, const char *of, uint64_t bytes)
{
    CHECK(b->count < BUDGET_PARTS_MAX);
    b->parts[b->count++] = (struct budget_part){ name, of, bytes };
    b->total += bytes;
}

uint64_t budget_room(void)
{
    uint64_t pages = (uint64_t)sysconf(_SC_PHYS_PAGES);
    uint64_t machine = pages * (uint64_t)sysconf(_SC_PAGESIZE);
    uint64_t cgroup = cgroup_memory_max(&cgroups_of_system);

    return machine < cgroup ? machine : cgroup;
}

static uint64_t tables_of(const struct options *o, uint64_t heap)
{
    return heap / HEAP_TABLES_SHARE + (uint64_t)policy_ids((size_t)o->cache_bytes) *
                                          SIDE_TABLES_ENTRY *
                                          (o->heap == HEAP_SHARED ? 1 : 2);
}

/* Private: a worker may copy all that it inherits, and add as much again as its own
 * limit allows; it has the tables for both. */
static void add_cache(struct budget *b, const struct options *o, uint64_t workers)
{
    size_t bytes = (size_t)o->cache_bytes;
    uint64_t heap, tables, processes = workers + 1;
    bool shared = o->heap == HEAP_SHARED;

    if (bytes == 0)
        return;
    heap = policy_heap_limit(bytes, (unsigned)o->gc_percent);
    tables = tables_of(o, heap);
    add(b, "cache heap", "cache_bytes, gc.percent", heap);
    add(b, "its tables", "cache_bytes, gc.percent", tables);
    if (!shared)
        add(b, "copies and arenas", "cache_bytes, slots, two generations",
            workers * (heap + tables));
    if (o->slots_as == SLOTS_THREADS)
        processes = GENERATIONS + 1;
    add(b, "page tables", "cache_bytes, slots, two generations",
        processes * (heap + (shared ? 0 : heap)) / PAGE_TABLE_SHARE);
}

uint64_t budget_of_master(const struct options *o)
{
    uint64_t heap = o->cache_bytes == 0 ? 0
                                        : policy_heap_limit((size_t)o->cache_bytes,
                                                            (unsigned)o->gc_percent);

    return heap + (heap == 0 ? 0 : tables_of(o, heap)) +
           region_bytes_of((uint64_t)o->slots * GENERATIONS) + PROCESS_BYTES;
}

void budget_of(const struct options *o, const struct worker_costs *costs,
               struct budget *ret)
{
    const uint64_t workers = (uint64_t)o->slots * GENERATIONS;
    const uint64_t processes =
        2 + (o->slots_as == SLOTS_THREADS ? GENERATIONS : workers);

    *ret = (struct budget){ .room = budget_room() };
    add_cache(ret, o, workers);
    add(ret, "shared region", "slots", region_bytes_of(workers));
    add(ret, "processes", "slots, two generations", processes * PROCESS_BYTES);
    add(ret, "slots", "slots, miss_bytes, two generations", workers * costs->slot);
    add(ret, "connections", "slots, connections, two generations",
        workers * (uint64_t)o->connections * costs->idle);
    add(ret, "their requests", "request_line_max, header_bytes_max",
        workers * (uint64_t)o->connections * costs->request);
}

void budget_print(const struct budget *b, FILE *out)
{
    char text[NUM_TEXT_MAX], room[NUM_TEXT_MAX];

    fprintf(out, "cowshed: memory in the worst case, all processes together:\n");
    for (unsigned i = 0; i < b->count; i++)
        fprintf(out, "cowshed:   %-18s %12s  %s\n", b->parts[i].name,
                num_human_size(text, b->parts[i].bytes), b->parts[i].of);
    fprintf(out, "cowshed:   %-18s %12s  of %s that there is\n", "total",
            num_human_size(text, b->total), num_human_size(room, b->room));
}

int budget_check(const struct budget *b, const struct options *o,
                 struct option_error *ret_error)
{
    char total[NUM_TEXT_MAX], most[NUM_TEXT_MAX];

    if (o->memory_max == 0 || b->total <= (uint64_t)o->memory_max)
        return 0;
    snprintf(ret_error->text, sizeof ret_error->text,
             "memory_max = %s (%s): the worst case of these options is %s; cowshed -t "
             "tells its parts",
             num_human_size(most, (uint64_t)o->memory_max),
             options_where(o, "memory_max"), num_human_size(total, b->total));
    return -EINVAL;
}
