/* SPDX-License-Identifier: MIT */
/* test_fork.c - what a child inherits, what it may write, and what it costs.
 *
 * The proofs count pages: after a fork each page of the heap is mapped by parent and
 * child; one that the child (or the parent) has written is its own. A proof that cannot
 * fail proves nothing, so marks in headers, the control, have to break it.
 */
#include "tests/unit/gc/heap_test.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

enum { NODES = 10000 };

struct family {
    int node;
    struct gc_config config;
};

/* A list whose nodes lie close, and holes between them. */
static struct gc_heap *grown_heap(struct family *family)
{
    struct gc_heap *heap = heap_test_new(&family->config);
    family->node = gc_type_add(heap, &heap_test_node);
    for (int i = 0; i < NODES; i++) {
        gc_alloc(heap, GC_BYTES, 40 + (size_t)i % 2000); /* garbage between */
        struct heap_test_node *n =
            heap_test_push(heap, family->node, 40 + (size_t)i % 2000);
        n->value = (uint64_t)i;
        n->other = n->next ? n->next->next : NULL;
    }
    check_int(gc_collect(heap, GC_REASON_ASKED), 0);
    return heap;
}

/* The list is there and complete. */
static bool list_is_whole(struct gc_heap *heap, uint64_t n)
{
    const struct heap_test_node *at = gc_root(heap);
    while (at && n--)
        if (at->value != n || gc_size(at->bytes) != 40 + n % 2000)
            return false;
        else
            at = at->next;
    return n == 0 && at == NULL;
}

static uint64_t garbage(struct gc_heap *heap, int node, int n)
{
    struct heap_test_node *keep = NULL;
    struct gc_handle *handle = gc_handle_new(heap, NULL);
    for (int i = 0; i < n; i++) {
        struct heap_test_node *x =
            heap_test_cons(heap, node, i % 100 ? (void *)keep : gc_root(heap));
        if (!x)
            return 0;
        x->bytes = gc_alloc(heap, GC_BYTES, 40 + (size_t)i * 7 % 2000);
        keep = x;
        gc_handle_set(handle, keep);
        gc_safepoint(heap);
    }
    gc_handle_free(heap, handle);
    struct gc_stats stats;
    gc_get_stats(heap, &stats);
    return stats.cycles;
}

static int percent_copied(struct gc_heap *heap)
{
    const void *start, *end;
    gc_range(heap, &start, &end);
    long copied = heap_test_private_pages(start, end);
    long present = heap_test_present_pages(start, end);
    return copied < 0 || present < 1000 ? -1
                                        : (int)((copied * 100 + present - 1) / present);
}

enum { BROKEN = 101 };

/* What a worker does with what it inherited: looks entries up, and pins them while it
 * sends them. */
static bool read_and_pin(struct gc_heap *heap, struct gc_reader *reader)
{
    int pins[20];
    const struct heap_test_node *n = gc_reader_enter(reader);
    for (size_t i = 0; i < TEST_COUNT(pins); i++, n = n->next)
        pins[i] = gc_pin(reader, n);
    gc_reader_leave(reader);
    gc_safepoint(heap);
    for (size_t i = 0; i < TEST_COUNT(pins); i++)
        gc_unpin(reader, pins[i]);
    return pins[0] >= 0;
}

/* Exit code: percent of the inherited pages that the child copied. */
static int live_a_life(struct gc_heap *heap, void *arg)
{
    const struct family *family = arg;
    struct gc_reader *reader = gc_reader_open(heap, 0);
    if (!reader)
        return BROKEN;
    for (int i = 0; i < 10; i++) {
        garbage(heap, family->node, 1500);
        if (!read_and_pin(heap, reader))
            return BROKEN;
        if (gc_collect(heap, GC_REASON_ASKED) || gc_verify(heap, 3, NULL, NULL) ||
            !list_is_whole(heap, NODES))
            return BROKEN;
    }
    int percent = percent_copied(heap);
    return percent < 0 ? BROKEN : percent;
}

static int copied_percent(struct gc_config config)
{
    struct family family = { .config = config };
    family.config.readers = 1;
    struct gc_heap *heap = grown_heap(&family);
    int status = heap_test_in_child(heap, live_a_life, &family);
    check_true(WIFEXITED(status), "status %d", status);
    check_true(list_is_whole(heap, NODES));
    check_uint(gc_verify(heap, 3, NULL, NULL), 0);
    gc_free(heap);
    return WEXITSTATUS(status);
}

static void a_child_with_an_arena_copies_no_inherited_page(void **state)
{
    (void)state;
    check_int(copied_percent(
                  (struct gc_config){ .after_fork = GC_ARENA, .reuse = GC_REUSE_NONE }),
              0);
    check_int(copied_percent((struct gc_config){ .after_fork = GC_ARENA,
                                                 .reuse = GC_REUSE_ANY,
                                                 .schedule = GC_INCREMENTAL }),
              0);
}

static void a_child_that_collects_with_side_marks_copies_no_inherited_page(void **state)
{
    (void)state;
    check_int(copied_percent((struct gc_config){ .reuse = GC_REUSE_NONE }), 0);
}

static void marks_in_headers_copy_most_inherited_pages(void **state)
{
    (void)state;
    int percent = copied_percent(
        (struct gc_config){ .reuse = GC_REUSE_NONE, .marks = GC_MARKS_HEADER });
    check_true(percent >= 80 && percent <= 100, "%d %%", percent);
}

/* rule 8: this, and that the two tests above copy nothing */
static void filling_holes_copies_inherited_pages(void **state)
{
    (void)state;
    int percent = copied_percent((struct gc_config){ .reuse = GC_REUSE_ANY });
    check_true(percent >= 5 && percent <= 100, "%d %%", percent);
}

static void filling_whole_pages_copies_fewer_than_filling_holes(void **state)
{
    (void)state;
    int any = copied_percent((struct gc_config){ .reuse = GC_REUSE_ANY });
    int page = copied_percent((struct gc_config){ .reuse = GC_REUSE_PAGE });
    check_true(page < any, "page %d %%, any %d %%", page, any);
}

/* ---- frozen -------------------------------------------------------------- */

static int write_nothing_inherited(struct gc_heap *heap, void *arg)
{
    const struct family *family = arg;
    const void *start, *end;
    gc_range(heap, &start, &end);
    /* Any store into what was inherited is a SIGSEGV from here on. */
    if (mprotect((void *)(uintptr_t)start,
                 (size_t)((const char *)end - (const char *)start), PROT_READ))
        return BROKEN;
    for (int i = 0; i < 3; i++) {
        garbage(heap, family->node, 5000);
        if (gc_collect(heap, GC_REASON_ASKED))
            return BROKEN;
    }
    struct heap_test_node *mine = heap_test_push(heap, family->node, 9000);
    struct gc_stats stats;
    gc_get_stats(heap, &stats);
    bool ok = mine && !gc_frozen(heap, mine) && gc_frozen(heap, mine->next) &&
              (const void *)mine >= end && stats.frozen_bytes > 0;
    return ok ? 0 : BROKEN;
}

/* rule 9 */
static void the_frozen_part_of_a_heap_is_never_written(void **state)
{
    (void)state;
    struct family family = { .config = { .after_fork = GC_ARENA } };
    struct gc_heap *heap = grown_heap(&family);
    check_int(heap_test_in_child(heap, write_nothing_inherited, &family), 0);
    gc_free(heap);
}

static int store_into_frozen(struct gc_heap *heap, void *arg)
{
    const struct family *family = arg;
    struct heap_test_node *old = gc_root(heap);
    gc_store(heap, old, &old->other, heap_test_cons(heap, family->node, NULL));
    return 0;
}

static void a_store_into_a_frozen_object_is_a_bug(void **state)
{
    (void)state;
    struct family family = { .config = { .after_fork = GC_ARENA } };
    struct gc_heap *heap = grown_heap(&family);
    int status = heap_test_in_child(heap, store_into_frozen, &family);
    check_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT, "status %d", status);
    gc_free(heap);
}

static int corrupt_frozen(struct gc_heap *heap, void *arg)
{
    (void)arg;
    struct heap_test_node *old = gc_root(heap);
    if (gc_verify(heap, 3, NULL, NULL))
        return BROKEN;
    old->value++;
    return (int)gc_verify(heap, 3, NULL, NULL);
}

static void the_verifier_sees_one_changed_frozen_word(void **state)
{
    (void)state;
    struct family family = { .config = { .after_fork = GC_ARENA, .verify = true } };
    struct gc_heap *heap = grown_heap(&family);
    int status = heap_test_in_child(heap, corrupt_frozen, &family);
    check_true(WIFEXITED(status) && WEXITSTATUS(status) == 1, "status %d", status);
    gc_free(heap);
}

static int fill_the_arena(struct gc_heap *heap, void *arg)
{
    const struct family *family = arg;
    struct gc_stats stats;
    while (heap_test_push(heap, family->node, 500))
        continue;
    gc_get_stats(heap, &stats);
    return stats.held_bytes <= 1 << 20 && stats.held_bytes > (1 << 20) - (1 << 17) ? 0
                                                                                   : 1;
}

static void an_arena_has_a_limit_of_its_own(void **state)
{
    (void)state;
    struct family family = { .config = { .after_fork = GC_ARENA,
                                         .arena_limit_bytes = 1 << 20 } };
    struct gc_heap *heap = grown_heap(&family);
    check_int(heap_test_in_child(heap, fill_the_arena, &family), 0);
    gc_free(heap);
}

/* ---- the parent ---------------------------------------------------------- */

static int wait_for_end(struct gc_heap *heap, void *arg)
{
    (void)heap;
    char c;
    return read(*(int *)arg, &c, 1) == 0 ? 0 : BROKEN;
}

/* Percent of the pages as of the fork that the parent copied while a child lived. */
static int parent_copied(enum gc_reuse reuse)
{
    struct family family = { .config = { .reuse = reuse,
                                         .min_heap_bytes = 256 << 20, /* never forced */
                                         .decay_ns = -1 } };
    struct gc_heap *heap = grown_heap(&family);
    const void *start, *end;
    int fds[2];
    check_int(pipe(fds), 0);
    gc_range(heap, &start, &end);
    gc_fork_prepare(heap);
    pid_t pid = fork();
    if (pid == 0) {
        close(fds[1]);
        _exit(gc_fork_child(heap) ? BROKEN : wait_for_end(heap, &fds[0]));
    }
    gc_fork_parent(heap);
    close(fds[0]);
    for (int i = 0; i < 3; i++) {
        garbage(heap, family.node, 3000);
        check_int(gc_collect(heap, GC_REASON_ASKED), 0);
    }
    long copied = heap_test_private_pages(start, end);
    long present = heap_test_present_pages(start, end);
    check_true(list_is_whole(heap, NODES));
    check_uint(gc_verify(heap, 2, NULL, NULL), 0);
    close(fds[1]);
    int status;
    check_int(waitpid(pid, &status, 0), pid);
    check_int(status, 0);
    gc_fork_alone(heap);
    garbage(heap, family.node, 3000);
    check_uint(gc_verify(heap, 2, NULL, NULL), 0);
    gc_free(heap);
    return (int)(copied * 100 / present);
}

static void a_parent_allocates_in_fresh_blocks_while_a_child_lives(void **state)
{
    (void)state;
    int none = parent_copied(GC_REUSE_NONE), any = parent_copied(GC_REUSE_ANY);
    /* Fresh chunks within the old range are its own without having been copied. */
    check_true(any >= none + 5, "none %d %%, any %d %%", none, any);
}

/* ---- children in numbers ------------------------------------------------- */

static int live_briefly(struct gc_heap *heap, void *arg)
{
    const struct family *family = arg;
    garbage(heap, family->node, 10);
    return gc_collect(heap, GC_REASON_ASKED) ? BROKEN : 0;
}

static int grandchild(struct gc_heap *heap, void *arg)
{
    const struct family *family = arg;
    garbage(heap, family->node, 1000);
    struct heap_test_node *n = heap_test_push(heap, family->node, 10);
    gc_fork_prepare(heap);
    pid_t pid = fork();
    if (pid == 0) {
        bool ok = gc_fork_child(heap) == 0 && gc_root(heap) == n;
        ok = ok && live_briefly(heap, arg) == 0 && !gc_verify(heap, 3, NULL, NULL);
        _exit(ok ? 0 : BROKEN);
    }
    gc_fork_parent(heap);
    int status;
    return waitpid(pid, &status, 0) == pid && status == 0 ? 0 : BROKEN;
}

static void a_child_may_fork_again(void **state)
{
    (void)state;
    static const enum gc_after_fork after[] = { GC_INHERIT, GC_ARENA };
    for (size_t i = 0; i < TEST_COUNT(after); i++) {
        struct family family = { .config = { .after_fork = after[i], .verify = true } };
        struct gc_heap *heap = grown_heap(&family);
        check_int(heap_test_in_child(heap, grandchild, &family), 0, "case %zu", i);
        gc_free(heap);
    }
}

/* An incremental cycle is under way at the fork: the parent goes on, the child starts
 * anew. */
/* rule 4: a child that inherited marks would take what has one for traced */
static void a_fork_in_the_middle_of_a_cycle_loses_nothing(void **state)
{
    (void)state;
    for (int marks = GC_MARKS_SIDE; marks <= GC_MARKS_HEADER; marks++)
        /* marking takes about ten steps, the rest is sweeping */
        for (unsigned stop = 0; stop < 120; stop += stop < 14 ? 1 : 15) {
            struct family family = { .config = { .schedule = GC_INCREMENTAL,
                                                 .marks = (enum gc_marks)marks,
                                                 .max_pause_ns = 1,
                                                 .min_heap_bytes = 1 << 16,
                                                 .verify = true } };
            struct gc_heap *heap = heap_test_new(&family.config);
            family.node = gc_type_add(heap, &heap_test_node);
            for (int i = 0; i < 3000; i++)
                heap_test_push(heap, family.node, 100 + (size_t)i % 2000)->value =
                    (uint64_t)i;
            struct gc_stats stats;
            for (unsigned i = 0; i < stop; i++)
                gc_step(heap, 1);
            check_int(heap_test_in_child(heap, live_briefly, &family), 0, "%u", stop);
            check_int(gc_collect(heap, GC_REASON_ASKED), 0);
            gc_get_stats(heap, &stats);
            check_int(stats.phase, GC_IDLE);
            gc_free(heap);
        }
}

static long count_maps(void)
{
    FILE *f = fopen("/proc/self/maps", "r");
    long n = 0;
    int c;
    while (f && (c = getc(f)) != EOF)
        n += c == '\n';
    if (f)
        fclose(f);
    return n;
}

static void many_forks_leak_neither_memory_nor_mappings(void **state)
{
    (void)state;
    for (int shared = 0; shared <= 1; shared++) {
        struct family family = { .config = { .shared = shared,
                                             .after_fork = GC_ARENA } };
        struct gc_heap *heap = heap_test_new(&family.config);
        family.node = gc_type_add(heap, &heap_test_node);
        heap_test_push(heap, family.node, 100);
        struct gc_stats first, last;
        long maps = 0;
        for (int i = 0; i < 250; i++) {
            gc_fork_prepare(heap);
            pid_t pid = fork();
            if (pid == 0)
                _exit(gc_fork_child(heap) ? BROKEN : gc_root(heap) == NULL);
            gc_fork_parent(heap);
            int status;
            check_int(waitpid(pid, &status, 0), pid);
            check_int(status, 0);
            gc_publish(heap, NULL);
            heap_test_push(heap, family.node, 100);
            gc_collect(heap, GC_REASON_ASKED);
            if (i == 20) {
                maps = count_maps();
                gc_get_stats(heap, &first);
            }
        }
        gc_get_stats(heap, &last);
        check_int(count_maps(), maps);
        check_uint(last.held_bytes, first.held_bytes);
        check_uint(last.committed_bytes, first.committed_bytes);
        gc_free(heap);
    }
}

/* ---- pretouch ------------------------------------------------------------ */

static int pretouch_write(struct gc_heap *heap, void *arg)
{
    long touched = gc_pretouch(heap, GC_PRETOUCH_WRITE);
    (void)arg;
    return touched < 1000 ? BROKEN : percent_copied(heap);
}

static void pretouch_helps_in_the_child_and_not_in_the_parent(void **state)
{
    (void)state;
    struct family family = { .config = { .marks = GC_MARKS_HEADER } };
    struct gc_heap *heap = grown_heap(&family);
    int status = heap_test_in_child(heap, pretouch_write, &family);
    check_true(WIFEXITED(status) && WEXITSTATUS(status) == 100, "status %d", status);
    check_true(gc_pretouch(heap, GC_PRETOUCH_WRITE) > 1000);
    status = heap_test_in_child(heap, live_briefly, &family);
    check_int(status, 0);
    gc_free(heap);
}

TEST_MAIN(test(a_child_with_an_arena_copies_no_inherited_page),
          test(a_child_that_collects_with_side_marks_copies_no_inherited_page),
          test(marks_in_headers_copy_most_inherited_pages),
          test(filling_holes_copies_inherited_pages),
          test(filling_whole_pages_copies_fewer_than_filling_holes),
          test(the_frozen_part_of_a_heap_is_never_written),
          test(a_store_into_a_frozen_object_is_a_bug),
          test(the_verifier_sees_one_changed_frozen_word),
          test(an_arena_has_a_limit_of_its_own),
          test(a_parent_allocates_in_fresh_blocks_while_a_child_lives),
          test(a_child_may_fork_again),
          test(a_fork_in_the_middle_of_a_cycle_loses_nothing),
          test(many_forks_leak_neither_memory_nor_mappings),
          test(pretouch_helps_in_the_child_and_not_in_the_parent))
