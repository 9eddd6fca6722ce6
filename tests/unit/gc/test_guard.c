/* SPDX-License-Identifier: MIT */
/* test_guard.c - a child that writes to what it inherited dies, and says where.
 *
 * The child makes the inherited range read-only, and on a private heap the allocation
 * bits of that range too; then it lives: it allocates, stores, pins, collects. A write
 * is a SIGSEGV, whose handler sends the address home. Settings that have to write there
 * are the counter-tests.
 */
#define GC_IMPL
#include "gc/heap.h"

#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/unit/gc/heap_test.h"

enum { NODES = 3000, ROUNDS = 10, GUARDED = 99, BROKEN = 101 };

static int report_to;

static void on_write(int sig, siginfo_t *info, void *context)
{
    uintptr_t addr = (uintptr_t)info->si_addr;
    (void)sig;
    (void)context;
    _exit(write(report_to, &addr, sizeof addr) == sizeof addr ? GUARDED : BROKEN);
}

static void listen_for_writes(int fd)
{
    struct sigaction act = { .sa_sigaction = on_write, .sa_flags = SA_SIGINFO };
    report_to = fd;
    sigaction(SIGSEGV, &act, NULL);
}

static bool guard(uintptr_t start, uintptr_t end)
{
    start = (start + PAGE - 1) & ~(uintptr_t)(PAGE - 1);
    end &= ~(uintptr_t)(PAGE - 1);
    return mprotect((void *)start, end - start, PROT_READ) == 0;
}

static bool guard_inherited(struct gc_heap *heap)
{
    const void *start, *end;
    gc_range(heap, &start, &end);
    if (!guard((uintptr_t)start, (uintptr_t)end))
        return false;
    if (heap->config.shared || heap->config.after_fork != GC_ARENA)
        return true;
    size_t chunks = ((uintptr_t)end - heap->base) >> CHUNK_SHIFT;
    return guard((uintptr_t)heap->alloc,
                 (uintptr_t)heap->alloc + chunks * (CHUNK / GRANULE / 8)) &&
           guard((uintptr_t)heap->blocks,
                 (uintptr_t)(heap->blocks + chunks * CHUNK_BLOCKS)) &&
           guard((uintptr_t)heap->runs, (uintptr_t)(heap->runs + chunks * CHUNK_PAGES));
}

/* ---- lives ---------------------------------------------------------------------- */

static void read_all(const struct heap_test_node *n)
{
    volatile uint64_t sum = 0;
    for (; n; n = n->next)
        sum += n->value + (n->bytes ? *(const unsigned char *)n->bytes : 0);
}

static void read_and_pin(struct gc_reader *r)
{
    int pins[8];
    const struct heap_test_node *n = gc_reader_enter(r);
    read_all(n);
    for (size_t i = 0; i < TEST_COUNT(pins); i++, n = n->next)
        pins[i] = gc_pin(r, n);
    gc_reader_leave(r);
    for (size_t i = 0; i < TEST_COUNT(pins); i++)
        gc_unpin(r, pins[i]);
}

/* Old and new objects in one list, so that the marker meets the border. */
static bool churn(struct gc_heap *heap, int node, struct gc_handle *mine)
{
    for (int i = 0; i < 1500; i++) {
        size_t bytes = i % 300 == 7 ? 70000 : (size_t)i * 7 % 9000;
        struct heap_test_node *old = i % 50 ? gc_handle_get(mine) : gc_root(heap);
        struct heap_test_node *n = heap_test_cons(heap, node, old);
        void *b = n ? gc_alloc(heap, GC_BYTES, bytes) : NULL;
        if (!b)
            return false;
        if (bytes)
            *(unsigned char *)b = 1;
        n->bytes = bytes ? b : NULL;
        struct heap_test_node *before = gc_handle_get(mine);
        if (before && !gc_frozen(heap, before) && heap->config.after_fork == GC_ARENA)
            gc_store(heap, before, &before->other, n);
        gc_handle_set(mine, n);
        gc_safepoint(heap);
    }
    return true;
}

static int live(struct gc_heap *heap, int node)
{
    struct gc_reader *r = gc_reader_open(heap, 0);
    struct gc_handle *mine = heap->config.shared ? NULL : gc_handle_new(heap, NULL);
    if (!r)
        return BROKEN;
    for (int round = 0; round < ROUNDS; round++) {
        read_and_pin(r);
        if (!mine)
            continue;
        if (!churn(heap, node, mine) || gc_collect(heap, GC_REASON_ASKED))
            return BROKEN;
        gc_step(heap, 1000000);
    }
    gc_reader_close(r);
    long pages = gc_pretouch(heap, GC_PRETOUCH_READ);
    return pages > 0 && gc_verify(heap, 2, NULL, NULL) == 0 ? 0 : BROKEN;
}

static int write_by_hand(struct gc_heap *heap, int node)
{
    (void)node;
    ((struct heap_test_node *)gc_root(heap))->value = 1;
    return BROKEN;
}

/* ---- the parent -------------------------------------------------------------------
 */

struct outcome {
    int code;
    uintptr_t wrote; /* 0: nothing */
    bool in_range;
};

static struct gc_heap *grown_heap(struct gc_config config, int *ret_node)
{
    config.readers = 1;
    config.min_heap_bytes = 1 << 18;
    struct gc_heap *heap = heap_test_new(&config);
    *ret_node = gc_type_add(heap, &heap_test_node);
    for (int i = 0; i < NODES; i++) {
        gc_alloc(heap, GC_BYTES, 40 + (size_t)i % 2000); /* leaves holes */
        struct heap_test_node *n =
            heap_test_push(heap, *ret_node, i % 500 ? 40 + (size_t)i % 2000 : 50000);
        *(unsigned char *)n->bytes = 1;
    }
    check_int(gc_collect(heap, GC_REASON_ASKED), 0);
    return heap;
}

static struct outcome outcome_of(struct gc_config config,
                                 int (*fn)(struct gc_heap *heap, int node))
{
    struct outcome o = { 0 };
    int node, fds[2], status;
    struct gc_heap *heap = grown_heap(config, &node);
    const void *start, *end;
    gc_range(heap, &start, &end);
    check_int(pipe(fds), 0);
    gc_fork_prepare(heap);
    pid_t pid = fork();
    if (pid == 0) {
        listen_for_writes(fds[1]);
        bool ready = gc_fork_child(heap) == 0 && guard_inherited(heap);
        _exit(ready ? fn(heap, node) : BROKEN);
    }
    gc_fork_parent(heap);
    close(fds[1]);
    check_int(waitpid(pid, &status, 0), pid);
    if (read(fds[0], &o.wrote, sizeof o.wrote) != sizeof o.wrote)
        o.wrote = 0;
    close(fds[0]);
    check_true(WIFEXITED(status), "status %#x", status);
    o.code = WEXITSTATUS(status);
    o.in_range = o.wrote >= (uintptr_t)start && o.wrote < (uintptr_t)end;
    gc_free(heap);
    return o;
}

static void a_child_with_an_arena_writes_nothing_that_it_inherited(void **state)
{
    (void)state;
    for (int reuse = GC_REUSE_ANY; reuse <= GC_REUSE_NONE; reuse++)
        for (int schedule = GC_STW; schedule <= GC_INCREMENTAL; schedule++) {
            struct outcome o =
                outcome_of((struct gc_config){ .after_fork = GC_ARENA,
                                               .reuse = (enum gc_reuse)reuse,
                                               .schedule = (enum gc_schedule)schedule,
                                               .max_pause_ns = 20000 },
                           live);
            check_int(o.code, 0, "reuse %d, schedule %d: a write at %#jx", reuse,
                      schedule, (uintmax_t)o.wrote);
        }
}

static void
a_child_that_collects_beside_old_blocks_writes_no_inherited_object(void **state)
{
    (void)state;
    struct outcome o = outcome_of((struct gc_config){ .reuse = GC_REUSE_NONE }, live);
    check_int(o.code, 0, "a write at %#jx", (uintmax_t)o.wrote);
}

static void a_reader_of_a_shared_heap_writes_nothing_in_it(void **state)
{
    (void)state;
    struct outcome o = outcome_of((struct gc_config){ .shared = true }, live);
    check_int(o.code, 0, "a write at %#jx", (uintmax_t)o.wrote);
}

/* ---- it can fail --------------------------------------------------------------------
 */

static void a_write_dies_with_its_address(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        struct gc_config config;
        int (*fn)(struct gc_heap *heap, int node);
    } cases[] = {
        { "marks in headers",
          { .marks = GC_MARKS_HEADER, .reuse = GC_REUSE_NONE },
          live },
        { "holes filled", { .reuse = GC_REUSE_ANY }, live },
        { "by hand, arena", { .after_fork = GC_ARENA }, write_by_hand },
        { "by hand, shared", { .shared = true }, write_by_hand },
    };
    for (size_t i = 0; i < TEST_COUNT(cases); i++) {
        struct outcome o = outcome_of(cases[i].config, cases[i].fn);
        check_int(o.code, GUARDED, "%s", cases[i].name);
        check_true(o.in_range, "%s: %#jx", cases[i].name, (uintmax_t)o.wrote);
    }
}

TEST_MAIN(test(a_child_with_an_arena_writes_nothing_that_it_inherited),
          test(a_child_that_collects_beside_old_blocks_writes_no_inherited_object),
          test(a_reader_of_a_shared_heap_writes_nothing_in_it),
          test(a_write_dies_with_its_address))
