/* SPDX-License-Identifier: MIT */
/* The programs on this collector. Modes: `incremental` and `stw`; `tight`, incremental
 * with less room to grow, for about the memory that bdwgc takes; `inherit`, stw with a
 * child that collects what it inherited (in the other modes it freezes that). */
#include "tests/bench/gc_bench.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "gc/gc.h"

static struct gc_heap *heap;
static const char *mode_name;
static uint64_t heap_peak;
static int types[MEM_TYPES];

static void trace_tree(const void *obj, struct gc_visitor *v)
{
    const struct tree *tree = obj;
    gc_visit(v, tree->left);
    gc_visit(v, tree->right);
}

static void trace_node(const void *obj, struct gc_visitor *v)
{
    const struct node *node = obj;
    gc_visit_array(v, (const void *const *)node->slots,
                   (gc_size(obj) - sizeof *node) / sizeof node->slots[0]);
}

static void trace_entry(const void *obj, struct gc_visitor *v)
{
    gc_visit(v, ((const struct entry *)obj)->value);
}

static void trace_table(const void *obj, struct gc_visitor *v)
{
    gc_visit_array(v, obj, gc_size(obj) / sizeof(void *));
}

static const struct gc_type descriptions[MEM_TYPES] = {
    [MEM_TREE] = { "tree", trace_tree },
    [MEM_NODE] = { "node", trace_node },
    [MEM_ENTRY] = { "entry", trace_entry },
    [MEM_TABLE] = { "table", trace_table },
};

static void note_peak(void)
{
    struct gc_stats s;
    gc_get_stats(heap, &s);
    if (s.held_bytes > heap_peak)
        heap_peak = s.held_bytes;
}

/* The heap is largest before a sweep. */
static void on_event(void *arg, const struct gc_event *event)
{
    (void)arg;
    if (event->kind == GC_EVENT_SLICE || event->kind == GC_EVENT_CYCLE_START)
        note_peak();
}

static bool configure(const char *mode, struct gc_config *c)
{
    *c = (struct gc_config){ .after_fork = GC_ARENA,
                             .reuse = GC_REUSE_NONE,
                             .on_event = on_event };
    if (!strcmp(mode, "incremental") || !strcmp(mode, "tight"))
        c->schedule = GC_INCREMENTAL;
    if (!strcmp(mode, "tight"))
        c->percent = 40;
    if (!strcmp(mode, "inherit"))
        c->after_fork = GC_INHERIT;
    return c->schedule == GC_INCREMENTAL || c->after_fork == GC_INHERIT ||
           !strcmp(mode, "stw");
}

bool mem_start(const char *mode)
{
    struct gc_config config;
    const char *why = "";
    if (!configure(mode, &config)) {
        fprintf(stderr, "cowgc has no mode %s: incremental, stw, tight, inherit\n",
                mode);
        return false;
    }
    mode_name = mode;
    heap = gc_new(&config, &why);
    if (!heap) {
        fprintf(stderr, "could not make a heap: %s\n", why);
        return false;
    }
    for (int i = MEM_BYTES + 1; i < MEM_TYPES; i++)
        types[i] = gc_type_add(heap, &descriptions[i]);
    return true;
}

void *mem_alloc(enum mem_type type, size_t bytes)
{
    void *obj = gc_alloc(heap, types[type], bytes);
    if (!obj) {
        fprintf(stderr, "no room for %zu bytes\n", bytes);
        abort();
    }
    return obj;
}

void mem_safepoint(void)
{
    gc_safepoint(heap);
}

void mem_root(void **slot)
{
    if (gc_root_add(heap, slot))
        abort();
}

void mem_store(void *obj, void *field, void *value)
{
    gc_store(heap, obj, field, value);
}

void mem_collect(void)
{
    gc_collect(heap, GC_REASON_ASKED);
}

pid_t mem_fork(void)
{
    gc_fork_prepare(heap);
    pid_t pid = fork();
    if (pid != 0)
        gc_fork_parent(heap);
    else if (gc_fork_child(heap))
        _exit(1);
    return pid;
}

void mem_report(struct mem_report *ret_report)
{
    struct gc_stats s;
    note_peak();
    gc_get_stats(heap, &s);
    *ret_report = (struct mem_report){ .collector = "cowgc",
                                       .mode = mode_name,
                                       .collections = s.cycles,
                                       .pauses = s.slices,
                                       .pause_max_ns = s.pause_max_ns,
                                       .pause_total_ns = s.pause_total_ns,
                                       .heap_peak = heap_peak,
                                       .metadata_bytes = s.metadata_bytes };
}
