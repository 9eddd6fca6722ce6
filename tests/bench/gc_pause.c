/* SPDX-License-Identifier: MIT */
/* gc_pause.c - how long the collector stops its owner, and what an allocation costs.
 *
 * A heap holds a million entries with a body each, a GiB in all, under a persistent
 * trie of 32-way nodes: a change copies the four nodes on its path, as it does in a
 * hash array mapped trie. (The control keeps the entries in one mutable array, through
 * gc_store().) Then entries are replaced at random until the collector has been around
 * several times, and every call into the heap is timed: slices as the heap reports
 * them, and all other calls by a clock around them, because a collector can stop its
 * owner in gc_alloc() too.
 *
 * A slice that the kernel interrupted looks long and is not: beside the clock on the
 * wall stands the CPU time of the thread. (A hypervisor that takes the CPU away shows
 * in both.)
 */
#include <getopt.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

#include "gc/gc.h"

enum { FANOUT = 32, SHIFT = 5, DEPTH = 4, PER_OCTAVE = 8, OCTAVES = 48, PINS = 64 };

/* ---- histograms: eight buckets to the octave ------------------------------------- */

struct histogram {
    uint64_t counts[OCTAVES * PER_OCTAVE];
    uint64_t n, max, sum;
};

static void record(struct histogram *h, uint64_t ns)
{
    unsigned at = ns < 2 ? 0 : (unsigned)(log2((double)ns) * PER_OCTAVE);
    h->counts[at < OCTAVES * PER_OCTAVE ? at : OCTAVES * PER_OCTAVE - 1]++;
    h->n++;
    h->sum += ns;
    if (ns > h->max)
        h->max = ns;
}

/* The upper end of the bucket in which the quantile lies. */
static double quantile(const struct histogram *h, double q)
{
    uint64_t want = (uint64_t)ceil(q * (double)h->n), seen = 0;
    for (unsigned i = 0; i < OCTAVES * PER_OCTAVE; i++) {
        seen += h->counts[i];
        if (seen >= want && seen)
            return fmin(exp2((i + 1.0) / PER_OCTAVE), (double)h->max);
    }
    return 0;
}

/* ---- the program that owns the heap ---------------------------------------------- */

struct entry {
    uint64_t id;
    void *body;
};

struct node {
    void *kids[FANOUT];
};

static void trace_entry(const void *obj, struct gc_visitor *v)
{
    const struct entry *e = obj;
    gc_visit(v, e->body);
}

static void trace_pointers(const void *obj, struct gc_visitor *v)
{
    gc_visit_array(v, obj, gc_size(obj) / sizeof(void *));
}

static const struct gc_type entry_type = { .name = "entry", .trace = trace_entry };
static const struct gc_type node_type = { .name = "node", .trace = trace_pointers };

static const struct kind {
    const char *name;
    bool shared, table;
    enum gc_marks marks;
    enum gc_schedule schedule;
} kinds[] = {
    { "private-trie", false, false, GC_MARKS_SIDE, GC_INCREMENTAL },
    { "private-table", false, true, GC_MARKS_SIDE, GC_INCREMENTAL },
    { "private-header", false, false, GC_MARKS_HEADER, GC_INCREMENTAL },
    { "private-snapshot", false, false, GC_MARKS_SIDE, GC_SNAPSHOT },
    { "private-stw", false, false, GC_MARKS_SIDE, GC_STW },
    { "shared-trie", true, false, GC_MARKS_SIDE, GC_INCREMENTAL },
};

static struct {
    uint64_t live_mib, entries, pause_us, cycles;
    const char *only;
} options = { .live_mib = 1024, .entries = 1 << 20, .pause_us = 1000, .cycles = 3 };

struct program {
    const struct kind *kind;
    struct gc_heap *heap;
    struct gc_reader *reader;
    int pins[PINS];
    int entry, node;
    uint64_t random, updates, last_step_ns;
    bool timed;
    /* one call may have one slice and one decay; filled by the listener */
    uint64_t slice_ns, decay_ns;
    /* calls */
    struct histogram slices, slices_cpu; /* gc_safepoint() and gc_step(): their slice */
    struct histogram around;             /* the same calls without the slice */
    struct histogram allocs, stores, publishes, pinning, decays, prepares;
};

static uint64_t clock_of(clockid_t id)
{
    struct timespec t;
    clock_gettime(id, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static uint64_t now(void)
{
    return clock_of(CLOCK_MONOTONIC);
}

static uint64_t roll(struct program *p, uint64_t n)
{
    p->random ^= p->random << 13;
    p->random ^= p->random >> 7;
    p->random ^= p->random << 17;
    return p->random % n;
}

static void listen(void *arg, const struct gc_event *event)
{
    struct program *p = arg;
    if (event->kind == GC_EVENT_SLICE)
        p->slice_ns += event->duration_ns;
    if (event->kind == GC_EVENT_DECAY)
        p->decay_ns += event->duration_ns;
}

static void die(const char *what)
{
    fprintf(stderr, "gc_pause: %s\n", what);
    exit(1);
}

static void *alloc(struct program *p, int type, size_t bytes)
{
    uint64_t begin = p->timed ? now() : 0;
    void *obj = gc_alloc(p->heap, type, bytes);
    if (p->timed)
        record(&p->allocs, now() - begin);
    if (!obj)
        die("gc_alloc() found no room");
    return obj;
}

/* Evenly spread around the mean, and one body in 128 is a large object. */
static size_t body_bytes(struct program *p)
{
    size_t mean = (options.live_mib << 20) / options.entries * 5 / 8;
    if (roll(p, 128) == 0)
        return 8192 + roll(p, 49152);
    return mean / 8 + roll(p, mean * 7 / 4);
}

static struct entry *make_entry(struct program *p, uint64_t id)
{
    size_t bytes = body_bytes(p);
    void *body = alloc(p, GC_BYTES, bytes);
    memset(body, (int)id, bytes);
    struct entry *e = alloc(p, p->entry, sizeof *e);
    *e = (struct entry){ .id = id, .body = body };
    return e;
}

static void *with(struct program *p, const struct node *old, unsigned level,
                  struct entry *e)
{
    struct node *n = alloc(p, p->node, sizeof *n);
    if (old)
        memcpy(n, old, sizeof *n);
    else
        memset(n, 0, sizeof *n);
    void **kid = &n->kids[e->id >> level * SHIFT & (FANOUT - 1)];
    *kid = level ? with(p, *kid, level - 1, e) : e;
    return n;
}

static void put(struct program *p, uint64_t id)
{
    struct entry *e = make_entry(p, id);
    void *root = gc_root(p->heap);
    void *new_root = p->kind->table ? root : with(p, root, DEPTH - 1, e);
    uint64_t begin = p->timed ? now() : 0;
    if (p->kind->table)
        gc_store(p->heap, root, (void **)root + id, e);
    else
        gc_publish(p->heap, new_root);
    if (p->timed)
        record(p->kind->table ? &p->stores : &p->publishes, now() - begin);
    p->updates++;
}

/* A reader in the same process keeps entries for a while, as a slow client does. */
static void pin(struct program *p)
{
    uint64_t begin = now();
    const void *at = gc_reader_enter(p->reader);
    uint64_t id = roll(p, options.entries);
    if (p->kind->table)
        at = ((void *const *)at)[id];
    else
        for (unsigned level = DEPTH; level-- > 0 && at;)
            at = ((const struct node *)at)->kids[id >> level * SHIFT & (FANOUT - 1)];
    int *slot = &p->pins[p->updates / 16 % PINS];
    if (*slot >= 0)
        gc_unpin(p->reader, *slot);
    *slot = at ? gc_pin(p->reader, at) : -1;
    gc_reader_leave(p->reader);
    record(&p->pinning, now() - begin);
}

static uint64_t less(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

/* A safepoint, or ten times a second a step as an idle event loop makes it. */
static void let_collect(struct program *p)
{
    p->slice_ns = p->decay_ns = 0;
    uint64_t cpu = clock_of(CLOCK_THREAD_CPUTIME_ID), begin = now();
    if (begin - p->last_step_ns > 100000000) {
        p->last_step_ns = begin;
        gc_step(p->heap, options.pause_us * 1000);
    } else {
        gc_safepoint(p->heap);
    }
    uint64_t took = now() - begin;
    cpu = clock_of(CLOCK_THREAD_CPUTIME_ID) - cpu;
    record(&p->around, took - p->slice_ns - p->decay_ns);
    if (p->slice_ns) {
        record(&p->slices, p->slice_ns);
        record(&p->slices_cpu, less(p->slice_ns, cpu));
    }
    if (p->decay_ns)
        record(&p->decays, p->decay_ns);
}

static void update(struct program *p)
{
    put(p, roll(p, options.entries));
    if (p->updates % 16 == 0)
        pin(p);
    let_collect(p);
}

static void fill(struct program *p)
{
    if (p->kind->table) {
        size_t bytes = options.entries * sizeof(void *);
        void *table = alloc(p, p->node, bytes);
        memset(table, 0, bytes);
        gc_publish(p->heap, table);
    }
    for (uint64_t id = 0; id < options.entries; id++) {
        put(p, id);
        gc_safepoint(p->heap);
    }
}

/* What a fork announces; the fork itself is not ours to measure. */
static void announce_forks(struct program *p)
{
    for (int forks = 0; forks < 5; forks++) {
        uint64_t begin = now();
        gc_fork_prepare(p->heap);
        gc_fork_parent(p->heap);
        gc_fork_alone(p->heap);
        record(&p->prepares, now() - begin);
        for (int i = 0; i < 5000; i++)
            update(p);
    }
}

/* ---- what small objects cost --------------------------------------------
 */

static double alloc_ns(struct gc_heap *heap, size_t bytes, uint64_t n)
{
    uint64_t begin = now();
    for (uint64_t i = 0; i < n; i++)
        if (!gc_alloc(heap, GC_BYTES, bytes))
            die("gc_alloc() found no room");
    return (double)(now() - begin) / (double)n;
}

/* The second round finds the memory of the first, swept but for what an allocation
 * sweeps itself; the first also pays for the kernel's pages. */
static void report_alloc(bool shared)
{
    static const size_t sizes[] = { 16, 40, 100, 256 };
    printf("allocation in a %s heap, ns:", shared ? "shared" : "private");
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        struct gc_heap *heap = gc_new(&(struct gc_config){ .shared = shared,
                                                           .min_heap_bytes = 1 << 30,
                                                           .decay_ns = -1 },
                                      NULL);
        if (!heap)
            die("gc_new() failed");
        uint64_t n = 64000000 / gc_cost(sizes[i]);
        double fresh = alloc_ns(heap, sizes[i], n);
        gc_collect(heap, GC_REASON_ASKED);
        double again = alloc_ns(heap, sizes[i], n);
        printf("  %zu B %.1f (fresh %.1f)", sizes[i], again, fresh);
        gc_free(heap);
    }
    printf("\n");
}

/* ---- report ---------------------------------------------------------------
 */

static void report_calls(const char *name, const struct histogram *h)
{
    if (h->n)
        printf("    %-26s n %-9ju mean %7.2f  p99 %8.2f  p99.9 %8.2f  p99.99 %8.2f"
               "  max %9.2f us\n",
               name, (uintmax_t)h->n, (double)h->sum / (double)h->n / 1e3,
               quantile(h, 0.99) / 1e3, quantile(h, 0.999) / 1e3,
               quantile(h, 0.9999) / 1e3, (double)h->max / 1e3);
}

static void report_slices(const char *name, const struct histogram *h)
{
    double pause = (double)options.pause_us * 1e3;
    printf("    %-26s p50 %.2f  p99 %.2f  p99.9 %.2f  max %.2f of max_pause\n", name,
           quantile(h, 0.5) / pause, quantile(h, 0.99) / pause,
           quantile(h, 0.999) / pause, (double)h->max / pause);
}

/* The fork is a part of the first slice of a cycle. */
static void report_snapshots(const struct gc_stats *s)
{
    if (s->snapshot_forks == 0)
        return;
    printf("    %ju marking children, %ju failed; forks %.2f ms each, %.2f at most; a "
           "child took %.1f ms of CPU time\n",
           (uintmax_t)s->snapshot_forks, (uintmax_t)s->snapshot_failures,
           (double)s->snapshot_fork_total_ns / (double)s->snapshot_forks / 1e6,
           (double)s->snapshot_fork_max_ns / 1e6,
           (double)s->snapshot_mark_ns / (double)s->snapshot_forks / 1e6);
}

static void report(const struct program *p, double fill_s, double churn_s,
                   const struct rusage *spent)
{
    struct gc_stats s;
    gc_get_stats(p->heap, &s);
    printf(
        "%s: live %ju MiB, held %ju MiB, %ju cycles, %ju slices, %ju updates in %.1f s "
        "(filled in %.1f s)\n",
        p->kind->name, (uintmax_t)s.last_marked_bytes >> 20,
        (uintmax_t)s.held_bytes >> 20, (uintmax_t)s.cycles, (uintmax_t)p->slices.n,
        (uintmax_t)p->updates, churn_s, fill_s);
    report_slices("slices, wall", &p->slices);
    report_slices("slices, less preemption", &p->slices_cpu);
    report_calls("slices", &p->slices);
    report_calls("safepoints without slices", &p->around);
    report_calls("gc_alloc", &p->allocs);
    report_calls("gc_publish", &p->publishes);
    report_calls("gc_store", &p->stores);
    report_calls("pin and unpin", &p->pinning);
    report_calls("decay", &p->decays);
    report_calls("fork announced", &p->prepares);
    report_snapshots(&s);
    printf("    metadata %.2f %% of %ju MiB held; over the goal by %ju KiB at most; "
           "preempted %ld times, %ld faults\n",
           100.0 * (double)s.metadata_bytes / (double)s.held_bytes,
           (uintmax_t)s.held_bytes >> 20, (uintmax_t)s.overshoot_bytes >> 10,
           spent->ru_nivcsw, spent->ru_minflt);
    fflush(stdout);
}

static void run(const struct kind *kind)
{
    static struct program program;
    struct program *p = &program;
    const char *why = "";
    *p = (struct program){ .kind = kind, .random = 88172645463325252u };
    p->heap = gc_new(&(struct gc_config){ .schedule = kind->schedule,
                                          .max_pause_ns = options.pause_us * 1000,
                                          .marks = kind->marks,
                                          .reuse = GC_REUSE_NONE,
                                          .shared = kind->shared,
                                          .readers = 8,
                                          .decay_ns = 1000000000,
                                          .on_event = listen,
                                          .arg = p },
                     &why);
    if (!p->heap)
        die(why);
    p->entry = gc_type_add(p->heap, &entry_type);
    p->node = gc_type_add(p->heap, &node_type);
    p->reader = gc_reader_open(p->heap, 0);
    memset(p->pins, -1, sizeof p->pins);
    uint64_t begin = now();
    fill(p);
    uint64_t filled = now();
    struct rusage before, after;
    struct gc_stats s;
    getrusage(RUSAGE_SELF, &before);
    gc_get_stats(p->heap, &s);
    uint64_t cycles = s.cycles;
    p->timed = true;
    p->updates = 0;
    while (s.cycles < cycles + options.cycles) {
        for (int i = 0; i < 1000; i++)
            update(p);
        gc_get_stats(p->heap, &s);
    }
    announce_forks(p);
    getrusage(RUSAGE_SELF, &after);
    after.ru_nivcsw -= before.ru_nivcsw;
    after.ru_minflt -= before.ru_minflt;
    report(p, (double)(filled - begin) / 1e9, (double)(now() - filled) / 1e9, &after);
    gc_reader_close(p->reader);
    gc_free(p->heap);
}

static int usage(void)
{
    fprintf(stderr,
            "usage: gc_pause [--live MIB] [--entries N] [--pause US] [--cycles N] "
            "[--only NAME]\n");
    return 1;
}

int main(int argc, char **argv)
{
    static const struct option names[] = {
        { "live", required_argument, NULL, 'l' },
        { "entries", required_argument, NULL, 'n' },
        { "pause", required_argument, NULL, 'p' },
        { "cycles", required_argument, NULL, 'c' },
        { "only", required_argument, NULL, 'o' },
        { NULL, 0, NULL, 0 },
    };
    int option;
    while ((option = getopt_long(argc, argv, "", names, NULL)) != -1) {
        uint64_t n = option == 'o' || option == '?' ? 1 : strtoull(optarg, NULL, 10);
        if (option == '?' || n == 0 ||
            (option == 'n' && n > (uint64_t)1 << SHIFT * DEPTH))
            return usage();
        *(option == 'l'   ? &options.live_mib
          : option == 'n' ? &options.entries
          : option == 'p' ? &options.pause_us
          : option == 'c' ? &options.cycles
                          : &(uint64_t){ 0 }) = n;
        if (option == 'o')
            options.only = optarg;
    }
    if (optind != argc)
        return usage();
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++)
        if (!options.only || strcmp(options.only, kinds[i].name) == 0)
            run(&kinds[i]);
    report_alloc(false);
    report_alloc(true);
    return 0;
}
