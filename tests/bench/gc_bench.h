/* SPDX-License-Identifier: MIT */
/* gc_bench.h - one set of programs, two collectors.
 *
 * The programs (gc_bench_programs.c) are written once, against the few calls below.
 * gc_bench_cowgc.c and gc_bench_bdwgc.c put them on a collector each, in the way that
 * its manual recommends; each makes a program of its own. A program runs one benchmark
 * in one configuration and prints one line of JSON.
 */
#ifndef GC_BENCH_H
#define GC_BENCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* ---- the objects --------------------------------------------------------- */

enum mem_type { MEM_BYTES, MEM_TREE, MEM_NODE, MEM_ENTRY, MEM_TABLE, MEM_TYPES };

struct tree {
    struct tree *left, *right;
    uintptr_t number;
};

/* A hash array mapped trie: entries of the digits in `data`, then children of those in
 * `kids`. */
struct node {
    uint32_t data, kids;
    void *slots[];
};

struct entry {
    void *value; /* MEM_BYTES */
    uint64_t hash;
};

/* MEM_TABLE: an array of pointers to entries */

/* ---- the collector ------------------------------------------------------- */

struct mem_report {
    const char *collector, *mode;
    uint64_t collections;
    uint64_t pauses, pause_max_ns, pause_total_ns; /* as the collector itself says */
    uint64_t heap_peak;                            /* bytes of pages in use, at most */
    uint64_t metadata_bytes; /* beside the objects; 0: the collector does not say */
};

/* Prints why not and returns false when there is no such mode. */
bool mem_start(const char *mode);
/* Never NULL. May be filled by plain stores until the next mem_safepoint(). */
void *mem_alloc(enum mem_type type, size_t bytes);
/* Between two of these calls raw pointers are legal; across them only roots. */
void mem_safepoint(void);
/* Must lie in static memory: that is where a conservative collector looks. */
void mem_root(void **slot);
/* A store into an object that is older than the last safepoint. */
void mem_store(void *obj, void *field, void *value);
void mem_collect(void);
pid_t mem_fork(void);
void mem_report(struct mem_report *ret_report);

/* ---- the programs -------------------------------------------------------- */

struct outcome {
    uint64_t operations, total_ns;    /* of the measured part */
    uint64_t live_objects;            /* at the end, where it is known */
    uint64_t tick_max_ns, tick_p9999; /* the longest operation, and nearly */
    uint64_t collect_ns;              /* a full collection of what is live at the end */
    uint64_t fork_ns;                 /* median of several */
    uint64_t fork_pages;              /* private pages that the parent had */
    uint64_t idle_copied;             /* by a child that does nothing */
    uint64_t copied, added;           /* by a child that collects */
    uint64_t pair_pss;                /* bytes: both of them, after that */
    uint64_t alloc_ps;                /* picoseconds for an allocation */
};

struct program {
    const char *name;
    void (*run)(unsigned percent, struct outcome *o); /* of the full size */
};
extern const struct program bench_programs[];

uint64_t bench_now(void);
/* Ends an operation: what lies between two ticks is one. */
void bench_tick(void);
void bench_ticks_start(void);
void bench_ticks_end(struct outcome *o);

/* ---- pages --------------------------------------------------------------- */

struct pages;
/* Which pages of its private writable mappings this process has; shared memory, so that
 * a child can be compared with it. */
struct pages *pages_of_self(void);
uint64_t pages_count(const struct pages *before);
/* Of these pages, those that this process now has to itself: copies. Both counts are
 * meant for a child whose parent waits. `ret_added` counts what it has beyond them. */
uint64_t pages_copied(const struct pages *before, uint64_t *ret_added);
/* Bytes; 0 when the kernel does not tell. */
uint64_t pages_pss(void);
uint64_t pages_rss(void);
uint64_t pages_peak(void);

#endif
