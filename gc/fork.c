/* SPDX-License-Identifier: MIT */
/* fork.c - one heap becomes two.
 *
 * Shared heap: the child maps the memfd again, read-only, over what it inherited; the
 * owner's tables do not exist in the child (MADV_DONTFORK), and the parent changes
 * nothing.
 *
 * Private heap, what the child does:
 *   inherit  goes on as if it were the parent: marks, sweeps, fills holes as reuse lets
 *   arena    everything inherited is frozen (rule 9); allocation begins in new chunks
 *
 * And what the parent does: with reuse = any, nothing. Otherwise blocks older than the
 * fork are sealed in both, because filling a hole copies the page around it; the parent
 * forgets that when it is alone again, or when holes have become too large a part of
 * the heap.
 */
#define GC_IMPL
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "gc/block.h"
#include "gc/cycle.h"
#include "gc/decay.h"
#include "gc/final.h"
#include "gc/os.h"
#include "gc/page.h"
#include "gc/reader.h"
#include "gc/snapshot.h"
#include "gc/verify.h"

void gc_fork_prepare(struct gc_heap *heap)
{
    GC_CHECK(heap->owner && !heap->busy);
    uint64_t begin = now_ns(heap), given_back = 0;
    if (!heap->config.shared) {
        gc_cycle_finish_sweep(heap);
        heap->fork_serial++;
        if (heap->config.reuse != GC_REUSE_ANY) {
            heap->sharing = true;
            gc_block_drop_cursors(heap);
            if (heap->config.reuse == GC_REUSE_NONE)
                gc_block_seal_all(heap);
            given_back = gc_decay_all(heap);
        }
    }
    heap->stats.forks++;
    gc_cycle_event(heap, GC_EVENT_FORK, begin, now_ns(heap) - begin, given_back);
}

void gc_fork_parent(struct gc_heap *heap)
{
    /* All that the parent has to know was settled before the fork, when it could not
     * yet know whether there would be a child. */
    GC_CHECK(heap->owner);
}

void gc_fork_alone(struct gc_heap *heap)
{
    GC_CHECK(heap->owner);
    heap->sharing = false;
    gc_block_unseal(heap);
}

static int become_reader(struct gc_heap *heap)
{
    int err = gc_os_map_readonly(heap->base, heap->reserve, heap->ro_fd);
    if (err)
        return err;
    close(heap->ro_fd);
    heap->ro_fd = -1;
    heap->owner = false;
    heap->phase = GC_IDLE;
    /* They stayed with the owner; a mistake shall fault at NULL. */
    heap->alloc = heap->marks = NULL;
    heap->blocks = NULL;
    heap->runs = NULL;
    heap->chunks = NULL;
    heap->summaries = NULL;
    heap->groups = NULL;
    heap->stack = NULL;
    return 0;
}

static void freeze(struct gc_heap *heap)
{
    heap->arena_start = heap->inherited_end;
    heap->first_chunk = heap->chunks_used;
    heap->frozen_pages += heap->held_pages;
    heap->held_pages = 0;
    heap->limit_pages = heap->config.arena_limit_bytes / PAGE;
    heap->n_blocks = heap->n_runs = 0;
    heap->dirty_pages = 0;
    heap->live_bytes = heap->since_mark = heap->in_cycle = 0;
    heap->scan_expected = heap->in_cycle_avg = 0;
    gc_block_drop_cursors(heap);
    gc_block_drop_lists(heap);
    gc_final_freeze(heap);
    if (heap->config.verify)
        heap->frozen_sum = gc_verify_frozen_sum(heap);
}

int gc_fork_child(struct gc_heap *heap)
{
    heap->inherited = true;
    heap->inherited_end = chunk_addr(heap, heap->chunks_used);
    const struct gc_stats kept = { .forks = heap->stats.forks,
                                   .finalizers = heap->stats.finalizers,
                                   .finalizers_due = heap->stats.finalizers_due };
    heap->stats = kept;
    if (heap->config.shared)
        return become_reader(heap);
    gc_snapshot_forget(heap);
    gc_cycle_abandon(heap);
    gc_reader_detach(heap);
    if (heap->config.after_fork == GC_ARENA)
        freeze(heap);
    else if (heap->config.reuse == GC_REUSE_NONE)
        heap->first_chunk = heap->chunks_used;
    gc_cycle_pace(heap);
    return 0;
}

struct populate {
    enum gc_pretouch how;
    uintptr_t end;
    long pages;
};

static int populate(void *arg, uintptr_t addr, size_t bytes)
{
    struct populate *p = arg;
    if (addr >= p->end)
        return 0;
    p->pages += (long)(bytes / PAGE);
    return gc_os_populate(addr, bytes, p->how);
}

long gc_pretouch(struct gc_heap *heap, enum gc_pretouch how)
{
    const void *start, *end;
    gc_range(heap, &start, &end);
    size_t bytes = (size_t)((const char *)end - (const char *)start);
    int err;
    if (!heap->owner) {
        /* The owner's tables are not here, but the kernel knows what the file has. */
        if (how != GC_PRETOUCH_READ)
            return -EPERM;
        return gc_os_populate_file(heap->base, bytes);
    }
    struct populate p = { .how = how, .end = (uintptr_t)end };
    err = gc_page_each_used(heap, 0, populate, &p);
    if (!err && bytes && how == GC_PRETOUCH_WRITE && !heap->config.shared)
        err = gc_os_populate((uintptr_t)heap->alloc, bytes / GRANULE / 8, how);
    return err ? err : p.pages;
}

void gc_range(const struct gc_heap *heap, const void **ret_start, const void **ret_end)
{
    *ret_start = (const void *)heap->base;
    *ret_end = (const void *)(heap->inherited ? heap->inherited_end
                                              : chunk_addr(heap, heap->chunks_used));
}
