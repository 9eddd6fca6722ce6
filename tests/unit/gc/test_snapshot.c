/* SPDX-License-Identifier: MIT */
/* test_snapshot.c - a child marks (rule 15): what lives, what dies, and what the owner
 * may do meanwhile. What becomes of the child as a process: test_snapshot_child.c.
 */
#include "tests/unit/gc/stage.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static const struct gc_config small = { .min_heap_bytes = 1 << 18 };

static void what_cannot_work_is_refused_with_the_reason(void **state)
{
    (void)state;
    static const struct {
        struct gc_config config;
        const char *word;
    } cases[] = {
        { { .schedule = GC_SNAPSHOT, .shared = true }, "private heap" },
        { { .schedule = GC_SNAPSHOT, .marks = GC_MARKS_HEADER }, "side marks" },
    };
    for (size_t i = 0; i < TEST_COUNT(cases); i++) {
        const char *why = NULL;
        errno = 0;
        check_null(gc_new(&cases[i].config, &why), "%s", cases[i].word);
        check_int(errno, EINVAL);
        check_true(why && strstr(why, "schedule = snapshot"), "%s", why);
        check_true(strstr(why, cases[i].word), "%s", why);
    }
}

/* ---- against a model ----------------------------------------------------- */

enum { NODES = 3000, ROOTS = 12 };

/* The same graph in plain arrays. */
struct graph {
    int next[NODES], other[NODES]; /* -1: none */
    size_t bytes[NODES];           /* 0: none */
    int root[ROOTS];
    uint64_t random;
};

static uint64_t roll(struct graph *g, uint64_t n)
{
    g->random ^= g->random << 13;
    g->random ^= g->random >> 7;
    g->random ^= g->random << 17;
    return g->random % n;
}

static void draw(struct graph *g, uint64_t seed)
{
    g->random = seed * 0x9e3779b97f4a7c15u + 1;
    for (int i = 0; i < NODES; i++) {
        g->next[i] = roll(g, 4) ? (int)roll(g, NODES) : -1;
        g->other[i] = roll(g, 3) ? -1 : (int)roll(g, NODES);
        g->bytes[i] = roll(g, 50) == 0 ? 9000 + roll(g, 90000)
                      : roll(g, 3)     ? roll(g, 600)
                                       : 0;
    }
    for (int i = 0; i < ROOTS; i++)
        g->root[i] = (int)roll(g, NODES);
}

static uint64_t reachable_cost(const struct graph *g)
{
    static int stack[NODES * 2 + ROOTS];
    bool seen[NODES] = { false };
    int n = 0;
    uint64_t cost = 0;
    for (int i = 0; i < ROOTS; i++)
        stack[n++] = g->root[i];
    while (n) {
        int at = stack[--n];
        if (at < 0 || seen[at])
            continue;
        seen[at] = true;
        cost += gc_cost(sizeof(struct heap_test_node));
        cost += g->bytes[at] ? gc_cost(g->bytes[at]) : 0;
        stack[n++] = g->next[at];
        stack[n++] = g->other[at];
    }
    return cost;
}

/* No safepoint while it is built: nothing needs a root yet. */
static void build(struct scene *s, const struct graph *g,
                  struct gc_handle *ret_roots[ROOTS])
{
    static struct heap_test_node *nodes[NODES];
    for (int i = 0; i < NODES; i++) {
        nodes[i] = heap_test_cons(s->heap, s->node, NULL);
        check_not_null(nodes[i]);
        nodes[i]->bytes = g->bytes[i] ? gc_alloc(s->heap, GC_BYTES, g->bytes[i]) : NULL;
    }
    for (int i = 0; i < NODES; i++) {
        nodes[i]->next = g->next[i] < 0 ? NULL : nodes[g->next[i]];
        nodes[i]->other = g->other[i] < 0 ? NULL : nodes[g->other[i]];
    }
    for (int i = 0; i < ROOTS; i++)
        ret_roots[i] = gc_handle_new(s->heap, nodes[g->root[i]]);
}

static void random_graphs_are_marked_as_a_model_says(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 12; seed++) {
        static struct graph g;
        struct gc_handle *roots[ROOTS];
        struct scene s;
        draw(&g, seed);
        scene_open(&s, (struct gc_config){ .min_heap_bytes = 1 << 20,
                                           .mark_stack = seed % 3 ? 0 : 4 });
        build(&s, &g, roots);
        scene_begin_cycle(&s);
        check_uint(scene_stats(&s).snapshot_forks, 1);
        scene_end_cycle(&s);
        struct gc_stats stats = scene_stats(&s);
        check_uint(stats.last_marked_bytes, reachable_cost(&g), "seed %ju",
                   (uintmax_t)seed);
        check_uint(stats.cycles, 1);
        check_uint(stats.snapshot_failures, 0);
        check_true(stats.snapshot_mark_ns > 0);
        if (seed % 3 == 0)
            check_true(stats.mark_overflows > 0, "the child's are counted");
        check_int(gc_collect(s.heap, GC_REASON_ASKED), 0); /* stop the world */
        check_uint(scene_stats(&s).last_marked_bytes, reachable_cost(&g));
        check_uint(scene_stats(&s).snapshot_forks, 1);
        for (int i = 0; i < ROOTS; i++)
            gc_handle_free(s.heap, roots[i]);
        scene_close(&s);
    }
}

/* ---- while the child marks ----------------------------------------------- */

/* The cycle has begun, and its child stands in front of its first object. */
static void open_held(struct scene *s, struct gc_config config, int nodes)
{
    scene_open(s, config);
    scene_push(s, nodes);
    stage_play(s, STAGE_HOLD, 0);
    scene_begin_cycle(s);
    stage_await(s, 1);
    check_uint(scene_stats(s).snapshot_forks, 1);
}

static void what_was_reachable_at_the_fork_lives_and_what_was_not_dies(void **state)
{
    (void)state;
    struct scene s;
    open_held(&s, small, 500);
    struct heap_test_node *list = gc_root(s.heap);
    uint64_t node = gc_cost(sizeof *list), pair = node + gc_cost(40);
    gc_publish(s.heap, NULL); /* dies, but too late for this cycle */
    stage_release(&s);
    scene_end_cycle(&s);
    check_uint(scene_stats(&s).last_marked_bytes, 500 * pair);
    scene_begin_cycle(&s);
    scene_end_cycle(&s);
    check_uint(scene_stats(&s).last_marked_bytes, 0);
    scene_close(&s);
}

static void what_is_made_meanwhile_is_born_marked(void **state)
{
    (void)state;
    struct scene s;
    open_held(&s, small, 500);
    for (int i = 0; i < 300; i++) {
        gc_alloc(s.heap, GC_BYTES, 100); /* dies at once, but not in this cycle */
        scene_push(&s, 1);
        gc_safepoint(s.heap);
    }
    check_not_null(gc_alloc(s.heap, GC_BYTES, 100000));
    stage_release(&s);
    scene_end_cycle(&s);
    uint64_t pair = gc_cost(sizeof(struct heap_test_node)) + gc_cost(40);
    check_uint(scene_stats(&s).last_marked_bytes,
               800 * pair + 300 * gc_cost(100) + gc_cost(100000));
    check_int(scene_length(&s), 800);
    check_int(gc_collect(s.heap, GC_REASON_ASKED), 0);
    check_uint(scene_stats(&s).last_marked_bytes, 800 * pair);
    scene_close(&s);
}

/* The only pointer to an object moves from a place that the child has not traced yet
 * into a new object, a root slot, a handle and a pin. No barrier is needed for that. */
static void pointers_may_move_anywhere(void **state)
{
    (void)state;
    struct scene s;
    void *slot = NULL;
    open_held(&s, (struct gc_config){ .min_heap_bytes = 1 << 18, .readers = 1 }, 500);
    struct gc_reader *reader = gc_reader_open(s.heap, 0);
    struct gc_handle *handle = gc_handle_new(s.heap, NULL);
    check_int(gc_root_add(s.heap, &slot), 0);
    struct heap_test_node *at = gc_root(s.heap), *moved[4];
    for (int i = 0; i < 4; i++, at = at->next) {
        moved[i] = at;
        moved[i]->value = 100 + (uint64_t)i;
    }
    struct heap_test_node *fresh = heap_test_cons(s.heap, s.node, NULL);
    gc_store(s.heap, fresh, &fresh->other, moved[0]);
    slot = moved[1];
    gc_handle_set(handle, moved[2]);
    gc_reader_enter(reader);
    int pin = gc_pin(reader, moved[3]);
    gc_reader_leave(reader);
    for (int i = 0; i < 4; i++)
        gc_store(s.heap, moved[i], &moved[i]->next, NULL);
    gc_publish(s.heap, fresh);
    for (int i = 0; i < 100; i++, at = at->next) /* what a barrier marked would count */
        gc_store(s.heap, at, &at->bytes, NULL);  /* twice */
    stage_release(&s);
    scene_end_cycle(&s); /* verify is on: what is reachable now has to be marked */
    check_int(gc_collect(s.heap, GC_REASON_ASKED), 0);
    uint64_t pair = gc_cost(sizeof *at) + gc_cost(40);
    check_uint(scene_stats(&s).last_marked_bytes, 4 * pair + gc_cost(sizeof *at));
    for (int i = 0; i < 4; i++)
        check_uint(moved[i]->value, 100 + (uint64_t)i);
    check_uint(gc_verify(s.heap, 2, NULL, NULL), 0);
    gc_unpin(reader, pin);
    gc_reader_close(reader);
    gc_root_remove(s.heap, &slot);
    scene_close(&s);
}

static void the_owner_is_held_up_by_nothing_but_the_fork(void **state)
{
    (void)state;
    struct scene s;
    open_held(&s, small, 500);
    uint64_t slices = scene_stats(&s).slices;
    check_uint(slices, 1, "the fork is a pause");
    check_uint(s.events[GC_EVENT_SNAPSHOT_FORK], 1);
    check_uint(s.events[GC_EVENT_SLICE], 1);
    check_true(scene_stats(&s).pause_max_ns >= scene_stats(&s).snapshot_fork_last_ns);
    for (int i = 0; i < 1000; i++) {
        gc_alloc(s.heap, GC_BYTES, 100);
        gc_safepoint(s.heap);
        check_true(gc_step(s.heap, 1000), "work remains: that of the child");
    }
    check_uint(scene_stats(&s).slices, slices);
    check_int(scene_stats(&s).phase, GC_MARK);
    stage_release(&s);
    scene_end_cycle(&s);
    check_true(scene_stats(&s).slices > slices);
    check_uint(s.events[GC_EVENT_SNAPSHOT_MARK], 1);
    check_uint(s.events[GC_EVENT_SNAPSHOT_FAIL], 0);
    check_uint(s.events[GC_EVENT_CYCLE_START], 1);
    check_uint(s.events[GC_EVENT_CYCLE_END], 1);
    scene_close(&s);
}

static void a_collection_that_is_asked_for_does_not_wait_for_the_child(void **state)
{
    (void)state;
    struct scene s;
    open_held(&s, small, 500);
    gc_publish(s.heap, NULL);
    scene_push(&s, 3);
    check_int(gc_collect(s.heap, GC_REASON_ASKED), 0);
    struct gc_stats stats = scene_stats(&s);
    check_uint(stats.last_marked_bytes,
               3 * (gc_cost(sizeof(struct heap_test_node)) + gc_cost(40)));
    check_uint(stats.snapshot_cancels, 1);
    check_uint(stats.snapshot_failures, 0);
    check_uint(stats.cycles, 1);
    check_int(stats.last_reason, GC_REASON_ASKED);
    check_uint(gc_verify(s.heap, 2, NULL, NULL), 0);
    stage_play(&s, STAGE_PASS, 0);
    scene_end_cycle(&s);
    scene_begin_cycle(&s); /* and the next one has a child again */
    check_uint(scene_stats(&s).snapshot_forks, 2);
    scene_end_cycle(&s);
    check_int(scene_length(&s), 3);
    scene_close(&s);
}

/* Marks are merged in pieces; a collection may be asked for between two of them. */
static void
a_collection_that_is_asked_for_late_takes_the_marks_of_the_child(void **state)
{
    (void)state;
    struct scene s;
    scene_open(&s, (struct gc_config){ .min_heap_bytes = 64 << 20, .max_pause_ns = 1 });
    for (int i = 0; i < 70; i++)
        check_not_null(heap_test_push(s.heap, s.node, 1 << 20));
    stage_play(&s, STAGE_HOLD, 0);
    scene_begin_cycle(&s);
    stage_await(&s, 1);
    stage_release(&s);
    while (s.events[GC_EVENT_SNAPSHOT_MARK] == 0)
        gc_step(s.heap, 0);
    check_int(scene_stats(&s).phase, GC_MARK, "3 pieces, of which one is merged");
    gc_publish(s.heap, NULL);
    check_int(gc_collect(s.heap, GC_REASON_ASKED), 0);
    check_uint(scene_stats(&s).last_marked_bytes, 0);
    check_uint(scene_stats(&s).cycles, 2);
    check_uint(scene_stats(&s).snapshot_cancels, 0);
    scene_close(&s);
}

static uint64_t real_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

/* Nothing can be allocated until the child is done: the owner leaves it the processor,
 * and comes back after the length of a slice. */
static void the_owner_of_a_full_heap_sleeps_for_the_child(void **state)
{
    (void)state;
    struct scene s;
    open_held(&s,
              (struct gc_config){ .min_heap_bytes = 1 << 18,
                                  .limit_bytes = 2 << 20,
                                  .max_pause_ns = 3000000 },
              500);
    while (gc_alloc(s.heap, GC_BYTES, 500))
        continue;
    check_uint(scene_stats(&s).limit_hits, 1);
    uint64_t begin = real_ns(), slices = scene_stats(&s).slices;
    gc_safepoint(s.heap);
    check_true(real_ns() - begin >= 3000000);
    check_uint(scene_stats(&s).slices, slices + 1, "it is a pause");
    check_int(scene_stats(&s).phase, GC_MARK);
    stage_release(&s);
    while (scene_stats(&s).phase != GC_IDLE)
        gc_safepoint(s.heap);
    check_uint(scene_stats(&s).snapshot_failures, 0);
    check_uint(scene_stats(&s).cycles, 1);
    /* What was made before the fork is free. The next cycle is for the limit, and marks
     * here. */
    while (gc_alloc(s.heap, GC_BYTES, 500))
        continue;
    s.time_ns += 1000000000;
    while (scene_stats(&s).cycles < 2)
        gc_safepoint(s.heap);
    check_uint(scene_stats(&s).snapshot_forks, 1);
    check_int(scene_stats(&s).last_reason, GC_REASON_LIMIT);
    check_not_null(gc_alloc(s.heap, GC_BYTES, 500));
    check_int(scene_length(&s), 500);
    scene_close(&s);
}

/* Stress mode: whatever died is freed at the very next safepoint. */
static void a_safepoint_under_stress_is_a_whole_cycle(void **state)
{
    (void)state;
    struct scene s;
    scene_open(&s, (struct gc_config){ .stress = true });
    scene_push(&s, 20);
    uint64_t pair = gc_cost(sizeof(struct heap_test_node)) + gc_cost(40);
    for (uint64_t i = 1; i <= 20; i++) {
        gc_alloc(s.heap, GC_BYTES, 500);
        gc_safepoint(s.heap);
        check_uint(scene_stats(&s).cycles, i);
        check_uint(scene_stats(&s).last_marked_bytes, 20 * pair);
    }
    check_true(scene_stats(&s).snapshot_forks > 0);
    check_uint(scene_stats(&s).snapshot_failures, 0);
    scene_close(&s);
}

/* ---- other forks --------------------------------------------------------- */

/* Of the stage, and of the result of a child. */
static int shared_mappings(void)
{
    char line[512];
    int n = 0;
    FILE *f = fopen("/proc/self/maps", "re");
    while (f && fgets(line, sizeof line, f))
        n += strstr(line, "rw-s") && strstr(line, "/dev/zero");
    if (f)
        fclose(f);
    return n;
}

/* The child of the program owns a copy; the marking child is its parent's. */
static int child_collects(struct gc_heap *heap, void *arg)
{
    struct scene *s = arg;
    s->stage->owner = getpid();
    if (shared_mappings() != 1)
        return 4; /* it could write into the marks of its parent */
    if (scene_stats(s).snapshot_processes)
        return 5;
    for (int i = 0; i < 3; i++) {
        scene_push(s, 100);
        if (gc_collect(heap, GC_REASON_ASKED))
            return 1;
    }
    if (gc_verify(heap, 3, NULL, NULL) || scene_stats(s).snapshot_cancels)
        return 2;
    return scene_length(s) == 800 ? 0 : 3;
}

static void a_fork_of_the_program_and_a_marking_child_do_not_meet(void **state)
{
    (void)state;
    for (int how = 0; how < 4; how++) {
        struct scene s;
        open_held(&s,
                  (struct gc_config){ .min_heap_bytes = 1 << 18,
                                      .after_fork = how & 1 ? GC_ARENA : GC_INHERIT,
                                      .reuse = how & 2 ? GC_REUSE_NONE : GC_REUSE_ANY },
                  500);
        check_int(shared_mappings(), 2);
        check_int(heap_test_in_child(s.heap, child_collects, &s), 0, "how %d", how);
        s.stage->owner = getpid();
        check_uint(scene_stats(&s).snapshot_processes, 1, "ours lives");
        scene_push(&s, 50);
        stage_release(&s);
        scene_end_cycle(&s);
        check_uint(scene_stats(&s).snapshot_failures, 0);
        check_int(scene_length(&s), 550);
        check_int(gc_collect(s.heap, GC_REASON_ASKED), 0);
        check_uint(gc_verify(s.heap, 2, NULL, NULL), 0);
        scene_close(&s);
    }
}

/* Exit code 0: it has made marking children of its own, and they marked its arena only.
 */
static int child_makes_snapshots(struct gc_heap *heap, void *arg)
{
    struct scene *s = arg;
    s->stage->owner = getpid();
    struct gc_handle *handle = gc_handle_new(heap, NULL);
    scene_push(s, 20);
    for (int i = 0; i < 3; i++) {
        gc_handle_set(handle, gc_alloc(heap, GC_BYTES, 1000));
        scene_begin_cycle(s);
        scene_end_cycle(s);
    }
    struct gc_stats stats = scene_stats(s);
    if (stats.snapshot_forks != 3 || stats.snapshot_failures)
        return 1;
    uint64_t pair = gc_cost(sizeof(struct heap_test_node)) + gc_cost(40);
    if (stats.last_marked_bytes != 20 * pair + gc_cost(1000))
        return 2;
    return scene_length(s) == 520 && gc_verify(heap, 3, NULL, NULL) == 0 ? 0 : 3;
}

static void a_child_of_the_program_marks_its_arena_in_children_of_its_own(void **state)
{
    (void)state;
    struct scene s;
    scene_open(&s, (struct gc_config){ .min_heap_bytes = 1 << 18,
                                       .after_fork = GC_ARENA,
                                       .reuse = GC_REUSE_NONE });
    scene_push(&s, 500);
    check_int(heap_test_in_child(s.heap, child_makes_snapshots, &s), 0);
    scene_close(&s);
}

/* ---- what the owner pays ------------------------------------------------- */

/* The price of rule 15: while the child lives, each page that the owner writes for the
 * first time is copied: those that it allocates in or stores into, and no others;
 * marking writes none. */
static void the_owner_copies_the_pages_that_it_writes_and_no_others(void **state)
{
    (void)state;
    struct scene s;
    const void *start, *end;
    open_held(&s, (struct gc_config){ .min_heap_bytes = 16 << 20 }, 60000);
    gc_range(s.heap, &start, &end);
    long present = heap_test_present_pages(start, end);
    long before = heap_test_private_pages(start, end);
    check_true(present > 2500, "%ld pages", present);
    check_true(before >= 0 && before < 20, "%ld of %ld pages are not shared", before,
               present);
    struct heap_test_node *at = gc_root(s.heap);
    for (int i = 0; i < 40; i++) { /* 40 pages: a page has fewer than 200 pairs */
        gc_store(s.heap, at, &at->other, NULL);
        for (int k = 0; k < 400; k++)
            at = at->next;
    }
    long stored = heap_test_private_pages(start, end) - before;
    check_true(stored >= 30 && stored <= 40, "%ld pages copied by 40 stores", stored);
    gc_pretouch(s.heap, GC_PRETOUCH_WRITE); /* the counter-test: write all */
    long all = heap_test_private_pages(start, end);
    check_true(all > present * 9 / 10, "%ld of %ld", all, present);
    stage_release(&s);
    scene_end_cycle(&s);
    check_int(scene_length(&s), 60000);
    scene_close(&s);
}

TEST_MAIN(test(what_cannot_work_is_refused_with_the_reason),
          test(random_graphs_are_marked_as_a_model_says),
          test(what_was_reachable_at_the_fork_lives_and_what_was_not_dies),
          test(what_is_made_meanwhile_is_born_marked), test(pointers_may_move_anywhere),
          test(the_owner_is_held_up_by_nothing_but_the_fork),
          test(a_collection_that_is_asked_for_does_not_wait_for_the_child),
          test(a_collection_that_is_asked_for_late_takes_the_marks_of_the_child),
          test(the_owner_of_a_full_heap_sleeps_for_the_child),
          test(a_safepoint_under_stress_is_a_whole_cycle),
          test(a_fork_of_the_program_and_a_marking_child_do_not_meet),
          test(a_child_of_the_program_marks_its_arena_in_children_of_its_own),
          test(the_owner_copies_the_pages_that_it_writes_and_no_others))
