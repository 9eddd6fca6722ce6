/* SPDX-License-Identifier: MIT */
/* test_model.c - random operations on a heap and on a plain array, under many settings.
 *
 * The heap holds a table of KEYS pointers to nodes; each node has bytes, and now and
 * then points to other nodes, whose pointers back make cycles. The array remembers what
 * is under each key. Afterwards, and on the way, both must agree, and the verifier must
 * be content: a lost object is a breach of rule 5. A clock that ticks at each look
 * makes slices short and the same in each run.
 */
#include "tests/unit/gc/heap_test.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

enum { KEYS = 150, OPS = 1200, HELD = 8, BROKEN = 101 };

struct world {
    struct gc_heap *heap;
    struct gc_config config;
    int node, array;
    bool mutable_table; /* gc_store() into it; otherwise a new one each time */
    uint64_t random;
    uint64_t time_ns;
    uint64_t value[KEYS]; /* 0: nothing */
    struct gc_handle *held[HELD];
    uint64_t held_value[HELD];
    uint64_t refused;
};

static uint64_t ticking_clock(void *arg)
{
    struct world *w = arg;
    return w->time_ns += 300;
}

static uint64_t roll(struct world *w, uint64_t n)
{
    w->random ^= w->random << 13;
    w->random ^= w->random >> 7;
    w->random ^= w->random << 17;
    return w->random % n;
}

static size_t size_for(uint64_t value)
{
    if (value % 37 == 0)
        return 8000 + value % 70000;
    return value % 5 ? value % 200 : value % 4000;
}

static bool node_is(const struct heap_test_node *n, uint64_t value)
{
    if (!n || n->value != value || gc_size(n->bytes) != size_for(value))
        return false;
    const unsigned char *b = n->bytes;
    for (size_t i = 0; i < size_for(value); i++)
        if (b[i] != (value & 0xff))
            return false;
    return true;
}

static struct heap_test_node *make_node(struct world *w, uint64_t value)
{
    struct heap_test_node *n = heap_test_cons(w->heap, w->node, NULL);
    void *bytes = n ? gc_alloc(w->heap, GC_BYTES, size_for(value)) : NULL;
    if (!bytes)
        return NULL;
    memset(bytes, (int)(value & 0xff), size_for(value));
    n->bytes = bytes;
    n->value = value;
    return n;
}

/* Stores into the table of a private heap, or publishes a changed copy. */
static bool set(struct world *w, size_t key, struct heap_test_node *n)
{
    void **table = gc_root(w->heap);
    if (w->mutable_table && !gc_frozen(w->heap, table)) {
        gc_store(w->heap, table, &table[key], n);
        return true;
    }
    void **copy = gc_alloc(w->heap, w->array, KEYS * sizeof *copy);
    if (!copy)
        return false;
    memcpy(copy, table, KEYS * sizeof *copy);
    copy[key] = n;
    gc_publish(w->heap, copy);
    return true;
}

static void insert(struct world *w)
{
    size_t key = roll(w, KEYS);
    uint64_t value = 1 + roll(w, UINT32_MAX);
    struct heap_test_node *n = make_node(w, value);
    void **table = gc_root(w->heap);
    if (n && roll(w, 3) == 0)
        n->next = table[roll(w, KEYS)];
    struct heap_test_node *old = table[roll(w, KEYS)];
    if (n && old && w->mutable_table && roll(w, 4) == 0 && !gc_frozen(w->heap, old))
        gc_store(w->heap, old, &old->other, roll(w, 3) ? n : NULL);
    if (n && set(w, key, n))
        w->value[key] = value;
    else
        w->refused++;
}

static void erase(struct world *w)
{
    size_t key = roll(w, KEYS);
    if (set(w, key, NULL))
        w->value[key] = 0;
    else
        w->refused++;
}

static void hold(struct world *w)
{
    size_t i = roll(w, HELD), key = roll(w, KEYS);
    void **table = gc_root(w->heap);
    check_true(w->held_value[i] == 0 ||
               node_is(gc_handle_get(w->held[i]), w->held_value[i]));
    gc_handle_set(w->held[i], table[key]);
    w->held_value[i] = w->value[key];
}

static bool all_agree(struct world *w)
{
    void **table = gc_root(w->heap);
    for (size_t key = 0; key < KEYS; key++)
        if (w->value[key] ? !node_is(table[key], w->value[key]) : table[key] != NULL)
            return false;
    return w->held_value[0] == 0 ||
           node_is(gc_handle_get(w->held[0]), w->held_value[0]);
}

static void tell(void *arg, const char *rule, const void *where)
{
    fprintf(stderr, "%s: %s at %p\n", (const char *)arg, rule, where);
}

static void play(struct world *w, int ops, const char *name)
{
    for (int i = 0; i < ops; i++) {
        uint64_t dice = roll(w, 100);
        if (dice < 60)
            insert(w);
        else if (dice < 75)
            erase(w);
        else if (dice < 85)
            hold(w);
        else if (dice < 95)
            gc_step(w->heap, roll(w, 2000));
        else if (dice == 99)
            check_true(all_agree(w), "%s, operation %d", name, i);
        else if (dice == 98 && roll(w, 4) == 0)
            check_uint(gc_verify(w->heap, 2, tell, (void *)(uintptr_t)name), 0,
                       "%s, %d", name, i);
        else if (dice == 97 && roll(w, 4) == 0)
            gc_collect(w->heap, GC_REASON_ASKED);
        if (roll(w, 3) == 0)
            gc_safepoint(w->heap);
    }
}

/* Only the exit code comes back: 0 when the child's copy of the world holds together.
 */
static int child_world(struct gc_heap *heap, void *arg)
{
    struct world *w = arg;
    static char child_name[] = "child";
    bool whole = all_agree(w);
    if (!w->config.shared) {
        for (int i = 0; i < 300; i++) {
            insert(w);
            erase(w);
            gc_safepoint(heap);
        }
        whole = whole && gc_collect(heap, GC_REASON_ASKED) == 0;
    }
    whole = whole && all_agree(w) && gc_verify(heap, 3, tell, child_name) == 0;
    return whole ? 0 : BROKEN;
}

static void run_world(struct gc_config config, bool mutable_table, const char *name)
{
    struct world w = { .random = 88172645463325252u, .mutable_table = mutable_table };
    config.clock_ns = ticking_clock;
    config.arg = &w;
    config.verify = true;
    config.min_heap_bytes = 1 << 18;
    config.max_pause_ns = 1000;
    w.config = config;
    w.heap = heap_test_new(&config);
    w.node = gc_type_add(w.heap, &heap_test_node);
    w.array = gc_type_add(w.heap, &heap_test_array);
    void **table = gc_alloc(w.heap, w.array, KEYS * sizeof *table);
    memset(table, 0, KEYS * sizeof *table);
    gc_publish(w.heap, table);
    for (int i = 0; i < HELD; i++)
        w.held[i] = gc_handle_new(w.heap, NULL);
    for (int forks = 0; forks < 2; forks++) {
        play(&w, OPS / 3, name);
        check_int(heap_test_in_child(w.heap, child_world, &w), 0, "%s", name);
    }
    gc_fork_alone(w.heap);
    play(&w, OPS / 3, name);
    check_int(gc_collect(w.heap, GC_REASON_ASKED), 0, "%s", name);
    check_true(all_agree(&w), "%s", name);
    check_uint(gc_verify(w.heap, 3, tell, (void *)(uintptr_t)name), 0, "%s", name);
    check_true(config.limit_bytes ? w.refused > 0 : w.refused == 0, "%s: %ju refused",
               name, (uintmax_t)w.refused);
    gc_free(w.heap);
}

static void private_heaps_agree_with_the_model(void **state)
{
    (void)state;
    for (unsigned bits = 0; bits < 48; bits++) {
        struct gc_config config = {
            .marks = bits & 1 ? GC_MARKS_HEADER : GC_MARKS_SIDE,
            .schedule = bits & 2 ? GC_INCREMENTAL : GC_STW,
            .after_fork = bits & 4 ? GC_ARENA : GC_INHERIT,
            .reuse = (enum gc_reuse)(bits / 16),
            .mark_stack = bits & 8 ? 4 : 0,
            .decay_ns = bits & 8 ? 0 : 100000,
        };
        char name[100];
        snprintf(name, sizeof name,
                 "marks %d schedule %d after_fork %d reuse %d stack %u", config.marks,
                 config.schedule, config.after_fork, config.reuse, config.mark_stack);
        run_world(config, bits & 1 || bits & 2, name);
    }
}

/* A child marks: the clock stands still for it, so where a cycle ends is up to the
 * scheduler of the kernel. */
static void snapshot_heaps_agree_with_the_model(void **state)
{
    (void)state;
    for (unsigned bits = 0; bits < 12; bits++) {
        struct gc_config config = {
            .schedule = GC_SNAPSHOT,
            .after_fork = bits & 1 ? GC_ARENA : GC_INHERIT,
            .reuse = (enum gc_reuse)(bits / 4),
            .mark_stack = bits & 2 ? 4 : 0,
            .decay_ns = bits & 2 ? 0 : 100000,
        };
        char name[100];
        snprintf(name, sizeof name, "snapshot after_fork %d reuse %d stack %u",
                 config.after_fork, config.reuse, config.mark_stack);
        run_world(config, bits & 1, name);
    }
}

static void stressed_heaps_agree_with_the_model(void **state)
{
    (void)state;
    run_world((struct gc_config){ .stress = true, .schedule = GC_SNAPSHOT }, true,
              "stress, snapshot");
    for (unsigned bits = 0; bits < 4; bits++)
        run_world(
            (struct gc_config){ .stress = true,
                                .marks = bits & 1 ? GC_MARKS_HEADER : GC_MARKS_SIDE,
                                .after_fork = bits & 2 ? GC_ARENA : GC_INHERIT },
            true, "stress");
}

static void shared_heaps_agree_with_the_model(void **state)
{
    (void)state;
    for (unsigned bits = 0; bits < 4; bits++)
        run_world((struct gc_config){ .shared = true,
                                      .readers = 3,
                                      .schedule = bits & 1 ? GC_INCREMENTAL : GC_STW,
                                      .decay_ns = bits & 2 ? 0 : 100000 },
                  false, bits & 1 ? "shared, incremental" : "shared, stw");
}

static void tight_heaps_agree_with_the_model(void **state)
{
    (void)state;
    for (unsigned bits = 0; bits < 6; bits++)
        run_world(
            (struct gc_config){ .limit_bytes = 3 << 19,
                                .schedule = (enum gc_schedule)(bits / 2),
                                .reuse = bits & 1 ? GC_REUSE_NONE : GC_REUSE_ANY },
            true, "tight");
}

TEST_MAIN(test(private_heaps_agree_with_the_model),
          test(snapshot_heaps_agree_with_the_model),
          test(stressed_heaps_agree_with_the_model),
          test(shared_heaps_agree_with_the_model),
          test(tight_heaps_agree_with_the_model))
