/* SPDX-License-Identifier: MIT */
/* heap.c - making and freeing a heap.
 *
 *   1 made     gc_new()         this process is the owner
 *   2 used     gc_alloc() ...   by the owner; readers on their seats
 *   3 forked   gc_fork_child()  a second owner with its own copy, or a reader
 *   4 gone     gc_free()        all memory is returned; children have their own
 *
 * Memory: one reservation for objects, one table each for allocation bits, marks,
 * blocks, runs, chunks, summaries and groups, the mark stack, the readers' control
 * page, and this struct.
 */
#define GC_IMPL
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "gc/block.h"
#include "gc/cycle.h"
#include "gc/final.h"
#include "gc/os.h"
#include "gc/page.h"
#include "gc/poison.h"
#include "gc/reader.h"
#include "gc/snapshot.h"

static const struct gc_config defaults = {
    .reserve_bytes = (size_t)64 << 30,
    .min_heap_bytes = (size_t)4 << 20,
    .percent = 100,
    .max_pause_ns = 1000000,
    .pins_per_reader = 1024,
    .mark_stack = 32768,
    .clock_ns = gc_os_clock,
};
static const size_t reserve_max = (size_t)1 << 40; /* a size in a header has 40 bits */

__attribute__((weak)) void gc_bug(const char *file, int line, const char *what)
{
    fprintf(stderr, "%s:%d: the heap is broken or misused: %s\n", file, line, what);
    abort();
}

static void fill_in(struct gc_config *c)
{
    if (!c->reserve_bytes)
        c->reserve_bytes = defaults.reserve_bytes;
    if (c->reserve_bytes <= reserve_max)
        c->reserve_bytes = (c->reserve_bytes + CHUNK - 1) & ~(size_t)(CHUNK - 1);
    if (!c->limit_bytes || c->limit_bytes > c->reserve_bytes)
        c->limit_bytes = c->reserve_bytes;
    if (!c->arena_limit_bytes)
        c->arena_limit_bytes = c->limit_bytes;
    if (!c->min_heap_bytes)
        c->min_heap_bytes = defaults.min_heap_bytes;
    if (!c->percent)
        c->percent = defaults.percent;
    if (!c->max_pause_ns)
        c->max_pause_ns = defaults.max_pause_ns;
    if (!c->pins_per_reader)
        c->pins_per_reader = defaults.pins_per_reader;
    if (!c->mark_stack)
        c->mark_stack = defaults.mark_stack;
    if (!c->clock_ns)
        c->clock_ns = defaults.clock_ns;
}

static const char *refuse(const struct gc_config *c)
{
    if (c->reserve_bytes > reserve_max)
        return "reserve_bytes is over 1 TiB";
    if (c->shared && c->marks == GC_MARKS_HEADER)
        return "a shared heap needs side marks: readers map its objects";
    if (c->shared && c->schedule == GC_SNAPSHOT)
        return "schedule = snapshot needs a private heap: a child would see a shared "
               "one change while it marks";
    if (c->marks == GC_MARKS_HEADER && c->schedule == GC_SNAPSHOT)
        return "schedule = snapshot needs side marks: marks in headers would stay in "
               "the child";
    if (sysconf(_SC_PAGESIZE) != PAGE)
        return "the page size of this machine is not 4 KiB";
    return NULL;
}

static size_t group_bytes(const struct gc_heap *heap)
{
    size_t chunks = heap->reserve >> CHUNK_SHIFT;
    return (chunks + GROUP_CHUNKS - 1) / GROUP_CHUNKS * sizeof(struct group);
}

static const char *map_tables(struct gc_heap *heap)
{
    /* Marks mean nothing to a child (rule 4); the rest means something if the heap
     * becomes its own. */
    enum gc_os_fork copy = heap->config.shared ? OS_DROP : OS_COPY;
    enum gc_os_fork wipe = heap->config.shared ? OS_DROP : OS_WIPE;
    size_t bits = heap->reserve / GRANULE / 8;
    heap->alloc = gc_os_table(bits, copy);
    heap->marks = gc_os_table(bits, wipe);
    heap->blocks =
        gc_os_table((heap->reserve >> BLOCK_SHIFT) * sizeof(struct block), copy);
    heap->runs = gc_os_table((heap->reserve >> PAGE_SHIFT) * sizeof(struct run), copy);
    size_t chunks = heap->reserve >> CHUNK_SHIFT;
    heap->chunks = gc_os_table(chunks * sizeof(struct chunk), copy);
    heap->summaries = gc_os_table(chunks * sizeof(struct summary), copy);
    heap->groups = gc_os_table(group_bytes(heap), copy);
    heap->stack = gc_os_table(heap->stack_max * sizeof *heap->stack, wipe);
    return heap->alloc && heap->marks && heap->blocks && heap->runs && heap->chunks &&
                   heap->summaries && heap->groups && heap->stack
               ? NULL
               : "could not map the side tables";
}

static void unmap_tables(struct gc_heap *heap)
{
    size_t bits = heap->reserve / GRANULE / 8, chunks = heap->reserve >> CHUNK_SHIFT;
    gc_os_unmap(heap->alloc, bits);
    gc_os_unmap(heap->marks, bits);
    gc_os_unmap(heap->blocks, (heap->reserve >> BLOCK_SHIFT) * sizeof(struct block));
    gc_os_unmap(heap->runs, (heap->reserve >> PAGE_SHIFT) * sizeof(struct run));
    gc_os_unmap(heap->chunks, chunks * sizeof(struct chunk));
    gc_os_unmap(heap->summaries, chunks * sizeof(struct summary));
    gc_os_unmap(heap->groups, group_bytes(heap));
    gc_os_unmap(heap->stack, heap->stack_max * sizeof *heap->stack);
}

static const char *map_heap(struct gc_heap *heap)
{
    int err = heap->config.shared
                  ? gc_os_reserve_shared(heap->reserve, &heap->base, &heap->ro_fd)
                  : gc_os_reserve(heap->reserve, &heap->base);
    if (!err)
        err = gc_os_thp(heap->base, heap->reserve, heap->config.thp);
    errno = -err;
    if (err == -ENOENT) /* a shared one alone opens anything: /proc/self/fd/N */
        return "a shared heap needs /proc, which is not mounted";
    return err ? "could not reserve address space for the heap" : NULL;
}

static const struct gc_type bytes_type = { .name = "bytes" };

struct gc_heap *gc_new(const struct gc_config *config, const char **ret_why)
{
    const char *why = "out of memory";
    struct gc_heap *heap = calloc(1, sizeof *heap);
    if (!heap)
        goto fail;
    heap->ro_fd = -1;
    heap->config = *config;
    fill_in(&heap->config);
    errno = EINVAL;
    why = refuse(&heap->config);
    if (why)
        goto fail;
    heap->owner = true;
    heap->reserve = heap->config.reserve_bytes;
    heap->limit_pages = heap->config.limit_bytes / PAGE;
    heap->stack_max = heap->config.mark_stack;
    heap->types[heap->n_types++] = &bytes_type;
    heap->marker.heap = heap;
    gc_block_init(heap);
    why = map_heap(heap);
    if (!why)
        why = map_tables(heap);
    if (why)
        goto fail;
    heap->arena_start = heap->base;
    if (gc_reader_init(heap)) {
        why = "could not make the seats of the readers";
        goto fail;
    }
    why = gc_snapshot_init(heap);
    if (why)
        goto fail;
    gc_cycle_init(heap);
    return heap;
fail:
    if (ret_why)
        *ret_why = why;
    int err = errno;
    gc_free(heap);
    errno = err;
    return NULL;
}

void gc_free(struct gc_heap *heap)
{
    if (!heap)
        return;
    while (heap->handles)
        gc_handle_free(heap, heap->handles);
    gc_final_free(heap);
    gc_snapshot_free(heap);
    gc_reader_done(heap);
    free(heap->slots);
    unmap_tables(heap);
    if (heap->base && !heap->config.shared)
        gc_unpoison(heap->base, (size_t)heap->chunks_used << CHUNK_SHIFT);
    gc_os_unmap((void *)heap->base, heap->reserve);
    if (heap->ro_fd >= 0)
        close(heap->ro_fd);
    free(heap);
}

int gc_type_add(struct gc_heap *heap, const struct gc_type *type)
{
    if (heap->n_types == TYPES)
        return -ENOSPC;
    heap->types[heap->n_types] = type;
    return (int)heap->n_types++;
}
