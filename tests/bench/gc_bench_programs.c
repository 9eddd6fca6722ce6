/* SPDX-License-Identifier: MIT */
/* The programs: what is built, what dies, what lives on. */
#include "tests/bench/gc_bench.h"

#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

/* xorshift64*, Vigna 2016 */
static uint64_t seed = 0x9e3779b97f4a7c15;

static uint64_t rnd(void)
{
    seed ^= seed >> 12;
    seed ^= seed << 25;
    seed ^= seed >> 27;
    return seed * 0x2545f4914f6cdd1d;
}

/* A bijection (the finalizer of MurmurHash3), so different keys have different hashes.
 */
static uint64_t hash_of(uint64_t key)
{
    key = (key ^ key >> 33) * 0xff51afd7ed558ccd;
    key = (key ^ key >> 33) * 0xc4ceb9fe1a85ec53;
    return key ^ key >> 33;
}

static uint64_t part(uint64_t full, unsigned percent)
{
    uint64_t n = full * percent / 100;
    return n ? n : 1;
}

static void time_collections(struct outcome *o)
{
    enum { TIMES = 3 };
    mem_collect(); /* what was garbage until now is not what is timed */
    uint64_t begin = bench_now();
    for (int i = 0; i < TIMES; i++)
        mem_collect();
    o->collect_ns = (bench_now() - begin) / TIMES;
}

/* ---- alloc: small objects that die at once ------------------------------- */

static void *newest;

static void run_alloc(unsigned percent, struct outcome *o)
{
    enum { BATCH = 1000 };
    uint64_t batches = part(40000, percent);
    mem_root(&newest);
    for (uint64_t i = 0; i < batches / 10; i++) { /* until the heap has its size */
        for (int k = 0; k < BATCH; k++)
            newest = mem_alloc(MEM_TREE, sizeof(struct tree));
        memset(newest, 0, sizeof(struct tree));
        mem_safepoint();
    }
    uint64_t begin = bench_now();
    bench_ticks_start();
    for (uint64_t i = 0; i < batches; i++) {
        for (int k = 0; k < BATCH; k++) {
            struct tree *tree = mem_alloc(MEM_TREE, sizeof *tree);
            *tree = (struct tree){ .number = (uintptr_t)k };
            newest = tree;
        }
        mem_safepoint();
        bench_tick();
    }
    bench_ticks_end(o);
    o->total_ns = bench_now() - begin;
    o->operations = batches * BATCH;
    o->alloc_ps = o->total_ns * 1000 / o->operations;
    o->live_objects = 1;
}

/* ---- trees: GCBench (Ellis, Kovac, Boehm) -------------------------------- */

enum { TREE_MIN = 4, TREE_STEP = 2, TREE_SAFE = 5, STACK = 64 };

/* Roots of what is half built: a safepoint may come while a tree grows. */
static void *building[STACK];
static unsigned n_building;
static void *long_lived;

static struct tree *build(unsigned depth)
{
    struct tree *left = NULL, *right = NULL;
    if (depth > 0) {
        building[n_building++] = build(depth - 1);
        building[n_building++] = build(depth - 1);
        right = building[--n_building];
        left = building[--n_building];
    }
    struct tree *tree = mem_alloc(MEM_TREE, sizeof *tree);
    *tree = (struct tree){ left, right, depth };
    if (depth > 0)
        building[n_building] = building[n_building + 1] = NULL;
    if (depth == TREE_SAFE) {
        building[n_building] = tree;
        mem_safepoint();
        bench_tick();
        building[n_building] = NULL;
    }
    return tree;
}

static uint64_t count(const struct tree *tree)
{
    return tree ? 1 + count(tree->left) + count(tree->right) : 0;
}

static void run_trees(unsigned percent, struct outcome *o)
{
    unsigned depth = 20;
    for (; percent < 100 && depth > 10; percent *= 2)
        depth--;
    for (; percent >= 200; percent /= 2)
        depth++;
    for (unsigned i = 0; i < STACK; i++)
        mem_root(&building[i]);
    mem_root(&long_lived);
    uint64_t begin = bench_now(), nodes = 0;
    bench_ticks_start();
    long_lived = build(depth);
    o->live_objects = (UINT64_C(2) << depth) - 1;
    nodes += o->live_objects;
    for (unsigned d = TREE_MIN; d <= depth; d += TREE_STEP) {
        uint64_t times = UINT64_C(1) << (depth - d);
        for (uint64_t i = 0; i < times; i++) {
            struct tree *tree = build(d);
            nodes += tree->number == d ? (UINT64_C(2) << d) - 1 : 0;
            if (d < TREE_SAFE) {
                mem_safepoint();
                bench_tick();
            }
        }
    }
    bench_ticks_end(o);
    o->total_ns = bench_now() - begin;
    o->operations = nodes;
    if (count(long_lived) != o->live_objects)
        abort();
    time_collections(o);
}

/* ---- hamt: a persistent trie --------------------------------------------- */

enum { DIGIT = 5, VALUE_MIN = 16, VALUE_SPREAD = 96 };

static void *trie;

static struct node *new_node(uint32_t data, uint32_t kids, unsigned n)
{
    struct node *node = mem_alloc(MEM_NODE, sizeof *node + n * sizeof node->slots[0]);
    node->data = data;
    node->kids = kids;
    return node;
}

static unsigned ones(uint32_t w)
{
    return (unsigned)__builtin_popcount(w);
}

/* A copy of `n` slots in which `value` stands at `at`: in the place of what was there
 * (`instead`), or before it. */
static struct node *copy_with(const struct node *old, uint32_t data, uint32_t kids,
                              unsigned at, bool instead, void *value)
{
    unsigned n = ones(old->data) + ones(old->kids);
    struct node *node = new_node(data, kids, n + !instead);
    memcpy(node->slots, old->slots, at * sizeof old->slots[0]);
    node->slots[at] = value;
    memcpy(node->slots + at + 1, old->slots + at + instead,
           (n - at - instead) * sizeof old->slots[0]);
    return node;
}

static struct node *pair(struct entry *a, struct entry *b, unsigned shift)
{
    uint32_t bit_a = UINT32_C(1) << (a->hash >> shift & 31);
    uint32_t bit_b = UINT32_C(1) << (b->hash >> shift & 31);
    if (bit_a == bit_b) {
        struct node *below = pair(a, b, shift + DIGIT);
        struct node *node = new_node(0, bit_a, 1);
        node->slots[0] = below;
        return node;
    }
    struct node *node = new_node(bit_a | bit_b, 0, 2);
    node->slots[bit_a > bit_b] = a;
    node->slots[bit_a < bit_b] = b;
    return node;
}

/* An entry becomes a child that holds it and another one. */
static struct node *push_down(const struct node *old, uint32_t bit, struct node *both)
{
    unsigned n = ones(old->data) + ones(old->kids);
    unsigned from = ones(old->data & (bit - 1));
    unsigned to = ones(old->data) - 1 + ones(old->kids & (bit - 1));
    struct node *node = new_node(old->data ^ bit, old->kids | bit, n);
    memcpy(node->slots, old->slots, from * sizeof old->slots[0]);
    memcpy(node->slots + from, old->slots + from + 1,
           (to - from) * sizeof old->slots[0]);
    node->slots[to] = both;
    memcpy(node->slots + to + 1, old->slots + to + 1,
           (n - to - 1) * sizeof old->slots[0]);
    return node;
}

static struct node *put(const struct node *node, struct entry *e, unsigned shift)
{
    uint32_t bit = UINT32_C(1) << (e->hash >> shift & 31);
    if (!node) {
        struct node *first = new_node(bit, 0, 1);
        first->slots[0] = e;
        return first;
    }
    if (node->kids & bit) {
        unsigned at = ones(node->data) + ones(node->kids & (bit - 1));
        struct node *kid = put(node->slots[at], e, shift + DIGIT);
        return copy_with(node, node->data, node->kids, at, true, kid);
    }
    unsigned at = ones(node->data & (bit - 1));
    if (!(node->data & bit))
        return copy_with(node, node->data | bit, node->kids, at, false, e);
    struct entry *there = node->slots[at];
    if (there->hash == e->hash)
        return copy_with(node, node->data, node->kids, at, true, e);
    return push_down(node, bit, pair(there, e, shift + DIGIT));
}

static const struct entry *find(const struct node *node, uint64_t hash)
{
    for (unsigned shift = 0; node; shift += DIGIT) {
        uint32_t bit = UINT32_C(1) << (hash >> shift & 31);
        if (node->data & bit) {
            const struct entry *e = node->slots[ones(node->data & (bit - 1))];
            return e->hash == hash ? e : NULL;
        }
        if (!(node->kids & bit))
            return NULL;
        node = node->slots[ones(node->data) + ones(node->kids & (bit - 1))];
    }
    return NULL;
}

static uint64_t count_nodes(const struct node *node)
{
    unsigned entries = ones(node->data), kids = ones(node->kids);
    uint64_t n = 1 + 2 * entries; /* an entry and its value */
    for (unsigned i = 0; i < kids; i++)
        n += count_nodes(node->slots[entries + i]);
    return n;
}

static void insert(uint64_t key)
{
    size_t bytes = VALUE_MIN + rnd() % VALUE_SPREAD;
    struct entry *e = mem_alloc(MEM_ENTRY, sizeof *e);
    e->hash = hash_of(key);
    e->value = NULL;
    e->value = mem_alloc(MEM_BYTES, bytes);
    memset(e->value, (int)key, bytes);
    trie = put(trie, e, 0);
    mem_safepoint();
    bench_tick();
}

static void fill_trie(uint64_t entries)
{
    mem_root(&trie);
    for (uint64_t key = 0; key < entries; key++)
        insert(key);
}

/* ---- cache: a large mutable table with churn ------------------------------ */

static void *table;

/* 200 bytes to 8 KiB, as many between 200 and 400 as between 4000 and 8000 */
static size_t body_size(void)
{
    size_t base = (size_t)200 << rnd() % 5;
    return base + rnd() % base + rnd() % base / 2;
}

static struct entry *new_page(uint64_t key)
{
    size_t bytes = body_size();
    struct entry *e = mem_alloc(MEM_ENTRY, sizeof *e);
    e->hash = hash_of(key);
    e->value = NULL;
    e->value = mem_alloc(MEM_BYTES, bytes);
    memset(e->value, (int)key, bytes);
    return e;
}

static void run_cache(unsigned percent, struct outcome *o)
{
    uint64_t slots = part(150000, percent), churn = slots * 8;
    mem_root(&table);
    uint64_t begin = bench_now();
    bench_ticks_start();
    table = mem_alloc(MEM_TABLE, slots * sizeof(void *));
    memset(table, 0, slots * sizeof(void *));
    for (uint64_t i = 0; i < slots + churn; i++) {
        uint64_t at = i < slots ? i : rnd() % slots;
        struct entry *e = new_page(i);
        mem_store(table, (void **)table + at, e);
        mem_safepoint();
        bench_tick();
    }
    bench_ticks_end(o);
    o->total_ns = bench_now() - begin;
    o->operations = slots + churn;
    o->live_objects = 1 + 2 * slots;
    time_collections(o);
}

/* ---- a child that works and collects, with the trie --------------------------------
 */

enum { FORKS = 5, REQUESTS = 20000, COLLECTIONS = 3 };

static void *kept;

/* Looks up what was inherited, makes garbage of its own, collects. */
static void child_work(uint64_t entries)
{
    for (int c = 0; c < COLLECTIONS; c++) {
        for (int i = 0; i < REQUESTS; i++) {
            const struct entry *e = find(trie, hash_of(rnd() % entries));
            if (!e)
                _exit(1);
            kept = mem_alloc(MEM_BYTES, 200 + rnd() % 400);
            memset(kept, 1, 200);
            mem_safepoint();
        }
        mem_collect();
    }
}

struct from_child {
    uint64_t copied, added, pss;
};

static int read_all(int fd, void *to, size_t bytes)
{
    return read(fd, to, bytes) == (ssize_t)bytes ? 0 : -1;
}

/* Forks; the child works if it is asked to, reports, and leaves when told so. Returns
 * the time of the fork. */
static uint64_t one_child(const struct pages *before, uint64_t work_entries,
                          struct from_child *ret, uint64_t *ret_pair_pss)
{
    int up[2], down[2], status;
    char byte = 0;
    if (pipe(up) || pipe(down))
        abort();
    uint64_t begin = bench_now();
    pid_t pid = mem_fork();
    if (pid == 0) {
        struct from_child r = { 0 };
        close(down[1]);
        if (work_entries)
            child_work(work_entries);
        r.copied = pages_copied(before, &r.added);
        r.pss = pages_pss();
        if (write(up[1], &r, sizeof r) != sizeof r)
            _exit(1);
        (void)read_all(down[0], &byte, 1); /* the end of file */
        _exit(0);
    }
    uint64_t took = bench_now() - begin;
    close(up[1]);
    close(down[0]);
    if (pid < 0 || read_all(up[0], ret, sizeof *ret))
        abort();
    *ret_pair_pss = pages_pss() + ret->pss;
    close(down[1]);
    close(up[0]);
    if (waitpid(pid, &status, 0) != pid || status != 0)
        abort();
    return took;
}

static int by_value(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

static void fork_children(uint64_t entries, struct outcome *o)
{
    uint64_t times[FORKS];
    struct from_child idle, worked;
    mem_root(&kept);
    /* garbage between what lives, as a cache has it */
    for (uint64_t i = 0; i < entries / 10; i++)
        insert(rnd() % entries);
    struct pages *before = pages_of_self();
    o->fork_pages = pages_count(before);
    for (int i = 0; i < FORKS; i++)
        times[i] = one_child(before, 0, &idle, &o->pair_pss);
    qsort(times, FORKS, sizeof times[0], by_value);
    o->fork_ns = times[FORKS / 2];
    o->idle_copied = idle.copied;
    one_child(before, entries, &worked, &o->pair_pss);
    o->copied = worked.copied;
    o->added = worked.added;
}

/* ---- the whole of hamt -------------------------------------------------- */

static void run_hamt(unsigned percent, struct outcome *o)
{
    uint64_t entries = part(1000000, percent), replaced = entries / 2;
    uint64_t begin = bench_now();
    bench_ticks_start();
    fill_trie(entries);
    for (uint64_t i = 0; i < replaced; i++)
        insert(rnd() % entries);
    for (uint64_t i = 0; i < entries; i++)
        if (!find(trie, hash_of(rnd() % entries)))
            abort();
    bench_ticks_end(o);
    o->total_ns = bench_now() - begin;
    o->operations = entries + replaced + entries;
    o->live_objects = count_nodes(trie);
    time_collections(o);
    fork_children(entries, o);
}

const struct program bench_programs[] = {
    { "alloc", run_alloc }, { "trees", run_trees }, { "hamt", run_hamt },
    { "cache", run_cache }, { NULL, NULL },
};
